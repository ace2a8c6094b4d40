"""Which face comes when: one endless sequence of positions, each epoch a fresh permutation.

Position ``p`` of ``count`` faces lies in epoch ``p // count``. Global step ``s`` is positions
``[s B, (s + 1) B)``, and a rank's shard is a contiguous part of them: arithmetic on the position
alone, so that the same faces meet in the same step for any number of workers and restarts.
"""

from functools import lru_cache

import numpy as np

CHUNKS_PER_WINDOW = 64


def shard(step: int, rank: int, world: int, batch_size: int) -> np.ndarray:
    """The positions that ``rank`` of ``world`` trains on in ``step``; ``(n,)`` int64, ascending."""
    first = step * batch_size
    return np.arange(
        first + rank * batch_size // world, first + (rank + 1) * batch_size // world, dtype=np.int64
    )


def steps_through(epochs: int, count: int, batch_size: int) -> int:
    """The steps after which ``epochs`` epochs have ended, their last face reached."""
    return -(-epochs * count // batch_size)


def numbers_at(positions: np.ndarray, count: int, window: int, seed: int) -> np.ndarray:
    """The face at each position; ``(n,)`` int64 in ``[0, count)``.

    Up to ``window`` faces, an epoch is one permutation of them all. Above, chunks of consecutive
    faces are permuted, and faces within each ``window`` of that sequence, so that a stretch of
    positions needs no more than a window of faces in memory.

    Args:
        positions: ``(n,)`` int64, at least 0.
        count: faces in all.
        window: faces shuffled at once.
        seed: of the run.
    """
    epochs, offsets = np.divmod(positions, count)
    numbers = np.empty_like(positions)
    for epoch in np.unique(epochs):
        here = epochs == epoch
        numbers[here] = _in_epoch(offsets[here], int(epoch), count, window, seed)
    return numbers


def _in_epoch(offsets: np.ndarray, epoch: int, count: int, window: int, seed: int) -> np.ndarray:
    """The faces at ``offsets`` of one epoch."""
    if count <= window:
        return np.asarray(_permutation(seed, epoch, 0, count)[offsets])
    chunk = max(1, window // CHUNKS_PER_WINDOW)
    order = _permutation(seed, epoch, 0, -(-count // chunk))
    sizes = np.minimum(chunk, count - order * chunk)
    starts = np.concatenate([[0], np.cumsum(sizes)])
    places = np.empty_like(offsets)
    for one in np.unique(offsets // window):
        here = offsets // window == one
        base = int(one) * window
        inner = _permutation(seed, epoch, 1 + int(one), min(window, count - base))
        places[here] = base + inner[offsets[here] - base]
    nth = np.searchsorted(starts, places, side="right") - 1
    return np.asarray(order[nth] * chunk + places - starts[nth])


@lru_cache(maxsize=8)
def _permutation(seed: int, epoch: int, part: int, count: int) -> np.ndarray:
    """A permutation of ``count``, keyed by the other arguments; not to be written to."""
    permutation = np.random.default_rng([seed, epoch, part]).permutation(count)
    permutation.flags.writeable = False
    return permutation
