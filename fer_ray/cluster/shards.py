"""What a worker takes from its stream, which begins while TensorFlow loads.

Each worker reads a stream of its own: no process stands between it and the tasks that make it.
"""

from collections.abc import Callable, Generator, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa
import ray.train
from ray.train.collective import broadcast_from_rank_zero

from fer_ray.cluster import stream
from fer_ray.cluster.stream import Faces, Plan, Start
from fer_ray.faces import order


@contextmanager
def begun(
    faces: Faces, plan: Plan, stop: int, begin: Callable[[int], Start]
) -> Iterator[Iterator[pa.Table]]:
    """This worker's shards of the global batches, in order; a thread fetches the first at once.

    Columns are those of ``stream.expand``. Leaving the block ends the stream, and waits for
    nothing: where that thread is still at it, the stream ends when it is done.

    Args:
        faces: that are trained on.
        plan: in which order.
        stop: the step before which the stream ends.
        begin: called by rank 0 alone, with the number of workers; all are told what it returns.
    """
    tables = _tables(faces, plan, stop, begin)
    pool = ThreadPoolExecutor(1, "first-batch")
    first = pool.submit(next, tables, None)
    try:
        yield _after(first, tables)
    finally:
        pool.shutdown(wait=False)
        # Ray keeps an error, whose frames would keep the stream.
        first.add_done_callback(lambda _: tables.close())


def _tables(
    faces: Faces, plan: Plan, stop: int, begin: Callable[[int], Start]
) -> Generator[pa.Table, None, None]:
    """This worker's shards, from where its group begins."""
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    told = tuple(begin(world)) if rank == 0 else None  # no class of ours in Ray's own process
    start = Start(*broadcast_from_rank_zero(told))
    mine = stream.of_rank(faces, plan, start, stop, rank, world)
    size = len(order.shard(0, rank, world, plan.batch_size))
    yield from mine.iter_batches(batch_size=size, batch_format="pyarrow", prefetch_batches=4)


def _after(first: "Future[pa.Table | None]", rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """``first``, if there is one, and the ``rest``."""
    table = first.result()
    if table is not None:
        yield table
        yield from rest
