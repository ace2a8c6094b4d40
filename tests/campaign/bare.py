"""The training loop, its lease and its checkpoints in one process without Ray, to be killed often.

What runs is what a worker runs: ``loop.train`` over batches of the stream, saved in the run's
folder. Only who starts it differs.
"""

import os
import random
import signal
import sys
import time
import traceback
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from itertools import islice
from multiprocessing import get_context
from pathlib import Path

import numpy as np

from fer_ray.cluster.batches import Batch
from fer_ray.cluster.progress import best_of
from fer_ray.cluster.stream import Faces, Plan, checks, faces_at
from fer_ray.cluster.work import Work
from fer_ray.config import TrainConfig
from fer_ray.faces import demo, order
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import checkpoint, lease
from fer_ray.runs.storage import Store, store
from tests.bits import digests

FACES = 300
LEASE_S = 0.6
CONFIG = TrainConfig.model_validate(
    {
        "data": {"uri": "demo:"},
        "augment": {"rotation": 10.0, "horizontal_flip": True, "mixup": 0.2},
        "model": {"width": 0.03, "dropout": 0.3},
        "optimizer": {"name": "sgd", "learning_rate": 0.002},
        "training": {"epochs": 4, "batch_size": 16, "ema": 0.9, "checkpoint_every_steps": 3},
        "run": "bare",
    }
)


@dataclass(frozen=True)
class Drawn(Faces):
    """Faces in this process's memory."""

    start: int = 0

    def take(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        """Faces and labels, by number."""
        images, labels = _drawn(self.start, self.count)
        return images[numbers], labels[numbers]


@cache
def _drawn(start: int, count: int) -> tuple[np.ndarray, np.ndarray]:
    return demo.draw(start, count, 0)


def stream(work: Work, faces: Faces, start: int, group: int) -> Iterator[Batch]:
    """The batches of a single worker from step ``start`` to the last."""
    import tensorflow as tf

    size = work.config.training.batch_size
    plan = Plan(size, window=1_000, seed=work.config.seed, augment=work.config.augment)
    for step in range(start, work.last_step):
        positions = order.shard(step, 0, 1, size)
        images, targets = faces_at(faces, plan, positions)
        check = int(checks(positions, images, targets).sum())
        yield Batch(step, group, check, tf.constant(images), tf.constant(targets))


def attempt(folder: str, config: TrainConfig = CONFIG, steps: int | None = None) -> None:
    """Hold the run in ``folder``, and train it from its newest checkpoint.

    Args:
        folder: the run's.
        config: of the run.
        steps: after which the stream breaks off; ``None``: at the run's end.
    """
    import tensorflow as tf

    from fer_ray.cluster import loop
    from fer_ray.cluster.building import set_up_tensorflow

    set_up_tensorflow(config, use_gpu=False)
    run = store(folder)
    with lease.acquire(run, LEASE_S) as held:
        work = Work(
            config=config,
            guard=held.guard,
            count=FACES,
            validation=Drawn((), (70,), start=FACES),
            pixels=(100.0, 50.0),
            class_weights=[1.0] * len(EMOTIONS),
        )
        group = held.guard.next_group().group
        assert group is not None
        start = checkpoint.newest(run, best_of).step or 0
        batches = islice(stream(work, Drawn((), (FACES,)), start, group), steps)
        member = loop.Member(0, 1, going=lambda: False, report=lambda _: None)
        if first := next(batches, None):
            loop.train(work, tf.distribute.get_strategy(), member, first, batches)


def last_step() -> int:
    """The step at which the run is at its end."""
    training = CONFIG.training
    return order.steps_through(training.epochs, FACES, training.batch_size)


def result(run: Store) -> dict[str, str]:
    """What the last checkpoint's files hash to; every hash of it is verified.

    Raises:
        RuntimeError: the run has not come to its end.
    """
    found = checkpoint.newest(run, best_of)
    if found.step != last_step():
        raise RuntimeError(f"the run must end at step {last_step()}, got {found.step}")
    return digests(run, found.step)


@dataclass(frozen=True)
class Ended:
    """How an attempt went."""

    seconds: float
    killed: bool


def spawn(folder: str, kill_after_s: float | None, log: Path, timeout_s: float = 180) -> Ended:
    """Run ``attempt`` in a process forked from this one, and kill it after a while if asked to.

    Raises:
        RuntimeError: it failed by itself.
        TimeoutError: it did not end.
    """
    process = get_context("fork").Process(target=_logged, args=(folder, log))
    began = time.monotonic()
    process.start()
    process.join(timeout_s if kill_after_s is None else kill_after_s)
    running = process.is_alive()
    if running:
        assert process.pid is not None
        os.kill(process.pid, signal.SIGKILL)
        process.join()
    if running and kill_after_s is None:
        raise TimeoutError(f"an attempt must end within {timeout_s:.0f} s")
    if not running and process.exitcode:
        raise RuntimeError(f"an attempt ended with {process.exitcode}: {log.read_text()}")
    return Ended(time.monotonic() - began, running)


def _logged(folder: str, log: Path) -> None:
    import tensorflow as tf

    with log.open("a") as sink:
        os.dup2(sink.fileno(), 2)
        tf.config.threading.set_intra_op_parallelism_threads(1)
        tf.config.threading.set_inter_op_parallelism_threads(1)
        try:
            attempt(folder)
        except BaseException:
            traceback.print_exc(file=sys.stderr)
            raise


def result_of(folder: str) -> dict[str, str]:
    """``result``, found in a process of its own: this one is forked from, and must use no S3."""
    with get_context("fork").Pool(1) as pool:
        return pool.apply(_result, (folder,))


def _result(folder: str) -> dict[str, str]:
    return result(store(folder))


def struck(folder: str, seed: int, whole_s: float, log: Path) -> list[float]:
    """Kill attempts at moments drawn from ``seed``, then let one end: after how long each died."""
    moments = random.Random(seed)
    kills = [moments.uniform(0, whole_s) for _ in range(moments.randint(1, 3))]
    died = [after for after in kills if spawn(folder, after, log).killed]
    spawn(folder, None, log)
    return died
