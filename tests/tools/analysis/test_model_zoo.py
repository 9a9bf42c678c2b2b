"""READMEs, metafiles and configs agree, and a change of one shows in the others."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
import yaml
from model_zoo import CONFIGS, check_zoo, write_zoo


def test_the_repository_agrees_with_itself(root: Path) -> None:
    assert check_zoo(root) == []


def test_every_config_is_in_its_readme(root: Path) -> None:
    for path in (root / CONFIGS).rglob("*.py"):
        folder = root / CONFIGS / path.relative_to(root / CONFIGS).parts[0]
        assert path.stem in (folder / "README.md").read_text(), path


def test_every_row_of_a_metafile_is_a_trained_network_with_its_command(root: Path) -> None:
    index = yaml.safe_load((root / "model-index.yml").read_text())["Import"]
    assert sorted(index) == sorted(
        path.relative_to(root).as_posix() for path in (root / CONFIGS).rglob("metafile.yml")
    )
    for metafile in index:
        content = yaml.safe_load((root / metafile).read_text())
        (collection,) = content["Collections"]
        assert (root / collection["README"]).is_file()
        for model in content["Models"]:
            assert model["In Collection"] == collection["Name"]
            assert Path(model["Config"]).stem == model["Name"]
            assert (root / model["Config"]).is_file()
            assert (root / model["Metadata"]["Training Command"].split()[1]).is_file()
            assert 0 < model["Results"][0]["Metrics"]["Top 1 Accuracy"] <= 100


def test_tables_have_a_command_for_every_row(root: Path) -> None:
    readme = (root / CONFIGS / "f4d" / "README.md").read_text()
    for table, rows in (("table2", 8), ("table3", 5), ("table4", 7), ("table5", 5)):
        section = readme.split(f"<!-- {table} -->")[1].split(f"<!-- /{table} -->")[0]
        commands = [line for line in section.splitlines() if "`python tools/train.py " in line]
        assert len(commands) == 2 * rows
        for line in commands:
            assert (root / line.split("tools/train.py ")[1].split("`")[0]).is_file()


@pytest.fixture
def small_zoo(root: Path, tmp_path: Path) -> Path:
    """A repository with the TSN configs only, none of them trained."""
    shutil.copytree(root / "configs" / "_base_", tmp_path / "configs" / "_base_")
    shutil.copytree(root / CONFIGS / "tsn", tmp_path / CONFIGS / "tsn")
    (tmp_path / CONFIGS / "tsn" / "tsn_r18_phase_order.py").unlink()  # builds on another folder's
    (tmp_path / CONFIGS / "zoo.yml").write_text(yaml.safe_dump(dict(published={}, tables={})))
    (tmp_path / "model-index.yml").write_text("Import: []")
    write_zoo(tmp_path)
    return tmp_path


def edit(path: Path, **changes: dict) -> None:
    path.write_text(yaml.safe_dump(yaml.safe_load(path.read_text()) | changes))


def changed(lines: list[str], sign: str) -> str:
    return "\n".join(line for line in lines if line.startswith(sign))


def test_a_changed_config_is_noticed_and_written(small_zoo: Path) -> None:
    assert check_zoo(small_zoo) == []
    config = small_zoo / CONFIGS / "tsn" / "tsn_r50_ucf101.py"
    config.write_text(config.read_text() + "\nmodel['backbone']['depth'] = 101\n")
    difference = check_zoo(small_zoo)
    assert "| 23.71 |" in changed(difference, "-")
    assert "| 42.71 |" in changed(difference, "+")
    assert write_zoo(small_zoo) == [CONFIGS / "tsn" / "README.md"]
    assert check_zoo(small_zoo) == []


def test_a_table_edited_by_hand_is_noticed(small_zoo: Path) -> None:
    readme = small_zoo / CONFIGS / "tsn" / "README.md"
    readme.write_text(readme.read_text().replace("not trained yet", "99.9", 1))
    difference = check_zoo(small_zoo)
    assert "99.9" in changed(difference, "-")
    assert "not trained yet" in changed(difference, "+")


def test_what_was_measured_is_shown_beside_what_was_published(small_zoo: Path) -> None:
    edit(small_zoo / CONFIGS / "zoo.yml", published=dict(tsn_r50_sthv1=19.7))
    result = {"Metrics": {"Top 1 Accuracy": 20.25}}
    rows = dict(Models=[dict(Name="tsn_r50_sthv1", Results=[result])])
    (small_zoo / "metafile.yml").write_text(yaml.safe_dump(rows))
    edit(small_zoo / "model-index.yml", Import=["metafile.yml"])
    write_zoo(small_zoo)
    readme = (small_zoo / CONFIGS / "tsn" / "README.md").read_text()
    (row,) = (line for line in readme.splitlines() if line.startswith("| [tsn_r50_sthv1]"))
    assert row.endswith("| 19.7 | 20.2 |")
    assert readme.count("not trained yet") == 4


def test_names_without_a_config_are_refused(small_zoo: Path) -> None:
    edit(small_zoo / CONFIGS / "zoo.yml", published=dict(tsn_r51=1.0))
    with pytest.raises(ValueError, match="no config of the names tsn_r51"):
        check_zoo(small_zoo)
