"""fer_ray.runs.trials and results: what a sweep's folder says, and who won."""

import io
import math
from typing import Any

import pyarrow.parquet as pq
import pytest

from fer_ray.runs import layout, results, trials
from fer_ray.runs.storage import Store
from tests.runs.sweeps import add, eight

POINT = {"model.width": 0.5, "optimizer.name": "sgd"}


def test_a_trial_is_read_as_it_was_written(run: Store) -> None:
    written = [add(run, number, POINT, [0.1] * number) for number in (0, 1, 12)]
    assert trials.read_all(run) == written
    assert trials.read(run, 12) == written[2]
    assert trials.read(run, 3) is None
    assert [one.ended for one in written] == [True] * 3


def test_epochs_after_a_trial_was_stopped_do_not_count(local_run: Store) -> None:
    trial = add(local_run, 0, POINT, [0.1, 0.2, 0.9])
    early = trials.Trial(**vars(trial) | {"status": "stopped", "epochs": 2})
    trials.write(local_run, early, may=lambda: None)
    assert [one["epoch"] for one in trials.epochs_of(local_run, early)] == [1, 2]
    (row,) = results.rows(local_run, "macro_f1")
    assert (row["metric"], row["best_epoch"], row["seconds"]) == (0.2, 2, 7)


def test_the_best_epoch_is_the_first_of_the_highest(local_run: Store) -> None:
    trial = add(local_run, 0, POINT, [0.1, 0.4, 0.4, 0.3])
    best = trials.best_of(trials.epochs_of(local_run, trial), "macro_f1")
    assert best is not None
    assert best["epoch"] == 2
    assert trials.best_of([], "macro_f1") is None


def test_the_results_are_a_table_of_every_trial(run: Store) -> None:
    eight(run)
    results.write(run, results.rows(run, "macro_f1"))
    table = pq.read_table(io.BytesIO(run.read_bytes(f"{layout.RESULTS}.parquet")))
    assert table["trial"].to_pylist() == list(range(8))
    assert table["status"].to_pylist().count("stopped") == 2
    assert table["metric"].to_pylist()[3] == 0.6
    assert table["training.batch_size"].to_pylist() == [32, 64] * 4
    lines = run.read_bytes(f"{layout.RESULTS}.csv").decode().splitlines()
    assert len(lines) == 9
    assert lines[0].startswith('"trial","optimizer.learning_rate","training.batch_size","seed"')


def test_values_of_several_kinds_are_a_column_of_text(local_run: Store) -> None:
    points: list[dict[str, Any]] = [
        {"balance.target": "none", "training.ema": None, "model.width": 1},
        {"balance.target": 2000, "training.ema": 0.9, "model.width": 0.5},
    ]
    for number, point in enumerate(points):
        add(local_run, number, point, [0.1])
    results.write(local_run, results.rows(local_run, "macro_f1"))
    table = pq.read_table(io.BytesIO(local_run.read_bytes(f"{layout.RESULTS}.parquet")))
    assert table["balance.target"].to_pylist() == ['"none"', "2000"]
    assert table["training.ema"].to_pylist() == [None, 0.9]
    assert table["model.width"].to_pylist() == [1.0, 0.5]


def ended(number: int, status: trials.Status = "done") -> trials.Trial:
    return trials.Trial(number, {"training.batch_size": number // 2}, number % 2, 0, status)


def test_the_highest_mean_over_all_seeds_wins() -> None:
    values = {0: 0.5, 1: 0.5, 2: 0.9, 3: 0.4, 4: 0.6, 5: 0.6, 6: 0.7, 7: 0.7}
    found = trials.standings([(ended(number), value) for number, value in values.items()], 2)
    assert [one.numbers for one in found] == [[6, 7], [2, 3], [4, 5], [0, 1]]
    assert found[1].mean == pytest.approx(0.65)
    assert found[1].deviation == pytest.approx(0.5 / math.sqrt(2))


def test_a_point_of_which_a_trial_did_not_end_cannot_win() -> None:
    told = [(ended(0), 0.5), (ended(1), 0.5), (ended(2), 0.9), (ended(3, "stopped"), 0.9)]
    assert [one.numbers for one in trials.standings(told, 2)] == [[0, 1]]
    failed = [(ended(0, "failed"), None), (ended(1, "begun"), 0.1)]
    assert trials.standings(failed, 1) == []


def test_of_equal_points_the_earlier_wins() -> None:
    told = [(ended(number), 0.5) for number in (2, 0, 1)]
    assert [one.numbers for one in trials.standings(told, 1)] == [[0], [1], [2]]


def test_noise_comes_from_the_seeds_or_else_from_the_faces() -> None:
    a = trials.Standing({}, [0, 1], [0.5, 0.7])
    b = trials.Standing({}, [2, 3], [0.4, 0.4])
    assert trials.noise(a, b, 100) == pytest.approx(0.1)
    one, other = trials.Standing({}, [0], [0.5]), trials.Standing({}, [1], [0.5])
    assert trials.noise(one, other, 100) == pytest.approx(math.sqrt(2 * 0.25 / 100))
