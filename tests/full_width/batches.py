"""The batches of a run, made as the stream makes them, by processes of one machine."""

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from functools import partial
from itertools import pairwise
from multiprocessing import get_context
from typing import Any

import cv2
import numpy as np
import pyarrow as pa

from fer_ray.config import TrainConfig
from fer_ray.faces import augment, balance, order, resampling
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import FACE_BYTES, SCHEMA, images_of

STEPS_AT_ONCE = 16

Epochs = Callable[[Sequence[int]], Iterator[tuple[np.ndarray, np.ndarray]]]


@dataclass(frozen=True)
class Drawn:
    """What batches are made of."""

    images: np.ndarray  # (n, 48, 48) uint8
    labels: np.ndarray  # (n,)
    config: TrainConfig


def balanced(rows: pa.Table, config: TrainConfig) -> tuple[np.ndarray, np.ndarray]:
    """Faces and labels of the training side ``rows``, as ``cluster.balancing`` would have them."""
    for name in SCHEMA.names:
        if name not in rows.column_names:
            nothing = pa.nulls(len(rows), SCHEMA.field(name).type)
            rows = rows.append_column(name, nothing)
    rows = rows.select(SCHEMA.names).cast(SCHEMA)
    labels = rows["label"].to_numpy()
    settings = config.balance
    if config.split.protocol == "paper":  # it was balanced before it was split
        settings = settings.model_copy(update={"target": "none", "generator_below": 0})
    counts = dict(enumerate(np.bincount(labels, minlength=len(EMOTIONS)).tolist()))
    plans = balance.plan(counts, settings)
    some = (resampling.of_labels(rows, [label]) for label in plans)
    parts = [
        resampling.resized(each, plans, settings.neighbors, config.augment, config.seed)
        for each in some
    ]
    every = pa.concat_tables(parts).sort_by([("id", "ascending"), ("source", "ascending")])
    return images_of(every["image"]), every["label"].to_numpy()


def steps(drawn: Drawn, first: int, stop: int) -> tuple[np.ndarray, np.ndarray]:
    """Faces ``(steps, batch, 48, 48)`` uint8 and targets ``(steps, batch, 7)`` float32."""
    config = drawn.config
    size, settings = config.training.batch_size, config.augment
    positions = np.arange(first * size, stop * size)
    window = max(1, config.training.shuffle_bytes // FACE_BYTES)
    numbers = order.numbers_at(positions, len(drawn.images), window, config.seed)
    images = drawn.images[numbers]
    targets = np.eye(len(EMOTIONS), dtype=np.float32)[drawn.labels[numbers]]
    if settings.on_the_fly:
        draws = augment.uniforms(config.seed, positions, augment.DRAWS)
        images = augment.augment(images, draws, settings)
        if settings.mixup:
            share = augment.mixup_weights(draws[:, augment.MIXUP_WEIGHT], settings.mixup)
            nth = (draws[:, augment.MIXUP_PARTNER] * size).astype(np.int64)
            other = positions - positions % size + nth - positions[0]
            weight = share.astype(np.float32)[:, None]
            mixed = weight[..., None] * images + (1 - weight[..., None]) * images[other]
            images = np.rint(mixed).astype(np.uint8)
            targets = weight * targets + (1 - weight) * targets[other]
    return images.reshape(-1, size, *images.shape[1:]), targets.reshape(-1, size, len(EMOTIONS))


_here: Any = None


def _begin(drawn: Drawn) -> None:
    global _here  # noqa: PLW0603 what a process of the pool works on
    cv2.setNumThreads(1)
    _here = drawn


def _some(part: tuple[int, int]) -> tuple[np.ndarray, np.ndarray]:
    return steps(_here, *part)


@contextmanager
def making(drawn: Drawn, processes: int) -> Iterator[Epochs]:
    """``epochs(edges)``: the batches from each of ``edges`` to the next, an epoch at a time.

    They are made ahead, by ``processes`` of their own.
    """
    # not forked: a lock that a thread of this process holds would stay held there
    with get_context("spawn").Pool(processes, _begin, (drawn,)) as pool:
        yield partial(_epochs, pool)


def _epochs(pool: Any, edges: Sequence[int]) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    cuts = [
        [(at, min(at + STEPS_AT_ONCE, stop)) for at in range(first, stop, STEPS_AT_ONCE)]
        for first, stop in pairwise(edges)
    ]
    ahead = deque[Any]()
    for cut in [*cuts, None, None]:
        if cut is not None:
            ahead.append([pool.apply_async(_some, (part,)) for part in cut])
        if len(ahead) > 2 or (cut is None and ahead):
            images, targets = zip(*(part.get() for part in ahead.popleft()), strict=True)
            yield np.concatenate(images), np.concatenate(targets)
