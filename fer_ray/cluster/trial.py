"""One trial of a sweep: the run that ``train`` would make, over faces that all trials share."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any

import ray
from ray import tune

from fer_ray.cluster import balancing, training
from fer_ray.cluster.prepared import Prepared
from fer_ray.cluster.searching import METRIC
from fer_ray.config import TrainConfig, TrainingConfig
from fer_ray.job import outcome_of_error
from fer_ray.runs import layout, storage, trials, uris
from fer_ray.search import SweepConfig

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
    data: Prepared
    shared: Any  # the handle of the one ``Shared``

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


def run(given: dict[str, Any], task: Task) -> None:
    """What Ray Tune calls in a process of its own: train, tell Tune each epoch, keep the end.

    A trial that ended before tells its epochs again and trains nothing. One that fails is
    recorded, and is no failure of the sweep.
    """
    logging.getLogger("fer_ray").setLevel(logging.INFO)  # for the run's own log
    sweep = storage.store(task.folder)
    trial = trials.read(sweep, given["number"])
    assert trial is not None, given
    telling = Telling(task.settings(trial).training)
    if trial.ended:
        for epoch in trials.epochs_of(sweep, trial):
            telling(epoch)
        telling.end()
        return
    try:
        config = task.settings(trial)
        faces = ray.get(task.shared.training.remote(config))
        part = training.Part(task.data, faces, telling)
        training.fit(config, part)
    except Exception as error:  # noqa: BLE001 recorded; the other trials go on
        told = outcome_of_error(error).error
        trials.write(sweep, replace(trial, status="failed", epochs=telling.epochs, error=told))
        return
    trials.write(sweep, replace(trial, status="done", epochs=telling.epochs))
    telling.end()


class Telling:
    """Reports each epoch once, with the best metric so far.

    The last one waits for ``end``: a scheduler that hears of it may end the trial at once, which
    then has yet to export its model.
    """

    def __init__(self, settings: TrainingConfig) -> None:
        self.epochs = 0
        self._settings = settings
        self._best: Mapping[str, Any] | None = None
        self._last: dict[str, Any] | None = None

    def __call__(self, epoch: Mapping[str, Any]) -> None:
        """Report ``epoch``, unless it was before."""
        if epoch["epoch"] <= self.epochs:
            return
        self.epochs = epoch["epoch"]
        known = [one for one in (self._best, epoch) if one is not None]
        self._best = trials.best_of(known, self._settings.select_by)
        if self._best is None:  # a loss that is no number: the run fails by itself
            return
        told = {
            "epoch": self.epochs,
            METRIC: self._best["validation"][self._settings.select_by],
            "seconds": epoch["seconds"],
        }
        if self.epochs < self._settings.epochs:
            tune.report(told)
        else:
            self._last = told

    def end(self) -> None:
        """Report the last epoch."""
        if self._last is not None:
            tune.report(self._last)


def function(task: Task) -> Any:
    """``run`` as Ray Tune takes it: it reserves no CPU itself, its workers do.

    Its tasks must name a scheduling strategy: Ray would hold others in what the trial reserved.
    """
    bound = tune.with_parameters(run, task=task)
    return tune.with_resources(bound, {"cpu": 0, "memory": _MEMORY})
