"""Error curves from MMEngine's own log writer."""

import json

import cv2
import numpy as np
import pytest
from mmengine.visualization import LocalVisBackend

from f4d_mmaction.visualization import plot_runs, read_errors


def write_log(folder, epochs, offset=0.0):
    backend = LocalVisBackend(str(folder / "vis_data"))
    for epoch in epochs:
        for step in (1, 2):
            scalars = {"loss": 1.0, "top1_acc": 0.1 * epoch + 0.01 * step - offset, "epoch": epoch}
            backend.add_scalars(scalars, step=2 * epoch + step)
        backend.add_scalars({"acc/top1": 0.1 * epoch - offset}, step=epoch)
    backend.close()
    return folder


def test_an_epoch_has_the_error_of_its_last_line(tmp_path):
    errors = read_errors(write_log(tmp_path / "20260101_000000", [1, 2, 3]))
    assert errors.by_epoch
    assert errors.train == pytest.approx({1: 0.88, 2: 0.78, 3: 0.68})
    assert errors.val == pytest.approx({1: 0.9, 2: 0.8, 3: 0.7})


def test_runs_without_epochs_count_iterations_and_unfinished_lines_are_left_out(tmp_path):
    folder = tmp_path / "vis_data"
    folder.mkdir()
    lines = [{"top1_acc": 0.5, "step": 10}, {"top1_acc": 0.75, "step": 20}]
    (folder / "scalars.json").write_text("\n".join([*map(json.dumps, lines), '{"top1_acc": 1.0']))
    errors = read_errors(tmp_path)
    assert not errors.by_epoch
    assert errors.train == {10: 0.5, 20: 0.25}


def test_a_resumed_run_goes_on_from_the_earlier_log(tmp_path):
    write_log(tmp_path / "20260101_000000", [1, 2, 3])
    write_log(tmp_path / "20260102_000000", [3, 4], offset=0.05)
    assert read_errors(tmp_path).val == pytest.approx({1: 0.9, 2: 0.8, 3: 0.75, 4: 0.65})


def test_a_run_begun_anew_in_the_same_folder_replaces_the_longer_one(tmp_path):
    write_log(tmp_path / "20260101_000000", [1, 2, 3])
    write_log(tmp_path / "20260102_000000", [1, 2], offset=0.05)
    errors = read_errors(tmp_path)
    assert errors.val == pytest.approx({1: 0.95, 2: 0.85})
    assert errors.train == pytest.approx({1: 0.93, 2: 0.83})


def test_missing_and_foreign_logs_are_named(tmp_path):
    with pytest.raises(FileNotFoundError, match="LocalVisBackend"):
        read_errors(tmp_path)
    for run in "ab":
        write_log(tmp_path / f"{run}/20260101_000000", [1])
    with pytest.raises(FileNotFoundError, match=f"name {tmp_path}/a or {tmp_path}/b"):
        read_errors(tmp_path)
    (tmp_path / "vis_data").mkdir()
    (tmp_path / "vis_data/scalars.json").write_text('{"loss": 1.0, "step": 1}\n')
    with pytest.raises(ValueError, match="top1_acc"):
        read_errors(tmp_path)
    with pytest.raises(ValueError, match="at least one run"):
        plot_runs({}, tmp_path / "runs.png")


@pytest.mark.parametrize("number", [1, 5])
def test_every_run_is_drawn(tmp_path, number):
    logs = [write_log(tmp_path / str(i), [1, 2, 3], 0.02 * i) for i in range(number)]
    runs = {f"run {i}": read_errors(log) for i, log in enumerate(logs)}
    picture = cv2.imread(str(plot_runs(runs, tmp_path / "new folder/runs.png")))
    blue = np.abs(picture.astype(int) - (0xB0, 0x6F, 0x2F)).max(2) < 30  # BGR of the validation
    columns = min(number, 3)
    drawn = [part.any() for row in np.array_split(blue, -(-number // columns))
             for part in np.array_split(row, columns, axis=1)]  # fmt: skip
    assert all(drawn[:number])


def test_the_tool_writes_the_picture_and_names_what_is_missing(tmp_path, run_tool):
    write_log(tmp_path / "v4d", [1, 2])
    run_tool("analysis/plot_runs.py", "--out", "a.png", f"V4D={tmp_path / 'v4d'}", "v4d")
    assert (tmp_path / "a.png").stat().st_size > 1000
    both = ("a/v4d", "b/v4d")
    assert "runs share the name v4d" in run_tool("analysis/plot_runs.py", *both, code=2)
    assert "none holds no vis_data" in run_tool("analysis/plot_runs.py", "none", code=2)
