"""How a run ends."""

from pathlib import Path

import pytest
import torch.distributed
from mmengine.config import Config

from f4d_mmaction.datasets.video_errors import BadVideoKind, bad
from f4d_mmaction.engine.launch import ConfigError, resume, run
from f4d_mmaction.models.weights import CheckpointError


@pytest.mark.parametrize("code", [None, 143])
def test_run_leaves_its_process_group(tmp_path: Path, code: int | None) -> None:
    """A thread of the group that outlives Python's end aborts the process (exit code -6)."""

    def work() -> None:
        store = f"file://{tmp_path}/store"
        torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
        if code is not None:
            raise SystemExit(code)

    if code is None:
        run(work)
    else:
        with pytest.raises(SystemExit, match=str(code)):
            run(work)
    assert not torch.distributed.is_initialized()


class Unreadable(torch.utils.data.Dataset):
    def __len__(self) -> int:
        return 1

    def __getitem__(self, index: int) -> None:
        raise bad(BadVideoKind.EMPTY, "videos/a.mp4", "the file has zero bytes")


@pytest.mark.parametrize("workers", [0, 1])
def test_a_bad_video_is_told_in_one_line(workers: int) -> None:
    loader = torch.utils.data.DataLoader(Unreadable(), num_workers=workers)
    with pytest.raises(SystemExit) as ended:
        run(lambda: list(loader))
    assert str(ended.value) == "BadVideoError: videos/a.mp4: empty video: the file has zero bytes"


def test_checkpoints_in_the_work_directory_itself_are_found(tmp_path: Path) -> None:
    (tmp_path / "epoch_1.pth").write_bytes(b"no checkpoint")
    for hook in (None, dict(out_dir=None), dict(out_dir=str(tmp_path))):
        config = Config(dict(work_dir=str(tmp_path), default_hooks=dict(checkpoint=hook)))
        with pytest.raises(CheckpointError, match="none of the 1 checkpoints"):
            resume(config, "auto")


def test_a_run_whose_checkpoints_are_elsewhere_does_not_start_anew(tmp_path: Path) -> None:
    checkpoint = dict(type="SafeCheckpointHook", out_dir="s3://bucket/runs")
    config = Config(dict(work_dir=str(tmp_path), default_hooks=dict(checkpoint=checkpoint)))
    resume(config, "auto")  # of a run that has no checkpoint yet
    assert not config.get("resume")
    (tmp_path / "last_checkpoint").write_text("s3://bucket/runs/epoch_3.pth")
    with pytest.raises(ConfigError, match=r"does not read s3://.*epoch_3\.pth: name a local copy"):
        resume(config, "auto")
