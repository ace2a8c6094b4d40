"""Keras' convolution with its kernel's gradient as a convolution of its own, where that is faster.

On a processor without AVX-512 the gradient of a kernel takes oneDNN twice as long as the
convolution itself. The same sums are a convolution of the inputs with the outputs' gradient as its
kernel, where faces and channels have changed places: 67 ms in place of 148 for 48 faces of 6 by 6
by 512 (``jobs/benchmark.py kernels``; AMD EPYC, two cores, 28 November 2026).
"""

import os
from functools import cache
from pathlib import Path
from typing import Any

import keras
import tensorflow as tf

from fer_ray.network.loading import ONEDNN

# Height * width * faces of the gradient as a kernel; a core's cache holds eight channels of it.
# 128 faces of 12 by 12 are beyond it and take 1.7 times as long as TensorFlow's own way.
_LARGEST_KERNEL = 8192
_LARGEST_MAP = 144  # height * width: larger ones lose
_LEAST_CHANNELS = 64  # below there is nothing to gain


class Convolution(keras.Layer):  # type: ignore[misc]  # Keras has no types
    """What a 3 by 3 ``Conv2D`` with ``same`` padding does, by its variables."""

    def __init__(self, plain: keras.layers.Conv2D) -> None:
        super().__init__(dtype=plain.dtype_policy, name=plain.name)
        self.plain = plain

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> Any:
        """That of the ``Conv2D``."""
        return self.plain.compute_output_shape(shape)

    def call(self, inputs: tf.Tensor) -> tf.Tensor:
        """The ``Conv2D``'s outputs for ``(n, height, width, channels)``."""
        plain = self.plain
        if not gains(inputs.shape, plain.filters, plain.compute_dtype):
            return plain(inputs)
        outputs = convolve(inputs, tf.convert_to_tensor(plain.kernel))
        if plain.use_bias:
            outputs = tf.nn.bias_add(outputs, tf.convert_to_tensor(plain.bias))
        return plain.activation(outputs)


@tf.custom_gradient  # type: ignore[untyped-decorator]  # TensorFlow has no types
def convolve(inputs: tf.Tensor, kernel: tf.Tensor) -> tuple[tf.Tensor, Any]:
    """``inputs`` ``(n, height, width, channels)`` by a 3 by 3 kernel, on zeros around them."""

    def gradients(outputs: tf.Tensor) -> tuple[tf.Tensor, tf.Tensor]:
        to_inputs = tf.nn.conv2d_transpose(outputs, kernel, tf.shape(inputs), 1, "SAME")
        return to_inputs, kernel_gradient(inputs, outputs)

    return tf.nn.conv2d(inputs, kernel, 1, "SAME"), gradients


def kernel_gradient(inputs: tf.Tensor, outputs: tf.Tensor) -> tf.Tensor:
    """That of a 3 by 3 kernel, ``(3, 3, channels, filters)``.

    Args:
        inputs: ``(n, height, width, channels)``, with zeros around them.
        outputs: their gradient, ``(n, height, width, filters)``.
    """
    around = tf.pad(tf.transpose(inputs, [3, 1, 2, 0]), [[0, 0], [1, 1], [1, 1], [0, 0]])
    sums = tf.nn.conv2d(around, tf.transpose(outputs, [1, 2, 0, 3]), 1, "VALID")
    return tf.transpose(sums, [1, 2, 0, 3])


def gains(shape: tuple[int | None, ...], filters: int, dtype: str) -> bool:
    """Whether a convolution is faster with ``convolve``'s gradients than with TensorFlow's here.

    Args:
        shape: of its inputs, ``(n, height, width, channels)``; with an unknown size it is not.
        filters: channels of its outputs.
        dtype: that it computes in.
    """
    if None in shape or dtype != "float32" or not slow_gradients():
        return False
    faces, height, width, channels = map(int, shape)  # type: ignore[arg-type]  # None is out
    size = height * width
    small = size <= _LARGEST_MAP and size * faces <= _LARGEST_KERNEL
    return small and min(channels, filters) >= _LEAST_CHANNELS


@cache
def slow_gradients(cpuinfo: Path = Path("/proc/cpuinfo")) -> bool:
    """Whether oneDNN computes here on a processor with AVX2 and no AVX-512, as Linux says."""
    try:
        flags = cpuinfo.read_text("utf-8").split()
    except FileNotFoundError:  # not Linux, so not measured
        return False
    cpu = "avx2" in flags and "avx512f" not in flags
    return cpu and os.environ.get(ONEDNN) == "1" and not tf.config.list_logical_devices("GPU")
