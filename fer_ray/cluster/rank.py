"""One training worker as Ray Train starts it: its rank, its stream, its log in the run's folder."""

import logging
from collections.abc import Iterable

import pyarrow as pa
import ray.train
import tensorflow as tf

from fer_ray.cluster import capacity, loop
from fer_ray.cluster.batches import batches
from fer_ray.cluster.building import set_up_tensorflow, strategy_of
from fer_ray.cluster.work import Work
from fer_ray.faces import order
from fer_ray.runs import layout, logs, storage

logger = logging.getLogger(__name__)


def train(work: Work, tables: Iterable[pa.Table]) -> None:
    """Train as one worker of the group, from the step that ``tables``, its stream, start at."""
    context = ray.train.get_context()
    rank, world = context.get_world_rank(), context.get_world_size()
    threads = capacity.threads_of(work.config.cluster, world)
    set_up_tensorflow(work.config, use_gpu=work.config.cluster.use_gpu, threads=threads)
    strategy = strategy_of(work.config)
    size = len(order.shard(0, rank, world, work.config.training.batch_size))
    stream = batches(tables, size)
    first = next(stream, None)
    if first is None:  # the checkpoint that ends the run is there
        return
    logging.getLogger("fer_ray").setLevel(logging.INFO)
    member = loop.Member(rank, world, going=_going, report=ray.train.report)
    key = layout.worker_log(work.guard.attempt, first.group, rank)
    with logs.kept_log(storage.store(work.run_uri), logging.getLogger(), key):
        used = tf.config.threading.get_intra_op_parallelism_threads()
        told = "worker %d of %d begins at step %d, with %d thread(s)"
        logger.info(told, rank, world, first.step, used)
        loop.train(work, strategy, member, first, stream)


def _going() -> bool:
    """Whether Ray has been told that a node of the group will be taken away."""
    return ray.train.get_preemption_info() is not None
