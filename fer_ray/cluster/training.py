"""A run from settings to outcome: prepare, balance, train over Ray, export, score.

The driver only conducts: faces are read, balanced, trained on and scored in tasks and workers, and
what they found is read from the run's folder, never from Ray's own result.
"""

import logging
import uuid
from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any, cast

import ray
import ray.data
import ray.train

from fer_ray.cluster import (
    balancing,
    dataset,
    prepared,
    session,
    tensorboard,
    watching,
)
from fer_ray.cluster.finishing import finish
from fer_ray.cluster.progress import Progress
from fer_ray.cluster.stream import ByRank, Plan
from fer_ray.cluster.work import SHARD, Work
from fer_ray.config import TrainConfig
from fer_ray.faces.rows import FACE_BYTES
from fer_ray.job import Outcome
from fer_ray.runs import checkpoint, layout, logs, metrics, record, storage

logger = logging.getLogger(__name__)


def fit(config: TrainConfig) -> Outcome:
    """Train, export and score the run of ``config``, or return what it came to before.

    Raises:
        ValueError: an earlier run of the name had other settings or data, the data is unusable,
            or the cluster cannot place the workers.
    """
    name = config.run or layout.made_up_name("train")
    config = config.model_copy(update={"run": name})
    run_uri = storage.join(config.storage.uri, name)
    run = storage.store(run_uri)
    if done := _earlier(run, config):
        return done
    storage.check_writable(config.storage.uri)
    logger.info("run %s in %s", name, run_uri)
    try:
        with logs.kept_log(run, logging.getLogger("fer_ray")), session.session(config.verbose):
            session.check_shared(
                {
                    "data.uri": config.data.uri,
                    "storage.uri": config.storage.uri,
                    "model.pretrained": config.model.pretrained,
                }
            )
            session.check_resources(config.cluster)
            return _fit(config, run)
    except KeyboardInterrupt:
        return Outcome(
            status="interrupted",
            run=name,
            uri=run_uri,
            error=f"interrupted; the same command with --run {name} resumes it",
        )


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


def _fit(config: TrainConfig, run: storage.Store) -> Outcome:
    """The run's work, on a cluster that has room for it."""
    data = dataset.prepare(config)
    training = balancing.training_blocks(data, config.balance, config.augment, config.seed)
    work = Work(
        config=config,
        run_uri=run.uri,
        count=training.faces.count,
        validation=prepared.side_blocks(data, "validation"),
        pixels=(training.pixel_mean, training.pixel_std),
        class_weights=training.class_weights,
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
    _begin(run, config, facts)
    plan = Plan(
        batch_size=config.training.batch_size,
        window=max(1, config.training.shuffle_bytes // FACE_BYTES),
        seed=config.seed,
        augment=config.augment,
    )
    progress = _progress(run.uri)
    if progress.step < work.last_step and not progress.ended:
        if progress.step:
            logger.info("going on from step %d of %d", progress.step, work.last_step)
        with watching.watching(run, config.training, seen=_epochs_seen(run)):
            start = partial(_start, run.uri)
            ray.get(_train.remote(work, ByRank(training.faces, plan, work.last_step, start)))
        progress = _progress(run.uri)
    epochs = metrics.compose(run)
    if config.training.tensorboard:
        ray.get(tensorboard.write_events.remote(run.uri, epochs))
    if progress.step < work.last_step and not progress.ended:
        raise ArithmeticError(
            f"the loss was not finite in epoch {epochs[-1]['epoch']}: try a lower"
            " optimizer.learning_rate"
        )
    return finish(work, run, data, progress, facts, epochs)


def _begin(run: storage.Store, config: TrainConfig, facts: Mapping[str, Any]) -> None:
    """Write what the run is made of; on resuming, check that the data is still the same."""
    earlier = record.read_document(run, layout.DATA)
    if earlier is not None and earlier["content"] != facts["content"]:
        raise ValueError(
            f"data.uri must hold the faces that run {config.run} began with, got others"
            " (its dataset's content digest differs); give a new run another name"
        )
    record.write_document(run, layout.DATA, facts)
    record.write_config(run, config)


def _progress(run_uri: str) -> Progress:
    """How far the run has come, by its newest checkpoint that verifies."""
    about, passed_over = ray.get(_newest.remote(run_uri))
    for fault in passed_over:
        logger.warning("passed over a checkpoint: %s", fault)
    return Progress.of(about) if about else Progress()


def _start(run_uri: str) -> int:
    """The step that a worker group starts at."""
    return _progress(run_uri).step


@ray.remote(num_cpus=0)
def _newest(run_uri: str) -> tuple[Mapping[str, Any], Sequence[str]]:
    """What the newest whole checkpoint says of itself, and why newer ones do not count.

    In a task: verifying reads every byte, which the driver's node may not have the memory for.
    """
    found = checkpoint.newest(storage.store(run_uri))
    return found.about, found.passed_over


def _epochs_seen(run: storage.Store) -> int:
    """The last epoch whose metrics are there already."""
    return max((epoch["epoch"] for epoch in metrics.read_all(run)), default=0)


@ray.remote(num_cpus=0)
def _train(work: Work, data_config: ByRank) -> None:
    """Run the worker group until the last step, through its failures.

    In a task: Ray's trainer imports TensorFlow, which the driver's node may not have the memory
    for, and takes Ctrl-C for itself where it runs on a driver's main thread.
    """
    from ray.train.tensorflow import TensorflowTrainer

    config = work.config.cluster
    ray_files = storage.store(work.run_uri).folder(layout.RAY)
    TensorflowTrainer(
        _train_loop,
        train_loop_config={"work": work},
        datasets={SHARD: ray.data.range(1)},  # ByRank puts a stream for each rank in its place
        dataset_config=data_config,
        scaling_config=ray.train.ScalingConfig(
            num_workers=cast(Any, config.num_workers),  # a pair too: Ray's annotation lags
            use_gpu=config.use_gpu,
            resources_per_worker=session.worker_resources(config),
        ),
        run_config=ray.train.RunConfig(
            name=f"{work.config.run}-{uuid.uuid4().hex[:8]}",  # a name seen before would resume
            storage_path=ray_files.root,
            storage_filesystem=ray_files.filesystem,
            failure_config=ray.train.FailureConfig(max_failures=config.max_failures),
        ),
    ).fit()


@ray.remote(num_cpus=1)
def _check_pretrained(work: Work) -> None:
    """Raise what laying ``model.pretrained`` into the network raises, before workers start."""
    import tensorflow as tf

    from fer_ray.cluster.building import build_state

    build_state(work, tf.distribute.get_strategy())


def _train_loop(config: dict[str, Work]) -> None:
    """What Ray Train calls in each worker; TensorFlow loads there, not in the driver."""
    from fer_ray.cluster import loop

    loop.train(config["work"])
