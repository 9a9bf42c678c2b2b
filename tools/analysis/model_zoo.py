"""Check the tables of the configs' READMEs, or write them: from configs, metafiles and zoo.yml."""

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


@dataclass(frozen=True)
class Entry:
    """One config of the zoo and what can be read off it."""

    path: Path  # relative to the repository
    config: Config
    cost: Complexity
    views: int
    published: float | None
    measured: float | None

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

    @property
    def accuracies(self) -> list[object]:
        """Top-1 as published and as measured here."""
        published = "-" if self.published is None else self.published
        return [published, NOT_TRAINED if self.measured is None else f"{self.measured:.1f}"]


def write_zoo(root: Path) -> list[Path]:
    """Bring the READMEs up to date and return those that changed."""
    changed = outdated(root)
    for path, text in changed.items():
        (root / path).write_text(text, encoding="utf-8")
    return list(changed)


def check_zoo(root: Path) -> list[str]:
    """Return what differs between the READMEs and the configs, as lines of a diff."""
    lines: list[str] = []
    for path, text in outdated(root).items():
        found = (root / path).read_text(encoding="utf-8")
        lines += difflib.unified_diff(
            found.splitlines(), text.splitlines(), str(path), f"{path} from configs", lineterm=""
        )
    return lines


def outdated(root: Path) -> dict[Path, str]:
    """Map each README that is not as the configs say to what it should be.

    Raises:
        ValueError: ``zoo.yml`` or a metafile names a config that is not there, or a README lacks
            a section.
    """
    wanted: dict[Path, str] = {}
    zoo = yaml.safe_load((root / CONFIGS / "zoo.yml").read_text(encoding="utf-8"))
    measured = trained(root)
    entries = {entry.path: entry for entry in _entries(root, zoo["published"], measured)}
    unknown = {*zoo["published"], *measured} - {entry.name for entry in entries.values()}
    if unknown:
        raise ValueError(f"there is no config of the names {', '.join(sorted(unknown))}")
    for path in sorted((root / CONFIGS).glob("*/README.md")):
        here = path.parent.relative_to(root)
        own = [entry for entry in entries.values() if here in entry.path.parents]
        found = readme = path.read_text(encoding="utf-8")
        for subfolder in sorted({entry.path.parent for entry in own}):
            if subfolder.name != "ablations":  # those are in Tables II to V
                section = "configs" if subfolder == here else subfolder.name
                listed = [entry for entry in own if entry.path.parent == subfolder]
                readme = replace_section(readme, section, models_table(listed, here))
        if here.name == "f4d":
            for name, rows in zoo["tables"].items():
                readme = replace_section(readme, name, paper_table(rows, entries, here))
        if readme != found:
            wanted[here / "README.md"] = readme
    return wanted


def trained(root: Path) -> dict[str, float]:
    """Read the top-1 accuracy in % of each network in the metafiles that model-index.yml lists."""
    index = yaml.safe_load((root / "model-index.yml").read_text(encoding="utf-8"))
    metafiles = [yaml.safe_load((root / path).read_text("utf-8")) for path in index["Import"]]
    return {
        model["Name"]: model["Results"][0]["Metrics"]["Top 1 Accuracy"]
        for metafile in metafiles
        for model in metafile["Models"]
    }


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
                *entry.accuracies,
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
            here = entry.accuracies[1]
            lines.append([name, TITLES[dataset], command, entry.macs, entry.params, accuracy, here])
    header = ["row", "dataset", "command", "GMACs x views", "params (M)", "top-1, paper"]
    return markdown_table([*header, "top-1, here"], lines)


def _entries(
    root: Path, published: dict[str, float], measured: dict[str, float]
) -> Iterator[Entry]:
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
            published=published.get(path.stem),
            measured=measured.get(path.stem),
        )


@cache
def _cost(model: str, num_units: int, clip_len: int) -> Complexity:
    """Count each network once; many configs share theirs. ``model`` is the repr of its config."""
    config = Config.fromstring(f"model = {model}", ".py")
    return complexity(config, num_units, clip_len)


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
            print("\n".join(lines) or "tables and configs agree")
            raise SystemExit(bool(lines))
    except (FileNotFoundError, ValueError) as error:
        parser.error(str(error))


if __name__ == "__main__":
    main()
