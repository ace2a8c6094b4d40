"""``python -m tests.k8s.derive CRD.yaml …``: what manifests of Ray's kinds may say, as one table.

KubeRay's definitions weigh megabytes, most of it prose and pods that are described many times over.
The table keeps fields, types, enumerations and required keys, every distinct part once.
"""

import hashlib
import json
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import yaml

TABLE = Path(__file__).with_name("ray_fields.json")
_KEPT = ("type", "enum", "required", "x-kubernetes-int-or-string", "minimum", "maxLength")


def write(definitions: Sequence[Path], table: Path) -> None:
    """Write the table of some definitions."""
    parts: dict[str, Any] = {}
    kinds = {}
    for path in definitions:
        definition = yaml.safe_load(path.read_text(encoding="utf-8"))["spec"]
        for version in definition["versions"]:
            if version["storage"]:
                schema = version["schema"]["openAPIV3Schema"]
                api = f"{definition['group']}/{version['name']} {definition['names']['kind']}"
                kinds[api] = _part(schema["properties"]["spec"], parts)
    table.write_text(json.dumps({"kinds": kinds, "parts": parts}, separators=(",", ":")) + "\n")


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
    write([Path(name) for name in sys.argv[1:]], TABLE)
