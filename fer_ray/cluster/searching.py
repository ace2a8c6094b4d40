"""The searcher that Ray Tune asks: numbered trials, each point with every seed, begun ones first.

What a sweep has begun is in its folder, so that one that is started again tries the same points
under the same numbers, whatever became of Tune's own state.
"""

from collections.abc import Mapping, Sequence
from typing import Any, Protocol

import numpy as np
from ray import tune
from ray.tune.search import Searcher

from fer_ray.runs.trials import Trial
from fer_ray.search import Point, SweepConfig, known_points
from fer_ray.ways import tidy

METRIC = "best_metric"  # of a trial so far, in what it reports


class Book(Protocol):
    """Where trials are kept."""

    def begin(self, number: int, point: Point, replica: int) -> None:
        """The trial of a number begins, or goes on."""

    def of(self, number: int) -> Trial:
        """A trial that has begun."""


class Numbered(Searcher):
    """Gives trials as ``{number, point, replica}``, from a list or from a model of the results.

    Args:
        config: of the sweep.
        begun: the points of an earlier driver of the sweep, in order.
        book: what is known of a trial; told each one's number, point and replica before it starts.
    """

    def __init__(self, config: SweepConfig, begun: Sequence[Point], book: Book) -> None:
        super().__init__(METRIC, "max")
        self._search = config.tune.search
        self._known = known_points(config)
        self._model = None if self._known else _model(config, begun)
        self._seeds = config.tune.seeds
        self._count = len(self._known) or config.tune.trials
        self._book = book
        self._numbers: dict[str, int] = {}
        self._values: dict[int, list[float | None]] = {}  # of a point that is not through
        self._point: Point = {}

    def __getstate__(self) -> dict[str, Any]:
        """Nothing is kept of it in Tune's own state, which is never read again."""
        return {}

    def suggest(self, trial_id: str) -> Any:
        """The next trial; Tune asks again later where there is none yet."""
        number = len(self._numbers)
        nth, replica = divmod(number, self._seeds)
        if nth == self._count:
            return Searcher.FINISHED
        if replica == 0:
            if self._model is None:
                self._point = self._known[nth]
            else:
                suggested = self._model.suggest(_name(nth))
                if suggested is None:
                    return None
                self._point = {k: tidy(self._search[k], v) for k, v in suggested.items()}
            self._values[nth] = []
        self._numbers[trial_id] = number
        self._book.begin(number, self._point, replica)
        return {"number": number, "point": self._point, "replica": replica}

    def on_trial_complete(
        self,
        trial_id: str,
        result: Mapping[str, Any] | None = None,
        error: bool = False,
    ) -> None:
        """Tell the model the mean over a point's seeds, once all are through."""
        number = self._numbers[trial_id]
        nth = number // self._seeds
        # One that failed has been a success to Tune, whatever it came to before.
        failed = error or self._book.of(number).status == "failed"
        self._values[nth].append(None if failed else (result or {}).get(METRIC))
        if self._model is None or len(self._values[nth]) < self._seeds:
            return
        values = [value for value in self._values.pop(nth) if value is not None]
        told = {METRIC: float(np.mean(values))} if values else None
        self._model.on_trial_complete(_name(nth), told, error=not values)

    def save(self, checkpoint_path: str) -> None:
        """Called by Tune; what is needed again is in the sweep's folder."""

    def restore(self, checkpoint_path: str) -> None:
        """Never called: a sweep that goes on is a new one to Tune."""
        raise NotImplementedError


def _name(nth: int) -> str:
    return f"point-{nth}"


def _model(config: SweepConfig, begun: Sequence[Point]) -> Searcher:
    """Optuna's TPE, which suggests the ``begun`` points first."""
    import optuna
    from ray.tune.search.optuna import OptunaSearch

    optuna.logging.set_verbosity(optuna.logging.WARNING)
    space = {key: _domain(way) for key, way in sorted(config.tune.search.items())}
    return OptunaSearch(
        OptunaSearch.convert_search_space(space),
        metric=METRIC,
        mode="max",
        points_to_evaluate=[dict(point) for point in begun] or None,
        # Points that are given draw nothing: with the seed of the first time the next ones would
        # be those very points again.
        seed=config.seed + len(begun),
    )


def _domain(way: Mapping[str, list[Any]]) -> Any:
    """A range or list of the settings as Ray Tune has it; both its ends are included."""
    ((kind, values),) = way.items()
    if kind == "choice":
        return tune.choice(values)
    low, high = values
    return getattr(tune, kind)(low, high + 1 if kind.endswith("randint") else high)
