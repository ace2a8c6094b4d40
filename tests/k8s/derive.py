"""What manifests of other people's kinds may say, as compact tables.

``python -m tests.k8s.derive ray CRD.yaml …`` reads KubeRay's definitions: megabytes, most of them
prose and pods that are described many times over. ``python -m tests.k8s.derive prometheus`` reads
what the package ``cloudcoil-models-prometheus-operator`` made of the Prometheus operator's. A table
keeps fields, types, enumerations, patterns and required keys, every distinct part once.
"""

import hashlib
import importlib
import json
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import yaml

RAY, PROMETHEUS = TABLES = tuple(
    Path(__file__).with_name(f"{name}_fields.json") for name in ("ray", "prometheus")
)
MODELS = "cloudcoil.models.prometheus_operator.v1"
_KEPT = (
    "type",
    "enum",
    "required",
    "x-kubernetes-int-or-string",
    "minimum",
    "maxLength",
    "pattern",
)


def write(kinds: Mapping[str, dict[str, Any]], table: Path) -> None:
    """Write the table of some kinds, of which the schemas of ``spec`` are given."""
    parts: dict[str, Any] = {}
    named = {kind: _part(schema, parts) for kind, schema in kinds.items()}
    table.write_text(json.dumps({"kinds": named, "parts": parts}, separators=(",", ":")) + "\n")


def of_definitions(paths: Sequence[Path]) -> dict[str, dict[str, Any]]:
    """The schemas in CustomResourceDefinitions, by kind such as ``ray.io/v1 RayCluster``."""
    kinds = {}
    for path in paths:
        definition = yaml.load(path.read_text(encoding="utf-8"), yaml.CSafeLoader)["spec"]
        for version in definition["versions"]:
            if version["storage"]:
                schema = version["schema"]["openAPIV3Schema"]
                api = f"{definition['group']}/{version['name']} {definition['names']['kind']}"
                kinds[api] = schema["properties"]["spec"]
    return kinds


def of_models() -> dict[str, dict[str, Any]]:
    """The schemas in pydantic models of the Prometheus operator's kinds."""
    models = importlib.import_module(MODELS)
    kinds = {}
    for kind in ("PodMonitor", "PrometheusRule"):
        schema = getattr(models, f"{kind}Spec").model_json_schema()
        kinds[f"monitoring.coreos.com/v1 {kind}"] = _whole(schema, schema["$defs"])
    return kinds


def _whole(schema: dict[str, Any], named: Mapping[str, Any]) -> dict[str, Any]:
    """``schema`` as a CustomResourceDefinition has it: in one piece, null never said."""
    if "$ref" in schema:
        schema = named[schema["$ref"].removeprefix("#/$defs/")]
    said = [_whole(one, named) for one in schema.get("anyOf", []) if one != {"type": "null"}]
    if len(said) == 1:
        return said[0]
    if said:
        assert {one["type"] for one in said} == {"integer", "string"}, said
        return {"x-kubernetes-int-or-string": True}
    whole = {key: schema[key] for key in _KEPT if key in schema}
    if "const" in schema:
        whole["enum"] = [schema["const"]]
    if "properties" in schema:
        fields = schema["properties"].items()
        whole["properties"] = {name: _whole(field, named) for name, field in fields}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            whole[key] = _whole(schema[key], named)
    return whole


def _part(schema: dict[str, Any], parts: dict[str, Any]) -> str:
    """The name under which ``parts`` has what is kept of ``schema``."""
    kept: dict[str, Any] = {key: schema[key] for key in _KEPT if key in schema}
    if "properties" in schema:
        fields = schema["properties"].items()
        kept["properties"] = {name: _part(field, parts) for name, field in sorted(fields)}
    for key in ("items", "additionalProperties"):
        if isinstance(schema.get(key), dict):
            kept[key] = _part(schema[key], parts)
    text = json.dumps(kept, sort_keys=True)
    name = hashlib.blake2b(text.encode(), digest_size=5).hexdigest()
    parts[name] = kept
    return name


if __name__ == "__main__":
    which, *paths = sys.argv[1:]
    if which == "ray":
        write(of_definitions([Path(name) for name in paths]), RAY)
    else:
        write(of_models(), PROMETHEUS)
