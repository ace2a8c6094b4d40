"""What an outsider sees in the storage at a moment, by the code that production reads it with."""

import hashlib
import io
import random
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Any

import numpy as np
import pyarrow.parquet as pq

from fer_ray.faces.rows import SIDE, face_table
from fer_ray.runs import champion, doctor, layout, record
from fer_ray.runs.champion import Entry
from fer_ray.runs.storage import Store, store

_SHARES = (0.14, 0.05, 0.14, 0.25, 0.17, 0.12, 0.13)  # of the emotions


@dataclass(frozen=True)
class Seen:
    """The storage at a moment."""

    entry: Entry | None
    fault: str | None  # what reading the champion or its history raised
    model: str | None  # SHA-256 of the champion's file; none where there is no such file
    history: Mapping[str, bytes]
    entries: tuple[Entry, ...]
    gates: Mapping[str, Mapping[str, Any]]  # what retrainings came to, by run
    pages: frozenset[str]  # runs that have a gate's page
    contents: Mapping[str, str]  # of the data that runs are made of
    finished: frozenset[str]  # runs that have an outcome
    runs: frozenset[str]


@cache
def _store(uri: str) -> Store:
    return store(uri)


def look(uri: str) -> Seen:
    """What is there now; whoever writes meanwhile must leave each moment right."""
    runs = _store(uri)
    entry, fault, model, entries = None, None, None, ()
    try:
        entry = champion.read(runs).entry
        if entry is not None:
            entries = tuple(champion.history(runs))
            model = _sha256(_store(entry.uri).folder(layout.MODEL))
    except ValueError as error:
        fault = str(error)
    keys = [one.key for one in runs.listing()]
    history = {key: runs.read_bytes(key) for key in keys if key.startswith(layout.CHAMPION_HISTORY)}
    names = {key.partition("/")[0] for key in keys} - {layout.CHAMPIONS, layout.DATASETS}

    def having(what: str) -> list[str]:
        return [name for name in sorted(names) if f"{name}/{what}" in keys]

    gates, data = (
        {name: record.read_document(runs.folder(name), key) for name in having(key)}
        for key in (layout.GATE, layout.DATA)
    )
    return Seen(
        entry,
        fault,
        model,
        history,
        entries,
        {name: one for name, one in gates.items() if one},
        frozenset(having(layout.GATE_PAGE)),
        {name: one["content"] for name, one in data.items() if one},
        frozenset(having(layout.OUTCOME)),
        frozenset(names),
    )


def _sha256(model: Store) -> str | None:
    if not model.exists(layout.MODEL_FILE):
        return None
    return hashlib.sha256(model.read_bytes(layout.MODEL_FILE)).hexdigest()


def damaged(uri: str, run: str) -> list[str]:
    """What the doctor finds damaged or missing in a run's folder."""
    found = doctor.examine(_store(uri).folder(run)).findings
    return [f"{one.key}: {one.told}" for one in found if one.state not in ("whole", "left over")]


def arrive(uri: str, name: str, count: int, seed: int) -> None:
    """New faces come to ``data.uri``, as a file of their own."""
    rng = np.random.default_rng(seed)
    images = np.zeros((count, SIDE, SIDE), np.uint8)
    images[:, 0, :16] = rng.integers(0, 256, (count, 16))
    labels = rng.choice(len(_SHARES), count, p=_SHARES)
    faces = face_table(images, labels, [f"{name}:{nth}" for nth in range(count)])
    sink = io.BytesIO()
    pq.write_table(faces.select(["label", "image"]), sink)
    _store(uri).write_bytes(f"{name}.parquet", sink.getvalue())


def spoil(uri: str, name: str) -> None:
    """A file comes to ``data.uri`` that is cut off."""
    _store(uri).write_bytes(f"{name}.parquet", b"PAR1 and no more")


def leave(uri: str, name: str) -> None:
    """A file of ``data.uri`` is gone."""
    _store(uri).delete_file(f"{name}.parquet")


def clean_up(uri: str, seed: int, keep: frozenset[str]) -> str | None:
    """An old run's folder is deleted by who needs the room; which it was."""
    runs = _store(uri)
    names = {one.key.partition("/")[0] for one in runs.listing()}
    some = sorted(names - keep - {layout.CHAMPIONS, layout.DATASETS})
    if not some:
        return None
    doomed = random.Random(seed).choice(some)
    runs.delete_folder(doomed)
    return doomed
