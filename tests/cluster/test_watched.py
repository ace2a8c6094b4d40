"""fer_ray.cluster.trial: what the process in which Ray Tune watches a training keeps of its end."""

import threading
import time
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import ray
import ray.exceptions
from ray.train import ControllerError, WorkerGroupError
from ray.train.v2._internal.exceptions import (
    WorkerGroupStartupFailedError,
    WorkerHealthCheckFailedError,
)

from fer_ray.cluster import trial
from fer_ray.cluster.passing import passes
from fer_ray.config import TrainConfig
from fer_ray.runs import layout, lease, trials, uris
from fer_ray.runs.faults import BusyError
from fer_ray.runs.storage import Store, store
from fer_ray.search import SweepConfig

pytestmark = pytest.mark.usefixtures("ray_cluster")


@ray.remote(num_cpus=0, max_retries=0)
def _fit(raised: list[Exception]) -> None:
    """Stands for a training: it does nothing, or fails."""
    for error in raised:
        raise error


@ray.remote(num_cpus=0)
class Fits:
    """Stands for the trials' trainings, all of which end alike."""

    def __init__(self, raised: list[Exception]) -> None:
        self._raised = raised  # in a list: Ray takes an error of its own for that of an argument

    def start(self, *_: Any) -> "list[ray.ObjectRef[None]]":
        return [_fit.remote(self._raised)]


def task(storage: Path, guard: lease.Guard, raised: Exception | None = None) -> trial.Task:
    """What a sweep's trials are told, of which every training ends at once."""
    config = SweepConfig.model_validate(
        {
            "data": {"uri": "demo:"},
            "run": "s",
            "storage": {"uri": str(storage)},
            "tune": {"search": {"model.dropout": {"choice": [0.2]}}},
        }
    )
    return trial.Task(config, guard, None, None, Fits.remote([raised] if raised else []))  # type: ignore[arg-type]


@pytest.fixture
def sweep(tmp_path: Path) -> Store:
    """A sweep's folder with a trial that has begun, and one whose dropout is no share."""
    folder = store(uris.join(str(tmp_path), "s"))
    for number, dropout in enumerate([0.2, 2.0]):
        begun = trials.Trial(number, {"model.dropout": dropout}, 0, 0)
        trials.write(folder, begun, may=lambda: None)
    return folder


@pytest.mark.parametrize(
    ("number", "raised"), [(0, None), (0, ArithmeticError("the loss was not finite")), (1, None)]
)
def test_a_trial_of_a_sweep_that_was_lost_keeps_nothing(
    tmp_path: Path, sweep: Store, number: int, raised: Exception | None
) -> None:
    with lease.acquire(sweep, 60) as first:
        late = task(tmp_path, first.guard, raised)
    with lease.acquire(sweep, 60) as second:
        with pytest.raises(lease.LostError, match="attempt 1 lost the run"):
            trial.run({"number": number}, late)
        found = trials.read(sweep, number)
        assert found is not None
        assert found.status == "begun"
        trial.run({"number": number}, task(tmp_path, second.guard, raised))
        found = trials.read(sweep, number)
        assert found is not None
        assert found.ended


class UnavailableError(Exception):
    """As TensorFlow names what workers raise whose peer does not answer."""


DIED = WorkerHealthCheckFailedError("no answer", ray.exceptions.RayActorError())
PEER = UnavailableError("connection reset by peer")
BUSY = BusyError("storage.uri must be writable, the server cannot be reached")
OWN = ArithmeticError("the loss was not finite")


@pytest.mark.parametrize(
    "raised",
    [
        BUSY,
        ConnectionResetError("by peer"),
        ray.exceptions.WorkerCrashedError(),
        WorkerGroupError("no answer", {1: DIED}),
        WorkerGroupError("no answer, and what the others made of it", {0: PEER, 1: DIED}),
        WorkerGroupError("a peer that is not known to have died", {0: PEER}),
        WorkerGroupError("storage", {0: BUSY}),
        WorkerGroupError("the run was lost", {0: lease.LostError("attempt 1 lost the run")}),
        ControllerError(WorkerGroupStartupFailedError("a node died")),
    ],
    ids=str,
)
def test_what_passes_is_raised_so_that_the_trial_is_tried_again(
    tmp_path: Path, sweep: Store, raised: Exception
) -> None:
    with lease.acquire(sweep, 60) as held, pytest.raises(type(raised)):
        trial.run({"number": 0}, task(tmp_path, held.guard, raised))
    found = trials.read(sweep, 0)
    assert found is not None
    assert found.status == "begun"


@pytest.mark.parametrize(
    "raised",
    [
        OWN,
        WorkerGroupError(f"ArithmeticError: {OWN}", {0: OWN}),
        WorkerGroupError(f"it left its peer alone:\nArithmeticError: {OWN}", {0: OWN, 1: PEER}),
    ],
    ids=["alone", "of a worker", "with a peer's"],
)
def test_what_is_the_trials_own_is_recorded_and_fails_no_sweep(
    tmp_path: Path, sweep: Store, raised: Exception
) -> None:
    with lease.acquire(sweep, 60) as held:
        trial.run({"number": 0}, task(tmp_path, held.guard, raised))
    found = trials.read(sweep, 0)
    assert found is not None
    assert found.status == "failed"
    assert found.error is not None
    assert found.error.endswith(f"ArithmeticError: {OWN}")


@ray.remote(num_cpus=0)
def _of_a_task(error: Exception) -> None:
    raise error


@pytest.mark.parametrize(("error", "again"), [(BUSY, True), (ValueError("no such face"), False)])
def test_a_workers_task_counts_by_what_it_raised(error: Exception, again: bool) -> None:
    with pytest.raises(type(error)) as caught:
        ray.get(_of_a_task.remote(error))
    assert passes(WorkerGroupError("a task of a worker", {0: caught.value})) is again


TTL_S = 1.5


@ray.remote(num_cpus=0, max_retries=0)
def _own(run: str) -> None:
    """Stands for a training that finds its run finished, once it has the run."""
    with lease.acquire(store(run), TTL_S):
        pass


@ray.remote(num_cpus=0)
class Owners:
    """Stands for the trials' trainings, each of which takes its run as a real one does."""

    def start(self, _: int, config: TrainConfig, *__: Any) -> "list[ray.ObjectRef[None]]":
        return [_own.remote(uris.join(config.storage.uri, str(config.run)))]


def test_a_trial_waits_for_another_drivers_training_of_it(tmp_path: Path, sweep: Store) -> None:
    run, began = sweep.folder(layout.TRIALS, layout.trial_name(0)), threading.Event()

    def hold() -> None:
        with lease.acquire(run, TTL_S):
            began.set()
            time.sleep(4 * TTL_S)

    with ThreadPoolExecutor(1) as pool, lease.acquire(sweep, 60) as held:
        other = pool.submit(hold)
        began.wait()
        ours = replace(task(tmp_path, held.guard), trainings=Owners.remote())  # type: ignore[attr-defined]
        trial.run({"number": 0}, ours)
        other.result()
    found, terms = trials.read(sweep, 0), lease.read(run)
    assert found is not None
    assert found.status == "done"
    assert terms is not None
    assert (terms.attempt, terms.released) == (2, True)
