"""fer_ray.cluster.searching: which trials Ray Tune is given, in which order, and what it tells."""

from typing import Any

import pytest
from ray.tune.search import Searcher

from fer_ray.cluster.searching import METRIC, Numbered
from fer_ray.runs.trials import Trial
from fer_ray.search import Point, SweepConfig, known_points

SPACE = {
    "optimizer.learning_rate": {"loguniform": [1e-5, 1e-1]},
    "training.batch_size": {"choice": [32, 64]},
    "model.dropout": {"uniform": [0.0, 0.5]},
    "balance.neighbors": {"randint": [1, 3]},
}


def sweep(**tune: Any) -> SweepConfig:
    return SweepConfig.model_validate({"data": {"uri": "demo:"}, "tune": {"search": SPACE} | tune})


class Book:
    """Trials in memory, of which those numbered ``failing`` come to fail."""

    def __init__(self, failing: set[int]) -> None:
        self.failing, self.told = failing, list[tuple[int, Point, int]]()

    def begin(self, number: int, point: Point, replica: int) -> None:
        self.told.append((number, point, replica))

    def of(self, number: int) -> Trial:
        status = "failed" if number in self.failing else "done"
        return Trial(number, {}, 0, 0, status)


def searcher(
    config: SweepConfig, begun: list[Point] | None = None, failing: set[int] | None = None
) -> Numbered:
    return Numbered(config, begun or [], Book(failing or set()))


def taken(search: Numbered, count: int, value: float | None = 0.5) -> list[dict[str, Any]]:
    """The next trials, each of which ends at once."""
    trials = []
    for nth in range(count):
        name = f"{len(trials)}-{nth}-{id(trials)}"
        trials.append(search.suggest(name))
        search.on_trial_complete(name, None if value is None else {METRIC: value})
    return trials


def test_a_list_is_given_in_order_with_every_seed() -> None:
    config = sweep(trials=3, seeds=2, scheduler="none")
    book = Book(set())
    search = Numbered(config, [], book)
    trials = taken(search, 6)
    points = known_points(config)
    assert [one["number"] for one in trials] == list(range(6))
    assert [one["point"] for one in trials] == [point for point in points for _ in range(2)]
    assert [one["replica"] for one in trials] == [0, 1] * 3
    assert book.told == [(one["number"], one["point"], one["replica"]) for one in trials]
    assert search.suggest("one more") == Searcher.FINISHED


def test_a_model_tries_what_was_begun_first_under_the_same_numbers() -> None:
    config = sweep(searcher="tpe", trials=6)
    first = taken(searcher(config), 4)
    begun = [one["point"] for one in first]
    again = taken(searcher(config, begun), 6)
    assert again[:4] == first
    assert len({str(one["point"]) for one in again}) == 6
    for one in again:
        config.at(one["point"])


def test_a_model_moves_to_where_results_are_good() -> None:
    config = sweep(searcher="tpe", trials=60)
    search = searcher(config)
    for nth in range(60):
        trial = search.suggest(str(nth))
        good = 1 - abs(trial["point"]["model.dropout"] - 0.4)
        search.on_trial_complete(str(nth), {METRIC: good})
        if nth == 0:
            points = []
        points.append(trial["point"]["model.dropout"])
    late = points[30:]
    assert sum(abs(value - 0.4) < 0.1 for value in late) > 20  # 12 of 30 by chance


def test_a_model_hears_of_a_point_once_all_its_seeds_are_through() -> None:
    config = sweep(searcher="tpe", trials=2, seeds=3, scheduler="none")
    search = searcher(config, failing={1})
    heard: list[Any] = []
    search._model.on_trial_complete = lambda *one, **error: heard.append((*one, error))  # type: ignore[union-attr]
    names = ["a", "b", "c"]
    assert len({str(search.suggest(name)["point"]) for name in names}) == 1
    for name, value in zip(names, (0.2, 0.9, 0.4), strict=True):
        assert heard == []
        search.on_trial_complete(name, {METRIC: value})
    assert heard == [("point-0", {METRIC: pytest.approx(0.3)}, {"error": False})]


def test_a_point_that_failed_is_no_success_whatever_it_came_to_before() -> None:
    search = searcher(sweep(searcher="tpe", trials=3), failing={0, 1, 2})
    taken(search, 3, value=0.9)
    states = [trial.state.name for trial in search._model._ot_study.trials]  # type: ignore[union-attr]
    assert states == ["FAIL"] * 3


def test_a_choice_is_tried_as_it_is_and_a_number_stays_in_its_range() -> None:
    space = {
        "optimizer.learning_rate": {"choice": [0.000123456, 0.00234567]},
        "model.dropout": {"uniform": [0.99, 0.99999]},
    }
    config = SweepConfig.model_validate(
        {"data": {"uri": "demo:"}, "tune": {"search": space, "searcher": "tpe", "trials": 20}}
    )
    points = [one["point"] for one in taken(searcher(config), 20)]
    assert {point["optimizer.learning_rate"] for point in points} == {0.000123456, 0.00234567}
    assert all(0.99 <= point["model.dropout"] <= 0.99999 for point in points)
    again = taken(searcher(config, points), 20)
    assert [one["point"] for one in again] == points
