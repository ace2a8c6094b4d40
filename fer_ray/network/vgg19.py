"""VGG19 for grey faces of 48 by 48, with one of two heads: what learns.

The convolutions are configuration E of Simonyan and Zisserman (2015,
https://arxiv.org/abs/1409.1556), named as in ``keras.applications.VGG19``. Only Keras' own
layers stand in the network, and pixels are normalised inside it: a saved file opens with plain
Keras, on any backend, without this package.
"""

import keras
import numpy as np
from keras import layers

from fer_ray.config import ModelConfig
from fer_ray.faces.emotions import EMOTIONS

BLOCKS = ((64, 2), (128, 2), (256, 4), (512, 4), (512, 4))  # channels, convolutions
HIDDEN = 1024  # of the paper's head
FACE = (48, 48, 1)

# Keras' 0.99 needs hundreds of steps to forget its start, more than an epoch of a few thousand
# faces has; 0.9 is what PyTorch's networks, and so the published figures, are trained with.
_STATISTICS_MOMENTUM = 0.9


def build(
    model: ModelConfig, mean: float, std: float, seed: int = 0, dtype: str = "float32"
) -> keras.Model:
    """The network with fresh weights: faces in, logits out.

    In: ``(n, 48, 48, 1)``, 0 to 255, floats or uint8; out: ``(n, 7)`` float32 in the order of
    ``EMOTIONS``. ``paper`` ends in Dense(1024, ReLU), dropout, Dense(7); ``bn`` normalises after
    each convolution and ends in dropout, Dense(7).

    Kernels below a ReLU start from He's normal distribution (2015,
    https://arxiv.org/abs/1502.01852). Keras' default, Glorot's, has half its variance, so each of
    ``paper``'s sixteen convolutions halves the signal's power and nothing arrives: on FER2013 at
    width 0.25, after 600 steps of 48 with Adam at 1e-4, the validation loss was 1.81, what the
    classes' shares alone give, and 1.61 from He's.

    Args:
        model: head, width (channels are rounded, one at least) and dropout.
        mean: of the training faces' pixels, 0 to 255; the paper's rescaling is 0 here ...
        std: ... and 255 here; greater than 0.
        seed: of the first weights; every layer draws from a stream of its own.
        dtype: a Keras policy, such as ``mixed_bfloat16``; normalisation and logits stay float32.
    """
    seeds = iter(_layer_seeds(seed))
    inputs = keras.Input(FACE, name="faces")
    x = layers.Rescaling(1 / std, -mean / std, dtype="float32", name="normalisation")(inputs)
    for block, (channels, convolutions) in enumerate(BLOCKS, start=1):
        for place in range(1, convolutions + 1):
            x = _convolve(
                x,
                _scaled(channels, model.width),
                batch_norm=model.head == "bn",
                seed=next(seeds),
                dtype=dtype,
                name=f"block{block}_conv{place}",
            )
        x = layers.MaxPooling2D(2, dtype=dtype, name=f"block{block}_pool")(x)
    x = layers.Flatten(dtype=dtype, name="features")(x)  # 48 is halved five times: one pixel left
    if model.head == "paper":
        x = layers.Dense(
            _scaled(HIDDEN, model.width),
            activation="relu",
            kernel_initializer=keras.initializers.HeNormal(next(seeds)),
            dtype=dtype,
            name="hidden",
        )(x)
    x = layers.Dropout(model.dropout, seed=next(seeds), dtype=dtype, name="dropout")(x)
    logits = layers.Dense(
        len(EMOTIONS),
        kernel_initializer=keras.initializers.GlorotNormal(next(seeds)),
        dtype="float32",
        name="logits",
    )(x)
    return keras.Model(inputs, logits, name=f"vgg19_{model.head}")


def convolution_names() -> list[str]:
    """The sixteen convolutions from the pixels up: ``block1_conv1`` to ``block5_conv4``."""
    return [
        f"block{block}_conv{place}"
        for block, (_, convolutions) in enumerate(BLOCKS, start=1)
        for place in range(1, convolutions + 1)
    ]


def _convolve(
    x: keras.KerasTensor, channels: int, *, batch_norm: bool, seed: int, dtype: str, name: str
) -> keras.KerasTensor:
    """``x`` after a 3 by 3 convolution, batch normalisation if asked for, and a ReLU."""
    x = layers.Conv2D(
        channels,
        3,
        padding="same",
        activation=None if batch_norm else "relu",
        use_bias=not batch_norm,  # the normalisation's own shift makes one idle
        kernel_initializer=keras.initializers.HeNormal(seed),
        dtype=dtype,
        name=name,
    )(x)
    if not batch_norm:
        return x
    normalised = layers.BatchNormalization(
        momentum=_STATISTICS_MOMENTUM, dtype=dtype, name=f"{name}_bn"
    )(x)
    return layers.ReLU(dtype=dtype, name=f"{name}_relu")(normalised)


def _scaled(channels: int, width: float) -> int:
    """``channels`` at a width, rounded, one at least."""
    return max(1, round(channels * width))


def _layer_seeds(seed: int) -> list[int]:
    """A seed for each convolution and for the head's three layers; all below 2**31."""
    states = np.random.SeedSequence(seed).generate_state(len(convolution_names()) + 3)
    return [int(state >> 1) for state in states]
