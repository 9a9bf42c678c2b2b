"""The report of a test: its statistics, the command against test.py, the page in a browser."""

import csv
import pickle
import re
from itertools import pairwise
from pathlib import Path

import judging
import numpy as np
import pytest
import report
import torch
from mmaction.apis import init_recognizer
from mmaction.structures import ActionDataSample
from mmengine.config import Config
from mmengine.dataset import pseudo_collate
from photograph_webdemo import addresses
from tiny_run import finish, start, write_config

from f4d_mmaction.analysis.statistics import confusion_of, wilson
from f4d_mmaction.datasets.video_errors import BadVideoError


def test_videos_of_two_sizes_are_scored_as_each_alone(benchmark, tmp_path):
    model = init_recognizer(str(write_config(tmp_path, benchmark)), None, "cpu")
    draw = torch.Generator().manual_seed(0)
    sizes = [(64, 112), (112, 64), (64, 112)]
    packed = [
        dict(
            inputs=torch.randint(256, (1, 4, 3, 4, *size), dtype=torch.uint8, generator=draw),
            data_samples=ActionDataSample(),
        )
        for size in sizes
    ]
    alone = np.concatenate([report.scores_by_size(model, [each]) for each in packed])
    np.testing.assert_allclose(report.scores_by_size(model, packed), alone, atol=1e-5)


@pytest.mark.parametrize(("hits", "count"), [(0, 5), (5, 5), (3, 7), (8123, 24777)])
def test_the_bounds_are_shares_that_the_count_can_just_not_refuse(hits, count):
    share, low, high = wilson(hits, count)
    for bound in {low, high} - {0.0, 1.0}:
        assert (share - bound) ** 2 == pytest.approx(judging.Z**2 * bound * (1 - bound) / count)
    assert 0 <= low <= share <= high <= 1
    assert high - low > 0


def test_the_interval_of_the_mean_class_accuracy_holds_the_truth_95_times_in_100():
    rng = np.random.default_rng(0)
    true, counts = rng.uniform(0.3, 0.9, 50), rng.integers(3, 40, 50)
    held = 0
    for _ in range(1000):
        hits = rng.binomial(counts, true)
        confusion = np.diag(hits)
        confusion[np.arange(50), (np.arange(50) + 1) % 50] += counts - hits
        estimate = judging.mean_class_accuracy(confusion)
        assert estimate.value == pytest.approx((hits / counts).mean())
        held += estimate.low <= true.mean() <= estimate.high
    assert 930 <= held <= 985


def test_counts_equal_those_of_plain_loops():
    rng = np.random.default_rng(0)
    scores, labels = rng.dirichlet(np.full(9, 0.3), 200), rng.integers(0, 9, 200)
    assert judging.top_hits(scores, labels, 5) == sum(
        label in sorted(range(9), key=lambda k: -row[k])[:5] for row, label in zip(scores, labels)
    )
    confusion = confusion_of(labels, scores.argmax(1), 9)
    found = judging.mistakes(confusion)
    assert [m.videos for m in found] == sorted((m.videos for m in found), reverse=True)
    assert sum(m.videos for m in found) == (scores.argmax(1) != labels).sum()
    bins, error = judging.calibration(scores, labels)
    total = 0.0
    for index in range(15):
        inside = [i for i in range(200) if index <= min(scores[i].max() * 15, 14.99) < index + 1]
        right = sum(scores[i].argmax() == labels[i] for i in inside)
        total += abs(sum(scores[i].max() for i in inside) - right)
        assert bins[index, 2] == len(inside)
    assert error == pytest.approx(total / 200)
    np.testing.assert_allclose(judging.probabilities(np.log(scores) + 3), scores, rtol=1e-6)


def test_classes_that_are_confused_stand_together():
    hidden = np.random.default_rng(1).permutation(12)  # pairs that follow each other here
    confusion = np.eye(12, dtype=int) * 20
    for first, second in pairwise(hidden):
        confusion[first, second] = 5
    order = judging.side_by_side(confusion).tolist()
    assert order in (hidden.tolist(), hidden[::-1].tolist())


@pytest.fixture(scope="module")
def trained(tmp_path_factory, benchmark) -> tuple[Path, Path, Path]:
    """A config whose test set has a bad video, random weights, and the dump of its test."""
    folder = tmp_path_factory.mktemp("report")
    listing = folder / "test.txt"
    (folder / "noise.mp4").write_bytes(bytes(range(256)) * 9)
    good = (benchmark / "test.txt").read_text()
    listing.write_text(good + f"{folder / 'noise.mp4'} 3\n")
    changes = f'_base_.test_dataloader.dataset.ann_file = "{listing}"\n'
    changes += '_base_.default_hooks.bad_video.test = "count"\n'
    config = write_config(folder, benchmark, changes)
    torch.manual_seed(0)
    model = init_recognizer(str(config), None, "cpu")
    torch.nn.init.normal_(model.cls_head.fc_cls.weight)
    checkpoint, dump, log = folder / "weights.pth", folder / "dump.pkl", folder / "output.txt"
    torch.save(model.state_dict(), checkpoint)
    work = "--work-dir", folder / "work"
    finish(start("test.py", config, checkpoint, "--dump", dump, *work, log=log), log)
    return config, checkpoint, dump


def test_the_command_says_what_the_test_said(trained, tmp_path, run_tool):
    *network, dump = trained
    command = ("analysis/report.py", *network, "--device", "cpu")
    run_tool(*command, "--out", "own.html")
    run_tool(*command, "--out", "dumped.html", "--dump", dump)
    own, dumped = (list(csv.DictReader((tmp_path / name).open())) for name in
                   ("own.csv", "dumped.csv"))  # fmt: skip
    assert own == dumped
    samples = [sample for sample in pickle.loads(dump.read_bytes()) if "bad_videos" not in sample]
    assert len(samples) == 8
    assert all(Path(sample["filename"]).is_file() for sample in samples)
    right = [int(s["pred_score"].argmax() == s["gt_label"]) for s in samples]
    assert own[0]["class"] == "top-1"
    assert float(own[0]["accuracy"]) == pytest.approx(np.mean(right), abs=1e-4)
    assert (own[0]["videos also tried in other orders"], own[0]["these in order"]) == (
        "8", own[0]["accuracy"])  # fmt: skip
    assert len(own) == 3 + len({int(sample["gt_label"]) for sample in samples})
    page = (tmp_path / "own.html").read_text()
    assert "noise.mp4: garbage video" in page
    assert "data:image/jpeg;base64," in page, "frames of what was confused"
    for content in (b"", b"{}", dump.read_bytes()[:-9]):
        (tmp_path / "cut.pkl").write_bytes(content)
        assert "no file of `tools/test.py --dump`" in run_tool(
            *command, "--dump", "cut.pkl", code=2
        )
    for content in (b"\x80\x04}.", pickle.dumps([dict(other=1)] * 9)):
        (tmp_path / "other.pkl").write_bytes(content)
        assert "report.py: error: other.pkl" in run_tool(*command, "--dump", "other.pkl", code=2)
    broken = pickle.loads(dump.read_bytes())
    broken[3]["pred_score"][:] = float("nan")
    (tmp_path / "nan.pkl").write_bytes(pickle.dumps(broken))
    said = run_tool(*command, "--dump", "nan.pkl", code=2)
    assert f"nan.pkl: the scores of {broken[3]['filename']} are no numbers" in said
    (tmp_path / "short.pkl").write_bytes(pickle.dumps(pickle.loads(dump.read_bytes())[:-1]))
    assert "holds 8 videos, the test set 9" in run_tool(*command, "--dump", "short.pkl", code=2)


def test_a_dump_of_another_machine_needs_no_videos(trained, tmp_path, run_tool, monkeypatch):
    """A video that cannot be read here counts as it was answered there."""
    config, checkpoint, dump = trained
    gone = pickle.loads(dump.read_bytes())[0]["filename"]
    hidden = Path(gone).rename(tmp_path / "elsewhere.mp4")
    try:
        command = ("analysis/report.py", config, checkpoint, "--device", "cpu", "--dump", dump)
        run_tool(*command, "--out", "dumped.html")
    finally:
        hidden.rename(gone)
    page = (tmp_path / "dumped.html").read_text()
    assert "1 could not be read" in page, "the noise, and not what was read there"
    assert "1 videos could not be read on this machine" in page
    (first, *_) = csv.DictReader((tmp_path / "dumped.csv").open())
    assert first["videos"] == "8"
    assert first["videos also tried in other orders"] == "7"


def test_units_are_reversed_and_left_out(trained):
    config, checkpoint, _ = trained
    model = init_recognizer(str(config), str(checkpoint), "cpu")
    dataset, tested = report.read_test_set(model.cfg, [str(k) for k in range(8)])
    report.score_videos(model, dataset, tested, {0, 1, 5}, dumped=False)
    assert list(tested.changed) == [report.REVERSED, *(f"without unit {k}" for k in (1, 2, 3, 4))]
    assert list(tested.bad) == [8]
    for name, order in ((report.REVERSED, [3, 2, 1, 0]), ("without unit 3", [0, 1, 1, 3])):
        for index in range(9):
            if index not in (0, 1, 5):
                assert tested.changed[name][index] == -1
                continue
            packed = dataset[index]
            packed["inputs"] = torch.stack([packed["inputs"][:, unit] for unit in order], 1)
            (sample,) = model.test_step(pseudo_collate([packed]))
            assert tested.changed[name][index] == sample.pred_label


@pytest.mark.parametrize("labels", [["0 1", ""], ["0", "-1"], ["3", "0"], ["", ""]])
def test_several_labels_that_are_no_classes_are_refused(labels, tmp_path):
    """MMAction2 makes the last class of a missing one, and every network would be right."""
    (tmp_path / "list.txt").write_text("".join(f"{k} 9 {some}\n" for k, some in enumerate(labels)))
    dataset = dict(type="RawframeDataset", ann_file=str(tmp_path / "list.txt"), pipeline=[])
    config = Config(
        dict(test_dataloader=dict(dataset=dict(dataset, multi_class=True, num_classes=3)))
    )
    with pytest.raises(ValueError, match=r"expected labels from 0 to 2, got (-1|3)"):
        report.read_test_set(config, list("abc"))


def synthetic(classes: int, videos: int = 4000) -> report.Tested:
    """A network that confuses neighbors, with names as long as Something-Something's."""
    rng = np.random.default_rng(0)
    labels = np.sort(rng.integers(0, classes, videos))
    taken = (labels + rng.choice([0, 0, 0, 1, 2, classes // 2], videos)) % classes
    scores = np.full((videos, classes), 0.3 / (classes - 1), np.float32)
    scores[np.arange(videos), taken] = 0.7
    names = [f"Pulling two ends of something, {k} & <so on>, but nothing" for k in range(classes)]
    turned = {name: rng.permutation(taken) for name in report.changes(3)}
    bad = {0: BadVideoError("a.mp4: damaged video: <u>no</u>", path="a.mp4")}
    scores[0] = np.nan
    paths = [f"videos/{k}.mp4" for k in range(videos)]
    return report.Tested(paths, labels, names, scores, turned, bad)


def page_of(classes: int, folder: Path) -> Path:
    about = dict(config="config.py", checkpoint="weights.pth", videos=4000)
    report.write_report(folder / "r.html", synthetic(classes), None, None, about)
    return folder / "r.html"


@pytest.mark.parametrize("classes", [5, 174, 400])
def test_the_page_holds_all_it_shows(classes, tmp_path):
    page = page_of(classes, tmp_path).read_text()
    assert all(address[0] in "d#" for address in re.findall(r'(?:src|href)="([^"]*)', page))
    assert "<u>" not in page
    assert ("top-5" in page) == (classes > 5)
    assert page.count("<tr><td>Pulling two ends") == 2 * classes  # by accuracy, and by order


@pytest.mark.parametrize("classes", [5, 174, 400])
def test_names_stand_beside_their_rows_and_columns_in_a_real_browser(classes, tmp_path, browser):
    addresses(browser)
    browser.get(page_of(classes, tmp_path).as_uri())
    assert browser.execute_script(
        "return [...document.images].every(i => i.complete && i.naturalWidth > 100)"
    )
    # A name stands beside its row or above its column, in a line as high as a cell.
    apart = browser.execute_script(
        "const [rows, columns] = ['rows', 'columns'].map(name => [...document.querySelectorAll("
        "`#matrix .${name} span`)].map(e => e.getBoundingClientRect())); const box = document."
        "querySelector('#matrix svg').getBoundingClientRect(), side = box.width / rows.length;"
        "return [rows.map((r, i) => r.top - box.top - i * side), columns.map((c, i) => c.left"
        "- box.left - i * side), [side], rows.map(r => r.height - side)]"
    )
    rows, columns, (side,), heights = apart
    assert len(rows) == len(columns) == classes
    assert np.abs([*rows, *columns, *heights]).max() < 1
    assert side >= 14
    assert not addresses(browser)
    assert not [entry for entry in browser.get_log("browser") if entry["level"] == "SEVERE"]
