"""What each document of a run tells a doctor, or why it cannot be believed.

A judge takes a file's content and gives a few words about it. What is wrong with it is raised as a
ValueError whose text follows the file's key: ``must be JSON, got other content``.
"""

import io
import json
import re
import zipfile
import zlib
from collections.abc import Callable, Mapping
from typing import Any

from pydantic import ValidationError

from fer_ray.runs.layout import (
    CONFIG,
    DATA,
    GATE,
    LEASE,
    METRICS,
    MODEL,
    MODEL_CARD,
    MODEL_FACTS,
    MODEL_FILE,
    OUTCOME,
    SCHEMA_VERSION,
)
from fer_ray.runs.lease import Terms
from fer_ray.runs.record import parsed_config

Judge = Callable[[bytes], str]

# What zipfile raises over bytes that are no archive, or one that was damaged somewhere.
_NO_ARCHIVE = (zipfile.BadZipFile, zlib.error, EOFError, OSError, RuntimeError, ValueError)


def document(content: bytes) -> dict[str, Any]:
    """The JSON object that ``content`` is.

    Raises:
        ValueError: it is none, or of another ``schema_version`` than this program writes.
    """
    try:
        found = json.loads(content.decode())
    except (ValueError, RecursionError) as error:
        raise ValueError("must be JSON, got other content") from error
    if not isinstance(found, dict):
        raise ValueError(f"must be a JSON object, got {found!r:.60}")
    _check_version(found.get("schema_version"))
    return found


def _check_version(version: object) -> None:
    if version is None:
        raise ValueError(f"must have a schema_version ({SCHEMA_VERSION}), got none")
    if version != SCHEMA_VERSION:
        raise ValueError(
            f"must be of schema_version {SCHEMA_VERSION}, got {version!r:.60}: it takes the"
            " version of this program that wrote it"
        )


def _config(content: bytes) -> str:
    head = re.match(rb"# schema_version: (\d+)\n", content)
    _check_version(int(head[1]) if head else None)
    return f"{len(parsed_config(content))} settings and sections"


def _data(content: bytes) -> str:
    return f"of {document(content).get('dataset', 'a dataset that is not named')}"


def _lease(content: bytes) -> str:
    try:
        terms = Terms.model_validate(document(content))
    except ValidationError as error:
        raise ValueError("must be a lease, got other content") from error
    if terms.released:
        return f"free; held last by {terms.who()}"
    return f"held by {terms.who()}, if that still lives"


def _outcome(content: bytes) -> str:
    return f"status {document(content).get('status')}: the run is finished"


def _lines(content: bytes) -> str:
    lines = content.splitlines()
    if not lines:
        raise ValueError("must hold a line for each epoch, got none")
    for line in lines:
        document(line)
    return f"{len(lines)} epochs"


def group(content: bytes) -> str:
    """Of a worker group."""
    told = document(content)
    return f"{told.get('workers')} workers from step {told.get('step')}"


def epoch(content: bytes) -> str:
    """Of an epoch's metrics."""
    return f"epoch {document(content).get('epoch')}"


def _model(content: bytes) -> str:
    try:
        with zipfile.ZipFile(io.BytesIO(content)) as archive:
            bad = archive.testzip()
    except _NO_ARCHIVE as error:
        raise ValueError("must be a .keras archive, got other content") from error
    if bad:
        raise ValueError(f"must be a whole .keras archive, got other content in {bad}")
    return f"{len(content):,} bytes"


JUDGES: Mapping[str, Judge] = {
    CONFIG: _config,
    DATA: _data,
    LEASE: _lease,
    OUTCOME: _outcome,
    METRICS: _lines,
    GATE: lambda content: f"the gate: {document(content).get('status')}",
    f"{MODEL}/{MODEL_FILE}": _model,
    f"{MODEL}/{MODEL_FACTS}": lambda content: f"of step {document(content).get('step')}",
    f"{MODEL}/{MODEL_CARD}": lambda content: f"the model's card, {len(content):,} bytes",
}
