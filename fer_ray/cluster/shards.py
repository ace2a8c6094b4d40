"""What a worker takes from its stream, which begins while TensorFlow loads."""

from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager

import pyarrow as pa
import ray.train

from fer_ray.cluster.work import SHARD, Work
from fer_ray.faces import order


@contextmanager
def begun(work: Work) -> Iterator[Iterator[pa.Table]]:
    """This worker's shards of the global batches, in order; a thread fetches the first at once.

    Columns are those of ``stream.expand``. Leaving the block does not wait for that thread.
    """
    context = ray.train.get_context()
    place = context.get_world_rank(), context.get_world_size()
    tables = _tables(len(order.shard(0, *place, work.config.training.batch_size)))
    pool = ThreadPoolExecutor(1, "first-batch")
    try:
        yield _after(pool.submit(next, tables, None), tables)
    finally:
        pool.shutdown(wait=False)


def _tables(size: int) -> Iterator[pa.Table]:
    """The shards, of ``size`` faces each."""
    shard = ray.train.get_dataset_shard(SHARD)
    yield from shard.iter_batches(batch_size=size, batch_format="pyarrow", prefetch_batches=4)


def _after(first: "Future[pa.Table | None]", rest: Iterator[pa.Table]) -> Iterator[pa.Table]:
    """``first``, if there is one, and the ``rest``."""
    table = first.result()
    if table is not None:
        yield table
        yield from rest
