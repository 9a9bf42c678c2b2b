"""Labels that the head cannot learn are found before the first step, not in a CUDA assertion."""

import numpy as np
from mmaction.registry import HOOKS
from mmengine.dataset import BaseDataset
from mmengine.hooks import Hook
from mmengine.runner import BaseLoop, Runner

from ...datasets.unwrapping import unwrapped
from .checkpoint import network_of


class LabelError(ValueError):
    """A dataset holds labels that the head has no class for."""


@HOOKS.register_module()
class CheckLabelsHook(Hook):
    """Check that every label of a dataset is one of the head's classes, 0 to ``num_classes - 1``.

    Raises:
        LabelError: names the annotation file, the first wrong sample and how many there are; or
            mirrored videos would keep labels that ``flip_label_map`` exchanges.
    """

    def before_train(self, runner: Runner) -> None:
        """Check the training set, and the validation set that would fail an epoch later."""
        self._check(runner, runner.train_loop)
        if runner.val_loop is not None:
            self._check(runner, runner.val_loop)

    def before_test(self, runner: Runner) -> None:
        """Check the test set, unless it has no labels at all, as videos to be submitted."""
        self._check(runner, runner.test_loop, may_lack_labels=True)

    def _check(self, runner: Runner, loop: BaseLoop, may_lack_labels: bool = False) -> None:
        num_classes = getattr(getattr(network_of(runner), "cls_head", None), "num_classes", None)
        if num_classes is None:
            return  # another kind of model has rules of its own
        for dataset in unwrapped(loop.dataloader.dataset):
            several, steps = getattr(dataset, "multi_class", False), dataset.pipeline.transforms
            if several and any(getattr(step, "flip_label_map", None) for step in steps):
                raise LabelError(
                    f"Flip of {dataset.ann_file} has a flip_label_map, which MMAction2 applies to "
                    "single labels alone: remove Flip where the labels depend on the side"
                )
            # MMEngine's: MMAction2 makes a vector of several labels, where -1 is the last class.
            infos = (BaseDataset.get_data_info(dataset, i) for i in range(len(dataset)))
            wrong = [info for info in infos if not in_range(info.get("label"), num_classes)]
            lacking = [i for i in wrong if np.array(i.get("label"), ndmin=1).tolist() == [-1]]
            if wrong and may_lack_labels and len(lacking) == len(dataset):
                runner.logger.warning(
                    f"{dataset.ann_file} has no labels: metrics of it say nothing"
                )
            elif wrong:
                name = wrong[0].get("filename") or wrong[0].get("frame_dir")
                raise LabelError(
                    f"{len(wrong)} of {len(dataset)} samples of {dataset.ann_file} have a label "
                    f"outside 0 to {num_classes - 1}, first {name} with {wrong[0].get('label')}; "
                    "correct the list or set model.cls_head.num_classes"
                )


def in_range(label: object, num_classes: int) -> bool:
    """Say whether a label, or each of a multi-label sample, is a class."""
    labels = np.array(label, ndmin=1).tolist()
    return all(isinstance(value, int) and 0 <= value < num_classes for value in labels)
