"""The order in which loops hand out samples is that of the host, whatever prepares them."""

from collections.abc import Iterator
from pathlib import Path

import pytest
from mmengine.config import Config
from mmengine.hooks import Hook
from mmengine.registry import DATA_SAMPLERS
from mmengine.runner import Runner
from tiny_run import write_config
from torch.utils.data import BatchSampler, DataLoader


@DATA_SAMPLERS.register_module(force=True)
class OneKindOfLabel(BatchSampler):
    """Batches of even or of odd labels, as batch samplers group pictures by their shape."""

    def __iter__(self) -> Iterator[list[int]]:
        """Yield indices."""
        kinds: tuple[list[int], list[int]] = ([], [])
        for index in self.sampler:
            kind = kinds[self.sampler.dataset.get_data_info(index)["label"] % 2]
            kind.append(index)
            if len(kind) == self.batch_size:
                yield kind.copy()
                kind.clear()


class Names(Hook):
    """Notes the videos of each iteration."""

    def __init__(self) -> None:
        self.seen: list[str] = []

    def after_train_iter(self, runner: Runner, batch_idx: int, data_batch: dict, **_) -> None:
        self.seen += [sample.filename for sample in data_batch["data_samples"]]


def seen(data: Path, folder: Path, changes: str) -> list[str]:
    config = Config.fromfile(write_config(folder, data, changes))
    config.work_dir, config.experiment_name = str(folder / "run"), folder.name
    config.val_cfg = config.val_dataloader = config.val_evaluator = None
    config.param_scheduler = None
    config.train_dataloader.dataset.pipeline[-1].meta_keys = ("filename",)
    runner, names = Runner.from_cfg(config), Names()
    runner.register_hook(names)
    runner.train()
    own = DataLoader(runner.train_dataloader.dataset, 2, collate_fn=list)  # of a user
    assert len(next(iter(own))) == 2
    return names.seen


BATCHES = """
sampler = dict(type="OneKindOfLabel", batch_size=3, drop_last=False)
_base_.train_dataloader.update(num_workers=0, persistent_workers=False, batch_sampler=sampler)
_base_.train_dataloader.pop("batch_size")
train_cfg = dict(_delete_=True, type="{loop}", max_epochs=3)
"""


def test_batch_samplers_see_indices_and_epochs(benchmark: Path, tmp_path: Path) -> None:
    host, ours = (
        seen(benchmark, tmp_path / loop, BATCHES.format(loop=loop))
        for loop in ("EpochBasedTrainLoop", "ResumableEpochLoop")
    )
    assert ours == host
    assert ours[: len(ours) // 3] != ours[len(ours) // 3 : 2 * len(ours) // 3]


ITERATIONS = """
_base_.train_dataloader.update(num_workers={workers}, persistent_workers={workers} > 0)
_base_.train_dataloader.sampler = dict(type="InfiniteSampler")
train_cfg = dict(_delete_=True, type="IterBasedTrainLoop", max_iters=5)
log_processor = dict(_delete_=True, by_epoch=False)
_base_.default_hooks.checkpoint.by_epoch = False
"""


GROUPED = """
sampler = dict(type="OneKindOfLabel", batch_size=2, drop_last=True)
_base_.train_dataloader.batch_sampler = sampler
_base_.train_dataloader.pop("batch_size")
"""


@pytest.mark.end_to_end
@pytest.mark.parametrize("more", ["", GROUPED], ids=["batch size", "batch sampler"])
def test_hooks_lose_no_draw_of_endless_samplers(benchmark: Path, tmp_path: Path, more: str) -> None:
    none, two = (
        seen(benchmark, tmp_path / str(workers), ITERATIONS.format(workers=workers) + more)
        for workers in (0, 2)
    )
    assert two == none
