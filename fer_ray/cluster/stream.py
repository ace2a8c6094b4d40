"""The training stream: every rank its shard of the same global batches, augmented, step by step.

Rows of the stream carry their ``step``, and the ``group`` of workers that they are for. A step's
faces, and every draw for them, follow from ``(seed, position)`` alone (``faces.order``,
``faces.augment``): worker counts, blocks, restarts and the order in which tasks run change nothing.
"""

import time
import zlib
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, cast

import numpy as np
import pyarrow as pa
import ray
import ray.data
from ray.data._internal.execution.execution_callback import ExecutionCallback

from fer_ray.config import AugmentConfig
from fer_ray.faces import augment, order, rows
from fer_ray.faces.emotions import EMOTIONS

FACES_PER_BLOCK = 2_048  # a block of the stream, about 4.7 MB: many steps a task
LOOP_S = 0.05  # a turn of Ray Data's scheduling loop while a worker waits for a block
READY_LOOP_S = 0.2  # while a block lies ready for it, enough for 10,000 faces a second
BLOCKS_AHEAD = 8  # how far Ray Data may run ahead of a worker


@dataclass(frozen=True)
class Faces:
    """The faces that are trained on: blocks in the object store, in order of number."""

    blocks: Sequence["ray.ObjectRef[pa.Table]"]
    sizes: Sequence[int]

    @property
    def count(self) -> int:
        """Faces in all."""
        return sum(self.sizes)

    def take(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """``(n, 48, 48)`` uint8 faces and ``(n,)`` int8 labels, by number."""
        starts = np.cumsum([0, *self.sizes])
        home = np.searchsorted(starts, numbers, side="right") - 1
        images = np.empty((len(numbers), rows.SIDE, rows.SIDE), np.uint8)
        labels = np.empty(len(numbers), np.int8)
        touched = np.unique(home)
        tables = ray.get([self.blocks[block] for block in touched])
        for block, table in zip(touched, tables, strict=True):
            here = home == block
            inner = numbers[here] - starts[block]
            images[here] = rows.images_of(table["image"])[inner]
            labels[here] = table["label"].to_numpy()[inner]
        return images, labels


@dataclass(frozen=True)
class Plan:
    """What the stream is made of, apart from the faces."""

    batch_size: int
    window: int
    seed: int
    augment: AugmentConfig


def faces_at(faces: Faces, plan: Plan, positions: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What is trained on at ``positions``: ``(n, 48, 48)`` uint8 faces, ``(n, 7)`` float32 targets.

    Mixup's partner of a face is one of its own global step, whichever rank has that.
    """
    draws = augment.uniforms(plan.seed, positions, augment.DRAWS)
    images, targets = _augmented(faces, plan, positions, draws)
    if not (plan.augment.on_the_fly and plan.augment.mixup):
        return images, targets
    weights = augment.mixup_weights(draws[:, augment.MIXUP_WEIGHT], plan.augment.mixup)
    nth = (draws[:, augment.MIXUP_PARTNER] * plan.batch_size).astype(np.int64)
    partners = positions - positions % plan.batch_size + nth
    others, other_targets = _augmented(
        faces, plan, partners, augment.uniforms(plan.seed, partners, augment.DRAWS)
    )
    share = weights.astype(np.float32)[:, None]
    mixed = share[..., None] * images + (1 - share[..., None]) * others
    return np.rint(mixed).astype(np.uint8), share * targets + (1 - share) * other_targets


def _augmented(
    faces: Faces, plan: Plan, positions: np.ndarray, draws: np.ndarray
) -> tuple[np.ndarray, np.ndarray]:
    """The faces at ``positions``, each changed by its own draws, and their one-hot targets."""
    numbers = order.numbers_at(positions, faces.count, plan.window, plan.seed)
    images, labels = faces.take(numbers)
    if plan.augment.on_the_fly:
        images = augment.augment(images, draws, plan.augment)
    return images, np.eye(len(EMOTIONS), dtype=np.float32)[labels]


class Start(NamedTuple):
    """Where a worker group begins, and which group of its attempt at the run it is."""

    step: int
    group: int


def expand(
    steps: pa.Table, start: Start, faces: Faces, plan: Plan, rank: int, world: int
) -> pa.Table:
    """A rank's rows of steps ``start.step + steps["id"]``: ``step group check image target``.

    A row's ``check`` is the CRC-32 of its position, face and target: the same for any workers.
    """
    numbers = start.step + steps["id"].to_numpy()
    shards = [order.shard(int(step), rank, world, plan.batch_size) for step in numbers]
    positions = np.concatenate(shards)
    images, targets = faces_at(faces, plan, positions)
    return pa.table(
        {
            "step": positions // plan.batch_size,
            "group": np.full(len(positions), start.group),
            "check": checks(positions, images, targets),
            "image": rows.image_column(images),
            "target": pa.FixedSizeListArray.from_arrays(targets.reshape(-1), len(EMOTIONS)),
        }
    )


def checks(positions: np.ndarray, images: np.ndarray, targets: np.ndarray) -> np.ndarray:
    """``(n,)`` int64: the CRC-32 of each row's position, face and target."""
    keys = positions.astype("<i8")
    crc = [
        zlib.crc32(target.tobytes(), zlib.crc32(image.tobytes(), zlib.crc32(key.tobytes())))
        for key, image, target in zip(keys, images, targets, strict=True)
    ]
    return np.array(crc, np.int64)


class Unhurried(ExecutionCallback):
    """Slows Ray Data's scheduling loop to what a stream of large blocks needs.

    While all that the budget allows lies ready, Ray 2.60's loop waits for nothing and asks itself
    again at once: half a core was spent on that (62 CPU seconds in 115 s), which training lacks. A
    turn takes 3 ms of one.
    """

    def on_execution_step(self, executor: Any) -> None:
        """Called by the loop after each turn."""
        idling = executor._consumer_idling()  # noqa: SLF001 nothing public tells what lies ready
        time.sleep(LOOP_S if idling else READY_LOOP_S)


def of_rank(
    faces: Faces, plan: Plan, start: Start, stop: int, rank: int, world: int
) -> ray.data.Dataset:
    """The rows of one rank from ``start`` to step ``stop``, in order, as it is iterated."""
    count = stop - start.step
    shard = max(1, plan.batch_size // world)
    blocks = max(1, -(-count * shard // FACES_PER_BLOCK))
    stream = ray.data.range(count, override_num_blocks=min(blocks, max(1, count))).map_batches(
        cast(Any, expand),  # Ray's annotation knows no further arguments
        fn_kwargs={"start": start, "faces": faces, "plan": plan, "rank": rank, "world": world},
        batch_size=None,
        batch_format="pyarrow",
    )
    stream.context.custom_execution_callback_classes = [Unhurried]
    stream.context.enable_progress_bars = False  # which would end up in a worker's kept log
    options = stream.context.execution_options
    options.preserve_order = True
    options.resource_limits = options.resource_limits.copy(
        object_store_memory=BLOCKS_AHEAD * FACES_PER_BLOCK * rows.FACE_BYTES
    )
    return stream
