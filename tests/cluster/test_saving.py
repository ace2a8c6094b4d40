"""fer_ray.cluster.saving: what a checkpoint says is kept, is."""

import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import tensorflow as tf

from fer_ray.cluster.building import build_state
from fer_ray.cluster.progress import Progress
from fer_ray.cluster.saving import Saver
from fer_ray.cluster.work import Work
from fer_ray.runs import checkpoint, lease, metrics
from fer_ray.runs.faults import StorageError
from fer_ray.runs.storage import Store, store
from tests.campaign import bare


@pytest.fixture
def run(tmp_path: Path) -> Store:
    return store(str(tmp_path / "run"))


@pytest.fixture
def saver(run: Store) -> Iterator[Saver]:
    """What writes for the first worker group of a run."""
    with lease.acquire(run, bare.LEASE_S) as held:
        held.guard.next_group()
        work = Work(
            config=bare.CONFIG,
            guard=held.guard,
            count=bare.FACES,
            validation=bare.Drawn((), (1,)),
            pixels=(100.0, 50.0),
            class_weights=None,
        )
        yield Saver(work, build_state(work, tf.distribute.get_strategy()), group=1)


def test_an_epoch_and_the_checkpoint_after_it_are_written_in_order(
    saver: Saver, run: Store
) -> None:
    saver.keep_epoch({"epoch": 1, "step": 5})
    saver.save(Progress(step=5))
    saver.close()
    assert [epoch["epoch"] for epoch in metrics.read_all(run)] == [1]
    assert [found.step for found in checkpoint.complete(run)] == [5]


class Late(dict[str, Any]):
    """An epoch's figures that are not there until ``told`` is set."""

    def __init__(self, **figures: float) -> None:
        super().__init__(figures)
        self.told = threading.Event()

    def __getitem__(self, name: str) -> Any:
        assert self.told.wait(60)
        return super().__getitem__(name)


def test_no_checkpoint_is_complete_whose_epoch_could_not_be_kept(saver: Saver, run: Store) -> None:
    """Who went on from it would never write that epoch, whose figures the run's end needs."""
    run.write_bytes("metrics", b"a file in the way")
    epoch = Late(epoch=1, step=5)
    saver.keep_epoch(epoch)
    saver.save(Progress(step=5))
    epoch.told.set()
    with pytest.raises(StorageError, match="a part of the path is a file"):
        saver.close()
    assert run.listing("checkpoints") == []
