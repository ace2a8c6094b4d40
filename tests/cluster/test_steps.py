"""fer_ray.cluster.steps: what a state's copies are worth, without Ray and without training."""

from dataclasses import replace

import numpy as np
import pytest
import tensorflow as tf

from fer_ray.cluster import fused, steps
from fer_ray.config import ModelConfig, OptimizerConfig
from fer_ray.network import optimizers, vgg19


@pytest.fixture
def state() -> steps.State:
    model = vgg19.build(ModelConfig(width=0.0625), 128, 64, seed=0)
    optimizer = optimizers.optimizer_of(OptimizerConfig(), model.trainable_variables, fused)
    averages = [tf.Variable(v.value, trainable=False) for v in model.trainable_variables[:1]]
    return steps.State(model, optimizer, averages, tf.Variable(np.zeros(3), dtype=tf.float64))


def change(state: steps.State) -> None:
    for variable in [*state.learned, *state.averages, state.sums]:
        variable.assign(variable + 1)
    state.optimizer.apply_gradients(
        [(tf.ones(v.shape), v) for v in state.model.trainable_variables]
    )


def flat(captured: steps.Captured) -> dict[tuple[str, str], np.ndarray]:
    return {(part, name): a for part, arrays in captured.items() for name, a in arrays.items()}


def test_a_capture_stays_what_it_was_when_the_state_changes(state: steps.State) -> None:
    captured = state.capture()
    before = {key: array.copy() for key, array in flat(captured).items()}
    change(state)
    assert set(captured) == {"weights", "optimizer", "averages", "sums"}
    assert all(np.array_equal(array, before[key]) for key, array in flat(captured).items())
    state.restore(captured)
    again = flat(state.capture())
    assert again.keys() == before.keys()
    assert all(np.array_equal(array, before[key]) for key, array in again.items())


def test_a_capture_into_an_earlier_one_is_that_one_with_the_values_of_now(
    state: steps.State,
) -> None:
    captured = state.capture()
    places = {key: array.__array_interface__["data"][0] for key, array in flat(captured).items()}
    change(state)
    fresh, reused = flat(state.capture()), flat(state.capture(captured))
    assert all(np.array_equal(array, fresh[key]) for key, array in reused.items())
    assert {k: a.__array_interface__["data"][0] for k, a in reused.items()} == places


def test_the_digest_tells_one_bit(state: steps.State) -> None:
    before = state.digest()
    np.testing.assert_array_equal(state.digest(), before)
    kernel = state.model.trainable_variables[-1]
    changed = kernel.numpy()
    changed.view(np.uint32).flat[-1] ^= 1
    kernel.assign(changed)
    assert not np.array_equal(state.digest(), before)


def test_any_number_of_faces_is_scored_by_one_graph(state: steps.State) -> None:
    faces = np.random.default_rng(0).integers(0, 256, (5, 48, 48)).astype(np.uint8)
    score = steps.scorer(replace(state, averages=[]))
    logits = state.model(faces[..., None].astype(np.float32), training=False).numpy()
    for count in (5, 3, 1):
        told = score(tf.constant(faces[:count])).numpy()
        np.testing.assert_allclose(told, logits[:count], atol=1e-5)
    assert score.experimental_get_tracing_count() == 1  # type: ignore[attr-defined]
