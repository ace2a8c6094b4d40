"""A sweep: many runs of ``training.fit`` under Ray Tune, the best of which is scored, once.

Truth is in the sweep's folder, as a run's is in the run's: each trial's document and its run.
Tune's own state is scratch. A sweep that is started again goes on by asking for the same trials,
of which those that ended tell what they came to and train nothing.
"""

import logging
import math
import os
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import ray
from ray import tune
from ray.tune.experiment import Trial as TuneTrial
from ray.tune.schedulers import ASHAScheduler, FIFOScheduler, MedianStoppingRule, TrialScheduler
from ray.util.scheduling_strategies import NodeAffinitySchedulingStrategy

from fer_ray.cluster import capacity, dataset, session, trial, winning
from fer_ray.cluster.board import Board
from fer_ray.cluster.keeping import Book, Keeper
from fer_ray.cluster.owning import conducted, owned
from fer_ray.cluster.searching import METRIC, Numbered
from fer_ray.cluster.training import begin
from fer_ray.cluster.trainings import Trainings
from fer_ray.job import Outcome
from fer_ray.runs import layout, record, storage, trials
from fer_ray.runs.lease import Lease
from fer_ray.search import SweepConfig, known_points

# Of Ray Tune: Ctrl-C is the job's, a trial may fail before it has a metric, and the board is ours.
_ENVIRONMENT = {
    "TUNE_DISABLE_SIGINT_HANDLER": "1",
    "TUNE_DISABLE_STRICT_METRIC_CHECKING": "1",
    "TUNE_DISABLE_AUTO_CALLBACK_LOGGERS": "1",
    "RAY_AIR_NEW_OUTPUT": "0",
}

_NO_PAUSE: Any = math.inf  # epochs: a run that is paused would have to be ended and resumed

logger = logging.getLogger(__name__)


def sweep(config: SweepConfig) -> Outcome:
    """The outcome of a sweep, or of what stopped it, with the name under which it goes on."""
    return conducted(_owned, config, "tune")


def _owned(config: SweepConfig) -> Outcome:
    """The sweep, by its one owner."""
    return owned(
        config,
        lambda folder, held: _sweep(config, folder, held),
        reads={"model.pretrained": config.model.pretrained},
        room=lambda: _check_room(config),
    )


def _check_room(config: SweepConfig) -> None:
    """Return once the cluster can place a trial, if it can also place those wanted at a time.

    Raises:
        ValueError: it cannot. Trials beyond what fits on a machine that no other joins would be
            placed on the CPU that Ray Data needs: all of them would wait for faces for ever.
    """
    capacity.check_resources(config.cluster)
    room, wanted = capacity.groups_at_once(config.cluster), config.tune.at_once
    if wanted is not None and wanted > room and not session.joins():
        raise ValueError(
            f"tune.at_once must be at most the trials that this machine has room for ({room}),"
            f" got {wanted}"
        )


def _sweep(config: SweepConfig, folder: storage.Store, held: Lease) -> Outcome:
    """Run what trials are missing, and score the winner."""
    data = dataset.prepare(config)
    begin(folder, config, {"content": data.manifest["content"], **data.facts()})
    here = NodeAffinitySchedulingStrategy(ray.get_runtime_context().get_node_id(), soft=True)
    shared = trial.Shared.options(scheduling_strategy=here).remote(data)  # type: ignore[attr-defined]
    fits = Trainings.options(scheduling_strategy=here).remote()  # type: ignore[attr-defined]
    task = trial.Task(config, held.guard, data, shared, fits)
    if not any(key.startswith("balance.") for key in config.tune.search):
        ray.get(shared.training.remote(config))  # what is wrong with it is so for every trial
    _run_trials(task, folder, held)
    held.guard.check()
    outcome = winning.conclude(task, folder)
    held.guard.check()
    folder.delete_folder(layout.RAY)
    if outcome.status == "done":
        document = outcome.model_dump(mode="json", exclude_none=True)
        held.guard.check()
        record.write_document(folder, layout.OUTCOME, document)
    return outcome


def _run_trials(task: trial.Task, folder: storage.Store, held: Lease) -> None:
    """Have Ray Tune run every trial that has not ended."""
    config, settings = task.config, task.config.tune
    begun = trials.read_all(folder)
    points = len(known_points(config)) or settings.trials
    if sum(one.ended for one in begun) == points * settings.seeds:
        return
    at_once = settings.at_once or capacity.groups_at_once(config.cluster)
    logger.info(
        "%d trials, %d at a time%s",
        points * settings.seeds,
        at_once,
        f"; {sum(one.ended for one in begun)} have ended before" if begun else "",
    )
    scratch = folder.folder(layout.RAY)
    book = Book(config, folder, held.guard)
    points_begun = [dict(one.point) for one in begun if one.replica == 0]
    with _environment(), Board(config, points * settings.seeds, at_once) as board:
        tune.Tuner(
            trial.function(task),
            param_space={},
            tune_config=tune.TuneConfig(
                metric=METRIC,
                mode="max",
                search_alg=Numbered(config, points_begun, book),
                scheduler=_scheduler(config),
                num_samples=points * settings.seeds,
                max_concurrent_trials=at_once,
                reuse_actors=True,  # a process that has loaded all takes the next trial
            ),
            run_config=tune.RunConfig(
                name=f"tune-{uuid.uuid4().hex[:8]}",
                storage_path=scratch.root,
                storage_filesystem=scratch.filesystem,
                failure_config=tune.FailureConfig(max_failures=config.cluster.max_failures),
                callbacks=[Keeper(book, held, board, task.trainings)],
                verbose=0,
            ),
        ).fit()
    ray.get(task.trainings.finish.remote())
    missing = points * settings.seeds - sum(one.ended for one in trials.read_all(folder))
    if missing:
        raise RuntimeError(f"all trials must end, {missing} did not; the same command goes on")


def _scheduler(config: SweepConfig) -> TrialScheduler:
    """What ends trials early."""
    settings, epochs = config.tune, config.most_epochs
    grace = min(settings.grace_epochs or max(2, math.ceil(epochs / 5)), epochs)
    if settings.scheduler == "asha":
        return ASHAScheduler(
            time_attr="epoch",
            max_t=epochs,
            grace_period=grace,
            reduction_factor=settings.reduction_factor,
            stop_last_trials=False,  # a trial that gets there has its model to export
        )
    if settings.scheduler == "median":
        return Median(time_attr="epoch", grace_period=grace, min_time_slice=_NO_PAUSE)
    return FIFOScheduler()  # type: ignore[no-untyped-call]


class Median(MedianStoppingRule):
    """Ray's rule, for trials that may end before their first epoch."""

    def on_trial_complete(self, controller: Any, trial: TuneTrial, result: dict[str, Any]) -> None:
        """Called when a trial has ended; Ray's own would look for an epoch in all results since."""
        if "epoch" in result:
            super().on_trial_complete(controller, trial, result)


@contextmanager
def _environment() -> Iterator[None]:
    """Ray Tune's switches, for the while."""
    before = {name: os.environ.get(name) for name in _ENVIRONMENT}
    os.environ |= _ENVIRONMENT
    try:
        yield
    finally:
        for name, value in before.items():
            if value is None:
                del os.environ[name]
            else:
                os.environ[name] = value
