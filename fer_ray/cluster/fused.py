"""Keras' optimizers, each weight's update one operation of TensorFlow.

Keras writes an update as a dozen operations, whose tracing is a second of a worker's start. The
figures are Keras' but for rounding, the optimizer's variables the same.
"""

from typing import Any

import keras
import tensorflow as tf


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
