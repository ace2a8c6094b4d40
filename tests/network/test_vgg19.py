"""fer_ray.network.vgg19: sizes, first weights, what goes in and what comes out."""

import keras
import numpy as np
import pytest

from fer_ray.config import ModelConfig
from fer_ray.network import vgg19

CONVOLUTIONS_AT_WIDTH_1 = 20_023_232  # ImageNet's notop has 20,024,384, with 2 more input channels


def faces(count: int) -> np.ndarray:
    """``(count, 48, 48, 1)`` uint8 noise."""
    return np.random.default_rng(0).integers(256, size=(count, 48, 48, 1), dtype=np.uint8)


def narrow(head: str, seed: int = 0, dtype: str = "float32") -> keras.Model:
    """A network of width 0.125."""
    return vgg19.build(ModelConfig(head=head, width=0.125), 128.0, 64.0, seed, dtype)


def kernels(model: keras.Model) -> list[np.ndarray]:
    """Every kernel, from the pixels up."""
    return [layer.get_weights()[0] for layer in model.layers if hasattr(layer, "kernel")]


def test_the_papers_head_has_the_published_number_of_weights() -> None:
    model = vgg19.build(ModelConfig(head="paper"), 0, 255)
    head = sum(model.get_layer(name).count_params() for name in ("hidden", "logits"))
    assert head == 532_487
    assert model.count_params() == CONVOLUTIONS_AT_WIDTH_1 + head


def test_the_light_head_trades_biases_for_batch_normalisation() -> None:
    model = vgg19.build(ModelConfig(head="bn"), 128, 64)
    channels = sum(channels * count for channels, count in vgg19.BLOCKS)
    assert model.count_params() == CONVOLUTIONS_AT_WIDTH_1 + 3 * channels + 512 * 7 + 7


def test_layers_are_named_as_keras_names_vgg19s() -> None:
    theirs = keras.applications.VGG19(weights=None, include_top=False, input_shape=(48, 48, 3))
    names = [layer.name for layer in theirs.layers[1:]]
    model = narrow("paper")
    assert [layer.name for layer in model.layers if layer.name.startswith("block")] == names
    assert vgg19.convolution_names() == [name for name in names if "conv" in name]
    shapes = [model.get_layer(name).output.shape[1:3] for name in names]
    assert shapes == [theirs.get_layer(name).output.shape[1:3] for name in names]


@pytest.mark.parametrize(("width", "channels"), [(0.25, 16), (0.13, 8), (0.001, 1), (2, 128)])
def test_width_scales_channels_and_leaves_at_least_one(width: float, channels: int) -> None:
    scaled = vgg19.build(ModelConfig(head="paper", width=min(width, 0.25)), 0, 255)
    assert vgg19._scaled(64, width) == channels
    assert scaled.get_layer("hidden").units == vgg19._scaled(1024, min(width, 0.25))


@pytest.mark.parametrize("head", ["paper", "bn"])
def test_the_same_seed_gives_the_same_weights_and_another_others(head: str) -> None:
    one, again, other = (narrow(head, seed) for seed in (3, 3, 4))
    for first, second, third in zip(kernels(one), kernels(again), kernels(other), strict=True):
        np.testing.assert_array_equal(first, second)
        assert not np.array_equal(first, third)


def test_layers_of_one_shape_start_from_different_weights() -> None:
    alike = [kernel for kernel in kernels(narrow("paper")) if kernel.shape == (3, 3, 64, 64)]
    assert len(alike) == 7
    assert len({kernel.tobytes() for kernel in alike}) == 7


@pytest.mark.parametrize("head", ["paper", "bn"])
def test_bytes_and_floats_give_the_same_logits(head: str) -> None:
    model = narrow(head)
    logits = keras.ops.convert_to_numpy(model(faces(3)))
    assert logits.shape == (3, 7)
    assert logits.dtype == np.float32
    np.testing.assert_array_equal(
        keras.ops.convert_to_numpy(model(faces(3).astype(np.float32))), logits
    )


def test_pixels_are_normalised_inside() -> None:
    model = narrow("paper")
    normalised = keras.Model(model.input, model.get_layer("normalisation").output)
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(normalised(faces(2))),
        (faces(2).astype(np.float64) - 128) / 64,
        atol=1e-6,
    )


@pytest.mark.parametrize("head", ["paper", "bn"])
def test_the_fresh_signal_neither_dies_nor_explodes(head: str) -> None:
    logits = keras.ops.convert_to_numpy(narrow(head)(faces(16), training=head == "bn"))
    assert 1e-2 < logits.std() < 5


def test_dropout_draws_from_a_seed_generator_that_the_step_can_find() -> None:
    states = [v.path for v in narrow("bn").non_trainable_variables if "seed_generator" in v.path]
    assert len(states) == 1


def test_dropout_acts_in_training_alone() -> None:
    model = narrow("paper")
    still, again = (keras.ops.convert_to_numpy(model(faces(4))) for _ in range(2))
    np.testing.assert_array_equal(still, again)
    assert not np.array_equal(keras.ops.convert_to_numpy(model(faces(4), training=True)), still)


@pytest.mark.parametrize("head", ["paper", "bn"])
def test_mixed_precision_keeps_weights_and_logits_in_float32(head: str) -> None:
    model = narrow(head, dtype="mixed_bfloat16")
    assert {v.dtype for v in model.trainable_variables} == {"float32"}
    assert model.get_layer("block3_conv1").compute_dtype == "bfloat16"
    assert model.output.dtype == "float32"
    np.testing.assert_allclose(
        keras.ops.convert_to_numpy(model(faces(4))),
        keras.ops.convert_to_numpy(narrow(head)(faces(4))),
        atol=0.1,
    )
