"""One trial of a sweep: the run that ``train`` would make, over faces that all trials share.

Ray Tune calls ``run`` in a process of its own, which watches a training and tells Tune each epoch.
A scheduler that ends the trial ends that call where it tells; the sweep ends the training.
"""

import logging
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray
import ray.exceptions
from ray import tune

from fer_ray.cluster import balancing
from fer_ray.cluster.passing import passes
from fer_ray.cluster.prepared import Prepared
from fer_ray.cluster.searching import METRIC
from fer_ray.config import TrainConfig, TrainingConfig
from fer_ray.job import outcome_of_error
from fer_ray.runs import layout, metrics, storage, trials, uris
from fer_ray.runs.lease import Guard, HeldError
from fer_ray.search import SweepConfig

LOOK_EVERY_S = 1.0
_MEMORY = 256 * 2**20  # bytes that a trial's process takes, beside its workers; Tune wants a claim

logger = logging.getLogger(__name__)


@ray.remote(num_cpus=0, max_restarts=-1, max_task_retries=-1)
class Shared:
    """The faces of all trials: split once, and balanced once for each way to balance them."""

    def __init__(self, data: Prepared) -> None:
        self._data = data
        self._balanced: dict[str, balancing.TrainingFaces] = {}

    def training(self, config: TrainConfig) -> balancing.TrainingFaces:
        """The training side as ``config`` balances it; its blocks live as long as this does."""
        balance, generator, seed = config.balance, config.augment, config.seed
        key = f"{balance!r} {seed} {generator!r}" if balance.generator_below else f"{balance!r}"
        if balance.target != "none":
            key = f"{key} {seed}"
        if key not in self._balanced:
            self._balanced[key] = balancing.training_blocks(self._data, balance, generator, seed)
        return self._balanced[key]


@dataclass(frozen=True)
class Task:
    """What every trial is told."""

    config: SweepConfig
    guard: Guard  # of the sweep: a trial may outlive its driver's hold on it
    data: Prepared
    shared: Any  # the handle of the one ``Shared``
    trainings: Any  # the handle of the one ``Trainings``

    @property
    def folder(self) -> str:
        """The sweep's."""
        return uris.join(self.config.storage.uri, str(self.config.run))

    def settings(self, trial: trials.Trial) -> TrainConfig:
        """Those of a trial's run."""
        runs = self.config.storage.model_copy(update={"uri": uris.join(self.folder, layout.TRIALS)})
        return self.config.at(
            trial.point,
            seed=trial.seed,
            run=layout.trial_name(trial.number),
            storage=runs.model_dump(),
        )


def function(task: Task) -> Any:
    """``run`` as Ray Tune takes it: it reserves no CPU itself, its workers do."""
    bound = tune.with_parameters(run, task=task)
    return tune.with_resources(bound, {"cpu": 0, "memory": _MEMORY})


def run(given: dict[str, Any], task: Task) -> None:
    """Train a trial's run, tell Ray Tune each epoch, and keep how it ended.

    A trial that ended before tells its epochs again and trains nothing. One that fails by itself
    is recorded, and is no failure of the sweep; where its process, its storage or the cluster
    failed, Tune is let know, and tries again.
    """
    sweep = storage.store(task.folder)
    trial = trials.read(sweep, given["number"])
    assert trial is not None, given
    try:
        config = task.settings(trial)
    except ValueError as error:  # of settings that do not go together
        refused = replace(trial, status="failed", error=str(error))
        trials.write(sweep, refused, task.guard.check)
        return
    telling = Telling(config.training, tune.report)
    if trial.ended:
        for epoch in trials.epochs_of(sweep, trial):
            telling(epoch)
        telling.end()
        return
    folder = storage.store(uris.join(config.storage.uri, str(config.run)))
    raised = _ended(task, trial, config, folder, telling)
    if raised is not None:
        if passes(raised):
            raise raised
        epochs = len(metrics.read_all(folder))
        told = outcome_of_error(raised).error
        failed = replace(trial, status="failed", epochs=epochs, error=told)
        trials.write(sweep, failed, task.guard.check)
        return
    for epoch in metrics.read_all(folder, after=telling.epochs):
        telling(epoch)
    done = replace(trial, status="done", epochs=telling.epochs)
    trials.write(sweep, done, task.guard.check)
    telling.end()


def _ended(
    task: Task, trial: trials.Trial, config: TrainConfig, folder: storage.Store, telling: "Telling"
) -> ray.exceptions.RayTaskError | None:
    """Watch a trial's training to its end; what it raised, if it did.

    A training that another driver of the sweep began may still have the run, and live for as long
    as it takes. It tells its epochs as one of this driver's does; this trial begins its own again
    until that finds the run finished, or free to go on with.
    """
    while True:
        begun = task.trainings.start.remote(
            trial.number, config, task.data, task.shared, str(task.config.run)
        )
        (fitted,) = ray.get(begun)
        while not ray.wait([fitted], timeout=LOOK_EVERY_S)[0]:
            for epoch in metrics.read_all(folder, after=telling.epochs):
                telling(epoch)
        try:
            ray.get(fitted)
        except ray.exceptions.RayTaskError as error:
            if not isinstance(error.cause, HeldError):
                return error
            logger.info("%s; waiting for it to end", error.cause)
        else:
            return None


class Telling:
    """Reports each epoch once, in order, with the best metric so far.

    The run's last one waits for ``end``: a scheduler that hears of it may end the trial at once,
    which then has yet to export its model.
    """

    def __init__(self, settings: TrainingConfig, report: Callable[[dict[str, Any]], None]) -> None:
        self.epochs = 0
        self._report = report
        self._settings = settings
        self._best: Mapping[str, Any] | None = None
        self._last: dict[str, Any] | None = None

    def __call__(self, epoch: Mapping[str, Any]) -> None:
        """Report ``epoch``."""
        self.epochs = epoch["epoch"]
        known = [one for one in (self._best, epoch) if one is not None]
        self._best = best = trials.best_of(known, self._settings.select_by)
        if best is None:  # no number: the run fails by itself
            return
        told = {
            "epoch": self.epochs,
            METRIC: best["validation"][self._settings.select_by],
            "seconds": epoch["seconds"],
        }
        patience = self._settings.early_stopping
        stops = patience is not None and self.epochs - best["epoch"] >= patience
        if stops or self.epochs == self._settings.epochs:
            self._last = told
        else:
            self._report(told)

    def end(self) -> None:
        """Report the last epoch."""
        if self._last is not None:
            self._report(self._last)
