"""fer_ray.cluster.keeping: trials' documents, and that only the sweep's owner writes them."""

from pathlib import Path

import pytest
from ray.tune.experiment import Trial as TuneTrial

from fer_ray.cluster.keeping import Book
from fer_ray.runs import lease, trials
from fer_ray.runs.storage import Store, store
from fer_ray.search import SweepConfig

POINT = {"model.dropout": 0.2}
CONFIG = SweepConfig.model_validate(
    {"data": {"uri": "demo:"}, "seed": 5, "tune": {"search": {"model.dropout": {"choice": [0.2]}}}}
)


@pytest.fixture
def sweep(tmp_path: Path) -> Store:
    return store(f"{tmp_path}/sweep")


def trial(number: int = 0) -> TuneTrial:
    """As Ray Tune tells of one that reported three epochs."""
    told = TuneTrial("run", stub=True, trial_id=str(number), config={"number": number})
    told.run_metadata.last_result = {"epoch": 3}
    return told


def test_a_trial_that_cannot_tell_itself_ends_as_tune_saw_it(sweep: Store) -> None:
    with lease.acquire(sweep, 60) as held:
        book = Book(CONFIG, sweep, held.guard)
        book.begin(0, POINT, 1)
        assert trials.read(sweep, 0) == trials.Trial(0, POINT, 1, 6)
        ended = book.end(trial(), "stopped", None)
        assert ended == trials.Trial(0, POINT, 1, 6, "stopped", 3)
        assert trials.read(sweep, 0) == ended
        assert book.end(trial(), "failed", "its process was lost") == ended


def test_a_driver_that_lost_the_sweep_writes_nothing_of_its_trials(sweep: Store) -> None:
    with lease.acquire(sweep, 60) as first:
        late = Book(CONFIG, sweep, first.guard)
    with lease.acquire(sweep, 60) as second:
        book = Book(CONFIG, sweep, second.guard)
        book.begin(0, POINT, 0)
        before = trials.read_all(sweep)
        with pytest.raises(lease.LostError, match="attempt 1 lost the run"):
            late.end(trial(), "stopped", None)
        with pytest.raises(lease.LostError, match="attempt 1 lost the run"):
            late.begin(1, POINT, 0)
        assert trials.read_all(sweep) == before
        assert book.end(trial(), "stopped", None).ended
