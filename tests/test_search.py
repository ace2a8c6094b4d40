"""fer_ray.search: what a sweep may vary, and the points that it tries."""

import math
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from fer_ray.config import TrainConfig
from fer_ray.search import SweepConfig, known_points
from fer_ray.settings import SettingsError, parse

DEMO = {"data": {"uri": "demo:"}}


def sweep(search: Any = None, **tune: Any) -> SweepConfig:
    given = tune | ({} if search is None else {"search": search})
    return SweepConfig.model_validate(DEMO | {"tune": given})


def parsed(*argv: str) -> SweepConfig:
    return parse(argv, SweepConfig, "about", "tune")


def test_the_papers_question_is_asked_by_default() -> None:
    points = known_points(sweep())
    assert len(points) == 12
    assert {point["training.batch_size"] for point in points} == {32, 48, 64}
    assert all(1e-5 <= point["optimizer.learning_rate"] <= 1e-2 for point in points)
    assert len({point["optimizer.learning_rate"] for point in points}) == 12


def test_a_grid_is_every_combination_in_order() -> None:
    config = sweep(
        {
            "training.batch_size": {"choice": [32, 64]},
            "optimizer.name": {"choice": ["sgd", "adam"]},
        },
        searcher="grid",
    )
    assert [tuple(point.values()) for point in known_points(config)] == [
        (32, "sgd"),
        (32, "adam"),
        (64, "sgd"),
        (64, "adam"),
    ]


def test_random_points_follow_from_the_seed() -> None:
    first, again = (known_points(sweep(trials=50)) for _ in range(2))
    other = known_points(SweepConfig.model_validate(DEMO | {"seed": 1, "tune": {"trials": 50}}))
    assert first == again
    assert first != other
    assert known_points(sweep(trials=7)) == first[:7]  # more trials: the same ones and more


@pytest.mark.parametrize(
    ("way", "low", "high", "halfway"),
    [
        ({"uniform": [0.0, 1.0]}, 0.0, 1.0, 0.5),
        ({"loguniform": [1e-5, 1e-1]}, 1e-5, 1e-1, 1e-3),
        ({"randint": [1, 9]}, 1, 9, 5),
        ({"lograndint": [1, 1000]}, 1, 1000, 32),
    ],
)
def test_a_range_is_drawn_from_end_to_end(
    way: dict[str, list[Any]], low: float, high: float, halfway: float
) -> None:
    key = {"uniform": "augment.erasing", "loguniform": "optimizer.learning_rate"}.get(
        next(iter(way)), "balance.neighbors"
    )
    values = [point[key] for point in known_points(sweep({key: way}, trials=4_000))]
    assert all(low <= value <= high for value in values)
    assert sum(value <= halfway for value in values) / 4_000 == pytest.approx(
        5 / 9 if way == {"randint": [1, 9]} else 0.5, abs=0.03
    )
    if isinstance(low, int):
        assert {low, high} <= set(values)
        assert all(type(value) is int for value in values)
    else:
        digits = [float(f"{value:.4g}") for value in values]
        assert digits == values


@pytest.mark.parametrize(
    ("search", "tune", "told"),
    [
        ({}, {}, "at least one setting"),
        ({"model.wdth": {"choice": [1.0]}}, {}, "'model.wdth'"),
        ({"data.uri": {"choice": ["demo:"]}}, {}, "got 'data.uri'"),
        ({"split.seed": {"choice": [0, 1]}}, {}, "got 'split.seed'"),
        ({"cluster.num_workers": {"choice": [1]}}, {}, "got 'cluster.num_workers'"),
        ({"training.select_by": {"choice": ["accuracy"]}}, {}, "leave training.select_by alone"),
        ({"model.width": {"normal": [0, 1]}}, {}, "one of choice, uniform"),
        ({"model.width": {"choice": [1.0], "uniform": [0.1, 1]}}, {}, "one of choice, uniform"),
        ({"model.width": {"choice": []}}, {}, "choices that differ"),
        ({"training.batch_size": {"choice": [32, 32]}}, {}, "choices that differ"),
        ({"training.batch_size": {"choice": [32, 0]}}, {}, "batch_size must be at least 1, got 0"),
        ({"training.batch_size": {"choice": [32.5]}}, {}, "batch_size must be a whole number"),
        ({"optimizer.name": {"choice": ["rmsprop"]}}, {}, "must be 'adam' or 'sgd'"),
        ({"optimizer.momentum": {"uniform": [0.5, 1.0]}}, {}, "must be less than 1"),
        ({"model.width": {"uniform": [0.5]}}, {}, "LOW below HIGH"),
        ({"model.width": {"uniform": [1.0, 0.5]}}, {}, "LOW below HIGH"),
        ({"model.width": {"uniform": ["a", "b"]}}, {}, "LOW below HIGH"),
        ({"training.batch_size": {"randint": [8.0, 16.0]}}, {}, "of whole numbers"),
        ({"model.width": {"loguniform": [0, 1]}}, {}, "above 0"),
        ({"model.width": {"uniform": [0.1, 1]}}, {"searcher": "grid"}, "under the searcher 'grid'"),
        (
            {"optimizer.warmup_epochs": {"choice": [1.0, 150.0]}},
            {},
            "must be less than training.epochs",
        ),
        (
            {
                "optimizer.warmup_epochs": {"choice": [1.0, 5.0]},
                "training.epochs": {"choice": [4, 10]},
            },
            {"searcher": "grid"},
            "must be less than training.epochs",
        ),
    ],
)
def test_what_cannot_be_searched_is_told(
    search: dict[str, Any], tune: dict[str, Any], told: str
) -> None:
    with pytest.raises(ValidationError) as caught:
        sweep(search, **tune)
    message = str(caught.value)
    assert "tune.search must" in message
    assert told in message


def test_a_flag_takes_the_space_as_yaml() -> None:
    config = parsed(
        "--tune.search",
        "{optimizer.learning_rate: {loguniform: [1e-5, 1e-1]}, training.batch_size: {choice: [8]}}",
    )
    assert config.tune.search == {
        "optimizer.learning_rate": {"loguniform": [1e-5, 1e-1]},
        "training.batch_size": {"choice": [8]},
    }


@pytest.mark.parametrize("text", ["nonsense", "[1]", "{a: 1}", "{a: {b: 1}}", "{", "!!python/x {}"])
def test_a_flag_that_is_no_space_is_told_in_one_sentence(text: str) -> None:
    with pytest.raises(SettingsError, match=r"^tune\.search "):
        parsed("--tune.search", text)


def test_the_settings_of_a_point_are_those_of_the_sweep_but_for_the_point() -> None:
    config = parsed("--model.width", "0.5", "--run", "s")
    point = {"optimizer.learning_rate": 0.5, "training.batch_size": 17}
    settings = config.at(point, run=None, seed=9)
    assert type(settings) is TrainConfig
    assert (settings.optimizer.learning_rate, settings.training.batch_size) == (0.5, 17)
    assert (settings.model.width, settings.seed, settings.run) == (0.5, 9, None)
    before, after = config.model_dump(exclude={"tune"}), settings.model_dump()
    after["optimizer"] |= {"learning_rate": before["optimizer"]["learning_rate"]}
    after["training"] |= {"batch_size": before["training"]["batch_size"]}
    assert after | {"run": "s", "seed": 0} == before


def test_what_is_printed_is_taken_as_a_config(tmp_path: Any) -> None:
    config = sweep({"model.dropout": {"uniform": [0.1, 0.5]}}, searcher="tpe", seeds=2)
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    assert parsed("--config", str(path)) == config


def test_the_longest_trial_is_known() -> None:
    assert sweep().most_epochs == 100
    assert sweep({"training.epochs": {"choice": [3, 12, 5]}}).most_epochs == 12
    assert math.isclose(sweep({"training.epochs": {"randint": [2, 9]}}).most_epochs, 9)
