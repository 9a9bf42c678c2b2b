"""The tables of the READMEs and the metafiles say what the configs are, row by row."""

import functools
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
import yaml
from mmaction.registry import MODELS
from mmengine.config import Config
from reduction import CONFIGS, RECOGNITION, ROOT, name, sampler

from f4d_mmaction.analysis.complexity import Complexity, complexity, protocol
from f4d_mmaction.datasets import unwrapping

READMES = sorted(RECOGNITION.glob("*/README.md"))
METAFILES = sorted(RECOGNITION.glob("*/metafile.yml"))
DATASETS = {
    "sthv1": "Something-Something v1",
    "sthv2": "Something-Something v2",
    "kinetics400": "Kinetics-400",
    "ucf101": "UCF101",
    "hmdb51": "HMDB51",
    "phase_order": "shipped benchmark",
    "first_last": "shipped benchmark, two labels a video",
    "egogestar": "EgoGestAR, fold 1",
    "utd_mhad": "UTD-MHAD depth",
    "utd_mhad_sequences": "UTD-MHAD, two actions in order",
    "mine": "your own",
}
ATTENTION = {
    "no attention": [],
    "TA": ["TemporalAttention"],
    "CA": ["ChannelAttention"],
    "STA": ["SpatioTemporalAttention"],
    "SE": ["SEAttention"],
    "CBAM": ["CBAMAttention"],
    "STM block": ["STMAttention"],
    "TEA block": ["TEAAttention"],
}
counted: dict[str, Complexity] = {}  # many configs share their network


@functools.cache
def read(path: Path) -> Config:
    """Read a config once; nothing here changes it."""
    return Config.fromfile(path)


def rows(readme: str) -> Iterator[tuple[Path, dict[str, str]]]:
    """Yield each row of the tables of configs: the config, and the row's cells by column."""
    header = None
    for line in readme.splitlines():
        cells = [cell.strip() for cell in line.strip("|").split("|")]
        command = re.search(r"tools/train\.py (configs/\S+\.py)", line)
        link = re.search(r"\[([\w-]+)\]\((\S+\.py)\)", line)
        if not line.startswith("|"):
            header = None
        elif header is None:
            header = cells
        elif command:
            yield ROOT / command[1], dict(zip(header, cells))
        elif link:
            assert Path(link[2]).stem == link[1]
            yield next(RECOGNITION.glob(f"*/{link[2]}")), dict(zip(header, cells))


def paper_rows(*tables: int) -> list[tuple[str, Path]]:
    """Name and config of each row of the paper's Tables II to V, by number."""
    readme = (RECOGNITION / "f4d" / "README.md").read_text()
    sections = [readme.split(f"<!-- table{table} -->")[1] for table in tables]
    sections = [after.partition("<!--")[0] for after in sections]
    return [(cells["row"], path) for section in sections for path, cells in rows(section)]


def facts(path: Path) -> dict[str, str]:
    """What a row has to say of a config, by column."""
    config = read(path)
    dataset, training = config.train_dataloader.dataset, sampler(config, "train")
    data_root = dataset.get("data_root") or dataset.ann_file.rpartition("/")[0]
    units, frames, views = protocol(config)
    steps = unwrapping.tested_dataset(config)["pipeline"]
    last = [step for step in steps if "scale" in step or "crop_size" in step][-1]
    size = last.get("crop_size") or last["scale"][0]  # of what the network reads
    network = repr((config.model, units, frames, size))
    if network not in counted:
        counted[network] = complexity(config, units, frames, size)
    start = "ImageNet" if config.model.backbone.get("pretrained") else "None"
    if "kinetics400" in str(config.get("load_from")):
        start = "ImageNet + Kinetics-400"
    return {
        "dataset": DATASETS[Path(data_root).name],
        "start": start,
        "training: units x frames": f"{training.num_units} x {training.clip_len}",
        "test: units x frames x views": f"{units} x {frames} x {views}",
        "GMACs x views": f"{counted[network].macs / 1e9:.1f} x {views}",
        "params (M)": f"{counted[network].params / 1e6:.2f}",
        "top-1, here": trained().get(path.stem, "not trained yet"),
    }


def trained() -> dict[str, str]:
    """Top-1 accuracy in %, or the mAP so called, of each network that a metafile lists.

    A network of a study on real people has a row there, over folds or seeds.
    """
    found = {}
    for study in ("egogestar", "utd_mhad", "utd_mhad_sequences"):
        for line in (ROOT / "docs" / "experiments" / f"{study}.jsonl").read_text().splitlines():
            name = f"{json.loads(line)['row']}_r18_{study}"
            found[name] = "[study](../../../docs/experiments.md)"
    for metafile in METAFILES:
        for model in yaml.safe_load(metafile.read_text())["Models"]:
            ((metric, value),) = model["Results"][0]["Metrics"].items()
            name = metric.removeprefix("Top 1 Accuracy")
            found[model["Name"]] = f"{name} {value:.1f}".strip()
    return found


def backbone(path: Path) -> torch.nn.Module:
    with torch.device("meta"):
        return MODELS.build({**read(path).model.backbone, "pretrained": None})


@pytest.mark.parametrize("readme", READMES, ids=lambda path: path.parent.name)
def test_rows_say_what_their_configs_are(readme: Path) -> None:
    listed = list(rows(readme.read_text()))
    assert {path for path, _ in listed} == {p for p in CONFIGS if readme.parent in p.parents}
    for path, cells in listed:
        assert readme.parent in path.parents
        assert cells == cells | {k: v for k, v in facts(path).items() if k in cells}, name(path)


def test_every_row_of_a_metafile_is_a_trained_network_with_its_command() -> None:
    index = yaml.safe_load((ROOT / "model-index.yml").read_text())["Import"]
    assert sorted(index) == [path.relative_to(ROOT).as_posix() for path in METAFILES]
    for metafile in METAFILES:
        content = yaml.safe_load(metafile.read_text())
        (collection,) = content["Collections"]
        assert (ROOT / collection["README"]).is_file()
        for model in content["Models"]:
            assert model["In Collection"] == collection["Name"]
            assert Path(model["Config"]).stem == model["Name"]
            assert (ROOT / model["Config"]).is_file()
            assert (ROOT / model["Metadata"]["Training Command"].split()[1]).is_file()
            assert 0 < next(iter(model["Results"][0]["Metrics"].values())) <= 100


@pytest.mark.parametrize(("table", "count"), [(2, 8), (3, 5), (4, 7), (5, 5)])
def test_every_row_of_the_paper_is_there_on_both_datasets(table: int, count: int) -> None:
    datasets = [path.stem.rpartition("_")[2] for _, path in paper_rows(table)]
    assert datasets == ["sthv1", "sthv2"] * count
    assert len({row for row, _ in paper_rows(table)}) == count


@pytest.mark.parametrize(("row", "path"), paper_rows(2))
def test_location(row: str, path: Path) -> None:
    first, _, last = row.removeprefix("conv").partition("-")
    stages = range(int(first) - 1, int(last or first))
    last_block = {0: "stem", 1: "layer1_2", 2: "layer2_3", 3: "layer3_5", 4: "layer4_2"}
    assert set(backbone(path).blocks4d) == {last_block[stage] for stage in stages}


@pytest.mark.parametrize(("row", "path"), paper_rows(3))
def test_number_of_units(row: str, path: Path) -> None:
    config = read(path)
    assert f"U = {sampler(config, 'train').num_units}" == row
    assert sampler(config, "test").num_units == 10


@pytest.mark.parametrize(("row", "path"), paper_rows(4, 5))
def test_attention(row: str, path: Path) -> None:
    wanted = [module for part in row.split(" + ") for module in ATTENTION[part]]
    blocks = backbone(path).blocks4d
    assert len(blocks) == 4
    for block in blocks.values():
        assert list(block.attention) == wanted


@pytest.mark.parametrize(("row", "path"), paper_rows(2, 3, 4, 5))
def test_rows_differ_in_what_the_table_is_about_alone(row: str, path: Path) -> None:
    """All train on 4 units of 8 frames from Kinetics-400, but for the table's own change."""
    found = read(path)
    dataset = path.stem.rpartition("_")[2]
    base = read(RECOGNITION / "f4d" / f"f4d_r50_from-k400_{dataset}.py")
    assert found.load_from == base.load_from
    assert found.optim_wrapper == base.optim_wrapper
    assert found.test_dataloader == base.test_dataloader
    assert found.model.cls_head == base.model.cls_head
    if not row.startswith("U = "):
        assert found.train_dataloader == base.train_dataloader
