"""What a worker takes from its stream: its shard of each global batch, and a tally of them all."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import tensorflow as tf

from fer_ray.cluster.steps import Summation
from fer_ray.faces import rows
from fer_ray.faces.emotions import EMOTIONS


@dataclass(frozen=True)
class Batch:
    """A worker's shard of one global step."""

    step: int
    group: int  # of workers, which the stream was made for
    check: int  # the sum of its rows' checks
    images: tf.Tensor
    targets: tf.Tensor


def batches(tables: Iterable[pa.Table], size: int) -> Iterator[Batch]:
    """Those of ``tables``, the columns of ``stream.expand``, each a worker's ``size`` faces."""
    for table in tables:
        numbers = np.unique(table["step"].to_numpy())
        assert (len(numbers), len(table)) == (1, size), (numbers, len(table))
        check = int(table["check"].to_numpy().sum())
        yield Batch(int(numbers[0]), table["group"][0].as_py(), check, *_tensors(table))


def _tensors(table: pa.Table) -> tuple[tf.Tensor, tf.Tensor]:
    """The faces and targets of a batch."""
    targets = table["target"].combine_chunks().flatten().to_numpy()
    return (
        tf.constant(rows.images_of(table["image"])),
        tf.constant(targets.reshape(-1, len(EMOTIONS))),
    )


class Tally:
    """The checks of all global batches of an epoch so far, whatever workers had which rows.

    Two runs with equal tallies trained on the same faces, changed in the same way, at the same
    positions.
    """

    def __init__(self, total: Summation, agreed: int) -> None:
        self._total, self._agreed, self._mine = total, agreed, 0

    def add(self, batch: Batch) -> None:
        """Count a batch of this worker."""
        self._mine += batch.check

    def agree(self) -> int:
        """The tally over all workers, 0 to 2^32 - 1; all must call it at once."""
        mine = np.array([float(self._mine % 2**32)])
        self._agreed = (self._agreed + int(self._total(mine)[0])) % 2**32
        self._mine = 0
        return self._agreed

    def reset(self) -> None:
        """Begin another epoch's."""
        self._agreed = self._mine = 0
