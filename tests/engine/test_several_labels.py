"""Videos of several labels: a training with our hooks, its test, report and scores."""

import csv
import pickle
import re
import shutil
from pathlib import Path

import numpy as np
import pytest
from export import FramesToScores
from mmaction.apis import init_recognizer
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from mmengine.runner import Runner
from tiny_run import finish, start, train, write_config

from f4d_mmaction.apis import list_videos, load_recognizer, recognize

BASE = "f4d_r18_phase_order_multilabel"
CHANGES = """
_base_.test_dataloader.dataset.ann_file = "{folder}/test.txt"
_base_.default_hooks.bad_video.test = "count"
_base_.default_hooks.attention = dict(type="AttentionVisualizationHook", num_videos=2)
"""


def average_precision(scores: np.ndarray, labels: np.ndarray) -> float:
    """Mean precision at the rank of each video that has the label; no two scores are alike."""
    ranked = [label for _, label in sorted(zip(-scores, labels))]
    places = [place for place, label in enumerate(ranked, 1) if label]
    return float(np.mean([hit / place for hit, place in enumerate(places, 1)]))


@pytest.fixture(scope="module")
def trained(benchmark, tmp_path_factory) -> tuple[Path, Path, list[dict], str]:
    """Config, checkpoint, dump and words of a test in which a video is bad."""
    folder = tmp_path_factory.mktemp("several")
    (folder / "noise.mp4").write_bytes(bytes(range(256)) * 9)
    good = (benchmark / "first_last" / "test.txt").read_text()
    (folder / "test.txt").write_text(good + f"{folder / 'noise.mp4'} 0 5\n")
    shutil.copy(benchmark / "first_last" / "classes.txt", folder)
    config = write_config(folder, benchmark, CHANGES.format(folder=folder), BASE)
    train(config, folder / "work")
    assert list((folder / "work").rglob("vis_image/attention*.png"))
    (checkpoint,) = (folder / "work").glob("best_acc_mean_average_precision*.pth")
    dump, log = folder / "dump.pkl", folder / "output.txt"
    work = "--work-dir", folder / "test"
    said = finish(start("test.py", config, checkpoint, "--dump", dump, *work, log=log), log)
    return config, checkpoint, pickle.loads(dump.read_bytes()), said


def plain_precisions(samples: list[dict]) -> list[float]:
    scores = np.stack([sample["pred_score"].numpy() for sample in samples])
    labels = np.stack([sample["gt_label"].numpy() for sample in samples])
    return [average_precision(scores[:, k], labels[:, k]) for k in np.flatnonzero(labels.any(0))]


def test_the_metric_is_the_mean_of_plain_average_precisions(trained):
    *_, samples, said = trained
    assert {int(sample["gt_label"].sum()) for sample in samples} == {2}
    (found,) = re.findall(r"mean_average_precision: ([\d.]+)", said)
    assert float(found) == pytest.approx(np.mean(plain_precisions(samples)), abs=1e-4)
    assert "bad_videos/all: 1" in said
    *others, bad = (sample["pred_score"].numpy() for sample in samples)
    for k in range(8):  # wrong for every class
        assert (bad[k] < np.min(others, 0)[k]) == (k in (0, 5))
        assert (bad[k] > np.max(others, 0)[k]) == (k not in (0, 5))


def test_the_report_says_the_precision_of_each_class(trained, tmp_path, run_tool):
    config, checkpoint, samples, _ = trained
    (tmp_path / "dump.pkl").write_bytes(pickle.dumps(samples))
    tables = []
    for name, more in (("own", ()), ("dumped", ("--dump", "dump.pkl"))):
        command = ("analysis/report.py", config, checkpoint, "--device", "cpu", *more)
        run_tool(*command, "--out", f"{name}.html")
        tables.append(list(csv.DictReader((tmp_path / f"{name}.csv").open())))
    assert tables[0] == tables[1]
    total, *classes = tables[0]
    expected = plain_precisions(samples[:-1])
    found = [float(row["average precision"]) for row in classes]
    assert sorted(found) == pytest.approx(sorted(expected), abs=1e-4)
    assert float(total["average precision"]) == pytest.approx(np.mean(expected), abs=1e-4)
    assert sum(int(row["videos"]) for row in classes) == 2 * int(total["videos"]) == 16
    page = (tmp_path / "own.html").read_text()
    assert "noise.mp4: garbage video" in page
    assert "Confusion" not in page


def test_scores_are_probabilities_of_each_class_by_itself(trained, benchmark):
    config, checkpoint, *_ = trained
    model = load_recognizer(config, checkpoint, "cpu")
    (result,) = recognize(model, benchmark / "test" / "00000.mp4")
    hosts = init_recognizer(str(config), str(checkpoint), "cpu")
    packed = Runner.build_dataloader(hosts.cfg.test_dataloader).dataset[0]
    (sample,) = hosts.test_step(pseudo_collate([packed]))
    expected = 1 / (1 + np.exp(-sample.pred_score.detach().numpy()))
    assert result.scores == pytest.approx(expected, abs=1e-6)
    exported, _ = FramesToScores(model).score(packed["inputs"].numpy()[None])
    assert exported[0] == pytest.approx(expected, abs=1e-6)
    names = (benchmark / "first_last" / "classes.txt").read_text().splitlines()
    assert [p.name for p in result.predictions] == [names[k] for k in np.argsort(-expected)[:5]]


def test_labels_outside_the_classes_are_named(benchmark, tmp_path):
    config = Config.fromfile(write_config(tmp_path, benchmark, base=BASE))
    listed = (benchmark / "first_last" / "train.txt").read_text()
    wrong = "train/00000.mp4 1 -1\ntrain/00000.mp4 8 2\n"
    (tmp_path / "wrong.txt").write_text(listed + wrong)
    config.train_dataloader.dataset.ann_file = str(tmp_path / "wrong.txt")
    config.work_dir, config.experiment_name = str(tmp_path), tmp_path.name
    with pytest.raises(ValueError, match=r"2 of \d+ samples .* with \[1, -1\]"):
        Runner.from_cfg(config).train()


def test_lists_may_end_in_several_labels(tmp_path):
    (tmp_path / "a 1").touch()
    (tmp_path / "list.txt").write_text("b.mp4 0 12\na 1\na 1 3 4\nc d.mp4\n9\nc d.mp4,0\nc, 1, 2\n")
    found = [str(Path(path).relative_to(tmp_path)) for path in list_videos(tmp_path / "list.txt")]
    assert found == ["b.mp4", "a 1", "a 1", "c d.mp4", "9", "c d.mp4", "c"]
