"""What a run does with bad videos: replace them, count them, or stop.

The hook alone switches this on, for any config whose pipeline raises ``BadVideoError``. Bad videos
travel from the workers to the hook inside the samples they belong to, so any number of workers and
processes report without files or memory of their own.
"""

import json
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import torch
from mmaction.registry import HOOKS
from mmengine.dataset import BaseDataset
from mmengine.dist import all_reduce
from mmengine.evaluator import BaseMetric
from mmengine.hooks import Hook
from mmengine.runner import Runner, TestLoop, ValLoop
from torch.utils.data import DataLoader

from ...datasets.unwrapping import unwrapped
from ...datasets.video_errors import BadVideoError
from ...json_lines import read_json_lines
from ..loops import start_workers_late

_KEY = "bad_videos"  # metainfo of a data sample: [{path, kind, message}, ...]


class TooManyBadVideosError(RuntimeError):
    """More videos are bad than the run accepts."""


class StandIns:
    """A pipeline that gives another video of the dataset for a bad one.

    In training it is any, and the sample reports all bad videos on the way to it. In testing it is
    the next readable one, under label and path of the bad video: ``BadVideoMetric`` makes its
    prediction wrong, so the inputs only have to be of the right shape.

    Raises:
        TooManyBadVideosError: ``patience`` videos in a row are bad; in testing (None), all are.
    """

    def __init__(self, dataset: BaseDataset, patience: int | None = None) -> None:
        self.dataset = dataset
        self.pipeline = dataset.pipeline
        self.patience = patience

    def __call__(self, data_info: dict) -> dict:
        """Return the packed sample of this video or of the one in its place."""
        index, size = data_info["sample_idx"], len(self.dataset)
        testing = self.patience is None
        kept = {"label": data_info["label"]} if testing else {}
        own = {key: data_info[key] for key in ("filename", "frame_dir") if key in data_info}
        reports: list[dict] = []
        for _ in range(self.patience or size):
            try:
                packed = self.pipeline(data_info | kept)
            except BadVideoError as error:
                reports.append(dict(path=error.path, kind=error.kind.value, message=str(error)))
                index = (index + 1) % size if testing else np.random.randint(size)
                data_info = self.dataset.get_data_info(index)
                continue
            if reports:
                # In testing, others that are bad too are reported in their own places.
                notes = {_KEY: reports[:1], **own} if testing else {_KEY: reports}
                packed["data_samples"].set_metainfo(notes)
            return packed
        raise TooManyBadVideosError(
            f"{len(reports)} bad videos in a row; the last: {reports[-1]['message']}"
        )

    @property
    def transforms(self) -> list[Callable]:
        """The pipeline's steps."""
        return self.pipeline.transforms


class BadVideoMetric(BaseMetric):
    """Count bad videos, and make their predictions wrong for the metrics that follow.

    It has to come first in the evaluator, whose metrics share the predictions; ``BadVideoHook``
    puts it there. True classes get the lowest score, so the video is wrong in top-k for every k
    below the number of classes, and comes last in the average precision of its classes.
    """

    default_prefix = "bad_videos"

    def process(self, data_batch: dict, data_samples: list[dict]) -> None:
        """Take the reports of one batch; ``data_samples`` change in place."""
        for sample in data_samples:
            reports = sample.get(_KEY, [])
            if reports:
                sample["pred_score"] = _wrong(sample["pred_score"], sample["gt_label"])
            self.results.append([report["kind"] for report in reports])

    def compute_metrics(self, results: list[list[str]]) -> dict[str, int]:
        """Return the number of bad videos in all and of each kind."""
        kinds = Counter(kind for kinds in results for kind in kinds)
        return {"all": sum(kinds.values()), **dict(sorted(kinds.items()))}


@HOOKS.register_module()
@dataclass(eq=False)
class BadVideoHook(Hook):
    """Decide what a run does with bad videos.

    Training: a bad video is replaced by another sample, logged once with its path and written to
    ``bad_videos.jsonl`` in the run's folder (``bad_videos_rank1.jsonl``, ... for further
    processes). Validation and testing stop at the first bad video with its name, or count each
    as a wrong answer and report the counts beside the accuracy.

    Args:
        max_share: Share of bad samples in training above which the run stops: in all processes
            after an epoch, in each beyond chance (three standard deviations) within it.
        test: ``'stop'`` or ``'count'``.
        check_after: Samples before the share is checked; also the number of consecutive bad videos
            after which a worker stops.

    Raises:
        TooManyBadVideosError: from training, if there are too many.
    """

    priority = "HIGH"  # before the logger and the checkpoints of the same iteration

    max_share: float = 0.1
    test: str = "stop"
    check_after: int = 100

    def __post_init__(self) -> None:
        if not 0 <= self.max_share <= 1:
            raise ValueError(f"max_share must be between 0 and 1, got {self.max_share!r}")
        if self.test not in ("stop", "count"):
            raise ValueError(f"test must be 'stop' or 'count', got {self.test!r}")
        if self.check_after < 1:
            raise ValueError(f"check_after must be at least 1, got {self.check_after!r}")
        self._listed: set[str] = set()
        self._samples = self._bad = 0

    def before_run(self, runner: Runner) -> None:
        """Take up the list of the run that this one resumes."""
        # A list per process: appending from several is not safe on network file systems.
        suffix = f"_rank{runner.rank}" if runner.rank else ""
        self._list = Path(runner.work_dir) / f"bad_videos{suffix}.jsonl"
        if runner._resume:
            self._listed = {report["path"] for report in read_json_lines(self._list)}

    def before_train(self, runner: Runner) -> None:
        """Let the training datasets replace bad videos."""
        best = [getattr(hook, "save_best", None) for hook in runner.hooks]
        if self.test == "count" and any("auto" in (name or ()) for name in best):
            raise ValueError(
                "save_best='auto' goes by the first figure, which test='count' makes the number of "
                "bad videos: name the one that counts, such as save_best='acc/top1'"
            )
        _stand_in(runner.train_dataloader, self.check_after)
        start_workers_late(runner)

    def before_val(self, runner: Runner) -> None:
        """Prepare validation."""
        self._prepare(runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Prepare testing."""
        self._prepare(runner.test_loop)

    def _prepare(self, loop: ValLoop | TestLoop) -> None:
        if self.test == "count":
            if any("label" not in d.get_data_info(0) for d in unwrapped(loop.dataloader.dataset)):
                raise ValueError("test='count' needs a data set with a label for each video")
            _stand_in(loop.dataloader)
            metrics = loop.evaluator.metrics
            if not any(isinstance(metric, BadVideoMetric) for metric in metrics):
                metrics.insert(0, BadVideoMetric())

    def _after_iter(
        self, runner: Runner, data_batch: dict, mode: str = "train", **_: object
    ) -> None:
        """Log and list the bad videos of this batch; judge their share while training."""
        samples = data_batch["data_samples"]
        reports = [report for sample in samples for report in sample.get(_KEY, [])]
        for report in reports:
            if report["path"] not in self._listed:
                self._listed.add(report["path"])
                runner.logger.warning(f"bad video: {report['message']}")
                with open(self._list, "a", encoding="utf-8") as file:
                    file.write(json.dumps(report) + "\n")
        if mode == "train":
            self._samples += len(samples) + len(reports)
            self._bad += len(reports)
            if reports and self._samples >= self.check_after:
                # One of many processes, asked after each batch, would meet too many by chance.
                chance = 3 * (self.max_share * self._samples) ** 0.5
                self._check_share(self._bad, self._samples, chance)

    def after_train_epoch(self, runner: Runner) -> None:
        """Judge the share in all processes, however few samples there are."""
        counts = torch.tensor([self._bad, self._samples])
        all_reduce(counts)
        bad, samples = counts.tolist()
        if bad:
            share = _share(bad, samples)
            runner.logger.warning(f"bad videos replaced: {share}; paths in {self._lists}")
            self._check_share(bad, samples)

    @property
    def _lists(self) -> str:
        """Those of all processes; a process without bad videos has none."""
        return ", ".join(map(str, sorted(self._list.parent.glob("bad_videos*.jsonl"))))

    def _check_share(self, bad: int, samples: int, chance: float = 0.0) -> None:
        if bad > self.max_share * samples + chance:
            raise TooManyBadVideosError(
                f"{_share(bad, samples)} are bad videos, more than max_share={self.max_share:.1%}; "
                f"their paths are in {self._lists}. Mend or remove them, or raise max_share."
            )


def _share(bad: int, samples: int) -> str:
    return f"{bad} of {samples} samples ({bad / samples:.1%})"


def _stand_in(dataloader: DataLoader, patience: int | None = None) -> None:
    for dataset in unwrapped(dataloader.dataset):
        if not isinstance(dataset.pipeline, StandIns):
            dataset.pipeline = StandIns(dataset, patience)


def _wrong(score: torch.Tensor, label: torch.Tensor) -> torch.Tensor:
    """Scores (classes,) below all others where ``label`` (one, or many-hot) says, else above."""
    wrong = torch.full_like(score, 1e4)
    wrong[label.to(score.device) if label.numel() < score.numel() else label.bool()] = -1e4
    return wrong
