"""What the hooks of checkpoints take, keep, and do where nothing is trained."""

from argparse import Namespace
from pathlib import Path

import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from tiny_run import write_config

from f4d_mmaction.engine.hooks import PreemptionHook, SafeCheckpointHook


def test_a_place_that_was_given_is_kept() -> None:
    """MMEngine takes `backend_args` or `file_client_args`, not both."""
    assert SafeCheckpointHook().backend_args == dict(backend="atomic")
    hook = SafeCheckpointHook(file_client_args=dict(backend="disk"))
    assert (hook.backend_args, hook.file_client_args) == (None, dict(backend="disk"))


def test_buffers_of_every_process_are_those_of_a_checkpoint(
    benchmark: Path, tmp_path: Path
) -> None:
    """Others, such as the mean of the pictures, would be told as foreign when it is loaded."""
    network = MODELS.build(Config.fromfile(write_config(tmp_path, benchmark)).model)
    store = f"file://{tmp_path}/store"
    torch.distributed.init_process_group("gloo", init_method=store, rank=0, world_size=1)
    try:
        hook, checkpoint = SafeCheckpointHook(), {}
        hook._gather_buffers(Namespace(model=network))
        hook.before_save_checkpoint(Namespace(model=network), checkpoint)
    finally:
        torch.distributed.destroy_process_group()
    (buffers,) = checkpoint["rank_buffers"]
    statistics = {name for name in network.state_dict() if "running" in name or "num_b" in name}
    assert buffers.keys() == statistics


def test_a_validation_without_training_is_not_preempted() -> None:
    assert PreemptionHook().after_val_iter(Namespace()) is None
