"""Prepare a dataset: read faces, split them, apply the duplicate rule, write Parquet.

The same input and settings give the same bytes, whatever Ray's blocks and CPUs. Nothing is
written before every check has passed, and the manifest last.
"""

import hashlib
import json
import logging
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import version
from typing import Any

import cv2
import pyarrow as pa
import ray

from fer_ray.cluster import reading, source
from fer_ray.cluster.balancing import balanced
from fer_ray.cluster.parts import discard, write_part
from fer_ray.cluster.prepared import Prepared, is_prepared, open_prepared
from fer_ray.cluster.ranges import in_order, rows_of
from fer_ray.config import PrepareConfig, SplitConfig
from fer_ray.faces import balance, sides, split
from fer_ray.faces.sides import Census, Summary
from fer_ray.runs import layout, lease, storage, uris

logger = logging.getLogger(__name__)


def prepare(config: PrepareConfig) -> Prepared:
    """The prepared dataset of ``config``: one that is there already, or a new one.

    Raises:
        ValueError: the input is unusable, or the storage.
    """
    return finished(config) or _made(config)


def finished(config: PrepareConfig) -> Prepared | None:
    """The dataset of ``config`` if it is there; no face is read, and Ray need not be up.

    It is what ``data.uri`` names, or what an earlier ``prepare`` made of the same input.

    Raises:
        ValueError: ``data.uri`` names a dataset that is broken or was split in another way, or
            nothing that could be read.
    """
    uri = _uri(config)
    if uri != source.DEMO and is_prepared(uri, "data.uri"):
        prepared = open_prepared(uri)
        _check_same_split(prepared, config)
        return prepared
    source.check_source(uri)
    folder = _folder(config, source.fingerprint(source.found(uri)))
    if not is_prepared(folder, "storage.uri"):
        return None
    prepared = open_prepared(folder, "storage.uri")
    refused, rows = prepared.manifest["refused_rows"], prepared.manifest["rows"]
    # Made when more rows might be refused: reading again tells what is too much now.
    return prepared if refused <= config.data.max_refused * rows else None


@dataclass(frozen=True)
class _Read:
    """What was read, in the object store, and what was counted; every check has passed."""

    census: Census
    summary: Summary
    resolved: Sequence["ray.ObjectRef[pa.Table]"]  # the faces that stay, with their sides
    refused: Sequence["ray.ObjectRef[pa.Table]"]


def _made(config: PrepareConfig) -> Prepared:
    """A new prepared dataset."""
    uri = _uri(config)
    found = source.found(uri)
    fingerprint = source.fingerprint(found)
    folder = _folder(config, fingerprint)
    storage.check_writable(config.storage.uri)

    logger.info("reading faces from %s", uri)
    read = _read(config, found)
    census, summary = read.census, read.summary

    with lease.acquire_patiently(storage.store(folder), config.storage.lease_ttl_s) as held:
        # Two jobs that start at once read both, and one of them writes.
        if is_prepared(folder, "storage.uri"):
            return open_prepared(folder, "storage.uri")
        logger.info("writing %s", folder)
        try:
            files = _written(folder, read)
        except BaseException:
            discard(folder, held.guard.check)
            raise
        manifest = {
            "schema_version": layout.SCHEMA_VERSION,
            "source": {"uri": uri, "fingerprint": fingerprint},
            "settings": _settings(config),
            "counts": {side: summary.by_emotion(side) for side in layout.SIDES},
            "leaky": config.split.protocol == "paper",
            "validation": _validation(config.split, census),
            "duplicates": dict.fromkeys(split.DUPLICATES, 0) | summary.duplicates,
            "dropped": dict.fromkeys(split.DROPS, 0) | summary.dropped,
            "rows": census.faces + census.refused,
            "refused_rows": census.refused,
            "content": _digest([(file["name"], file["sha256"]) for file in files]),
            "files": files,
            "versions": {lib.__name__: lib.__version__ for lib in (cv2, pa)}
            | {"imblearn": version("imbalanced-learn")},  # not loaded: it takes a second
        }
        held.guard.check()
        storage.store(folder).write_bytes(layout.MANIFEST, json.dumps(manifest, indent=1).encode())
    return Prepared(folder, manifest, "storage.uri", already_done=False)


def _read(config: PrepareConfig, found: source.Source | None) -> _Read:
    """The faces in the files that were found, told apart into sides.

    Raises:
        ValueError: they are unusable.
    """
    raw = reading.read_all(_uri(config), config.data, found)
    source.check_unchanged(_uri(config), found)
    told: list[Any] = [_told.remote(block) for block in raw]
    census = sum(ray.get([facts for facts, _ in told]), Census())
    census.check(config.data)
    roles = sides.roles_of(config.split, census.usages)

    logger.info("splitting %d faces", census.faces)
    rows = rows_of(raw).map_batches(sides.accepted, batch_size=None, batch_format="pyarrow")
    count = census.faces
    if config.split.protocol == "paper":
        plans = balance.plan(census.labels, config.balance)
        rows = balanced(rows, plans, config.balance.neighbors, config.augment, config.seed)
        count = sum(plan.after for plan in plans.values())
    blocks = in_order(rows, count)
    resolved: list[Any] = [_resolved.remote(block, config.split, roles) for block in blocks]
    summary = sum(ray.get([facts for _, facts in resolved]), Summary())
    summary.check()
    return _Read(
        census, summary, [faces for faces, _ in resolved], [refused for _, refused in told]
    )


def _written(folder: str, read: _Read) -> list[dict[str, Any]]:
    """Writes all files but the manifest, and returns what it says of them."""
    writes = [_write.remote(folder, number, faces) for number, faces in enumerate(read.resolved)]
    writes.append(_write_refused.remote(folder, *read.refused))
    try:
        files = [file for written in ray.get(writes) for file in written]
    except BaseException:
        ray.wait(writes, num_returns=len(writes))  # else one of them would write on
        raise
    return sorted(files, key=lambda file: str(file["name"]))


@ray.remote(num_returns=2)
def _told(raw: pa.Table) -> tuple[Census, pa.Table]:
    """What was read in one block, and its refused rows."""
    return Census.of(raw), sides.refusals(raw)


@ray.remote(num_returns=2)
def _resolved(
    rows: pa.Table, settings: SplitConfig, roles: Mapping[str, str]
) -> tuple[pa.Table, Summary]:
    """The faces of one range that stay, with their sides, and what was counted."""
    return sides.resolve(rows, settings, roles)


@ray.remote
def _write(folder: str, number: int, faces: pa.Table) -> list[dict[str, Any]]:
    """Writes the faces of one range, a file for each side that has some."""
    written = []
    for side in layout.SIDES:
        part = sides.of_side(faces, side)
        if len(part):
            written.append(write_part(folder, layout.dataset_part(side, number), part))
    return written


@ray.remote
def _write_refused(folder: str, *refused: pa.Table) -> list[dict[str, Any]]:
    """Writes the refused rows of all blocks, in order of source."""
    rows = pa.concat_tables(refused).sort_by([("source", "ascending"), ("reason", "ascending")])
    return [write_part(folder, layout.REFUSED, rows)]


def _uri(config: PrepareConfig) -> str:
    assert config.data.uri is not None  # PrepareConfig refuses it
    return config.data.uri


def _folder(config: PrepareConfig, fingerprint: str) -> str:
    """Where the dataset of these settings and this input is kept."""
    key = _digest([layout.SCHEMA_VERSION, _uri(config), fingerprint, _settings(config)])[:16]
    return uris.join(config.storage.uri, layout.dataset_folder(key))


def _settings(config: PrepareConfig) -> dict[str, Any]:
    """The settings that change what is prepared, as JSON keeps them."""
    official, paper = (config.split.protocol == name for name in ("official", "paper"))
    limits = {"max_image_bytes", "max_image_pixels"}
    matter = {"demo_faces"} if config.data.uri == source.DEMO else limits
    unused = {"fractions"} if official else {"validation"}
    settings: dict[str, Any] = {
        "data": config.data.model_dump(mode="json", include=matter),
        "split": config.split.model_dump(mode="json", exclude=unused),
    }
    if paper:
        settings["seed"] = config.seed
        settings["balance"] = config.balance.model_dump(
            mode="json", exclude={"class_weights", "max_class_bytes"}
        )
        settings["augment"] = config.augment.model_dump(mode="json", exclude={"on_the_fly"})
    return settings


def _check_same_split(prepared: Prepared, config: PrepareConfig) -> None:
    """Raises ``ValueError`` if ``config`` asks for another split than ``prepared`` has."""
    ours, theirs = _settings(config), prepared.manifest["settings"]
    for name, value in _flat(theirs).items():
        got = _flat(ours).get(name, value)
        if got != value:
            raise ValueError(
                f"{name} must be {value!r}, as the dataset at {prepared.uri} was prepared,"
                f" got {got!r}"
            )


def _flat(settings: Mapping[str, Any]) -> dict[str, Any]:
    """``settings`` that decide a split, by their whole names."""
    sections = ("split", "balance", "augment")
    flat = {f"{s}.{name}": v for s in sections for name, v in settings.get(s, {}).items()}
    return flat | {name: settings[name] for name in ("seed",) if name in settings}


def _validation(settings: SplitConfig, census: Census) -> str | None:
    """What the validation side is made of, where the data's own usages do not say."""
    roles = sides.roles_of(settings, census.usages)
    if settings.protocol == "official" and "validation" not in roles.values():
        return f"{settings.validation:g} of Training, by hash"
    return None


def _digest(value: Any) -> str:
    """SHA-256 of ``value`` as JSON."""
    return hashlib.sha256(json.dumps(value, sort_keys=True).encode()).hexdigest()
