"""A run from settings to outcome: prepare, balance, train over Ray, export, score.

The driver only conducts: faces are read, balanced, trained on and scored in tasks and workers, and
what they found is read from the run's folder, never from Ray's own result.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, TypeVar

import ray

from fer_ray.cluster import (
    balancing,
    capacity,
    dataset,
    prepared,
    session,
    tensorboard,
    watching,
    workers,
)
from fer_ray.cluster.finishing import finish
from fer_ray.cluster.progress import Progress, epochs_after
from fer_ray.cluster.stream import Plan
from fer_ray.cluster.work import Work
from fer_ray.config import TrainConfig
from fer_ray.faces.rows import FACE_BYTES
from fer_ray.job import Outcome, outcome_of_error
from fer_ray.runs import layout, lease, logs, metrics, record, storage, uris
from fer_ray.runs.faults import StorageError
from fer_ray.runs.lease import HeldError, Lease, LostError

C = TypeVar("C", bound=TrainConfig)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Part:
    """What a run is given that is one of a sweep's: the faces that all share.

    Such a run waits for room on the cluster as long as it takes, and leaves the test side to the
    sweep's winner.
    """

    data: prepared.Prepared
    faces: balancing.TrainingFaces


def train(config: TrainConfig) -> Outcome:
    """The outcome of ``fit``, or of what stopped it, with the run that can be resumed."""
    return conducted(fit, config, "train")


def conducted(call: Callable[[C], Outcome], config: C, job: str) -> Outcome:
    """What ``call`` returns of the settings, under a name that is made up if they have none.

    Whatever stops it becomes an outcome that names the run, which can be resumed.
    """
    name = config.run or layout.made_up_name(job)
    uri = uris.join(config.storage.uri, name)
    try:
        return call(config.model_copy(update={"run": name}))
    except KeyboardInterrupt:
        again = f"interrupted; the same command with --run {name} resumes it"
        return Outcome(status="interrupted", run=name, uri=uri, error=again)
    except (HeldError, LostError) as error:
        return Outcome(status="held", run=name, uri=uri, error=str(error))
    except Exception as error:  # noqa: BLE001 whatever it is, the caller must know which run it was
        return outcome_of_error(error, run=name, uri=uri)


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
    return owned(config, lambda run, held: _fit(config, run, held, part), wait=part is None)


def owned(
    config: TrainConfig, work: Callable[[storage.Store, Lease], Outcome], *, wait: bool = True
) -> Outcome:
    """What ``work`` makes of the run's folder, as its one owner; or what it came to before.

    With ``wait`` it is called once the cluster can place a worker group. Raises as ``fit`` does.
    """
    places = {
        "data.uri": config.data.uri,
        "storage.uri": config.storage.uri,
        "model.pretrained": config.model.pretrained,
    }
    session.check_kept(places)
    run = storage.store(uris.join(config.storage.uri, str(config.run)))
    if done := _earlier(run, config):
        return done
    logger.info("run %s in %s", config.run, run.uri)
    with session.session(config.verbose):
        session.check_shared(places)
        with (
            lease.acquire(run, config.storage.lease_ttl_s) as held,
            logs.kept_log(run, logging.getLogger("fer_ray"), layout.driver_log(held.guard.attempt)),
        ):
            if done := _earlier(run, config):  # by who held it until now
                return done
            if wait:
                capacity.check_resources(config.cluster)
            session.check_shared(places)  # once more: the cluster may have grown
            try:
                return work(run, held)
            except StorageError:
                raise
            except Exception:
                held.guard.check()  # a run that was lost explains whatever went wrong
                raise


def _earlier(run: storage.Store, config: TrainConfig) -> Outcome | None:
    """The outcome of the run of this name, if it is finished; checks that its settings are ours."""
    saved = record.read_config(run)
    if saved is None:
        return None
    if differ := record.differing(saved, config.model_dump(mode="json")):
        raise ValueError(
            f"run must name a run of the same settings, got {config.run}, which has other"
            f" {', '.join(differ)}; give this one another name"
        )
    outcome = record.read_document(run, layout.OUTCOME)
    return None if outcome is None else Outcome(**outcome | {"status": "already_done"})


def _fit(config: TrainConfig, run: storage.Store, held: Lease, part: Part | None) -> Outcome:
    """The run's work, on a cluster that has room for it."""
    data = part.data if part else dataset.prepare(config)
    training = (
        part.faces
        if part
        else balancing.training_blocks(data, config.balance, config.augment, config.seed)
    )
    work = Work(
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
    facts = {
        "dataset": data.uri,
        "content": data.manifest["content"],
        **data.facts(),
        "balanced": dict(training.after),
        "pixels": {"mean": training.pixel_mean, "std": training.pixel_std},
    }
    if config.model.pretrained is not None:
        ray.get(_check_pretrained.remote(work))
    begin(run, config, facts)
    plan = Plan(
        batch_size=config.training.batch_size,
        window=max(1, config.training.shuffle_bytes // FACE_BYTES),
        seed=config.seed,
        augment=config.augment,
    )
    progress = workers.progress_of(run.uri)
    if progress.step < work.last_step and not progress.ended:
        if progress.step:
            logger.info("going on from step %d of %d", progress.step, work.last_step)
        metrics.forget(run, progress.step)
        seen = epochs_after(progress.step, work.count, config.training.batch_size)
        with watching.watching(run, config.training, seen):
            workers.run_to_end(work, training.faces, plan, held)
        progress = workers.progress_of(run.uri)
        check_ended(run, progress, work.last_step)
    held.guard.check()
    epochs = metrics.compose(run, progress.step)
    if config.training.tensorboard:
        where = capacity.where_work_is_done()
        ray.get(tensorboard.write_events.options(scheduling_strategy=where).remote(run.uri, epochs))
    sides = ("validation",) if part else ("validation", "test")
    return finish(work, run, data, progress, facts, epochs, sides)


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
    import tensorflow as tf

    from fer_ray.cluster.building import build_state, set_up_tensorflow

    set_up_tensorflow(work.config, use_gpu=False)
    build_state(work, tf.distribute.get_strategy())
