"""fer_ray.network.losses: agreement with Keras, with soft targets, and weights by class."""

import keras
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.network.losses import cross_entropy

SEEDS = st.integers(0, 9999)


def draw(seed: int, count: int = 5) -> tuple[np.ndarray, np.ndarray]:
    """Soft targets and logits, ``(count, 7)`` float32 each."""
    generator = np.random.default_rng(seed)
    targets = generator.dirichlet(np.ones(7), count).astype(np.float32)
    return targets, (10 * generator.normal(size=(count, 7))).astype(np.float32)


def losses(
    targets: np.ndarray,
    logits: np.ndarray,
    smoothing: float = 0.0,
    weights: list[float] | None = None,
) -> np.ndarray:
    """``cross_entropy`` as NumPy."""
    return keras.ops.convert_to_numpy(cross_entropy(targets, logits, smoothing, weights))


@given(seed=SEEDS, smoothing=st.floats(0, 0.9))
def test_it_is_keras_loss_of_each_face(seed: int, smoothing: float) -> None:
    targets, logits = draw(seed)
    keras_loss = keras.losses.CategoricalCrossentropy(
        from_logits=True, label_smoothing=smoothing, reduction="none"
    )
    expected = keras.ops.convert_to_numpy(keras_loss(targets, logits))
    np.testing.assert_allclose(losses(targets, logits, smoothing), expected, rtol=1e-4, atol=1e-5)


@given(seed=SEEDS, label=st.integers(0, 6))
def test_a_face_weighs_what_its_class_does(seed: int, label: int) -> None:
    _, logits = draw(seed, 1)
    target = np.eye(7, dtype=np.float32)[[label]]
    weights = [0.5, 9.4, 0.6, 0.3, 0.9, 1.3, 0.8]
    np.testing.assert_allclose(
        losses(target, logits, 0.1, weights),
        weights[label] * losses(target, logits, 0.1),
        rtol=1e-5,
    )


def test_a_mixed_face_weighs_between_its_classes() -> None:
    targets = np.array([[0.25, 0.75, 0, 0, 0, 0, 0]], np.float32)
    weighed = losses(targets, np.zeros((1, 7), np.float32), weights=[2.0, 4.0, 1, 1, 1, 1, 1])
    assert weighed == pytest.approx([3.5 * np.log(7)], rel=1e-5)


def test_far_apart_logits_stay_finite() -> None:
    targets = np.eye(7, dtype=np.float32)[[0]]
    logits = np.array([[-1e4, 1e4, 0, 0, 0, 0, 0]], np.float32)
    assert losses(targets, logits) == pytest.approx([2e4])
