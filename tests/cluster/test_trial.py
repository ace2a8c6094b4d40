"""fer_ray.cluster.trial and sweep, without Ray: what a scheduler is told, and how it takes it."""

from typing import Any

import pytest
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import TrialScheduler

from fer_ray.cluster import sweep
from fer_ray.cluster.searching import METRIC
from fer_ray.cluster.trial import Telling
from fer_ray.config import TrainingConfig
from fer_ray.search import SweepConfig
from tests.runs.sweeps import epoch


def told(values: list[float], **settings: Any) -> tuple[list[dict[str, Any]], Telling]:
    """What is reported of epochs before their run is through."""
    reports: list[dict[str, Any]] = []
    telling = Telling(TrainingConfig(**settings), reports.append)
    for number, value in enumerate(values, 1):
        telling(epoch(number, value))
    return reports, telling


def test_epochs_are_told_with_the_best_so_far() -> None:
    reports, _ = told([0.2, 0.6, 0.5], epochs=9)
    assert [one["epoch"] for one in reports] == [1, 2, 3]
    assert [one[METRIC] for one in reports] == [0.2, 0.6, 0.6]


def test_the_last_epoch_is_told_once_the_run_is_through() -> None:
    reports, telling = told([0.2, 0.6, 0.5], epochs=3)
    assert [one["epoch"] for one in reports] == [1, 2]
    telling.end()
    assert [one["epoch"] for one in reports] == [1, 2, 3]


def test_an_epoch_that_ends_the_run_early_is_its_last() -> None:
    reports, telling = told([0.2, 0.6, 0.5, 0.5], epochs=9, early_stopping=2)
    assert [one["epoch"] for one in reports] == [1, 2, 3]
    telling.end()
    assert reports[-1]["epoch"] == 4


def scheduler(name: str, epochs: int = 9, **tune: Any) -> TrialScheduler:
    config = {"data": {"uri": "demo:"}, "training": {"epochs": epochs}}
    made = sweep._scheduler(
        SweepConfig.model_validate(config | {"tune": {"scheduler": name} | tune})
    )
    made.set_search_properties(METRIC, "max")
    return made


class Controller:
    """As much of Ray Tune's as a scheduler asks."""

    def __init__(self, trials: list[TuneTrial]) -> None:
        self._trials = trials

    def get_trials(self) -> list[TuneTrial]:
        return self._trials

    def get_live_trials(self) -> list[TuneTrial]:
        return self._trials


@pytest.fixture
def three() -> list[TuneTrial]:
    return [TuneTrial("run", stub=True, trial_id=str(number)) for number in range(3)]


@pytest.mark.parametrize("name", ["asha", "median"])
def test_a_trial_that_ended_before_an_epoch_ends_no_other(
    name: str, three: list[TuneTrial]
) -> None:
    rule, there = scheduler(name), Controller(three)
    for trial in three:
        rule.on_trial_add(there, trial)  # type: ignore[arg-type]
    rule.on_trial_complete(there, three[0], {})  # type: ignore[arg-type]
    for number in (1, 2):
        told = {"epoch": number, METRIC: 0.5, "time_total_s": 1.0}
        for trial in three[1:]:
            assert rule.on_trial_result(there, trial, told) == TrialScheduler.CONTINUE  # type: ignore[arg-type]


def test_asha_stops_the_worse_at_a_rung_and_none_at_the_last_epoch(three: list[TuneTrial]) -> None:
    rule, there = scheduler("asha", grace_epochs=2, reduction_factor=2), Controller(three)
    good, bad, _ = three
    for trial in three:
        rule.on_trial_add(there, trial)  # type: ignore[arg-type]

    def says(trial: TuneTrial, number: int, value: float) -> str:
        told = {"epoch": number, METRIC: value}
        return rule.on_trial_result(there, trial, told)  # type: ignore[arg-type]

    assert [says(good, number, 0.5) for number in range(1, 10)] == [TrialScheduler.CONTINUE] * 9
    assert says(bad, 1, 0.1) == TrialScheduler.CONTINUE
    assert says(bad, 2, 0.1) == TrialScheduler.STOP


@pytest.mark.parametrize(("epochs", "grace"), [(5, 2), (9, 2), (11, 3), (60, 12)])
@pytest.mark.parametrize("name", ["asha", "median"])
def test_no_trial_is_stopped_within_a_fifth_of_the_epochs(
    name: str, epochs: int, grace: int, three: list[TuneTrial]
) -> None:
    four = [*three, TuneTrial("run", stub=True, trial_id="3")]
    rule, there = scheduler(name, epochs), Controller(four)
    stopped = []
    for trial in four:
        rule.on_trial_add(there, trial)  # type: ignore[arg-type]
        for number in range(1, epochs):
            told = {"epoch": number, METRIC: 0.1 if trial is four[3] else 0.5, "time_total_s": 1.0}
            if rule.on_trial_result(there, trial, told) == TrialScheduler.STOP:  # type: ignore[arg-type]
                stopped.append((trial, number))
                break
    assert stopped == [(four[3], grace)]
