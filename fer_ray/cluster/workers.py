"""The worker group: Ray's trainer, from the newest checkpoint that verifies to the last step.

Where a group starts is looked up once, by its first worker, and by then no earlier group may write
any more.
"""

import logging
import os
import signal
import uuid
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import partial
from typing import Any, cast

import ray
import ray.exceptions
import ray.train

from fer_ray.cluster import capacity, session, shards
from fer_ray.cluster.progress import Progress, best_of
from fer_ray.cluster.stream import Faces, Plan, Start
from fer_ray.cluster.trainer import Trainer, TrainerAlone
from fer_ray.cluster.work import Work
from fer_ray.network.loading import load_keras
from fer_ray.runs import checkpoint, layout, record, storage
from fer_ray.runs.lease import Guard, Lease

LOOK_EVERY_S = 1.0
GIVE_BACK_S = 3.0  # measured: 0.3 to 0.5
# How often Ray's controller asks its workers how they are. By default every 2 s, and a report waits
# until the one before was asked for: short epochs took 2 s each, and so did a run's end.
_ASKED = ("RAY_TRAIN_HEALTH_CHECK_INTERVAL_S", "0.5")
# After how long Ray Data, which looks every 20 s, forgets a stream's claim on CPUs that is no more
# renewed (every 10 s). By default 180: so long did a group that came back share them with the dead.
_CLAIMED, _CLAIMED_S = "RAY_DATA_AUTOSCALING_REQUEST_EXPIRE_TIME_S", "30"

logger = logging.getLogger(__name__)


def run_to_end(work: Work, faces: Faces, plan: Plan, lease: Lease) -> None:
    """Train from the run's newest checkpoint to its last step, through failures of workers.

    Raises:
        LostError: the run was lost to another while workers were at it; they are stopped.
    """
    where = capacity.where_work_is_done()
    training = _train.options(scheduling_strategy=where).remote(work, faces, plan)
    try:
        while not ray.wait([training], timeout=LOOK_EVERY_S)[0]:
            lease.check()
    except BaseException:
        _end(training)
        raise
    ray.get(training)


def _end(training: "ray.ObjectRef[None]") -> None:
    """Stop a worker group, and have Ray give back what it had reserved.

    Ray's trainer aborts its group when it is interrupted. Where it is killed, the reservation goes
    with the job, or where there is a dashboard: two trials of a sweep without one, each stopped by
    a scheduler, left no CPU to Ray Data's tasks, and the others waited for ever.
    """
    ray.cancel(training, recursive=False)  # before any wait, which may be interrupted again
    for _ in range(2):
        with suppress(KeyboardInterrupt):  # Ray tells a cancelled task so in its next wait too
            if ray.wait([training], timeout=GIVE_BACK_S)[0]:
                return
    ray.cancel(training, force=True)


def progress_of(run_uri: str) -> Progress:
    """How far the run has come, by its newest checkpoint that verifies, its best one's included."""
    where = capacity.where_work_is_done()
    about, passed_over = ray.get(_newest.options(scheduling_strategy=where).remote(run_uri))
    for fault in passed_over:
        logger.warning("passed over a checkpoint: %s", fault)
    return Progress.of(about) if about else Progress()


def begin(guard: Guard, world: int) -> Start:
    """The step and number of a new group of ``world`` workers, which the run folder then tells.

    Called once for each group, whose first act it is: it shuts out the one before.
    """
    group = guard.next_group().group
    assert group is not None
    step = progress_of(guard.run_uri).step
    told = {"attempt": guard.attempt, "group": group, "step": step, "workers": world}
    record.write_document(
        storage.store(guard.run_uri), layout.worker_group(guard.attempt, group), told
    )
    return Start(step, group)


@ray.remote(num_cpus=0)
def _newest(run_uri: str) -> tuple[Mapping[str, Any], Sequence[str]]:
    """What the newest whole checkpoint says of itself, and why newer ones do not count.

    In a task: verifying reads every byte, which the driver's node may not have the memory for.
    """
    found = checkpoint.newest(storage.store(run_uri), best_of)
    return found.about, found.passed_over


@ray.remote(num_cpus=0)
def _train(work: Work, faces: Faces, plan: Plan) -> None:
    """Run the worker group until the last step, through its failures.

    In a task: Ray's trainer takes Ctrl-C for itself where it runs on a driver's main thread.
    """
    os.environ.setdefault(*_ASKED)
    config = work.config.cluster
    ray_files = storage.store(work.run_uri).folder(layout.RAY)
    trainer = (TrainerAlone if session.OWN in os.environ else Trainer)(
        _train_loop,
        told={"told": (work, faces, plan)},
        scaling=ray.train.ScalingConfig(
            num_workers=cast(
                Any, capacity.workers_wanted(config)
            ),  # a pair too: Ray's annotation lags
            use_gpu=config.use_gpu,
            resources_per_worker=capacity.worker_resources(config),
        ),
        run=ray.train.RunConfig(  # type: ignore[call-arg]  # Ray types the old one
            name=f"{work.config.run}-{uuid.uuid4().hex[:8]}",  # a name seen before would resume
            storage_path=ray_files.root,
            storage_filesystem=ray_files.filesystem,
            failure_config=ray.train.FailureConfig(max_failures=config.max_failures),
            worker_runtime_env={"env_vars": {_CLAIMED: os.environ.get(_CLAIMED, _CLAIMED_S)}},
        ),
    )
    with session.own_handler(signal.SIGINT):
        try:
            trainer.fit()
        except SystemExit as end:  # so it ends once it has aborted its group, interrupted
            raise RuntimeError("the worker group was interrupted") from end


def _train_loop(config: dict[str, tuple[Work, Faces, Plan]]) -> None:
    """What Ray Train calls in each worker; TensorFlow loads there, not in the driver."""
    work, faces, plan = config["told"]
    with shards.begun(faces, plan, work.last_step, partial(begin, work.guard)) as tables:
        load_keras()
        from fer_ray.cluster import rank

        rank.train(work, tables)
