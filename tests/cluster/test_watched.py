"""fer_ray.cluster.trial: what the process in which Ray Tune watches a training keeps of its end."""

from pathlib import Path
from typing import Any

import pytest
import ray

from fer_ray.cluster import trial
from fer_ray.runs import lease, trials, uris
from fer_ray.runs.storage import Store, store
from fer_ray.search import SweepConfig

pytestmark = pytest.mark.usefixtures("ray_cluster")


@ray.remote(num_cpus=0, max_retries=0)
def _fit(raised: Exception | None) -> None:
    """Stands for a training: it does nothing, or fails."""
    if raised is not None:
        raise raised


@ray.remote(num_cpus=0)
class Fits:
    """Stands for the trials' trainings, all of which end alike."""

    def __init__(self, raised: Exception | None) -> None:
        self._raised = raised

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
    return trial.Task(config, guard, None, None, Fits.remote(raised))  # type: ignore[arg-type]


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
