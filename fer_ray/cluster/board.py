"""The sweep as a person watches it: a table of trials that is redrawn on a terminal."""

import time
from collections.abc import Mapping
from dataclasses import dataclass, field
from types import TracebackType
from typing import Any, Self

from rich.console import Console
from rich.live import Live
from rich.table import Table

from fer_ray.cluster.searching import METRIC
from fer_ray.cluster.watching import duration
from fer_ray.runs.trials import Trial
from fer_ray.search import SweepConfig

SHOWN = 20  # rows: those at work, then the best
WIDTH = 140  # of a table in a log
EVERY_S = 30.0  # between two tables where there is no terminal


@dataclass
class _Row:
    number: int
    point: Mapping[str, Any]
    seed: int
    status: str = "starting"
    epochs: int = 0
    metric: float | None = None
    seconds: list[float] = field(default_factory=list)


class Board:
    """Shows trials, status, metric and time left on stderr, anew whenever something is told."""

    def __init__(self, config: SweepConfig, trials: int, at_once: int) -> None:
        self._config, self._trials, self._at_once = config, trials, at_once
        self._rows: dict[int, _Row] = {}
        self._console = Console(stderr=True)
        if not self._console.is_terminal:
            self._console.width = WIDTH
        self._live = Live(console=self._console, auto_refresh=False, transient=True)
        self._shown = 0.0

    def __enter__(self) -> Self:
        if self._console.is_terminal:
            self._live.start()
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._console.is_terminal:
            self._live.stop()
        if self._rows:
            self._console.print(self._table())

    def began(self, trial: Mapping[str, Any]) -> None:
        """A trial starts."""
        number, seed = trial["number"], self._config.seed + trial["replica"]
        self._rows[number] = _Row(number, trial["point"], seed)
        self._show()

    def told(self, trial: Mapping[str, Any], result: Mapping[str, Any]) -> None:
        """An epoch of a trial is through."""
        row = self._rows[trial["number"]]
        row.status, row.epochs, row.metric = "training", result["epoch"], result[METRIC]
        row.seconds.append(result["seconds"])
        self._show()

    def ended(self, trial: Trial) -> None:
        """A trial has ended."""
        row = self._rows.setdefault(trial.number, _Row(trial.number, trial.point, trial.seed))
        row.status, row.epochs = trial.status, trial.epochs
        self._show()

    def _show(self) -> None:
        if self._console.is_terminal:
            self._live.update(self._table(), refresh=True)
        elif time.monotonic() - self._shown > EVERY_S:
            self._console.print(self._table())
            self._shown = time.monotonic()

    def _table(self) -> Table:
        settings = list(self._config.tune.search)
        ended = sum(row.status in ("done", "stopped", "failed") for row in self._rows.values())
        title = f"{ended} of {self._trials} trials have ended{self._left()}"
        table = Table("trial", *settings, "seed", "status", "epochs", title=title)
        table.add_column(f"validation {self._config.training.select_by}", justify="right")
        table.add_column("s an epoch", justify="right")
        for row in self._ordered()[:SHOWN]:
            table.add_row(
                str(row.number),
                *(_short(row.point[name]) for name in settings),
                str(row.seed),
                row.status,
                f"{row.epochs}/{row.point.get('training.epochs', self._config.training.epochs)}",
                "–" if row.metric is None else f"{row.metric:.3f}",
                f"{sum(row.seconds) / len(row.seconds):.1f}" if row.seconds else "–",
            )
        if len(self._rows) > SHOWN:
            table.caption = f"and {len(self._rows) - SHOWN} more"
        return table

    def _ordered(self) -> list[_Row]:
        at_work = [row for row in self._rows.values() if row.status in ("starting", "training")]
        rest = [row for row in self._rows.values() if row not in at_work]
        return at_work + sorted(rest, key=lambda row: -(row.metric or 0))

    def _left(self) -> str:
        """How long the rest takes at most, by the epochs so far; nothing before the first."""
        seconds = [one for row in self._rows.values() for one in row.seconds]
        if not seconds:
            return ""
        epochs = self._trials * self._config.most_epochs
        for row in self._rows.values():
            whole = row.status in ("done", "stopped", "failed")
            epochs -= self._config.most_epochs if whole else row.epochs
        left = epochs * sum(seconds) / len(seconds) / self._at_once
        return f"; at most {duration(left)} of training left"


def _short(value: Any) -> str:
    return f"{value:.4g}" if isinstance(value, float) else str(value)
