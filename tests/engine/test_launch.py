"""How a run ends."""

from pathlib import Path

import pytest
import torch.distributed
from mmengine.config import Config

from f4d_mmaction.engine.launch import ConfigError, resume, run


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


def test_a_run_whose_checkpoints_are_elsewhere_does_not_start_anew(tmp_path: Path) -> None:
    checkpoint = dict(type="SafeCheckpointHook", out_dir="s3://bucket/runs")
    config = Config(dict(work_dir=str(tmp_path), default_hooks=dict(checkpoint=checkpoint)))
    resume(config, "auto")  # of a run that has no checkpoint yet
    assert not config.get("resume")
    (tmp_path / "last_checkpoint").write_text("s3://bucket/runs/epoch_3.pth")
    with pytest.raises(ConfigError, match=r"does not read s3://.*epoch_3\.pth: name a local copy"):
        resume(config, "auto")
