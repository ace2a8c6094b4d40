"""Keras' optimizers and batch normalisation, each in one operation of TensorFlow.

Keras writes a weight's update as a dozen operations, whose tracing is a second of a worker's start,
and a normalisation as six passes over a batch's activations, ten more for its gradients: a sixth of
a step's time. The figures are Keras' but for rounding, the variables the same.
"""

from typing import Any

import keras
import tensorflow as tf

from fer_ray.cluster.convolution import Convolution


class SGD(keras.optimizers.SGD):  # type: ignore[misc]  # Keras has no types
    """Keras' SGD; without momentum it is that one itself."""

    def update_step(self, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any) -> None:
        """Change a weight and its momentum by its gradient, in an optimizer's step."""
        if self.momentum == 0:
            super().update_step(gradient, variable, learning_rate)
            return
        velocity = self.momentums[self._get_variable_index(variable)]
        tf.raw_ops.ResourceApplyKerasMomentum(
            var=variable.handle,
            accum=velocity.value.handle,
            lr=tf.cast(learning_rate, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
            momentum=tf.cast(self.momentum, variable.dtype),
            use_nesterov=self.nesterov,
        )


class _Moments:
    """What Adam and AdamW have in common: the decay is not the update's."""

    def update_step(
        self: Any, gradient: tf.Tensor, variable: tf.Variable, learning_rate: Any
    ) -> None:
        """Change a weight and its moments by its gradient, in an optimizer's step."""
        index = self._get_variable_index(variable)
        done = tf.cast(self.iterations + 1, variable.dtype)
        beta_1, beta_2 = (tf.cast(beta, variable.dtype) for beta in (self.beta_1, self.beta_2))
        tf.raw_ops.ResourceApplyAdam(
            var=variable.handle,
            m=self._momentums[index].value.handle,
            v=self._velocities[index].value.handle,
            beta1_power=tf.pow(beta_1, done),
            beta2_power=tf.pow(beta_2, done),
            lr=tf.cast(learning_rate, variable.dtype),
            beta1=beta_1,
            beta2=beta_2,
            epsilon=tf.cast(self.epsilon, variable.dtype),
            grad=tf.cast(gradient, variable.dtype),
        )


class Adam(_Moments, keras.optimizers.Adam):  # type: ignore[misc]  # nor here
    """Keras' Adam."""


class AdamW(_Moments, keras.optimizers.AdamW):  # type: ignore[misc]  # nor here
    """Keras' AdamW."""


def trainable(model: keras.Model) -> keras.Model:
    """``model``, whose layers and variables it shares, with faster layers where there are some.

    It is for training alone: what is saved is ``model``, in which all layers are Keras'.
    """

    def call(layer: keras.Layer, *args: Any, **kwargs: Any) -> Any:
        if isinstance(layer, keras.layers.BatchNormalization):
            return _Normalisation(layer)(*args)
        if isinstance(layer, keras.layers.Conv2D):
            return Convolution(layer)(*args)
        return layer(*args, **kwargs)

    return keras.models.clone_model(model, clone_function=lambda layer: layer, call_function=call)


class _Normalisation(keras.Layer):  # type: ignore[misc]  # nor here
    """What a ``BatchNormalization`` over the last axis of four does, by its variables."""

    def __init__(self, plain: keras.layers.BatchNormalization) -> None:
        super().__init__(dtype=plain.dtype_policy, name=plain.name)
        self.plain = plain

    def compute_output_shape(self, shape: tuple[int | None, ...]) -> tuple[int | None, ...]:
        """That of its input."""
        return shape

    def call(self, inputs: tf.Tensor, training: bool = False) -> tf.Tensor:
        """Normalised inputs ``(n, height, width, channels)``; the statistics move in training."""
        plain = self.plain
        if not training:
            return plain(inputs, training=False)
        outputs, mean, variance, *_ = tf.raw_ops.FusedBatchNormV3(
            x=inputs,
            scale=tf.convert_to_tensor(plain.gamma),
            offset=tf.convert_to_tensor(plain.beta),
            mean=tf.zeros([0]),
            variance=tf.zeros([0]),
            epsilon=plain.epsilon,
            is_training=True,
        )
        count = tf.cast(tf.size(inputs) / tf.size(mean), tf.float32)
        variance *= (count - 1) / count  # Keras' is the batch's own, not the estimate from it
        kept = plain.momentum
        for average, now in ((plain.moving_mean, mean), (plain.moving_variance, variance)):
            average.assign(average * kept + now * (1 - kept))
        return outputs
