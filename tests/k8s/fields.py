"""Whether an object of a kind that has a definition says what that knows, each of its type."""

import json
import re
from collections.abc import Iterator, Mapping
from functools import cache
from typing import Any

from tests.k8s.derive import TABLES

_TYPES: Mapping[str, tuple[type, ...]] = {
    "object": (dict,),
    "array": (list,),
    "string": (str,),
    "integer": (int,),
    "number": (int, float),
    "boolean": (bool,),
}


@cache
def _table() -> dict[str, Any]:
    """All tables as one: a part's name follows from what is in it."""
    tables = [json.loads(path.read_text(encoding="utf-8")) for path in TABLES]
    return {key: {**tables[0][key], **tables[1][key]} for key in ("kinds", "parts")}


def known(kind: str) -> bool:
    """Whether there is a definition of ``ray.io/v1 RayCluster`` and the like."""
    return kind in _table()["kinds"]


def faults(one: Mapping[str, Any]) -> Iterator[str]:
    """What is wrong with the ``spec`` of an object, each in a sentence."""
    kind = f"{one['apiVersion']} {one['kind']}"
    yield from _faults(one.get("spec"), _table()["kinds"][kind], "spec")


def _faults(value: Any, part: str, path: str) -> Iterator[str]:
    schema = _table()["parts"][part]
    if schema.get("x-kubernetes-int-or-string"):
        if not isinstance(value, int | str) or isinstance(value, bool):
            yield f"{path} must be a number or text, got {value!r:.60}"
        return
    kind = schema.get("type")
    if kind and (
        not isinstance(value, _TYPES[kind]) or (isinstance(value, bool) and kind != "boolean")
    ):
        yield f"{path} must be of type {kind}, got {value!r:.60}"
        return
    if value not in schema.get("enum", [value]):
        yield f"{path} must be one of {schema['enum']}, got {value!r:.60}"
    if isinstance(value, int | float) and value < schema.get("minimum", value):
        yield f"{path} must be at least {schema['minimum']}, got {value}"
    if isinstance(value, str) and len(value) > schema.get("maxLength", len(value)):
        yield f"{path} must have at most {schema['maxLength']} characters, got {len(value)}"
    if isinstance(value, str) and not re.search(schema.get("pattern", ""), value):
        yield f"{path} must match {schema['pattern']}, got {value!r:.60}"
    if isinstance(value, dict):
        yield from _of_object(value, schema, path)
    if isinstance(value, list) and "items" in schema:
        for number, item in enumerate(value):
            yield from _faults(item, schema["items"], f"{path}[{number}]")


def _of_object(value: Mapping[str, Any], schema: Mapping[str, Any], path: str) -> Iterator[str]:
    fields, rest = schema.get("properties", {}), schema.get("additionalProperties")
    for name in schema.get("required", []):
        if name not in value:
            yield f"{path}.{name} must be given"
    for name, inner in value.items():
        if name in fields:
            yield from _faults(inner, fields[name], f"{path}.{name}")
        elif rest:
            yield from _faults(inner, rest, f"{path}.{name}")
        elif fields:
            yield f"{path}.{name} is no field"
