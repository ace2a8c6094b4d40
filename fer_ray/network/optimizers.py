"""What moves the weights, and how weight decay pulls on kernels, never on biases or normalisation.

Keras' own ``weight_decay`` is decoupled for every optimizer (Loshchilov and Hutter 2019,
https://arxiv.org/abs/1711.05101): right for Adam, but the published SGD figures come from L2 in
the gradient, which passes through the momentum. So SGD gets none from Keras, and the step adds
``l2_gradients`` instead.
"""

from collections.abc import Sequence
from types import ModuleType

import keras
from keras import ops

from fer_ray.config import OptimizerConfig


def optimizer_of(
    settings: OptimizerConfig,
    variables: Sequence[keras.Variable],
    kinds: ModuleType = keras.optimizers,
) -> keras.Optimizer:
    """A fresh optimizer, built for a model's trainable variables.

    Its ``learning_rate`` is a variable, for the loop to assign in each step. Its variables' names
    do not tell how many optimizers the process had before, as Keras' own choice would.

    Args:
        settings: which, and how it moves.
        variables: the model's.
        kinds: whose ``SGD``, ``Adam`` and ``AdamW`` are taken.
    """
    if settings.name == "sgd":
        optimizer = kinds.SGD(
            settings.learning_rate,
            momentum=float(settings.momentum),
            nesterov=settings.nesterov,
            name="sgd",
        )
    elif settings.weight_decay == 0:
        optimizer = kinds.Adam(settings.learning_rate, name="adam")
    else:
        optimizer = kinds.AdamW(
            settings.learning_rate, weight_decay=settings.weight_decay, name="adamw"
        )
        # Not by `var_names`: on TensorFlow Keras matches those against whole paths ("conv/bias:0").
        optimizer.exclude_from_weight_decay(var_list=[v for v in variables if not _decays(v)])
    optimizer.build(list(variables))
    return optimizer


def l2_gradients(
    gradients: Sequence[keras.KerasTensor],
    variables: Sequence[keras.Variable],
    settings: OptimizerConfig,
    replicas: int,
) -> list[keras.KerasTensor]:
    """The gradients with SGD's weight decay added to those of kernels; Adam's as they are.

    ``apply_gradients`` sums over replicas, and the penalty must count once: each adds its share
    ``weight_decay / replicas * kernel``. That is the gradient of ``weight_decay / 2 * kernel**2``.

    Args:
        gradients: of this replica's part of the loss, before they are summed.
        variables: that they belong to, in the same order.
        settings: name and weight_decay.
        replicas: over which ``apply_gradients`` sums.
    """
    if settings.name != "sgd" or settings.weight_decay == 0:
        return list(gradients)
    share = settings.weight_decay / replicas
    return [
        gradient + share * ops.convert_to_tensor(variable) if _decays(variable) else gradient
        for gradient, variable in zip(gradients, variables, strict=True)
    ]


def _decays(variable: keras.Variable) -> bool:
    """Whether weight decay pulls on it: kernels only."""
    return bool(variable.name == "kernel")
