"""fer_ray.network.schedule: rates of every step, and agreement with Keras' callbacks."""

import json
import math
from dataclasses import asdict
from itertools import pairwise

import keras
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.config import OptimizerConfig
from fer_ray.network.schedule import EarlyStopping, Plateau, learning_rate

# Steps of 3e-5 lie on both sides of Keras' min_delta of 1e-4, and never on it, where its float32
# and our float64 may differ.
GRID = st.one_of(st.integers(0, 10), st.integers(0, 100_000)).map(lambda number: number * 3e-5)
LOSSES = st.lists(GRID, min_size=1, max_size=40)
SCHEDULES = st.sampled_from(["constant", "cosine", "plateau"])


def a_model(rate: float) -> keras.Model:
    """The smallest model whose optimizer a callback can turn down."""
    model = keras.Sequential([keras.Input((1,)), keras.layers.Dense(1)])
    model.compile(keras.optimizers.SGD(rate), "mse")
    return model


MODEL = a_model(0.1)


@given(
    schedule=SCHEDULES,
    epochs=st.integers(1, 30),
    warmup=st.floats(0, 5),
    steps_per_epoch=st.floats(0.5, 60),
    scale=st.floats(0, 1),
)
def test_a_rate_lies_between_nothing_and_the_highest(
    schedule: str, epochs: int, warmup: float, steps_per_epoch: float, scale: float
) -> None:
    moving = OptimizerConfig(schedule=schedule, warmup_epochs=warmup, learning_rate=0.3)
    total = math.ceil(epochs * steps_per_epoch)
    rates = [learning_rate(s, steps_per_epoch, total, moving, scale) for s in range(total)]
    assert all(0 <= rate <= 0.3 for rate in rates)
    assert rates[0] > 0


@given(schedule=SCHEDULES, warmup=st.floats(0, 4), steps_per_epoch=st.integers(2, 30))
def test_rates_rise_in_a_line_then_never_again(
    schedule: str, warmup: float, steps_per_epoch: int
) -> None:
    moving = OptimizerConfig(schedule=schedule, warmup_epochs=warmup, learning_rate=0.3)
    total = 10 * steps_per_epoch
    rates = [learning_rate(s, steps_per_epoch, total, moving) for s in range(total)]
    warm = math.floor(warmup * steps_per_epoch)
    climb = [0.3 * (s + 1) / (warmup * steps_per_epoch) for s in range(warm)]
    assert rates[:warm] == pytest.approx(climb)
    assert all(later <= earlier + 1e-15 for earlier, later in pairwise(rates[warm:]))


def test_a_fraction_of_an_epoch_warms_up() -> None:
    moving = OptimizerConfig(warmup_epochs=0.5, learning_rate=1.0)
    rates = [learning_rate(step, 8, 80, moving) for step in range(5)]
    assert rates == pytest.approx([0.25, 0.5, 0.75, 1, 1])


@given(total=st.integers(2, 500))
def test_cosine_falls_from_the_highest_to_nothing_by_halves(total: int) -> None:
    moving = OptimizerConfig(schedule="cosine", learning_rate=0.2)
    rates = [learning_rate(step, 10, total, moving) for step in range(total)]
    assert rates[0] == 0.2
    assert rates[-1] == 0
    mirrored = [high + low for high, low in zip(rates, reversed(rates), strict=True)]
    assert mirrored == pytest.approx([0.2] * total)


def test_a_warm_up_as_long_as_the_run_leaves_no_fall() -> None:
    moving = OptimizerConfig(schedule="cosine", warmup_epochs=2, learning_rate=1.0)
    assert [learning_rate(s, 2, 4, moving) for s in range(4)] == [0.25, 0.5, 0.75, 1]
    assert learning_rate(0, 1, 1, OptimizerConfig(schedule="cosine", learning_rate=1.0)) == 1


def test_only_plateau_heeds_the_scale_and_no_lower_than_asked() -> None:
    rates = {
        schedule: learning_rate(
            0, 1, 9, OptimizerConfig(schedule=schedule, learning_rate=1, min_learning_rate=0.2), 0.1
        )
        for schedule in ("constant", "cosine", "plateau")
    }
    assert rates == {"constant": 1, "cosine": 1, "plateau": 0.2}


def test_a_rate_that_starts_below_the_lowest_is_not_raised() -> None:
    low = OptimizerConfig(schedule="plateau", learning_rate=0.1, min_learning_rate=0.5)
    assert learning_rate(0, 1, 9, low, scale=0.1) == 0.1


@given(losses=LOSSES, patience=st.integers(1, 5), factor=st.sampled_from([0.1, 0.5, 0.9]))
def test_plateau_gives_the_rates_of_keras_callback(
    losses: list[float], patience: int, factor: float
) -> None:
    moving = OptimizerConfig(
        schedule="plateau",
        learning_rate=0.1,
        plateau_factor=factor,
        plateau_patience=patience,
        min_learning_rate=1e-3,
    )
    callback = keras.callbacks.ReduceLROnPlateau(
        monitor="val_loss", mode="min", factor=factor, patience=patience, min_lr=1e-3
    )
    MODEL.optimizer.learning_rate.assign(0.1)
    callback.set_model(MODEL)
    callback.on_train_begin()
    plateau = Plateau()
    for epoch, loss in enumerate(losses):
        callback.on_epoch_end(epoch, {"val_loss": loss})
        plateau = plateau.after(loss, moving)
        ours = learning_rate(0, 1, 100, moving, plateau.scale)
        theirs = float(keras.ops.convert_to_tensor(MODEL.optimizer.learning_rate))
        assert ours == pytest.approx(theirs, rel=1e-5)


@given(metrics=LOSSES, patience=st.integers(1, 5))
def test_stopping_comes_at_the_epoch_of_keras_callback(metrics: list[float], patience: int) -> None:
    callback = keras.callbacks.EarlyStopping(monitor="f1", mode="max", patience=patience)
    callback.set_model(MODEL)
    callback.on_train_begin()
    MODEL.stop_training = False
    stopping = EarlyStopping()
    for epoch, metric in enumerate(metrics):
        callback.on_epoch_end(epoch, {"f1": metric})
        stopping = stopping.after(metric, patience)
        assert stopping.stop == MODEL.stop_training
        assert stopping.best == callback.best
        if stopping.stop:
            return


def test_without_patience_nothing_stops() -> None:
    stopping = EarlyStopping()
    for _ in range(50):
        stopping = stopping.after(0.5, None)
    assert stopping == EarlyStopping(best=0.5, wait=49, stop=False)


def test_the_best_epoch_is_the_one_without_a_wait() -> None:
    stopping, waits = EarlyStopping(), []
    for metric in (0.2, 0.4, 0.4, 0.3, 0.5):
        stopping = stopping.after(metric, None)
        waits.append(stopping.wait)
    assert waits == [0, 0, 1, 2, 0]


@pytest.mark.parametrize("lost", [math.nan, math.inf])
def test_a_number_that_is_none_improves_nothing(lost: float) -> None:
    moving = OptimizerConfig(schedule="plateau")
    assert Plateau().after(lost, moving) == Plateau(wait=1)
    assert Plateau(best=1.0).after(lost, moving).best == 1.0
    assert EarlyStopping(best=0.5).after(lost, 1) == EarlyStopping(0.5, wait=1, stop=True)


@given(losses=LOSSES, patience=st.integers(1, 5))
def test_both_values_survive_json(losses: list[float], patience: int) -> None:
    moving = OptimizerConfig(schedule="plateau", plateau_patience=patience)
    plateau, stopping = Plateau(), EarlyStopping()
    for loss in losses:
        plateau = Plateau(**json.loads(json.dumps(asdict(plateau)))).after(loss, moving)
        stopping = EarlyStopping(**json.loads(json.dumps(asdict(stopping)))).after(loss, patience)
    straight, steady = Plateau(), EarlyStopping()
    for loss in losses:
        straight, steady = straight.after(loss, moving), steady.after(loss, patience)
    assert (plateau, stopping) == (straight, steady)
