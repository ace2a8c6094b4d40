"""What every training worker does, whoever runs it: steps, validation, saving, to the last epoch.

All ranks hold equal state between steps. Rank 0 alone writes; what it writes it reads from that
state and changes nothing, so that a run which saves more often learns the same.
"""

import logging
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import tensorflow as tf

from fer_ray.cluster import steps
from fer_ray.cluster.batches import Batch, Tally
from fer_ray.cluster.building import build_state
from fer_ray.cluster.preemption import Preemption
from fer_ray.cluster.progress import Progress, epochs_after
from fer_ray.cluster.saving import Saver, restore
from fer_ray.cluster.stream import Faces
from fer_ray.cluster.work import Work
from fer_ray.config import TrainConfig
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.network import losses, schedule
from fer_ray.runs import metrics, storage

SCORED_AT_ONCE = 256  # faces a forward pass of validation

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Member:
    """A worker's place in its group, and how it reaches the others and who watches."""

    rank: int
    world: int
    going: Callable[[], bool]  # whether a node of the group is; all ranks ask at once
    report: Callable[[dict[str, Any]], None]  # an epoch's end; all ranks at once


def train(
    work: Work,
    strategy: tf.distribute.Strategy,
    member: Member,
    first: Batch,
    stream: Iterator[Batch],
) -> None:
    """Take this worker's ``first`` batch and the ``stream`` after it, to the run's end.

    Args:
        work: the run.
        strategy: of the whole group.
        member: which worker this is.
        first: its step says where the run goes on; 0, or that of a checkpoint.
        stream: in order of step, up to the run's last.
    """
    rank, world = member.rank, member.world
    config, training = work.config, work.config.training
    state = build_state(work, strategy, restored=first.step > 0)
    saver = Saver(work, state, first.group) if rank == 0 else None
    progress = _resumed(work, state, first.step)
    if progress.ended:
        return
    step = steps.training_step(
        state, strategy, training, config.optimizer, config.seed, work.class_weights
    )
    score, total = steps.scorer(state), steps.summation(strategy)
    preemption = Preemption(first.step, member.going, total, world)
    tally = Tally(total, progress.batches)
    clock = Clock()
    per_epoch = work.count / training.batch_size
    batch: Batch | None = first
    while batch is not None:
        number = batch.step
        assert number == progress.step, (number, progress.step)
        rate = schedule.learning_rate(
            number, per_epoch, work.last_step, config.optimizer, progress.plateau.scale
        )
        clock.stepping()
        step(
            batch.images,
            batch.targets,
            tf.constant(number, tf.int64),
            tf.constant(rate, tf.float32),
        )
        tally.add(batch)
        progress = replace(progress, step=number + 1)
        clock.trained(training.batch_size)
        epoch = min(epochs_after(number + 1, work.count, training.batch_size), training.epochs)
        if epoch > epochs_after(number, work.count, training.batch_size):
            _check_equal_ranks(state, total, world)
            with clock.paused():
                validation = _validate(work.validation, score, total, rank, world)
            record: dict[str, Any] = {
                "epoch": epoch,
                "step": progress.step,
                "learning_rate": rate,
                "train": _epoch_sums(state),
                "batches": f"{tally.agree():08x}",
                "validation": validation,
                "workers": world,
                "leaky": work.leaky,
            } | clock.epoch()
            tally.reset()
            progress = replace(_after(progress, record, config), batches=0)
            if saver:
                saver.keep_epoch(record | {"save_wait_s": saver.waited()})
                if progress.ended != "diverged":
                    saver.save(progress)
            member.report({"epoch": epoch, "checkpoint": progress.step})
            if progress.ended:
                break
        elif preemption.threatens(progress.step) or _due(
            progress.step, training.checkpoint_every_steps
        ):
            progress = replace(progress, batches=tally.agree())
            _save_if_finite(saver, state, progress)
        batch = next(stream, None)
    if saver:
        saver.close()
    logger.info("all steps are done")


def _resumed(work: Work, state: steps.State, start: int) -> Progress:
    """The loop's state at step ``start``, arrays restored from exactly that step's checkpoint."""
    if start == 0:
        return Progress()
    return Progress.of(restore(storage.store(work.run_uri), start, state))


def _after(progress: Progress, record: dict[str, Any], config: TrainConfig) -> Progress:
    """``progress`` after an epoch; a loss that is no number ends the run."""
    if not np.isfinite([record["train"]["loss"], record["validation"]["loss"]]).all():
        return replace(progress, ended="diverged")
    return progress.after_epoch(
        record["epoch"], record["validation"], config.training, config.optimizer
    )


def _save_if_finite(saver: Saver | None, state: steps.State, progress: Progress) -> None:
    """Save, unless the state has diverged: older checkpoints would make room for it."""
    if saver and np.isfinite(state.sums.numpy()).all():
        saver.save(progress)


def _due(step: int, every: int | None) -> bool:
    return every is not None and step % every == 0


def _epoch_sums(state: steps.State) -> dict[str, float]:
    """Mean loss and accuracy of the epoch's steps, as they were trained on; starts the next's."""
    loss, correct, faces = state.sums.numpy()
    state.sums.assign(np.zeros(len(steps.SUMS)))
    return {"loss": float(loss / faces), "accuracy": float(correct / faces)}


def _check_equal_ranks(state: steps.State, total: steps.Summation, world: int) -> None:
    """Raise if another worker's weights differ from this one's: its gradients went another way."""
    digest = state.digest()
    if not np.array_equal(total(digest), world * digest):
        raise RuntimeError("all workers must hold the same weights, got different ones")


def _validate(
    faces: Faces, score: steps.Scorer, total: steps.Summation, rank: int, world: int
) -> dict[str, Any]:
    """Loss and metrics over every validation face, each scored once by one worker."""
    mine = range(faces.count)[rank * faces.count // world : (rank + 1) * faces.count // world]
    classes = len(EMOTIONS)
    confusion, loss = np.zeros((classes, classes)), 0.0
    for start in range(mine.start, mine.stop, SCORED_AT_ONCE):
        images, labels = faces.take(np.arange(start, min(start + SCORED_AT_ONCE, mine.stop)))
        logits = score(tf.constant(images))
        targets = np.eye(classes, dtype=np.float32)[labels]
        loss += float(np.sum(losses.cross_entropy(targets, logits), dtype=np.float64))
        np.add.at(confusion, (labels, logits.numpy().argmax(1)), 1)
    summed = total(np.append(confusion.ravel(), loss))
    counts = np.rint(summed[:-1]).astype(np.int64).reshape(classes, classes)
    assert counts.sum() == faces.count
    return {"loss": float(summed[-1] / faces.count)} | metrics.from_confusion(counts)


class Clock:
    """Times an epoch and its steps, and what they wait for between two epochs but validation."""

    def __init__(self) -> None:
        self._began = self._free = time.monotonic()
        self._waited: float | None = None
        self._faces = 0

    def stepping(self) -> None:
        """A step begins; the epoch's first ends what it waited for data, saving and reporting."""
        if self._waited is None:
            self._waited = time.monotonic() - self._free

    def trained(self, faces: int) -> None:
        """Count a step's faces."""
        self._faces += faces
        self._last_step = time.monotonic()
        self._paused = 0.0

    @contextmanager
    def paused(self) -> Iterator[None]:
        """Take what is done in the block, after the epoch's last step, for no wait."""
        began = time.monotonic()
        yield
        self._paused += time.monotonic() - began

    def epoch(self) -> dict[str, float]:
        """The epoch's ``seconds``, ``images_per_s`` and what it waited; begins the next.

        ``wait_s`` is from the last step before the epoch to its first, without the pause between;
        ``images_per_s`` is of the epoch's steps and of that time.
        """
        assert self._waited is not None
        now = time.monotonic()
        figures = {
            "seconds": now - self._began,
            "images_per_s": self._faces / (self._last_step - self._free),
            "wait_s": self._waited,
        }
        self._began, self._free = now, self._last_step + self._paused
        self._waited, self._faces = None, 0
        return figures
