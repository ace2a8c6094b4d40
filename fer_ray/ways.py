"""How one setting of a sweep varies: by values that are listed, or by numbers drawn from a range.

Both ends of a range are included, and what is drawn follows from the given generator alone.
"""

import math
import random
from collections.abc import Mapping
from typing import Any, get_args

Way = Mapping[str, list[Any]]  # one of ``choice`` and the ranges, with its values or ends

_RANGES = ("uniform", "loguniform", "randint", "lograndint")
_DIGITS = 4  # of a drawn number: a learning rate that a person can read is as good as any


def check_way(key: str, way: Way, searcher: str, annotation: Any) -> None:
    """Raise unless ``way`` is one range or list of values that ``searcher`` can take.

    Args:
        key: the setting, as ``section.field``.
        way: how it varies.
        searcher: which chooses the points.
        annotation: of the setting's field.
    """
    if len(way) != 1 or next(iter(way)) not in ("choice", *_RANGES):
        raise ValueError(
            f"tune.search must give {key} one of choice, {', '.join(_RANGES)}, got"
            f" {list(way)!r:.60}"
        )
    ((kind, values),) = way.items()
    if kind == "choice":
        if not values or any(values.count(value) > 1 for value in values):
            raise ValueError(f"tune.search must give {key} choices that differ, got {values!r:.60}")
        return
    if searcher == "grid":
        raise ValueError(f"tune.search must give {key} a choice under the searcher 'grid'")
    whole = kind.endswith("randint")
    if not whole and _may_be(int, annotation) and not _may_be(float, annotation):
        # The ends that were typed may be whole; what is drawn between them is not.
        raise ValueError(
            f"tune.search must give {key} one of choice, randint, lograndint, as its numbers are"
            f" whole, got {dict(way)!r:.60}"
        )
    kinds: tuple[type, ...] = (int,) if whole else (int, float)
    numbers = all(isinstance(one, kinds) and not isinstance(one, bool) for one in values)
    if len(values) != 2 or not numbers or values[0] >= values[1]:
        raise ValueError(
            f"tune.search must give {key} {kind}: [LOW, HIGH]"
            f"{' of whole numbers' if whole else ''}, LOW below HIGH, got {values!r:.60}"
        )
    if kind.startswith("log") and values[0] <= 0:
        raise ValueError(f"tune.search must give {key} {kind} above 0, got {values!r:.60}")


def tidy(way: Way, value: Any) -> Any:
    """A number drawn from a range, rounded to what a person can read, but within the range."""
    ((kind, ends),) = way.items()
    if kind not in ("uniform", "loguniform"):
        return value
    low, high = ends
    return min(float(high), max(float(low), float(f"{value:.{_DIGITS}g}")))


def drawn(way: Way, draws: random.Random) -> Any:
    """One value of a range or list."""
    ((kind, values),) = way.items()
    draw = draws.random()
    if kind == "choice":
        return values[int(draw * len(values))]
    low, high = values
    if kind == "uniform":
        return tidy(way, low + draw * (high - low))
    if kind == "loguniform":
        return tidy(way, math.exp(math.log(low) + draw * math.log(high / low)))
    if kind == "randint":
        return low + int(draw * (high - low + 1))
    return min(high, int(math.exp(math.log(low) + draw * math.log((high + 1) / low))))


def _may_be(kind: type, annotation: Any) -> bool:
    """Whether ``kind`` is among what an annotation, such as ``int | None``, is made of."""
    return annotation is kind or any(_may_be(kind, one) for one in get_args(annotation))
