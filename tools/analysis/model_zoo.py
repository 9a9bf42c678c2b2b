"""Check README tables against the configs, or write them."""

from __future__ import annotations

import argparse
import difflib
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import yaml
from mmengine.config import Config

from f4d_mmaction.analysis.complexity import Complexity, complexity, protocol
from f4d_mmaction.analysis.report import markdown_table, replace_section

CONFIGS = Path("configs") / "recognition"
TITLES = {  # by the name of a dataset's folder
    "sthv1": "Something-Something v1",
    "sthv2": "Something-Something v2",
    "kinetics400": "Kinetics-400",
    "ucf101": "UCF101",
    "hmdb51": "HMDB51",
    "phase_order": "shipped benchmark",
    "mine": "your own",
}
NOT_TRAINED = "not trained yet"
EXPERIMENTS = "docs/experiments.md"  # where the shipped benchmark's results are


@dataclass(frozen=True)
class Entry:
    """One config of the zoo and what can be read off it."""

    path: Path  # relative to the repository
    config: Config
    cost: Complexity
    views: int
    published: float | None
    measured: dict

    @property
    def name(self) -> str:
        """The config's file name without suffix."""
        return self.path.stem

    @property
    def dataset(self) -> str:
        """What it is trained on."""
        dataset = self.config.train_dataloader.dataset
        key = Path(dataset.get("data_root") or dataset.ann_file.rpartition("/")[0]).name
        return TITLES[key]

    @property
    def pretrained(self) -> str:
        """What its weights start from."""
        if "kinetics400" in str(self.config.get("load_from")):
            return "ImageNet + Kinetics-400"
        return "ImageNet" if self.config.model.backbone.get("pretrained") else "None"

    @property
    def training(self) -> str:
        """Units and frames a unit in training."""
        steps = self.config.train_dataloader.dataset.pipeline
        sampler = next(step for step in steps if step["type"] == "SampleActionUnits")
        return f"{sampler['num_units']} x {sampler['clip_len']}"

    @property
    def testing(self) -> str:
        """Units, frames a unit and views in testing."""
        return f"{self.cost.num_units} x {self.cost.clip_len} x {self.views}"

    @property
    def macs(self) -> str:
        """Multiply-adds of a test: one view's, times views."""
        return f"{self.cost.macs / 1e9:.1f} x {self.views}"

    @property
    def params(self) -> str:
        """Parameters in millions."""
        return f"{self.cost.params / 1e6:.2f}"

    def accuracy(self, folder: Path) -> str:
        """What we measured, as a cell of a README in ``folder``."""
        if self.measured:
            top1 = f"{self.measured['top1']:.1f}"
            return f"[{top1}]({self.measured['weights']})" if "weights" in self.measured else top1
        if self.dataset == "shipped benchmark":
            up = "../" * len(folder.parts)
            return f"[experiments]({up}{EXPERIMENTS})"
        return NOT_TRAINED


def write_zoo(root: Path) -> list[Path]:
    """Bring the zoo's files up to date and return those that changed."""
    changed = outdated(root)
    for path, text in changed.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(changed)


def check_zoo(root: Path) -> list[str]:
    """Return what differs between the zoo's files and the configs, as lines of a diff."""
    lines: list[str] = []
    for path, text in outdated(root).items():
        found = _read(root / path)
        lines += difflib.unified_diff(
            found.splitlines(), text.splitlines(), str(path), f"{path} from configs", lineterm=""
        )
    return lines


def outdated(root: Path) -> dict[Path, str]:
    """Map each file of the zoo that is not as the configs say to what it should be.

    Raises:
        FileNotFoundError: a folder of configs has no README.md.
        ValueError: ``zoo.yml`` names a config that is not there, or a README lacks a section.
    """
    wanted: dict[Path, str] = {}
    zoo = yaml.safe_load((root / CONFIGS / "zoo.yml").read_text(encoding="utf-8"))
    entries = {entry.path: entry for entry in _entries(root, zoo)}
    unknown = {*zoo["published"], *zoo["measured"]} - {entry.name for entry in entries.values()}
    if unknown:
        raise ValueError(f"zoo.yml names configs that are not there: {', '.join(sorted(unknown))}")
    for folder, collection in zoo["collections"].items():
        here = CONFIGS / folder
        own = [entry for path, entry in entries.items() if here in path.parents]
        readme = _read(root / here / "README.md")
        for subfolder in sorted({entry.path.parent for entry in own}):
            if subfolder.name != "ablations":  # those are in Tables II to V
                section = "configs" if subfolder == here else subfolder.name
                listed = [entry for entry in own if entry.path.parent == subfolder]
                readme = replace_section(readme, section, models_table(listed, here))
        if folder == "f4d":
            for name, rows in zoo["tables"].items():
                readme = replace_section(readme, name, paper_table(rows, entries, here))
        wanted[here / "README.md"] = readme
        wanted[here / "metafile.yml"] = metafile(here, collection, own)
    index = [str(CONFIGS / folder / "metafile.yml") for folder in sorted(zoo["collections"])]
    wanted[Path("model-index.yml")] = _yaml({"Import": index})
    return {path: text for path, text in wanted.items() if _read(root / path) != text}


def models_table(entries: list[Entry], folder: Path) -> str:
    """Return a README's table of configs."""
    return markdown_table(
        [
            "config",
            "dataset",
            "start",
            "training: units x frames",
            "test: units x frames x views",
            "GMACs x views",
            "params (M)",
            "top-1, paper",
            "top-1, here",
        ],
        (
            [
                f"[{entry.name}]({entry.path.relative_to(folder).as_posix()})",
                entry.dataset,
                entry.pretrained,
                entry.training,
                entry.testing,
                entry.macs,
                entry.params,
                "-" if entry.published is None else entry.published,
                entry.accuracy(folder),
            ]
            for entry in entries
        ),
    )


def paper_table(rows: dict, entries: dict[Path, Entry], folder: Path) -> str:
    """Return one of the paper's Tables II to V: a command for each row and dataset.

    Raises:
        ValueError: a row has no config.
    """
    lines = []
    for name, (config, *accuracies) in rows.items():
        for dataset, accuracy in zip(("sthv1", "sthv2"), accuracies):
            path = folder / f"{config}_{dataset}.py"
            if path not in entries:
                raise ValueError(f"zoo.yml: row {name!r} has no config {path}")
            entry = entries[path]
            command = f"`python tools/train.py {path.as_posix()}`"
            here = entry.accuracy(folder)
            lines.append([name, TITLES[dataset], command, entry.macs, entry.params, accuracy, here])
    header = ["row", "dataset", "command", "GMACs x views", "params (M)", "top-1, paper"]
    return markdown_table([*header, "top-1, here"], lines)


def metafile(folder: Path, collection: dict, entries: list[Entry]) -> str:
    """Return a collection's metafile in MMAction2's schema; only what was trained has results."""
    models = [_model(entry, collection["Name"]) for entry in entries]
    paper = {"URL": collection["URL"], "Title": collection["Title"]}
    readme = (folder / "README.md").as_posix()
    head = {"Name": collection["Name"], "README": readme, "Paper": paper}
    return _yaml({"Collections": [head], "Models": models})


def _model(entry: Entry, collection: str) -> dict:
    model = {
        "Name": entry.name,
        "Config": entry.path.as_posix(),
        "In Collection": collection,
        "Metadata": {
            "Architecture": f"ResNet{entry.config.model.backbone.depth}",
            "Batch Size": entry.config.train_dataloader.batch_size,
            "Epochs": entry.config.train_cfg.max_epochs,
            "FLOPs": f"{entry.cost.macs / 1e9:.1f}G",
            "Parameters": f"{entry.params}M",
            "Pretrained": entry.pretrained,
            "Training Data": entry.dataset,
            "Training Units x Frames": entry.training,
            "Test Units x Frames x Views": entry.testing,
        },
        "Modality": "RGB",
    }
    metrics = _renamed(entry.measured, top1="Top 1 Accuracy", top5="Top 5 Accuracy")
    result = {"Dataset": entry.dataset, "Task": "Action Recognition", "Metrics": metrics}
    links = _renamed(entry.measured, log="Training Log", weights="Weights")
    return {**model, "Results": [result], **links}


def _renamed(values: dict, **names: str) -> dict:
    """Return those of ``values`` that have a name here, under that name."""
    return {name: values[key] for key, name in names.items() if key in values}


def _entries(root: Path, zoo: dict) -> Iterator[Entry]:
    for path in sorted((root / CONFIGS).rglob("*.py")):
        config = Config.fromfile(path)
        units, frames, views = protocol(config)
        model = config.model.to_dict()
        model["data_preprocessor"].pop("blending", None)  # costs nothing in a test
        yield Entry(
            path=path.relative_to(root),
            config=config,
            cost=_cost(repr(model), units, frames),
            views=views,
            published=zoo["published"].get(path.stem),
            measured=zoo["measured"].get(path.stem, {}),
        )


@cache
def _cost(model: str, num_units: int, clip_len: int) -> Complexity:
    """Count each network once; many configs share theirs. ``model`` is the repr of its config."""
    config = Config.fromstring(f"model = {model}", ".py")
    return complexity(config, num_units, clip_len)


def _read(path: Path) -> str:
    if not path.is_file():
        if path.suffix == ".md":
            raise FileNotFoundError(f"{path} is missing; its tables are made, its text is not")
        return ""
    return path.read_text(encoding="utf-8")


def _yaml(content: dict) -> str:
    note = "# Made by `python tools/analysis/model_zoo.py --write`.\n"
    return note + yaml.safe_dump(content, sort_keys=False, allow_unicode=True, width=100)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    what = parser.add_mutually_exclusive_group(required=True)
    what.add_argument("--check", action="store_true", help="show what differs; exit code 1 if any")
    what.add_argument("--write", action="store_true", help="bring the files up to date")
    parser.add_argument(
        "--root", type=Path, default=Path(__file__).resolve().parents[2], help="the repository"
    )
    args = parser.parse_args()
    try:
        if args.write:
            changed = write_zoo(args.root)
            print("\n".join(map(str, changed)) or "all up to date")
        else:
            lines = check_zoo(args.root)
            print("\n".join(lines) or "tables, metafiles and configs agree")
            raise SystemExit(bool(lines))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
