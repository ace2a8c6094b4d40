"""A sweep's settings: which other settings it varies, how, and what is tried of them.

Everything is told before Ray starts: a setting that is not there or must not vary, and a value
that it may not have. The points of a grid or of a random search are a list that follows from the
settings alone; a model-based searcher chooses its own as results arrive.
"""

import itertools
import math
import random
from collections.abc import Iterator, Mapping
from typing import Any, Literal, Self

from pydantic import Field, ValidationError, field_validator, model_validator
from pydantic.fields import FieldInfo

from fer_ray import plain_yaml
from fer_ray.config import Section, TrainConfig
from fer_ray.flags import section_of
from fer_ray.names import absolute
from fer_ray.settings import told
from fer_ray.ways import check_way, drawn

Point = dict[str, Any]  # a value for each setting that varies, by ``section.field``

VARIED = ("balance", "augment", "model", "optimizer", "training")
_FIXED = ("training.select_by",)  # what trials are compared by
_PATH = "model.pretrained"
_MOST_POINTS = 10_000
_DRAWS_A_TRIAL = 20  # until a random search has no new points to find

# The paper tried three batch sizes, named one (48), and gives Adam's rate as 1e-4.
_PAPERS_QUESTION: dict[str, dict[str, list[Any]]] = {
    "optimizer.learning_rate": {"loguniform": [1e-5, 1e-2]},
    "training.batch_size": {"choice": [32, 48, 64]},
}


def _varied(key: str) -> FieldInfo:
    """The setting that ``key`` names, if a sweep may vary it."""
    section, _, name = key.partition(".")
    if section not in VARIED:
        raise ValueError(
            f"tune.search must vary settings of {', '.join(VARIED)} (data and split are the same"
            f" for all trials), got {key!r:.60}"
        )
    fields = section_of(TrainConfig.model_fields[section])
    if fields is None or name not in fields.model_fields:
        raise ValueError(f"tune.search must name settings, got {key!r:.60}; --help lists them")
    if key in _FIXED:
        raise ValueError(f"tune.search must leave {key} alone, by which trials are compared")
    return fields.model_fields[name]


class TuneConfig(Section):
    """What a sweep varies, and how it searches."""

    search: dict[str, dict[str, list[Any]]] = Field(
        _PAPERS_QUESTION,
        description="The settings to vary, each with {choice: [VALUE, ...]}, or with {uniform:"
        " [LOW, HIGH]}, loguniform, randint or lograndint (both ends included).",
    )
    searcher: Literal["grid", "random", "tpe"] = Field(
        "random",
        description="'grid': every combination of the choices; 'random': points drawn with 'seed';"
        " 'tpe': points where results so far promise most (Optuna's sampler).",
    )
    trials: int = Field(
        12, ge=1, le=10_000, description="Points that 'random' and 'tpe' try; a grid has its own."
    )
    seeds: int = Field(
        1, ge=1, le=100, description="Trials of each point, with 'seed', 'seed' + 1 and so on."
    )
    scheduler: Literal["none", "asha", "median"] = Field(
        "asha",
        description="Which trials end early: 'asha' keeps the best 1 in 'reduction_factor' at each"
        " rung; 'median' those above the median of the others; 'none' trains all to their end.",
    )
    grace_epochs: int | None = Field(
        None, ge=1, description="Epochs before a trial may end early; else a fifth, 2 at least."
    )
    reduction_factor: int = Field(3, ge=2, description="Of 'asha', also between its rungs.")
    at_once: int | None = Field(
        None,
        ge=1,
        description="Most trials at a time; by default what the cluster has room for now. More make"
        " a cluster with an autoscaler grow.",
    )
    winner: Literal["checkpoint", "retrain"] = Field(
        "checkpoint",
        description="What is scored on the test side, once: the winning trial's best checkpoint,"
        " or a run of its settings that is trained anew.",
    )

    @field_validator("search", mode="before")
    @classmethod
    def _of_text(cls, value: Any) -> Any:
        search = plain_yaml.load(value) if isinstance(value, str) else value
        paths = search.get(_PATH) if isinstance(search, dict) else None
        if isinstance(paths, dict) and isinstance(paths.get("choice"), list):
            # Of this folder: a trial has another.
            there = [absolute(one) if isinstance(one, str) else one for one in paths["choice"]]
            search = search | {_PATH: paths | {"choice": there}}
        return search

    @model_validator(mode="after")
    def _can_be_searched(self) -> Self:
        if not self.search:
            raise ValueError("tune.search must name at least one setting to vary, got none")
        for key, way in self.search.items():
            check_way(key, way, self.searcher, _varied(key).annotation)
        count = math.prod(len(next(iter(way.values()))) for way in self.search.values())
        if self.searcher == "grid" and count > _MOST_POINTS:
            raise ValueError(
                f"tune.search must be a grid of at most {_MOST_POINTS:,} points, got {count:,}"
            )
        if self.seeds > 1 and self.scheduler != "none":
            raise ValueError(
                "tune.scheduler must be 'none' with several tune.seeds, of which it would end some"
                f" and not others, got {self.scheduler!r}"
            )
        return self


class SweepConfig(TrainConfig):
    """Settings of ``jobs/tune.py``."""

    tune: TuneConfig = TuneConfig()

    @model_validator(mode="after")
    def _every_point_is_valid(self) -> Self:
        made = [key for key in self.tune.search if key.startswith(("balance.", "augment."))]
        if made and self.split.protocol == "paper":
            raise ValueError(
                "tune.search must leave balance and augment alone under split.protocol 'paper',"
                f" which makes the faces that all trials share by them, got {made[0]}"
            )
        for point in itertools.chain(_corners(self.tune), known_points(self)):
            self.at(point, seed=self.seed + self.tune.seeds - 1)
        return self

    @property
    def most_epochs(self) -> int:
        """The epochs of the longest trial."""
        ((_, values),) = self.tune.search.get(
            "training.epochs", {"": [self.training.epochs]}
        ).items()
        return int(max(values))

    def at(self, point: Mapping[str, Any], **fields: Any) -> TrainConfig:
        """The settings of a run at ``point``; ``fields`` (seed, run, storage) in place of ours.

        Raises:
            ValueError: a value is out of its setting's range, or does not go with another.
        """
        settings = self.model_dump(exclude={"tune"}) | fields
        for key, value in point.items():
            section, _, name = key.partition(".")
            settings[section] = settings[section] | {name: value}
        try:
            return TrainConfig.model_validate(settings)
        except ValidationError as error:
            raise ValueError(
                f"tune.search must hold values that settings may have: {told(error)}"
            ) from error


def known_points(config: SweepConfig) -> list[Point]:
    """All points in the order in which they are tried; none where the searcher chooses them.

    No point is drawn twice: where there are fewer than ``tune.trials``, there are fewer trials.
    """
    tune, ways = config.tune, sorted(config.tune.search.items())  # not as they were typed
    if tune.searcher == "grid":
        values = [way["choice"] for _, way in ways]
        return [
            dict(zip(sorted(tune.search), one, strict=True)) for one in itertools.product(*values)
        ]
    if tune.searcher == "random":
        draws = random.Random(config.seed)
        points: dict[str, Point] = {}
        for _ in range(_DRAWS_A_TRIAL * tune.trials):
            point = {key: drawn(way, draws) for key, way in ways}
            points.setdefault(repr(point), point)
            if len(points) == tune.trials:
                break
        return list(points.values())
    return []


def _corners(tune: TuneConfig) -> Iterator[Point]:
    """Every combination of choices and of ranges' ends; of too many, each of them at least once."""
    ends = {key: next(iter(way.values())) for key, way in tune.search.items()}
    if math.prod(map(len, ends.values())) <= _MOST_POINTS:
        for one in itertools.product(*ends.values()):
            yield dict(zip(ends, one, strict=True))
        return
    for nth in range(max(map(len, ends.values()))):
        yield {key: values[min(nth, len(values) - 1)] for key, values in ends.items()}
