"""Whether a dashboard is what Grafana takes, by the types that Grafana Labs publish, and shows."""

import enum
import json
import types
import typing
from collections.abc import Iterator
from itertools import combinations
from typing import Any

from grafana_foundation_sdk.cog import plugins
from grafana_foundation_sdk.cog.encoder import JSONEncoder
from grafana_foundation_sdk.models import dashboard as grafana
from grafana_foundation_sdk.models import units

from tests.k8s import promql

COLUMNS = 24
_NEEDED = ("id", "type", "title", "description", "gridPos", "targets", "fieldConfig")
_PANELS = {"stat", "bargauge", "timeseries"}  # what the dashboards here are made of
_UNITS = {unit for unit in vars(units).values() if isinstance(unit, str)}
_VARIABLE = "${datasource}"


def faults(text: str) -> Iterator[str]:
    """Everything that is wrong with a dashboard's JSON, each in a sentence."""
    given = json.loads(text)
    plugins.register_default_plugins()
    try:
        known = grafana.Dashboard.from_json(given)
    except (AttributeError, TypeError, KeyError) as error:
        yield f"a dashboard must be of Grafana's shape: {error!r}"
        return
    wrong = [*_lost(given, json.loads(JSONEncoder().encode(known)), ""), *_untrue(known, "")]
    yield from wrong or _ours(given)


def _lost(given: Any, kept: Any, path: str) -> Iterator[str]:
    """What Grafana's types do not know: they leave it out."""
    if isinstance(given, dict) and isinstance(kept, dict):
        for name, inner in given.items():
            if name in kept:
                yield from _lost(inner, kept[name], f"{path}.{name}")
            elif inner is not None:
                yield f"{path}.{name} is no field"
    elif isinstance(given, list) and isinstance(kept, list):
        for number, (one, other) in enumerate(zip(given, kept, strict=True)):
            yield from _lost(one, other, f"{path}[{number}]")
    elif given != kept:
        yield f"{path} must be kept as it is, got {given!r} and {kept!r}"


def _untrue(one: Any, path: str) -> Iterator[str]:
    """Attributes of Grafana's objects that are not of their types."""
    if isinstance(one, list):
        for number, inner in enumerate(one):
            yield from _untrue(inner, f"{path}[{number}]")
    if not type(one).__module__.startswith("grafana_foundation_sdk.models") or isinstance(
        one, enum.Enum
    ):
        return
    for name, hint in typing.get_type_hints(type(one)).items():
        value = getattr(one, name)
        if _is(value, hint):
            yield from _untrue(value, f"{path}.{name}")
        else:
            yield f"{path}.{name} must be {hint}, got {value!r:.60}"


def _is(value: Any, hint: Any) -> bool:
    """Whether a value is of the type that an annotation names."""
    inner = typing.get_args(hint)
    origin = typing.get_origin(hint)
    if hint in (typing.Any, object):
        fits = True
    elif origin in (typing.Union, types.UnionType):
        fits = any(_is(value, one) for one in inner)
    elif origin is typing.Literal:
        fits = value in inner
    elif origin is list:
        fits = isinstance(value, list) and all(_is(one, inner[0]) for one in value)
    elif origin is dict:
        fits = isinstance(value, dict) and all(_is(one, inner[1]) for one in value.values())
    elif issubclass(hint, enum.Enum):
        fits = value in [member.value for member in hint]
    else:
        number = (int, float) if hint is float else hint
        fits = isinstance(value, number) and (hint is bool or not isinstance(value, bool))
    return fits


def _ours(given: dict[str, Any]) -> Iterator[str]:
    """What Grafana takes and does not show, or not as it was meant."""
    variables = {one["name"]: one for one in given["templating"]["list"]}
    if variables.get("datasource", {}).get("type") != "datasource":
        yield "there must be a variable datasource, which whoever looks may choose"
    for name, one in variables.items():
        if one["type"] == "query":
            yield from _asks(one, name)
            yield from promql.faults_of_variable(one["query"]["query"])
    panels = given["panels"]
    lacking = [name for one in panels for name in _NEEDED if not one.get(name)]
    if lacking:
        yield f"each panel must have {', '.join(_NEEDED)}, {', '.join(lacking)} is not everywhere"
        return
    for what in ("id", "title"):
        if len({one[what] for one in panels}) < len(panels):
            yield f"each panel must have an {what} of its own"
    for one, other in combinations(panels, 2):
        if _overlap(one["gridPos"], other["gridPos"]):
            yield f"{one['title']} and {other['title']} must not overlap"
    for one in panels:
        yield from _of_panel(one)


def _overlap(one: dict[str, int], other: dict[str, int]) -> bool:
    across = one["x"] < other["x"] + other["w"] and other["x"] < one["x"] + one["w"]
    return across and one["y"] < other["y"] + other["h"] and other["y"] < one["y"] + one["h"]


def _of_panel(one: dict[str, Any]) -> Iterator[str]:
    title, place, unit = one["title"], one["gridPos"], one["fieldConfig"]["defaults"].get("unit")
    if one["type"] not in _PANELS:
        yield f"{title} must be one of {sorted(_PANELS)}, got {one['type']}"
    if not (place["x"] >= 0 < place["w"] and place["x"] + place["w"] <= COLUMNS and place["h"] > 0):
        yield f"{title} must lie within {COLUMNS} columns, got {place}"
    if unit not in _UNITS:
        yield f"{title} must have a unit that Grafana knows, got {unit}"
    targets = one["targets"]
    if len({target["refId"] for target in targets}) < len(targets):
        yield f"{title} must have queries each with a refId of its own"
    for target in targets:
        yield from _asks(target, title)
        yield from promql.faults(target["expr"])


def _asks(one: dict[str, Any], name: str) -> Iterator[str]:
    if one["datasource"] != {"type": "prometheus", "uid": _VARIABLE}:
        yield f"{name} must ask {_VARIABLE}, got {one['datasource']}"
