"""What a run says of itself: its settings, its data, and how it ended.

``config.yaml`` is itself a file for ``--config``. ``run.json`` is written last: a run that has one
is finished.
"""

import json
import shlex
from collections.abc import Collection, Iterator, Mapping
from typing import Any

import yaml
from pydantic import BaseModel

from fer_ray import plain_yaml
from fer_ray.runs.layout import CONFIG, GROUPS, SCHEMA_VERSION
from fer_ray.runs.storage import Store

# These may change when a run goes on: where and how it computes, not what. Bits follow the number
# of workers and of their threads all the same, so cluster.cpus_per_worker too.
FREE = {
    *("cluster", "storage", "verbose", "run"),
    *("training.checkpoint_every_steps", "tune.at_once"),
}

_UNSET = object()

# A comment, since --config refuses a key that is no setting.
_HEAD = f"# schema_version: {SCHEMA_VERSION}\n"


def write_config(run: Store, config: BaseModel) -> None:
    """Writes the resolved settings, sections in the order in which they are declared."""
    run.write_bytes(CONFIG, config_text(config))


def config_text(config: BaseModel, without: Collection[str] = ()) -> bytes:
    """What ``config.yaml`` holds of ``config``, but of the fields ``without``."""
    settings = config.model_dump(mode="json", exclude=set(without))
    return (_HEAD + yaml.safe_dump(settings, sort_keys=False, allow_unicode=True)).encode()


def read_config(run: Store) -> dict[str, Any] | None:
    """The settings that ``write_config`` wrote; ``None`` where there are none.

    Raises:
        ValueError: they are of another ``schema_version``, or no sections of settings.
    """
    return parsed_config(run.read_bytes(CONFIG)) if run.exists(CONFIG) else None


def parsed_config(content: bytes) -> dict[str, Any]:
    """The settings in the ``content`` of ``config.yaml``; raises as ``read_config``."""
    try:
        text = content.decode()
        settings = plain_yaml.load(text)
    except ValueError as error:
        raise ValueError(f"{CONFIG} must be YAML, got other content") from error
    head = text.partition("\n")[0]
    if f"{head}\n" != _HEAD:
        raise ValueError(f"{CONFIG} must begin with {_HEAD.strip()!r}, got {head!r:.60}")
    if not isinstance(settings, dict):
        raise ValueError(f"{CONFIG} must hold sections of settings, got {settings!r:.60}")
    return settings


def repeating(run: Store, job: str) -> tuple[str, str]:
    """The command that does a run once more under another name, and what it takes first, if any."""
    here = run.path(CONFIG) if run.local else CONFIG
    command = f"python jobs/{job}.py --config {shlex.quote(here)} --run again"
    return command, "" if run.local else f" Fetch {CONFIG} from the run's folder first."


def write_document(run: Store, key: str, body: Mapping[str, Any]) -> None:
    """Writes a JSON object, such as ``run.json``, with its ``schema_version``.

    Raises:
        ValueError: a number that is not finite; nothing was written.
    """
    document = {"schema_version": SCHEMA_VERSION} | dict(body)
    run.write_bytes(key, (json.dumps(document, indent=1, allow_nan=False) + "\n").encode())


def read_document(run: Store, key: str) -> dict[str, Any] | None:
    """The object that ``write_document`` wrote, without its version; ``None`` if there is none.

    Raises:
        ValueError: it is no JSON object, or of another ``schema_version``.
    """
    if not run.exists(key):
        return None
    try:
        document = json.loads(run.read_bytes(key).decode())
    except (ValueError, RecursionError) as error:
        raise ValueError(f"{key} must be JSON, got other content") from error
    version = document.pop("schema_version", None) if isinstance(document, dict) else None
    if version != SCHEMA_VERSION:
        raise ValueError(f"{key} must be of schema_version {SCHEMA_VERSION}, got {version!r:.60}")
    return dict(document)


def read_groups(run: Store) -> list[dict[str, Any]]:
    """Every worker group that the run had, first to last: attempt, group, first step, workers."""
    documents = (read_document(run, entry.key) for entry in run.listing(GROUPS))
    return [document for document in documents if document is not None]


def differing(old: Mapping[str, Any], new: Mapping[str, Any]) -> list[str]:
    """Each setting that makes another run of it, as ``training.epochs (10, now 20)``.

    Args:
        old: settings as ``read_config`` gives them.
        new: settings now, as ``model_dump(mode="json")`` gives them.
    """
    before, now = dict(_flat(old)), dict(_flat(new))
    return [
        f"{key} ({_shown(before, key)}, now {_shown(now, key)})"
        for key in now | before
        if FREE.isdisjoint((key, key.partition(".")[0]))
        and before.get(key, _UNSET) != now.get(key, _UNSET)
    ]


def _flat(settings: Mapping[str, Any]) -> Iterator[tuple[str, Any]]:
    """``section.field, value`` of settings nested one deep."""
    for name, value in settings.items():
        if isinstance(value, Mapping):
            yield from ((f"{name}.{inner}", one) for inner, one in value.items())
        else:
            yield name, value


def _shown(settings: Mapping[str, Any], key: str) -> str:
    """A value as the user writes it; what a file of another version lacks is unset."""
    return json.dumps(settings[key], ensure_ascii=False) if key in settings else "unset"
