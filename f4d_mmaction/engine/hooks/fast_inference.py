"""Testing in the fast inference mode."""

from __future__ import annotations

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.runner import Runner

from ...models.inference import prepare_for_inference


@HOOKS.register_module()
class FastInferenceHook(Hook):
    """Apply :func:`prepare_for_inference` before the test, when the checkpoint is loaded.

    For testing alone: the network cannot be trained any more.
    """

    def before_test(self, runner: Runner) -> None:
        """Prepare the runner's model."""
        model = runner.model.module if is_model_wrapper(runner.model) else runner.model
        prepare_for_inference(model)
