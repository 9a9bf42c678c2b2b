"""Pictures of a run while it trains: error curves, and what the network attends to."""

from pathlib import Path

from mmaction.registry import HOOKS
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.runner import Runner

from ...apis.recognition import recognize_packed
from ...datasets.unwrapping import known_names, names_of
from .checkpoint import network_of

# matplotlib is imported where it is used: most processes that import the package draw nothing.


@HOOKS.register_module()
class ErrorCurveHook(Hook):
    """Draw training and validation error into ``curves.png`` of the work directory at the end."""

    priority = "VERY_LOW"

    @master_only
    def after_train(self, runner: Runner) -> None:
        """Draw; a run without the log for it only loses the picture."""
        from ...visualization import plot_runs, read_errors

        try:
            runs = {runner.experiment_name: read_errors(runner.work_dir)}
            picture = plot_runs(runs, Path(runner.work_dir, "curves.png"))
        except (OSError, ValueError) as error:
            runner.logger.warning(f"no error curves: {error}")
        else:
            runner.logger.info(f"error curves: {picture}")


@HOOKS.register_module()
class AttentionVisualizationHook(Hook):
    """Draw contact sheets of a few validation videos after each validation, as it saw them.

    They go to all backends of the visualizer: to ``vis_data/vis_image`` of the run's folder and,
    with ``TensorboardVisBackend``, to TensorBoard.

    Args:
        num_videos: Evenly spread over the validation set.
        interval: Draw after every ``interval``-th epoch.
        location: Of the block to show, such as 'layer2_1'; chosen by its map if not given.
    """

    priority = "ABOVE_NORMAL"  # before EMAHook takes the averaged weights out again

    def __init__(self, num_videos: int = 4, interval: int = 1, location: str | None = None) -> None:
        if num_videos < 1 or interval < 1:
            raise ValueError(f"num_videos and interval must be positive: {num_videos}, {interval}")
        self.num_videos, self.interval, self.location = num_videos, interval, location

    @master_only
    def after_val_epoch(self, runner: Runner, metrics: dict | None = None) -> None:
        """Run the videos through the network as it is and draw them."""
        from ...visualization.attention import draw_sheet
        from ...visualization.style import to_array

        if runner.epoch % self.interval:
            return
        dataset = runner.val_dataloader.dataset
        names = known_names(dataset.metainfo)
        count = min(self.num_videos, len(dataset))
        for index in (place * len(dataset) // count for place in range(count)):
            info = dataset.get_data_info(index)
            path = info.get("filename") or info.get("frame_dir", str(index))
            try:
                (result,) = recognize_packed(network_of(runner), [path], [dataset[index]], names)
                sheet = to_array(draw_sheet(result, self.location, names_of(info["label"], names)))
            except ValueError as error:  # a bad video, or no such block: a run only loses a picture
                runner.logger.warning(f"no attention drawn: {error}")
                continue
            name = f"attention_{index:05}_{Path(path).stem}"
            runner.visualizer.add_image(name, sheet, step=runner.epoch or runner.iter)
