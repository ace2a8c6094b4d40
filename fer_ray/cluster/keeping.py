"""What is kept of trials while a sweep runs: a document of each, by what Ray Tune tells of it."""

import logging
from dataclasses import replace
from typing import Any

from ray.tune.experiment import Trial as TuneTrial
from ray.tune.progress_reporter import TrialProgressCallback

from fer_ray.cluster.board import Board
from fer_ray.cluster.searching import METRIC
from fer_ray.runs import storage, trials
from fer_ray.runs.lease import Guard, Lease
from fer_ray.search import Point, SweepConfig

logger = logging.getLogger(__name__)


class Book:
    """The trials in the sweep's folder, written for as long as the sweep is this process's.

    ``begin`` and ``end`` raise ``LostError`` once it is another's.
    """

    def __init__(self, config: SweepConfig, folder: storage.Store, guard: Guard) -> None:
        self._config, self._folder, self._guard = config, folder, guard

    def begin(self, number: int, point: Point, replica: int) -> None:
        """Write a trial's document before it starts, unless it is there."""
        if trials.read(self._folder, number) is None:
            begun = trials.Trial(number, point, replica, self._config.seed + replica)
            trials.write(self._folder, begun, self._guard.check)

    def of(self, number: int) -> trials.Trial:
        """A trial that has begun."""
        found = trials.read(self._folder, number)
        assert found is not None, number
        return found

    def end(self, trial: TuneTrial, status: trials.Status, error: str | None) -> trials.Trial:
        """How a trial ended: as it told itself, or else as Tune saw it."""
        known = self.of(trial.config["number"])
        if not known.ended:
            epochs = int((trial.last_result or {}).get("epoch", 0))
            known = replace(known, status=status, epochs=epochs, error=error)
            trials.write(self._folder, known, self._guard.check)
        return known


class Keeper(TrialProgressCallback):
    """Keeps in the sweep's folder how trials ended that could not tell themselves.

    Ray Tune calls with keywords, and prints results itself unless one of this class does.
    """

    def __init__(self, book: Book, held: Lease, board: Board, trainings: Any) -> None:
        super().__init__(METRIC)
        self._book, self._held, self._board = book, held, board
        self._trainings = trainings

    def __getstate__(self) -> dict[str, Any]:
        """Nothing is kept of it in Tune's own state, which is never read again."""
        return {}

    def on_step_begin(self, *_: Any, **__: Any) -> None:
        """Called often: stop if the sweep is no longer this process's."""
        self._held.check()

    def on_trial_start(self, *_: Any, **told: Any) -> None:
        """A trial starts."""
        self._board.began(told["trial"].config)

    def on_trial_result(self, *_: Any, **told: Any) -> None:
        """An epoch of a trial is through."""
        self._board.told(told["trial"].config, told["result"])

    def on_trial_complete(self, *_: Any, **told: Any) -> None:
        """A trial ended; one that did not say so itself was stopped by the scheduler."""
        self._ended(told["trial"], "stopped", None)

    def on_trial_error(self, *_: Any, **told: Any) -> None:
        """A trial's process was lost, once too often."""
        self._ended(told["trial"], "failed", "its process was lost")

    def _ended(self, trial: TuneTrial, status: trials.Status, error: str | None) -> None:
        self._trainings.end.remote(trial.config["number"])
        known = self._book.end(trial, status, error)
        if known.status == "failed":
            logger.warning("trial %d failed: %s", known.number, known.error)
        self._board.ended(known)
