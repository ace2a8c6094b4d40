"""What training minimises: cross-entropy of soft targets, one number a face.

Losses are neither summed nor averaged here: the step sums a shard and divides by the global
batch, and any other order would weigh uneven shards wrongly.
"""

from collections.abc import Sequence

import keras
from keras import ops


def cross_entropy(
    targets: keras.KerasTensor,
    logits: keras.KerasTensor,
    label_smoothing: float = 0.0,
    class_weights: Sequence[float] | None = None,
) -> keras.KerasTensor:
    """Each face's loss, ``(n,)`` float32.

    Args:
        targets: ``(n, classes)`` probabilities, rows sum to 1: one-hot, or mixed by mixup.
        logits: ``(n, classes)``.
        label_smoothing: share of each target spread evenly over the classes (Szegedy et al.
            2016, https://arxiv.org/abs/1512.00567).
        class_weights: one for each class; a face weighs what its classes do, by their share in
            its target before smoothing. None: all weigh 1.
    """
    targets = ops.cast(targets, "float32")
    classes = targets.shape[-1]
    smoothed = targets * (1 - label_smoothing) + label_smoothing / classes
    losses = -ops.sum(smoothed * ops.log_softmax(ops.cast(logits, "float32")), axis=-1)
    if class_weights is None:
        return losses
    return losses * ops.sum(targets * ops.convert_to_tensor(class_weights, "float32"), axis=-1)
