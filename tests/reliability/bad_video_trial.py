"""What bad videos cost a training: the same network with and without them, and what is said."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from copy import deepcopy
from dataclasses import dataclass
from math import sqrt
from pathlib import Path

from bad_dataset import FRAME_NAME, spoil, write_mixed
from benchmark_data import replace_stages
from mmengine.config import Config
from phase_order import PhaseOrderOptions

from f4d_mmaction.analysis.report import markdown_table
from f4d_mmaction.datasets.video_errors import BadVideoError
from f4d_mmaction.engine.launch import build_runner

Injected = dict[str, dict[str, str]]  # by split and path, the kind


@dataclass
class Trial:
    """What came out.

    Args:
        injected: The bad videos.
        reported: (path, kind) of each line of the training's list.
        stopped_at: The path that the test named where it stopped; empty if it did not stop.
        counts: Bad videos of each kind as the test counted them.
        videos: Size of the test split.
        clean: Top-1 accuracy on the clean test split after training on clean data.
        replaced: The same after training on the data with bad videos.
        counted: Of that network on the test split with bad videos, counted as wrong answers.
        sound: The same on the sound videos of that split alone.
    """

    injected: Injected
    reported: list[tuple[str, str]]
    stopped_at: str
    counts: dict[str, int]
    videos: int
    clean: float
    replaced: float
    counted: float
    sound: float

    @property
    def noise(self) -> float:
        """Twice the standard error of the difference of two accuracies on the test split."""
        variances = (p * (1 - p) for p in (self.clean, self.replaced))
        return 2 * sqrt(sum(variances) / self.videos)

    @property
    def checks(self) -> dict[str, bool]:
        """What has to hold, and whether it does."""
        test = self.injected["test"]
        right = self.sound * (self.videos - len(test))
        return {
            "the clean training learns, so that a loss would show": self.clean > 0.5,
            "trains to the same accuracy within noise": self.clean - self.replaced <= self.noise,
            "training reports exactly the bad videos, once each": (
                sorted(self.reported) == sorted(self.injected["train"].items())
            ),
            "test stops and names a bad video": self.stopped_at in test,
            "test counts each kind": self.counts == Counter(test.values()),
            "test counts them as wrong": abs(self.counted * self.videos - right) < 0.5,
        }

    def to_markdown(self) -> str:
        """Format the figures and the checks."""
        train, test = (Counter(self.injected[split].values()) for split in ("train", "test"))
        found = Counter(
            kind for path, kind in self.reported if self.injected["train"].get(path) == kind
        )
        rows = [
            [kind, train[kind], found[kind], test[kind], self.counts.get(kind, 0)]
            for kind in sorted(train | test)
        ]
        columns = (train, found, test, self.counts)
        rows.append(["all", *(sum(column.values()) for column in columns)])
        header = ["kind", "injected, training", "reported", "injected, test", "counted"]
        accuracies = [
            ["clean", "clean", f"{self.clean:.1%}"],
            ["bad videos replaced", "clean", f"{self.replaced:.1%}"],
            ["bad videos replaced", "bad videos counted as wrong", f"{self.counted:.1%}"],
            ["bad videos replaced", "sound videos alone", f"{self.sound:.1%}"],
        ]
        lines = [
            markdown_table(header, rows),
            "",
            markdown_table(["training", "test", "top-1"], accuracies),
            "",
            f"Noise (two standard errors of the difference): {self.noise:.1%}",
            f"False reports in training: {len(self.reported) - sum(found.values())}",
            f"Stopped at: {self.stopped_at}",
            "",
            *(f"{'ok' if holds else 'FAILED'}: {check}" for check, holds in self.checks.items()),
        ]
        return "\n".join(lines)


def make_datasets(folder: Path, options: PhaseOrderOptions, share: float = 0.1) -> Injected:
    """Write the benchmark to ``folder / 'clean'``, and with bad videos to ``folder / 'bad'``.

    What an earlier trial left in ``folder`` is deleted.

    Args:
        folder: Of the trial.
        options: Of the benchmark.
        share: Of bad videos, in training and test.

    Raises:
        ValueError: the share is not between 0 and 1, or there are too few videos.
    """
    if not 0 < share < 1:
        raise ValueError(f"share={share}: expected a share of bad videos between 0 and 1")
    folder = folder.resolve()
    for name in ("clean", "bad", "runs"):
        shutil.rmtree(folder / name, ignore_errors=True)
    write_mixed(folder / "clean", options)
    return spoil(folder / "clean", folder / "bad", share)


def try_bad_videos(
    config: Config, folder: Path, injected: Injected, epochs: int = 8, time_limit: float = 2.0
) -> Trial:
    """Train on both datasets of :func:`make_datasets`, and test in both ways.

    Args:
        config: Of a network for the shipped benchmark.
        folder: Of the datasets, and for logs and checkpoints.
        injected: The bad videos.
        epochs: Of each training.
        time_limit: Seconds for one video.
    """
    base, folder = deepcopy(config), folder.resolve()
    base.train_cfg.max_epochs = base.train_cfg.val_interval = epochs
    base.param_scheduler[0].total_steps = epochs
    set_time_limit(base, time_limit)
    clean, bad = folder / "clean", folder / "bad"

    def run(name: str, learnt: Path, tested: Path, split: str = "test", **hook: object) -> Config:
        cfg = deepcopy(base)
        cfg.work_dir, cfg.experiment_name = str(folder / "runs" / name), f"{folder.name}_{name}"
        read_mixed(cfg.train_dataloader, learnt, "train")
        for loader in (cfg.val_dataloader, cfg.test_dataloader):
            read_mixed(loader, tested, split)
        cfg.default_hooks.bad_video = dict(type="BadVideoHook", **hook)
        return cfg

    accuracies = {}
    for name, data in {"clean": clean, "replaced": bad}.items():
        runner = build_runner(run(name, data, clean, max_share=1.0))
        runner.train()  # validates on the test split, after the last epoch only
        accuracies[name] = runner.message_hub.get_scalar("val/acc/top1").current()
    listed = (folder / "runs" / "replaced" / "bad_videos.jsonl").read_text().splitlines()
    reports = [json.loads(line) for line in listed]

    def test(name: str, **settings: object) -> dict[str, float]:
        cfg = run(name, bad, bad, **settings)
        cfg.load_from = str(folder / "runs" / "replaced" / f"epoch_{epochs}.pth")
        return build_runner(cfg).test()

    stopped_at = ""
    try:
        test("stop", test="stop")
    except BadVideoError as error:
        # What a worker raises arrives as its text alone.
        stopped_at = error.path or next(p for p in injected["test"] if p in str(error))
    counted = test("count", test="count")
    return Trial(
        injected=injected,
        reported=[(report["path"], report["kind"]) for report in reports],
        stopped_at=stopped_at,
        counts={
            key.split("/")[1]: value
            for key, value in counted.items()
            if key.startswith("bad_videos/") and key != "bad_videos/all"
        },
        videos=len(runner.val_dataloader.dataset),
        counted=counted["acc/top1"],
        sound=test("sound", split="test_sound")["acc/top1"],
        **accuracies,
    )


def set_time_limit(config: Config, time_limit: float) -> None:
    """Set the seconds for one video in the pipelines of all dataloaders."""
    for name in ("train_dataloader", "val_dataloader", "test_dataloader"):
        for step in config[name].dataset.pipeline:
            if step["type"] == "InitVideo":
                step["time_limit"] = time_limit


def read_mixed(loader: dict, root: Path, subset: str) -> None:
    """Have a dataloader of videos read a subset of a dataset of ``write_mixed``."""
    videos = loader["dataset"]
    videos.pop("metainfo", None)
    pipeline = replace_stages(videos["pipeline"], {"DecodeUnits": dict(type="DecodeRawUnits")})
    folders = dict(
        type="RawframeDataset",
        ann_file=str(root / f"{subset}_folders.txt"),
        data_prefix=dict(img=str(root)),
        filename_tmpl=FRAME_NAME,
        pipeline=[step for step in pipeline if step["type"] != "InitVideo"],
        test_mode=videos.get("test_mode", False),
    )
    videos["ann_file"] = str(root / f"{subset}_videos.txt")
    videos["data_prefix"] = dict(video=str(root))
    loader["dataset"] = dict(type="ConcatDataset", datasets=[videos, folders])
