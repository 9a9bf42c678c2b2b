"""Training whose random numbers depend only on the position in the training.

MMEngine does not restore the state of random generators, which live in several processes, nor the
place inside an epoch. Here none of it has to be restored: every sample and every iteration draws
from a seed made of the run's seed and its own number.
"""

import random
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np
import torch
from mmaction.registry import LOOPS
from mmengine.dataset import DefaultSampler, InfiniteSampler
from mmengine.dist import all_gather_object, get_dist_info
from mmengine.runner import EpochBasedTrainLoop, Runner
from torch import nn
from torch.utils.data import DataLoader, Dataset, Sampler

_EPOCH, _SAMPLE, _ITERATION = range(3)  # what a seed is for


def seed_all(*key: int) -> None:
    """Seed Python, NumPy and PyTorch (CPU and CUDA) from whole numbers of at least 0."""
    first, second, third = np.random.SeedSequence(key).generate_state(3, np.uint64).tolist()
    random.seed(first)
    np.random.seed(second % 2**32)
    # torch.manual_seed also seeds devices that are not in use, which takes longer than all this.
    torch.default_generator.manual_seed(third)
    if torch.cuda.is_initialized():
        torch.cuda.manual_seed_all(third)


class Draw(int):
    """An index that carries the key of its own seed."""

    key: tuple[int, ...]


@dataclass(eq=False)
class SeededSampler(Sampler):
    """Give each draw of another sampler the key of its own seed, and leave out those done."""

    sampler: DefaultSampler
    seed: int
    epoch: int = 0
    done: int = 0

    def __iter__(self) -> Iterator[Draw]:
        rank, world_size = get_dist_info()
        for place, index in enumerate(self.sampler):
            if place >= self.done:
                draw = Draw(index)
                # Numbered over all processes.
                draw.key = (self.seed, _SAMPLE, self.epoch, place * world_size + rank)
                yield draw

    def __len__(self) -> int:
        return len(self.sampler)

    def __getattr__(self, name: str) -> object:
        """Look like the other sampler, to a batch sampler and to MMEngine's ``set_epoch``."""
        if name == "sampler":
            raise AttributeError(name)
        return getattr(self.sampler, name)


def fetch_seeded(dataset: Dataset, draws: Sequence[int]) -> list:
    """Fetch a batch, each sample of a ``SeededSampler`` from its own seed."""
    samples = []
    for draw in draws:
        if isinstance(draw, Draw):  # not of another loader, or of an evaluation
            seed_all(*draw.key)
        samples.append(dataset[draw])
    return samples


class ResumeError(RuntimeError):
    """A run that cannot go on where it was."""


class EmptyEpochError(ValueError):
    """A list of fewer videos than a batch, where an epoch has whole batches only."""


@LOOPS.register_module()
class ResumableEpochLoop(EpochBasedTrainLoop):
    """MMEngine's loop over epochs, which resumes at any iteration as if never interrupted.

    Augmentation depends on the seed, the epoch and the sample's place in it; dropout on the seed,
    the process and the iteration. The number of data-loading workers changes nothing. A run that
    goes on after its validation was interrupted validates first.

    Raises:
        ResumeError: processes stand at different iterations, or the checkpoint was saved inside
            an epoch of another length.
        EmptyEpochError: no batch is whole, of which the host only says that an epoch has no length.
    """

    def __init__(
        self, runner: Runner, dataloader: DataLoader | dict, *args: Any, **kwargs: Any
    ) -> None:
        super().__init__(runner, dataloader, *args, **kwargs)
        if not len(self.dataloader):
            raise EmptyEpochError(
                f"{len(self.dataloader.dataset)} training videos make no whole batch on "
                f"{get_dist_info()[1]} processes: give a smaller train_dataloader.batch_size, and "
                "--auto-scale-lr"
            )

    def run(self) -> nn.Module:
        """Train."""
        hub = self.runner.message_hub
        resumed = self._iter > 0
        self._done = hub.get_info("batches_done", 0) if resumed else 0
        sizes = dict(
            batches_per_epoch=len(self.dataloader), videos_per_epoch=len(self.dataloader.dataset)
        )
        self._check_place(sizes, {name: hub.get_info(name, size) for name, size in sizes.items()})
        hub.update_info_dict(sizes)
        self._install()
        self.runner.call_hook("before_train")
        if resumed and not self._done and hub.get_info("epoch_validated", 0) != self._epoch:
            self._validate()
        while self._epoch < self._max_epochs and not self.stop_training:
            self.run_epoch()
            self._validate()
        self.runner.call_hook("after_train")
        return self.runner.model

    def run_epoch(self) -> None:
        """Go through one epoch, or through what is left of it."""
        hub = self.runner.message_hub
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        self._sampler.epoch = self._epoch
        self._sampler.done = self._done * self.dataloader.batch_sampler.batch_size
        seed_all(self._seed, _EPOCH, self._epoch)  # for samplers that draw from the global state
        for index, batch in enumerate(self.dataloader, start=self._done):
            hub.update_info("batches_done", index + 1)
            seed_all(self._seed, _ITERATION, self.runner.rank, self._iter)
            self.run_iter(index, batch)
        self._done = 0
        hub.update_info("batches_done", 0)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _check_place(self, sizes: dict[str, int], saved: dict[str, int]) -> None:
        # Rank 0 saves the checkpoints, with its seed.
        states = all_gather_object((self._epoch, self._iter, self._done, self.runner.seed))
        self._seed = states[0][-1]
        if len({state[:-1] for state in states}) > 1:
            raise ResumeError(
                f"the processes stand at different (epoch, iteration, batch): {states}. The work "
                "directory must lie on a file system that all of them see."
            )
        if self._done and saved != sizes:
            then, now = ("{} batches of {} videos".format(*s.values()) for s in (saved, sizes))
            raise ResumeError(
                f"the checkpoint was saved after {self._done} batches of an epoch of {then}, now "
                f"{now}: go on with the same batch size, number of processes and dataset, or from "
                "a checkpoint of a whole epoch"
            )

    def _install(self) -> None:
        """Have the seeds travel with the indices to wherever samples are fetched."""
        batches = self.dataloader.batch_sampler
        if not isinstance(batches.sampler, SeededSampler):
            batches.sampler = SeededSampler(batches.sampler, self._seed)
            dataset = self.dataloader.dataset
            dataset.__getitems__ = partial(fetch_seeded, dataset)
        self._sampler = batches.sampler
        # A resumed run without a seed in its config takes the checkpoint's, but only after the
        # Runner built the sampler.
        if getattr(self._sampler.sampler, "seed", None) is not None:
            self._sampler.sampler.seed = self._seed

    def _validate(self) -> None:
        self._decide_current_val_interval()
        due = self._epoch % self.val_interval == 0 or self._epoch == self._max_epochs
        if self.runner.val_loop is not None and self._epoch >= self.val_begin and due:
            self.runner.val_loop.run()


def start_workers_late(runner: Runner) -> None:
    """Have a loop over iterations start its workers at its first one, as one over epochs does.

    MMEngine's starts them before any hook can prepare what they do.
    """
    iterator = getattr(runner.train_loop, "dataloader_iterator", None)
    if iterator is None or isinstance(iterator._iterator, Generator):
        return
    if hasattr(iterator._iterator, "_shutdown_workers"):
        iterator._iterator._shutdown_workers()
    runner.train_dataloader._iterator = None  # persistent workers
    iterator._iterator = _batches(runner.train_dataloader, iterator._iterator)
    sampler = getattr(runner.train_dataloader.batch_sampler, "sampler", None)
    if isinstance(sampler, InfiniteSampler):  # the workers have drawn from it already
        sampler.indices = sampler._indices_of_rank()


def _batches(dataloader: DataLoader, former: object) -> Generator:
    """Yield batches; the end of the ``former`` iterator would end an endless sampler of both."""
    yield from dataloader
