"""Losses that are no numbers end a run; skipped fp16 steps are told."""

from pathlib import Path

import pytest
import torch
from mmaction.registry import MODELS
from mmengine.config import Config
from mmengine.model import BaseModel
from mmengine.optim import OptimWrapper
from mmengine.registry import OPTIM_WRAPPERS
from mmengine.runner import Runner
from tiny_run import train, weights, write_config

from f4d_mmaction.engine.hooks import InvalidLossError


@MODELS.register_module(force=True)
class LossOf(BaseModel):
    """Has the loss it is told, from the fifth iteration on."""

    def __init__(self, loss: float) -> None:
        super().__init__()
        self.weight = torch.nn.Parameter(torch.ones(()))
        self.loss = loss
        self.calls = 0

    def forward(self, inputs: list, data_samples: list, mode: str) -> dict:
        self.calls += 1
        return {"loss_cls": self.weight * (self.loss if self.calls > 4 else 1.0)}


@OPTIM_WRAPPERS.register_module(force=True)
class CpuScaledOptimWrapper(OptimWrapper):
    """AmpOptimWrapper's scaling, which MMEngine allows on accelerators only."""

    def __init__(self, **kwargs: object) -> None:
        super().__init__(**kwargs)
        self.loss_scaler = torch.amp.GradScaler("cpu", init_scale=2.0**16)

    def backward(self, loss: torch.Tensor, **kwargs: object) -> None:
        self.loss_scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: object) -> None:
        self.loss_scaler.step(self.optimizer, **kwargs)
        self.loss_scaler.update()


def runner(
    data: Path, folder: Path, loss: float, epochs: int = 3, **optim_wrapper: object
) -> Runner:
    config = Config.fromfile(write_config(folder, data))
    config.work_dir = str(folder / "run")
    config.experiment_name = folder.name
    config.model = dict(type="LossOf", loss=loss)
    config.train_cfg.max_epochs = epochs
    config.train_dataloader.update(num_workers=0, persistent_workers=False)
    config.param_scheduler = []
    config.optim_wrapper = dict(optimizer=dict(type="SGD", lr=0.125), **optim_wrapper)
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    return Runner.from_cfg(config)


@pytest.mark.parametrize("loss", [float("nan"), float("-inf")])
def test_invalid_loss_ends_the_run(benchmark: Path, tmp_path: Path, loss: float) -> None:
    with pytest.raises(InvalidLossError) as error:
        runner(benchmark, tmp_path, loss).train()
    message = str(error.value)
    assert f"'loss_cls': {loss}" in message
    assert "iteration 5 (epoch 2)" in message
    assert "learning rate 0.125" in message
    named = message.partition("Videos of this batch: ")[2].partition(". Look")[0].split(", ")
    assert len(named) == 4
    assert all(Path(path).is_file() and Path(path).parent.parent == benchmark for path in named)
    # The checkpoint before is sound, and there is none after.
    assert torch.isfinite(weights(tmp_path / "run" / "epoch_1.pth")["weight"])
    assert not (tmp_path / "run" / "epoch_2.pth").exists()


def test_overflow_is_told_and_its_step_left_out(
    benchmark: Path, tmp_path: Path, capfd: pytest.CaptureFixture
) -> None:
    """A gradient of 1e35 overflows once the scaler multiplies it; the loss itself is finite."""
    run = runner(benchmark, tmp_path, 1e35, epochs=2, type="CpuScaledOptimWrapper")
    run.train()
    output = capfd.readouterr().err + "".join(
        path.read_text() for path in (tmp_path / "run").glob("*/*.log")
    )
    assert "fp16 overflow in iteration 5: step left out, loss scale now 32768 (1 so far)" in output
    assert weights(tmp_path / "run" / "epoch_2.pth")["weight"] == 1 - 4 * 0.125


def test_clipped_gradient_is_the_hosts(benchmark: Path, tmp_path: Path) -> None:
    run = runner(benchmark, tmp_path, 1000.0, clip_grad=dict(max_norm=0.5))
    run.train()
    # 12 steps along a gradient of norm above 0.5 move by lr * 0.5 each.
    assert run.model.weight.item() == pytest.approx(1 - 12 * 0.125 * 0.5)


def test_tool_tells_it_in_one_sentence(benchmark: Path, tmp_path: Path) -> None:
    changes = ("optimizer.lr = 1e30", "clip_grad = None")
    text = "".join(f"_base_.optim_wrapper.{change}\n" for change in changes)
    config = write_config(tmp_path, benchmark, text + "_base_.param_scheduler = []\n")
    output = train(config, tmp_path / "run", code=1)
    assert "InvalidLossError: {" in output
    assert "Traceback" not in output
