"""Models that are drawn, not trained: a file that says how good it is, and what it says of faces.

A face is as hard for one model as for another but for a part of its own, as in
``tests.runs.gating``; everything follows from the face's id and the model's name.
"""

import io
import json
import zipfile
from typing import Any

import numpy as np
import pyarrow as pa
from scipy.special import ndtri

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.predictions import Predictions
from tests.runs.gating import SHARED

_INSIDE = "metadata.json"


def file_of(name: str, recall: float) -> bytes:
    """The content of a model's file."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        member = zipfile.ZipInfo(_INSIDE)  # its date is 1980
        archive.writestr(member, json.dumps({"name": name, "recall": recall}))
    return sink.getvalue()


def known(content: bytes) -> dict[str, Any]:
    """What a model's file says."""
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        about: dict[str, Any] = json.loads(archive.read(_INSIDE))
    return about


def predictions(content: bytes, faces: pa.Table) -> Predictions:
    """What a model says of faces."""
    about = known(content)
    seed = int.from_bytes(about["name"].encode()[-8:].rjust(8), "little")
    ids = faces["id"].to_pylist()
    labels = faces["label"].to_numpy()
    keys = np.frombuffer(bytes.fromhex("".join(ids)), "<u8")[::2]
    hard, own = ndtri(_uniform(keys, 1)), ndtri(_uniform(keys, seed))
    right = np.sqrt(SHARED) * hard + np.sqrt(1 - SHARED) * own < ndtri(about["recall"])
    other = (labels + 1 + (_uniform(keys, 2) * 6).astype(int)) % len(EMOTIONS)
    named = np.where(right, labels, other)
    sure = np.clip(about["recall"] + 0.2 * (_uniform(keys, seed + 1) - 0.5), 0.2, 0.995)
    told = np.repeat(((1 - sure) / (len(EMOTIONS) - 1))[:, None], len(EMOTIONS), axis=1)
    told[np.arange(len(labels)), named] = sure
    votes = np.zeros((len(labels), 10), np.uint8)
    return Predictions(ids, labels, told.astype(np.float32), votes)


def _uniform(keys: np.ndarray, seed: int) -> np.ndarray:
    """A number within (0, 1) for each key: SplitMix64 of it and the seed."""
    with np.errstate(over="ignore"):
        one = keys + np.uint64((seed * 0x9E3779B97F4A7C15) % 2**64)
        one = (one ^ (one >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
        one = (one ^ (one >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
        one ^= one >> np.uint64(31)
    return (np.asarray(one >> np.uint64(11)) + 0.5) / 2.0**53
