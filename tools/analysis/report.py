"""Write what a test of a trained network says, for people: one HTML page and a table as CSV.

The page needs no network and runs no script. Its units are reversed, and left out one by one, to
tell which classes need their order.
"""

import argparse
import base64
import csv
import io
import pickle
from collections.abc import Iterable
from dataclasses import dataclass, field
from pathlib import Path

import jinja2
import judging
import numpy as np
from matplotlib.figure import Figure
from mmengine.config import Config
from mmengine.dataset import BaseDataset
from mmengine.model import BaseModel
from rich.progress import track
from torch.utils.data import DataLoader, Dataset, Subset

from f4d_mmaction.analysis.statistics import Estimate, confusion_of, wilson
from f4d_mmaction.apis import load_recognizer
from f4d_mmaction.apis.recognition import group_by_size, predict, recognize_packed
from f4d_mmaction.datasets.unwrapping import pack_also, unwrapped
from f4d_mmaction.datasets.video_errors import BadVideoError, BadVideoKind
from f4d_mmaction.visualization.attention import draw_sheet
from mmaction.registry import DATASETS

PAIRS, VIDEOS = 10, 3  # shown with pictures
REVERSED = "units reversed"


@dataclass
class Tested:
    """A test set and what the network said: one row for each of its N videos."""

    paths: list[str]
    labels: np.ndarray  # (N,), the true classes; (N, K) of 0 and 1 where a video may have several
    names: list[str]  # of the K classes
    scores: np.ndarray  # (N, K), probabilities; NaN for a bad video
    # Class (N,) that was best after a change of the units; -1 where it was not tried.
    changed: dict[str, np.ndarray] = field(default_factory=dict)
    bad: dict[int, BadVideoError] = field(default_factory=dict)  # by place
    lost: int = 0  # videos of a dump that were wanted again and are not to be read here


class WithErrors(Dataset):
    """A dataset that returns the error of a bad video in its place, each with its index."""

    def __init__(self, dataset: BaseDataset) -> None:
        self.dataset = dataset

    def __len__(self) -> int:
        return len(self.dataset)

    def __getitem__(self, index: int) -> tuple[int, dict | BadVideoError]:
        try:
            return index, self.dataset[index]
        except BadVideoError as error:
            return index, error


def changes(units: int) -> dict[str, list[int]]:
    """Which unit stands at each place after each change; a unit's neighbor stands in for it."""
    whole = list(range(units))
    without = {
        f"without unit {unit + 1}": [*whole[:unit], abs(unit - 1), *whole[unit + 1 :]]
        for unit in whole
    }
    return {REVERSED: whole[::-1], **without} if units > 1 else {}


def read_test_set(config: Config, names: list[str]) -> tuple[BaseDataset, Tested]:
    """Build the config's test set and list its videos.

    Raises:
        FileNotFoundError: no annotation file.
        ValueError: a video without a label, or labels, of the network's classes.
    """
    pack_also(config.test_dataloader.dataset, ["frame_inds", "avg_fps", "total_frames"])
    dataset = DATASETS.build(config.test_dataloader.dataset)
    for part in unwrapped(dataset):
        several = getattr(part, "multi_class", False) and part.num_classes == len(names)
        for index in range(len(part)):
            # As listed: of -1, which stands for none, the host makes the last of several classes.
            info = BaseDataset.get_data_info(part, index)
            for label in info["label"] if several else [info["label"]]:
                if not isinstance(label, int) or not 0 <= label < len(names):
                    raise ValueError(
                        f"{path_of(info)}: expected labels from 0 to {len(names) - 1}, got {label}"
                    )
    infos = [dataset.get_data_info(index) for index in range(len(dataset))]
    labels = np.array([np.asarray(info["label"]) for info in infos])
    if labels.ndim == 2 and not labels.any():
        raise ValueError("the test set's list names no class of any video: nothing to judge")
    scores = np.full((len(infos), len(names)), np.nan, np.float32)
    return dataset, Tested([path_of(info) for info in infos], labels, names, scores)


def path_of(info: dict) -> str:
    return str(info.get("filename") or info.get("frame_dir"))


def read_dump(path: str, tested: Tested) -> None:
    """Take the scores from a file of ``tools/test.py --dump``, which must be of this test set.

    Raises:
        ValueError: it is of other videos or classes, or no such file.
    """
    data = Path(path).read_bytes()
    try:
        read = [
            (path_of(s), s["pred_score"].float().numpy(), s["gt_label"], s.get("bad_videos"))
            for s in pickle.loads(data)
        ]
    except Exception as error:  # another file's bytes raise anything
        raise ValueError(f"{path} is no file of `tools/test.py --dump`: {error!r}") from None
    if len(read) != len(tested.paths):
        raise ValueError(f"{path} holds {len(read)} videos, the test set {len(tested.paths)}")
    for index, (name, score, label, reports) in enumerate(read):
        differs = name not in ("None", tested.paths[index])
        if differs or label.tolist() != np.atleast_1d(tested.labels[index]).tolist():
            raise ValueError(
                f"{path}: video {index} is {name} with label {label.tolist()}, in the test set "
                f"{tested.paths[index]} with {tested.labels[index]}"
            )
        if not np.isfinite(score).all():
            raise ValueError(f"{path}: the scores of {tested.paths[index]} are no numbers")
        if score.shape != tested.scores[index].shape:
            raise ValueError(f"{path} has scores {score.shape}, expected {len(tested.names)}")
        if reports:
            kind = BadVideoKind(reports[0]["kind"])
            tested.bad[index] = BadVideoError(reports[0]["message"], kind, reports[0]["path"])
        else:
            tested.scores[index] = score


def score_videos(
    model: BaseModel, dataset: BaseDataset, tested: Tested, ordered: set[int], dumped: bool
) -> None:
    """Run the network, and again with changed units on the videos of ``ordered``."""
    options = model.cfg.test_dataloader
    # The host takes one video at a time where it limits the views.
    size = 1 if (model.test_cfg or {}).get("max_testing_views") else options.batch_size
    indices = sorted(ordered) if dumped else list(range(len(dataset)))
    loader = DataLoader(
        Subset(WithErrors(dataset), indices),
        size,
        num_workers=options.get("num_workers", 0),
        collate_fn=list,
    )
    for batch in track(loader, "Testing", disable=not indices):
        lost = {i: read for i, read in batch if isinstance(read, BadVideoError)}
        if dumped:  # and read where the dump was made
            tested.lost += len(lost.keys() - tested.bad)
        else:
            tested.bad.update(lost)
        batch = [(i, packed) for i, packed in batch if i not in lost and i not in tested.bad]
        if batch and not dumped:
            tested.scores[[i for i, _ in batch]] = scores_by_size(model, [p for _, p in batch])
        batch = [(i, p) for i, p in batch if i in ordered and p["inputs"].ndim == 6]
        for name, order in changes(batch[0][1]["inputs"].shape[1] if batch else 0).items():
            changed = [dict(p, inputs=p["inputs"][:, order]) for _, p in batch]
            taken = tested.changed.setdefault(name, np.full(len(dataset), -1))
            taken[[i for i, _ in batch]] = scores_by_size(model, changed).argmax(1)


def scores_by_size(model: BaseModel, packed: list[dict]) -> np.ndarray:
    """Scores (videos, classes), of videos of one size at a time."""
    scores: dict[int, np.ndarray] = {}
    for places in group_by_size(dict(enumerate(packed))):
        scores.update(zip(places, predict(model, [packed[i] for i in places], False)[0]))
    return np.stack([scores[place] for place in range(len(packed))])


def draw_mistakes(
    model: BaseModel | None, dataset: BaseDataset, tested: Tested, found: Iterable[judging.Mistake]
) -> list[dict]:
    """The videos of each confusion that the network was surest of, with attention."""
    shown = []
    good, best = ~np.isnan(tested.scores[:, 0]), tested.scores.argmax(1)
    for mistake in track(list(found), "Drawing"):
        mine = good & (tested.labels == mistake.truth)
        where = np.flatnonzero(mine & (best == mistake.taken))
        videos = []
        for index in sorted(where, key=lambda i: -tested.scores[i, mistake.taken])[:VIDEOS]:
            video = dict(path=tested.paths[index], score=tested.scores[index, mistake.taken])
            if model is not None:
                _, packed = WithErrors(dataset)[int(index)]
                if not isinstance(packed, BadVideoError):  # as where a dump of elsewhere is shown
                    (result,) = recognize_packed(model, [video["path"]], [packed], tested.names)
                    if result.frames is not None:
                        sheet = draw_sheet(result, truth=tested.names[mistake.truth])
                        video["picture"] = data_uri(sheet)
            videos.append(video)
        names = tested.names[mistake.truth], tested.names[mistake.taken]
        shown.append(dict(names=names, count=mistake.videos, of=int(mine.sum()), videos=videos))
    return shown


def data_uri(figure: Figure) -> str:
    """A figure as an address that holds the picture itself."""
    file = io.BytesIO()
    figure.savefig(file, format="jpeg", pil_kwargs={"quality": 80})
    return f"data:image/jpeg;base64,{base64.b64encode(file.getvalue()).decode()}"


def judge_classes(tested: Tested, good: np.ndarray, confusion: np.ndarray) -> list[dict]:
    """A row for each class that has videos, the best first."""
    rows = []
    for label in np.flatnonzero(confusion.sum(1)):
        mine = good & (tested.labels == label)
        count, right = int(mine.sum()), int(confusion[label, label])
        row = dict(name=tested.names[label], videos=count, right=right)
        row.update(accuracy=wilson(right, count), mistaken="", times=0)
        wrong = confusion[label].copy()
        wrong[label] = 0
        if wrong.any():
            row.update(mistaken=tested.names[wrong.argmax()], times=int(wrong.max()))
        rows.append(row | judge_order(tested, mine))
    return sorted(rows, key=lambda row: (-row["accuracy"].value, row["name"]))


def judge_order(tested: Tested, mine: np.ndarray) -> dict:
    """Accuracy in order and after each change, of those of my videos that were changed."""
    if not tested.changed:
        return {}
    tried = mine & (tested.changed[REVERSED] >= 0)
    if not tried.any():
        return {}
    labels, in_order = tested.labels[tried], tested.scores[tried].argmax(1)
    changed = {name: float((taken[tried] == labels).mean()) for name, taken in
               tested.changed.items()}  # fmt: skip
    kept = float((in_order == labels).mean())
    answers = np.bincount(tested.changed[REVERSED][tried])
    told = dict(name=tested.names[answers.argmax()], times=int(answers.max()))
    return dict(tried=int(tried.sum()), kept=kept, changed=changed, reversed=told,
                lost=kept - changed[REVERSED])  # fmt: skip


def write_report(
    out: Path, tested: Tested, model: BaseModel | None, dataset: BaseDataset, about: dict
) -> None:
    """Write the page, and the rows of its classes beside it as CSV.

    Raises:
        ValueError: no video could be read.
    """
    good = ~np.isnan(tested.scores[:, 0])
    bad = [tested.bad[index] for index in sorted(tested.bad)]
    if not good.any():
        reasons = "; the first: " + str(next(iter(tested.bad.values()))) if tested.bad else ""
        raise ValueError(f"none of the {len(good)} videos of the test set could be read{reasons}")
    if tested.labels.ndim == 2:
        classes, total = judge_precision(tested, good)
        count = int(good.sum())
        render(out, dict(about=about, count=count, several=total, classes=classes, bad=bad))
        header = dict(name="class", videos="videos", precision="average precision", chance="chance")
        write_rows(out.with_suffix(".csv"), [r.values() for r in (header, total, *classes)])
        return
    tested.scores[good] = judging.probabilities(tested.scores[good])
    scores, labels, count = tested.scores[good], tested.labels[good], int(good.sum())
    confusion = confusion_of(labels, scores.argmax(1), len(tested.names))
    bins, error = judging.calibration(scores, labels)
    totals = {"top-1": wilson(judging.top_hits(scores, labels, 1), count)}
    if len(tested.names) > 5:
        totals["top-5"] = wilson(judging.top_hits(scores, labels, 5), count)
    totals["mean class accuracy"] = judging.mean_class_accuracy(confusion)
    classes = judge_classes(tested, good, confusion)
    found, order = judging.mistakes(confusion), judging.side_by_side(confusion)
    matrix = confusion[np.ix_(order, order)]
    page = dict(
        about=about,
        count=count,
        totals=totals,
        classes=classes,
        absent=int((confusion.sum(1) == 0).sum()),
        sides=[tested.names[label] for label in order],
        cells=[(y, x, matrix[y, x], matrix[y].sum()) for y, x in np.argwhere(matrix)],
        wrong=sum(mistake.videos for mistake in found),
        kinds=len(found),
        pairs=draw_mistakes(model, dataset, tested, found[:PAIRS]),
        bins=bins.tolist(),
        calibration_error=error,
        lost=tested.lost,
        order=judge_order(tested, good),
        ordered=sorted((r for r in classes if "lost" in r), key=lambda r: -r["lost"]),
        bad=bad,
    )
    render(out, page)
    write_table(out.with_suffix(".csv"), totals, count, page["order"], classes)


def judge_precision(tested: Tested, good: np.ndarray) -> tuple[list[dict], dict]:
    """A row for each class that has videos, the best first, and one for their mean.

    Chance is the share of its videos: the average precision of a random order, nearly.
    """
    scores, labels = tested.scores[good], tested.labels[good]
    found, counts = judging.average_precisions(scores, labels), labels.sum(0).astype(int)
    rows = [
        dict(name=name, videos=int(count), precision=float(value), chance=count / len(labels))
        for name, count, value in zip(tested.names, counts, found)
        if count
    ]
    mean = {key: float(np.mean([row[key] for row in rows])) for key in ("precision", "chance")}
    total = dict(name="mean average precision", videos=len(labels), **mean)
    return sorted(rows, key=lambda row: (-row["precision"], row["name"])), total


def render(out: Path, page: dict) -> None:
    loader = jinja2.FileSystemLoader(Path(__file__).parent)
    template = jinja2.Environment(loader=loader, autoescape=True).get_template("report.html.j2")
    out.parent.mkdir(parents=True, exist_ok=True)
    out.write_text(template.render(page), encoding="utf-8")


def write_table(
    path: Path, totals: dict[str, Estimate], count: int, order: dict, classes: Iterable[dict]
) -> None:
    """Write the totals and a row for each class."""
    header = ["class", "videos", "accuracy", "low", "high", "most often mistaken for", "times"]
    rows = [[name, count, *estimate, "", ""] for name, estimate in totals.items()]
    rows[0] += in_orders(order)
    for row in classes:
        told = row["name"], row["videos"], *row["accuracy"], row["mistaken"], row["times"]
        rows.append([*told, *in_orders(row)])
    if order:
        header += ["videos also tried in other orders", "these in order", *order["changed"]]
    write_rows(path, [header, *rows])


def in_orders(judged: dict) -> list:
    """What ``judge_order`` found, as cells."""
    if not judged.get("changed"):
        return []
    return [judged["tried"], judged["kept"], *judged["changed"].values()]


def write_rows(path: Path, rows: Iterable[Iterable]) -> None:
    with open(path, "w", newline="", encoding="utf-8") as file:
        lines = ([f"{v:.4f}" if isinstance(v, float) else v for v in row] for row in rows)
        csv.writer(file).writerows(lines)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("config")
    parser.add_argument("checkpoint")
    parser.add_argument("--out", default="report.html", help="HTML file, or folder for report.html")
    parser.add_argument(
        "--dump", metavar="FILE.pkl", help="scores of tools/test.py --dump, which saves the test"
    )
    parser.add_argument("--labels", help="class names, one a line, in the order of the labels")
    parser.add_argument("--device", help="cuda where there is one, else cpu")
    parser.add_argument(
        "--order", type=int, default=2000, metavar="N",
        help="videos, evenly spread, whose units are also reversed and left out; 0 for none",
    )  # fmt: skip
    args = parser.parse_args()

    out = Path(args.out)
    out = out if out.suffix == ".html" else out / "report.html"
    try:
        model = load_recognizer(args.config, args.checkpoint, args.device, args.labels)
        dataset, tested = read_test_set(model.cfg, model.class_names)
        if args.dump:
            read_dump(args.dump, tested)
        tried = 0 if tested.labels.ndim == 2 else min(max(args.order, 0), len(dataset))
        spread = np.linspace(0, len(dataset) - 1, tried)
        ordered = set(spread.round().astype(int).tolist())
        score_videos(model, dataset, tested, ordered, bool(args.dump))
        about = dict(config=args.config, checkpoint=args.checkpoint, videos=len(dataset))
        write_report(out, tested, model, dataset, about)
    except (OSError, ValueError) as error:
        parser.error(str(error))
    print(f"{out}\n{out.with_suffix('.csv')}")


if __name__ == "__main__":
    main()
