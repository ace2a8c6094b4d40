"""A run from settings to outcome: prepare, balance, train over Ray, export, score.

The driver only conducts: faces are read, balanced, trained on and scored in tasks and workers, and
what they found is read from the run's folder, never from Ray's own result.
"""

import logging
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import ray

from fer_ray.cluster import (
    balancing,
    capacity,
    dataset,
    gauges,
    prepared,
    tensorboard,
    watching,
    workers,
)
from fer_ray.cluster.finishing import finish
from fer_ray.cluster.owning import conducted, owned
from fer_ray.cluster.progress import Progress, epochs_after
from fer_ray.cluster.source import DEMO
from fer_ray.cluster.stream import Faces, Plan
from fer_ray.cluster.work import Work
from fer_ray.config import TrainConfig
from fer_ray.faces.rows import FACE_BYTES
from fer_ray.job import Outcome
from fer_ray.network.loading import load_keras
from fer_ray.runs import layout, metrics, record, storage
from fer_ray.runs.lease import Lease

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """What a run is given that is one of a sweep's: the faces that all share.

    Such a run waits for room on the cluster as long as it takes, and leaves the test side to the
    sweep's winner. Other sweeps have runs of its name.
    """

    data: prepared.Prepared
    faces: balancing.TrainingFaces
    sweep: str


def train(config: TrainConfig) -> Outcome:
    """The outcome of ``fit``, or of what stopped it, with the run that can be resumed."""
    return conducted(fit, config, "train")


def fit(config: TrainConfig, part: Part | None = None) -> Outcome:
    """Train, export and score the run that ``config`` names, or return what it came to before.

    Args:
        config: with the run's name.
        part: of a sweep, if it is one.

    Raises:
        ValueError: an earlier run of the name had other settings or data, the data is unusable,
            or the cluster cannot place the workers.
        HeldError: another process is at work on the run.
        LostError: another has taken the run over, since this process did not renew its lease.
    """
    return owned(
        config,
        lambda run, held: _fit(config, run, held, part),
        reads={"model.pretrained": config.model.pretrained},
        room=None if part else lambda: capacity.check_resources(config.cluster),
    )


def _fit(config: TrainConfig, run: storage.Store, held: Lease, part: Part | None) -> Outcome:
    """The run's work, on a cluster that has room for it."""
    data = part.data if part else _begun_with(run) or dataset.prepare(config)
    training = (
        part.faces
        if part
        else balancing.training_blocks(data, config.balance, config.augment, config.seed)
    )
    work = work_of(config, held, data, training)
    facts = {
        "dataset": data.uri,
        **data.facts(),
        **({"drawn": True} if config.data.uri == DEMO else {}),
        "balanced": dict(training.after),
        "pixels": {"mean": training.pixel_mean, "std": training.pixel_std},
    }
    if config.model.pretrained is not None:
        ray.get(_check_pretrained.remote(work))
    begin(run, config, facts)
    plan = plan_of(config)
    told = {
        "fer_ray_refused_rows": facts["refused_rows"],
        "fer_ray_planned_epochs": config.training.epochs,
    }
    name = f"{part.sweep}/{config.run}" if part else str(config.run)
    with gauges.shown(name, told) as tell:
        progress = learn(run, held, work, training.faces, plan, tell)
        held.guard.check()
        epochs = metrics.compose(run, progress.step)
        if config.training.tensorboard:
            where = capacity.where_work_is_done()
            writing = tensorboard.write_events.options(scheduling_strategy=where)
            ray.get(writing.remote(run.uri, epochs))
        sides = ("validation",) if part else ("validation", "test")
        return finish(work, run, data, progress, facts, epochs, (training.faces, plan), sides)


def _begun_with(run: storage.Store) -> prepared.Prepared | None:
    """The dataset that the run was begun with; ``None`` where none was, or it is not there.

    What lies at ``data.uri`` may have grown since, which is for other runs.
    """
    begun = record.read_document(run, layout.DATA)
    if begun is None or not prepared.is_prepared(begun["dataset"], "storage.uri"):
        return None
    data = prepared.open_prepared(begun["dataset"], "storage.uri")
    if data.manifest["content"] != begun["content"]:
        return None
    logger.info("going on with the faces of %s", data.uri)
    return data


def work_of(
    config: TrainConfig, held: Lease, data: prepared.Prepared, training: balancing.TrainingFaces
) -> Work:
    """What the workers of a run are told."""
    return Work(
        config=config,
        guard=held.guard,
        count=training.faces.count,
        validation=prepared.side_blocks(data, "validation"),
        # The paper rescales by 1/255 (Table 2), and nothing more.
        pixels=(0.0, 255.0)
        if config.model.head == "paper"
        else (training.pixel_mean, training.pixel_std),
        class_weights=training.class_weights,
        leaky=data.leaky,
    )


def plan_of(config: TrainConfig) -> Plan:
    """In which order a run meets its faces, and what becomes of them on the way."""
    return Plan(
        batch_size=config.training.batch_size,
        window=max(1, config.training.shuffle_bytes // FACE_BYTES),
        seed=config.seed,
        augment=config.augment,
    )


def learn(
    run: storage.Store,
    held: Lease,
    work: Work,
    faces: Faces,
    plan: Plan,
    tell: watching.Tell | None = None,
) -> Progress:
    """How far the run is, once it has been trained from its newest checkpoint to its end.

    Args:
        run: its folder.
        held: the hold on it.
        work: what its workers are told.
        faces: that are trained on.
        plan: in which order.
        tell: is handed each epoch that it trains.

    Raises:
        ArithmeticError: a loss was not finite.
        LostError: another has taken the run over.
    """
    progress = workers.progress_of(run.uri)
    if progress.step == work.last_step or progress.ended:
        return progress
    training = work.config.training
    if progress.step:
        logger.info("going on from step %d of %d", progress.step, work.last_step)
    metrics.forget(run, progress.step, held.guard.check)
    seen = epochs_after(progress.step, work.count, training.batch_size)
    with watching.watching(run, training, seen, tell):
        workers.run_to_end(work, faces, plan, held)
    progress = workers.progress_of(run.uri)
    check_ended(run, progress, work.last_step)
    return progress


def check_ended(run: storage.Store, progress: Progress, last_step: int) -> None:
    """Return if the run is at its end.

    Raises:
        ArithmeticError: a loss was not finite, which ended it before.
        RuntimeError: the workers came back without having ended it.
    """
    if progress.step == last_step or progress.ended:
        return
    for epoch in metrics.read_all(run):
        if None in (epoch["train"]["loss"], epoch["validation"]["loss"]):
            raise ArithmeticError(
                f"the loss was not finite in epoch {epoch['epoch']}: try a lower"
                " optimizer.learning_rate"
            )
    raise RuntimeError(f"training must end at step {last_step}, got {progress.step} in {run.uri}")


def begin(run: storage.Store, config: TrainConfig, facts: Mapping[str, Any]) -> None:
    """Write what the run is made of; on resuming, check that the data is still the same."""
    earlier = record.read_document(run, layout.DATA)
    if earlier is not None and earlier["content"] != facts["content"]:
        raise ValueError(
            f"data.uri must hold the faces that run {config.run} began with, got others"
            " (its dataset's content digest differs); give a new run another name"
        )
    record.write_document(run, layout.DATA, facts)
    record.write_config(run, config)


@ray.remote(num_cpus=1)
def _check_pretrained(work: Work) -> None:
    """Raise what laying ``model.pretrained`` into the network raises, before workers start."""
    load_keras()
    import tensorflow as tf

    from fer_ray.cluster.building import build_state, set_up_tensorflow

    set_up_tensorflow(work.config, use_gpu=False)
    build_state(work, tf.distribute.get_strategy())
