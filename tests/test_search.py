"""fer_ray.search: what a sweep may vary, and the points that it tries."""

import math
import random
import re
from pathlib import Path
from typing import Any

import pytest
import yaml
from pydantic import ValidationError

from fer_ray.config import TrainConfig
from fer_ray.search import SweepConfig, known_points
from fer_ray.settings import SettingsError, parse
from fer_ray.ways import drawn

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
        ("sgd", 32),
        ("sgd", 64),
        ("adam", 32),
        ("adam", 64),
    ]


@pytest.mark.parametrize("searcher", ["grid", "random"])
def test_points_do_not_depend_on_how_the_space_was_typed(searcher: str) -> None:
    ways = {
        "optimizer.learning_rate": {"choice": [0.1, 0.2, 0.3]},
        "training.batch_size": {"choice": [32, 64]},
    }
    other = dict(reversed(ways.items()))
    assert known_points(sweep(ways, searcher=searcher)) == known_points(
        sweep(other, searcher=searcher)
    )


def test_no_point_is_drawn_twice() -> None:
    ways = {
        "training.batch_size": {"choice": [32, 64]},
        "optimizer.name": {"choice": ["sgd", "adam"]},
    }
    points = known_points(sweep(ways, trials=12))
    assert len(points) == 4
    assert len({str(point) for point in points}) == 4


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
    draws = random.Random(0)
    values = [drawn(way, draws) for _ in range(4_000)]
    assert all(low <= value <= high for value in values)
    share = 5 / 9 if way == {"randint": [1, 9]} else 0.5
    assert sum(value <= halfway for value in values) / 4_000 == pytest.approx(share, abs=0.03)
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
            {
                "optimizer.warmup_epochs": {"uniform": [0, 9]},
                "training.epochs": {"choice": [5, 10]},
            },
            {},
            "must be less than training.epochs",
        ),
        ({"model.width": {"choice": [1.0, 2.0]}}, {"seeds": 2}, "must be 'none' with several"),
        (
            {
                f"augment.{name}": {"choice": [nth / 200 for nth in range(100)]}
                for name in ("erasing", "mixup", "width_shift")
            },
            {"searcher": "grid"},
            "a grid of at most 10,000 points, got 1,000,000",
        ),
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
    assert re.search(r"tune\.(search|scheduler) must", message)
    assert told in message


@pytest.mark.parametrize("searcher", ["random", "tpe"])
@pytest.mark.parametrize("kind", ["uniform", "loguniform"])
@pytest.mark.parametrize(
    "key", ["training.batch_size", "training.early_stopping", "balance.target"]
)
def test_a_whole_number_is_not_searched_among_fractions(key: str, kind: str, searcher: str) -> None:
    with pytest.raises(ValidationError) as caught:
        sweep({key: {kind: [16, 64]}}, searcher=searcher)
    assert (
        f"tune.search must give {key} one of choice, randint, lograndint, as its numbers are whole,"
        f" got {{'{kind}': [16, 64]}}" in str(caught.value)
    )
    ranges = ({kind.replace("uniform", "randint"): [16, 64]}, {"choice": [16, 64]})
    assert [sweep({key: way}, searcher=searcher).tune.search[key] for way in ranges] == [*ranges]


def test_what_the_papers_protocol_makes_its_faces_by_cannot_vary() -> None:
    given = DEMO | {"split": {"protocol": "paper"}}
    space = {"balance.target": {"choice": [100, 200]}}
    with pytest.raises(ValidationError, match=r"alone under split\.protocol 'paper'"):
        SweepConfig.model_validate(given | {"tune": {"search": space}})
    SweepConfig.model_validate(given)


def test_the_last_seed_must_be_one_too() -> None:
    tune = {"seeds": 3, "scheduler": "none"}
    with pytest.raises(ValidationError, match="seed"):
        SweepConfig.model_validate(DEMO | {"seed": 2**31 - 2, "tune": tune})


def test_a_path_is_of_the_folder_where_it_was_typed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    config = sweep({"model.pretrained": {"choice": ["a.keras", None]}})
    assert config.tune.search["model.pretrained"]["choice"] == [f"{tmp_path}/a.keras", None]


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
    config = sweep(
        {"model.dropout": {"uniform": [0.1, 0.5]}}, searcher="tpe", seeds=2, scheduler="none"
    )
    path = tmp_path / "sweep.yaml"
    path.write_text(yaml.safe_dump(config.model_dump(mode="json")), encoding="utf-8")
    assert parsed("--config", str(path)) == config


def test_the_longest_trial_is_known() -> None:
    assert sweep().most_epochs == 100
    assert sweep({"training.epochs": {"choice": [3, 12, 5]}}).most_epochs == 12
    assert math.isclose(sweep({"training.epochs": {"randint": [2, 9]}}).most_epochs, 9)
