"""Testing in the fast inference mode."""

from mmaction.registry import HOOKS
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...models.inference import prepare_for_inference
from .checkpoint import network_of


@HOOKS.register_module()
class FastInferenceHook(Hook):
    """Apply :func:`~f4d_mmaction.models.prepare_for_inference` before the test.

    When the checkpoint is loaded, and for testing alone: the network cannot be trained any more.
    """

    def before_test(self, runner: Runner) -> None:
        """Prepare the runner's model."""
        prepare_for_inference(network_of(runner))
