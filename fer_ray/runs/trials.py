"""What a sweep's folder says of its trials, and which of them won.

A trial's document tells its point and seed before it starts, and how it ended once it has. The
metrics are those that its run keeps: nothing is told twice.
"""

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

import numpy as np

from fer_ray.runs import metrics, record
from fer_ray.runs.layout import TRIALS, trial_document, trial_name
from fer_ray.runs.storage import Store

Status = Literal["begun", "done", "stopped", "failed"]


@dataclass(frozen=True)
class Trial:
    """One trial: what it is, and how far it has come."""

    number: int
    point: Mapping[str, Any]
    replica: int  # which of the point's seeds
    seed: int
    status: Status = "begun"
    epochs: int = 0  # that count: a stopped trial may have trained on for a moment
    error: str | None = None

    @property
    def ended(self) -> bool:
        """Whether there is nothing left to do for it."""
        return self.status != "begun"


def write(sweep: Store, trial: Trial, may: Callable[[], object]) -> None:
    """Write a trial's document.

    ``may`` is called directly before, and raises where the sweep is another's by now: what its
    owner knows of the trial must not be lost to one who was paused.
    """
    may()
    record.write_document(sweep, trial_document(trial.number), vars(trial))


def read(sweep: Store, number: int) -> Trial | None:
    """The trial of a number, as far as it is known."""
    document = record.read_document(sweep, trial_document(number))
    return None if document is None else Trial(**document)


def read_all(sweep: Store) -> list[Trial]:
    """Every trial that was begun, by number."""
    keys = [one.key for one in sweep.listing(TRIALS) if one.key.count("/") == 1]
    found = [record.read_document(sweep, key) for key in keys if key.endswith(".json")]
    return sorted((Trial(**one) for one in found if one), key=lambda trial: trial.number)


def epochs_of(sweep: Store, trial: Trial) -> list[dict[str, Any]]:
    """The metrics of the epochs that count."""
    run = sweep.folder(TRIALS, trial_name(trial.number))
    return [one for one in metrics.read_all(run) if one["epoch"] <= trial.epochs]


def best_of(epochs: Sequence[Mapping[str, Any]], select_by: str) -> Mapping[str, Any] | None:
    """The epoch of the highest validation metric, the earliest of equals; none of no epochs."""
    found = None
    for epoch in epochs:
        value = epoch["validation"][select_by]
        if math.isfinite(value) and (found is None or value > found["validation"][select_by]):
            found = epoch
    return found


@dataclass(frozen=True)
class Standing:
    """A point's trials together."""

    point: Mapping[str, Any]
    numbers: Sequence[int]
    values: Sequence[float]  # of each seed

    @property
    def mean(self) -> float:
        """Over the seeds."""
        return float(np.mean(self.values))

    @property
    def deviation(self) -> float | None:
        """Standard deviation over the seeds (n - 1); none of a single one."""
        return float(np.std(self.values, ddof=1)) if len(self.values) > 1 else None


def standings(results: Sequence[tuple[Trial, float | None]], seeds: int) -> list[Standing]:
    """The points whose every seed ran to its end, best mean first, of equals the earlier one."""
    groups: dict[int, list[tuple[Trial, float]]] = {}
    for trial, value in results:
        if trial.status == "done" and value is not None:
            groups.setdefault(trial.number // seeds, []).append((trial, value))
    whole = [
        Standing(
            group[0][0].point,
            [trial.number for trial, _ in group],
            [value for _, value in group],
        )
        for _, group in sorted(groups.items())
        if len(group) == seeds
    ]
    return sorted(whole, key=lambda standing: -standing.mean)


def noise(best: Standing, second: Standing, faces: int) -> float:
    """The standard error of the difference of two points' metrics.

    From their seeds, if there are several; else from the number of validation faces, as if the
    metric were a share of them (binomial), which for macro-F1 is an approximation from below.
    """
    if best.deviation is not None and second.deviation is not None:
        n = len(best.values)
        return math.sqrt((best.deviation**2 + second.deviation**2) / n)
    return math.sqrt(sum(one.mean * (1 - one.mean) / faces for one in (best, second)))
