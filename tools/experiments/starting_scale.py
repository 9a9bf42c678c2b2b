"""A hook for studies that changes how large the branches of 4D blocks are at the start."""

from mmengine.hooks import Hook
from mmengine.runner import Runner

from f4d_mmaction.models.f4d import Residual4d
from mmaction.registry import HOOKS


@HOOKS.register_module()
class StartingScaleHook(Hook):
    """Multiplies the last gamma of each fresh 4D block, which starts at ``FRESH_GAMMA``."""

    def __init__(self, scale: float) -> None:
        self.scale = scale

    def before_train(self, runner: Runner) -> None:
        if runner.iter == 0:
            for block in runner.model.modules():
                if isinstance(block, Residual4d):
                    block.norm.get_parameter("weight").data.mul_(self.scale)
