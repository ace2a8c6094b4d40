"""fer_ray.network.optimizers: which optimizer, and what weight decay pulls on."""

import keras
import numpy as np
import pytest

from fer_ray.config import OptimizerConfig
from fer_ray.network.optimizers import l2_gradients, optimizer_of


def layers() -> list[keras.Variable]:
    """A convolution's kernel and bias and a normalisation's gamma and beta, all ones."""
    model = keras.Sequential(
        [
            keras.Input((4, 4, 1)),
            keras.layers.Conv2D(2, 3),
            keras.layers.BatchNormalization(),
        ]
    )
    for variable in model.trainable_variables:
        variable.assign(np.ones(variable.shape))
    assert [v.name for v in model.trainable_variables] == ["kernel", "bias", "gamma", "beta"]
    return model.trainable_variables


def zeros(variables: list[keras.Variable]) -> list[np.ndarray]:
    """A gradient of nothing for each variable."""
    return [np.zeros(v.shape, np.float32) for v in variables]


def values(variables: list[keras.Variable]) -> list[float]:
    """The one value each variable is filled with."""
    tensors = [keras.ops.convert_to_tensor(v) for v in variables]
    return [float(keras.ops.convert_to_numpy(tensor).flat[0]) for tensor in tensors]


def test_adam_decays_kernels_alone_and_apart_from_the_gradient() -> None:
    variables = layers()
    optimizer = optimizer_of(
        OptimizerConfig(name="adam", learning_rate=0.1, weight_decay=0.5), variables
    )
    optimizer.apply(zeros(variables), variables)
    assert values(variables) == pytest.approx([1 - 0.1 * 0.5, 1, 1, 1])


def test_adam_without_decay_leaves_idle_weights_alone() -> None:
    variables = layers()
    optimizer = optimizer_of(OptimizerConfig(name="adam"), variables)
    optimizer.apply(zeros(variables), variables)
    assert values(variables) == [1, 1, 1, 1]


def test_sgd_adds_the_decay_of_kernels_to_the_gradient() -> None:
    variables = layers()
    settings = OptimizerConfig(name="sgd", weight_decay=0.5)
    pulled = l2_gradients(zeros(variables), variables, settings, replicas=1)
    assert [float(np.max(gradient)) for gradient in pulled] == [0.5, 0, 0, 0]


def test_the_decay_counts_once_over_all_replicas() -> None:
    variables = layers()
    settings = OptimizerConfig(name="sgd", weight_decay=0.5)
    pulled = [l2_gradients(zeros(variables), variables, settings, replicas=4) for _ in range(4)]
    np.testing.assert_allclose(sum(np.asarray(replica[0]) for replica in pulled), 0.5)


@pytest.mark.parametrize(
    "settings", [OptimizerConfig(name="adam", weight_decay=0.5), OptimizerConfig(name="sgd")]
)
def test_other_gradients_pass_unchanged(settings: OptimizerConfig) -> None:
    variables = layers()
    gradients = zeros(variables)
    passed = l2_gradients(gradients, variables, settings, replicas=2)
    assert all(ours is theirs for ours, theirs in zip(passed, gradients, strict=True))


@pytest.mark.parametrize("nesterov", [True, False])
def test_two_steps_of_sgd_follow_the_textbook(nesterov: bool) -> None:
    variables = layers()
    settings = OptimizerConfig(
        name="sgd", learning_rate=0.1, momentum=0.9, nesterov=nesterov, weight_decay=0.5
    )
    optimizer = optimizer_of(settings, variables)
    weight, velocity = 1.0, 0.0
    for _ in range(2):
        pulled = l2_gradients(zeros(variables), variables, settings, replicas=1)
        optimizer.apply(pulled, variables)
        gradient = 0.5 * weight
        velocity = 0.9 * velocity - 0.1 * gradient
        weight += 0.9 * velocity - 0.1 * gradient if nesterov else velocity
    assert values(variables) == pytest.approx([weight, 1, 1, 1])


@pytest.mark.parametrize("name", ["adam", "sgd"])
def test_the_loop_sets_the_learning_rate_of_each_step(name: str) -> None:
    variables = layers()
    optimizer = optimizer_of(OptimizerConfig(name=name, learning_rate=1.0, momentum=0), variables)
    optimizer.learning_rate.assign(0.25)
    optimizer.apply([np.ones(v.shape, np.float32) for v in variables], variables)
    assert values(variables) == pytest.approx([0.75] * 4, abs=1e-5)
