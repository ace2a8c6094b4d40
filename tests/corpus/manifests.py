"""Broken manifests, of checkpoints and of prepared datasets, and broken arrays."""

import copy
import hashlib
import json
import random
from typing import Any

import numpy as np
import pyarrow as pa

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import face_table
from tests.corpus.outcomes import Cases
from tests.corpus.parquets import parquet

STEP = 8
ARRAYS = b"w" * 100
HUGE = 10**400
DELETE = object()

PATHS = ["../../x", "..", ".", "", "/etc/hostname", "a/../../b", "a\\..\\b", "a\0", "a\nb", "~/x"]
PATHS += ["s3://bucket/x", "file:///etc/hostname", "é", "x" * 5000, "%2e%2e/x", " ", "\u202e", "-"]
WRONG = [None, [], {}, "", "x", -1, 1.5, HUGE, [[]], {"a": 1}, True]


def faces(count: int = 3) -> pa.Table:
    """Noise in the place of faces, as a prepared dataset holds them."""
    images = np.random.default_rng(8).integers(256, size=(count, 48, 48), dtype=np.uint8)
    return face_table(images, [n % 7 for n in range(count)], [f"f:{n}" for n in range(count)])


PART = parquet(faces())


def promise(content: bytes, **more: object) -> dict[str, Any]:
    return {"sha256": hashlib.sha256(content).hexdigest(), **more}


def checkpoint() -> dict[str, Any]:
    """The manifest of a whole checkpoint of step ``STEP``, whose one file holds ``ARRAYS``."""
    files = {"weights.npz": promise(ARRAYS, size=len(ARRAYS))}
    return {"schema_version": 1, "step": STEP, "files": files, "about": {"epoch": 1}}


def dataset() -> dict[str, Any]:
    """The manifest of a whole dataset with one file, ``PART``."""
    sides = ("train", "validation", "test")
    names = [f"{side}/part-00000.parquet" for side in sides]
    return {
        "schema_version": 1,
        "source": {"uri": "demo:", "fingerprint": "0"},
        "settings": {"split": {"protocol": "hashed"}, "data": {}},
        "counts": {side: {name: int(name in EMOTIONS[:3]) for name in EMOTIONS} for side in sides},
        "leaky": False,
        "validation": None,
        "duplicates": {"groups": 0},
        "dropped": {"repeated": 0},
        "rows": 9,
        "refused_rows": 0,
        "content": "0" * 64,
        "files": [promise(PART, name=name, rows=3, bytes=len(PART)) for name in names],
        "versions": {},
    }


def changed(whole: dict[str, Any], *path: str | int, to: object) -> bytes:
    """The manifest as JSON, with another value at ``path``, or without it."""
    other = copy.deepcopy(whole)
    inner: Any = other
    for key in path[:-1]:
        inner = inner[key]
    if to is DELETE:
        del inner[path[-1]]
    else:
        inner[path[-1]] = to
    return json.dumps(other).encode()


def no_json(whole: dict[str, Any]) -> Cases:
    """What is no JSON object at all."""
    text = json.dumps(whole)
    chance = random.Random(9)
    cases = {
        repr(other): other.encode() for other in ("", "{", "null", "3", '"x"', "[]", "[{}]", "NaN")
    }
    cases |= {f"cut to {n}": text[:n].encode() for n in range(1, len(text), 1 + len(text) // 20)}
    cases |= {f"in {name}": text.encode(name) for name in ("utf-16-be", "utf-32", "cp037")}
    cases |= {f"noise {n}": chance.randbytes(chance.randrange(1, 900)) for n in range(10)}
    cases |= {
        "followed by more": f"{text}{text}".encode(),
        "not UTF-8": text.replace("schema_version", "schema\udcffversion").encode(
            "utf-8", "surrogateescape"
        ),
        "in quotes": json.dumps(text).encode(),
        "in single quotes": text.replace('"', "'").encode(),
        "a pickle": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "zeros": bytes(100),
    }
    for depth in (3_000, 100_000):
        cases[f"{depth} lists"] = b"[" * depth + b"]" * depth
        cases[f"{depth} lists within"] = f'{text[:-1]}, "x": {"[" * depth}{"]" * depth}}}'.encode()
        cases[f"{depth} open objects"] = b'{"a":' * depth
    cases["a number of 5,000 digits"] = (
        f'{text[:-1]}, "rows": {"9" * 5000}, "step": {"9" * 5000}}}'.encode()
    )
    return cases


def broken_checkpoints() -> Cases:
    """Manifests that make no checkpoint of ``STEP`` and its one file."""
    whole = checkpoint()
    cases = no_json(whole)
    for key in whole:
        cases[f"no {key}"] = changed(whole, key, to=DELETE)
        for value in WRONG:
            if (key, value) not in [("files", {}), ("about", {}), ("about", {"a": 1})] and (
                key != "schema_version" or value is not True
            ):
                cases[f"{key} is {value!r:.20}"] = changed(whole, key, to=value)
    for key in ("size", "sha256"):
        cases[f"file without {key}"] = changed(whole, "files", "weights.npz", key, to=DELETE)
        for value in [*WRONG, 10.0, "100", ARRAYS.decode(), 0, 99, 101, 2**63]:
            at = ("files", "weights.npz", key)
            cases[f"file's {key} is {value!r:.20}"] = changed(whole, *at, to=value)
    good = whole["files"]["weights.npz"]
    for name in PATHS:
        if name != "-":
            cases[f"file {name[:20]!r}"] = changed(whole, "files", to={name: good})
    for name in ("missing.npz", "manifest.json", "a" * 101, "weights.npz.", ".weights.npz"):
        cases[f"another file {name[:20]!r}"] = changed(whole, "files", name, to=good)
    for number in ("NaN", "Infinity", "-Infinity", "1e999"):
        text = json.dumps(whole).replace('"epoch": 1', f'"epoch": [{number}]')
        cases[f"about is {number}"] = text.encode()
    return cases


def broken_datasets() -> Cases:
    """Manifests that make no dataset of three files."""
    whole = dataset()
    cases = no_json(whole)
    read = set(whole) - {"source", "dropped", "versions"}
    for key in sorted(read):
        cases[f"no {key}"] = changed(whole, key, to=DELETE)
        for value in WRONG:
            if (key, value) not in [("validation", None), ("schema_version", True)] and not (
                (key in {"duplicates"} and isinstance(value, dict))
                or (key in {"content", "validation"} and isinstance(value, str))
                or (key == "settings" and value == {})
                or (key == "leaky" and value is True)
            ):
                cases[f"{key} is {value!r:.20}"] = changed(whole, key, to=value)
    for key in ("name", "rows", "bytes", "sha256"):
        cases[f"file without {key}"] = changed(whole, "files", 0, key, to=DELETE)
        for value in [*WRONG, 3.0, "3", 2**60]:
            cases[f"file's {key} is {value!r:.20}"] = changed(whole, "files", 0, key, to=value)
    for name in [*PATHS, "train/../../x", "train/part-0.parquet", "train/part-00009.parquet"]:
        cases[f"file {name[:20]!r}"] = changed(whole, "files", 0, "name", to=name)
    for value in (0, 1, len(PART) - 1, len(PART) + 1):
        cases[f"file's bytes are {value}"] = changed(whole, "files", 0, "bytes", to=value)
    for side in ("train", "validation", "test"):
        cases[f"no counts of {side}"] = changed(whole, "counts", side, to=DELETE)
        cases[f"{side} of contempt"] = changed(whole, "counts", side, "contempt", to=1)
        cases[f"{side} of -1"] = changed(whole, "counts", side, "anger", to=-1)
        cases[f"{side} of a face less"] = changed(whole, "counts", side, "anger", to=0)
        cases[f"{side} of a face more"] = changed(whole, "counts", side, "neutral", to=1)
        cases[f"{side} of all"] = changed(whole, "counts", side, to={"all": 7})
    for section in ("split", "data", "balance", "augment"):
        cases[f"{section} is 3"] = changed(whole, "settings", section, to=3)
    cases["a section of seed"] = changed(whole, "settings", "seed", to={"a": 1})
    cases["rows of files"] = changed(whole, "files", 0, "rows", to=4)
    cases["a fourth side"] = changed(whole, "counts", "exam", to=dict.fromkeys(EMOTIONS, 1))
    for version in (0, 2, "1", [1], "1\n2", 1e300, "x" * 5000):
        cases[f"version {version!r:.20}"] = changed(whole, "schema_version", to=version)
    return cases


def broken_parts() -> Cases:
    """Files of a dataset that are as its manifest says, and do not hold three faces."""
    good = faces()
    labels = [pa.array(some, pa.int8()) for some in ([0, 1, 7], [0, -1, 1], [0, None, 1])]
    place = good.schema.get_field_index
    cases = {
        f"labels {column.to_pylist()}": parquet(good.set_column(place("label"), "label", column))
        for column in labels
    }
    empty = {"id": pa.string(), "image": pa.binary(2304), "origin": pa.string()}
    for name, kind in empty.items():
        column = pa.concat_arrays([good[name].combine_chunks()[:2].cast(kind), pa.nulls(1, kind)])
        cases[f"a missing {name}"] = parquet(good.set_column(place(name), name, column))
    for text in ("", "x" * 32, "0x" + "1" * 30, "F" * 32, "0" * 31, "0" * 33, "0" * 32 + "\n", "é"):
        column = pa.array([*good["id"].to_pylist()[:2], text])
        cases[f"id {text!r}"] = parquet(good.set_column(place("id"), "id", column))
    for name in good.column_names:
        cases[f"no column {name}"] = parquet(good.drop_columns(name))
        other = pa.array([1.5] * 3)
        cases[f"{name} of numbers"] = parquet(good.set_column(place(name), name, other))
    cases |= {f"cut to {n}": PART[:n] for n in range(0, len(PART), 1 + len(PART) // 12)}
    return cases | {
        "two faces": parquet(faces(2)),
        "four faces": parquet(faces(4)),
        "no faces": parquet(good[:0]),
        "a column more": parquet(good.append_column("x", pa.array([1, 2, 3]))),
        "another order": parquet(good.select(good.column_names[::-1])),
        "pages of noise": PART[:4] + b"\xff" * 900 + PART[904:],
        "text": b"no faces",
    }
