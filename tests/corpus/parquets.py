"""Broken Parquet: columns of other types, values that are no faces, files that are none."""

import datetime as dt
import io
import json
import random
from decimal import Decimal

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tests.corpus.outcomes import Cases
from tests.corpus.pngs import NOISE, broken_pngs, whole_pngs

FACE = NOISE.tobytes()
FLAT = NOISE.ravel().tolist()


def parquet(table: pa.Table, **options: object) -> bytes:
    sink = io.BytesIO()
    pq.write_table(table, sink, **options)
    return sink.getvalue()


def table(image: pa.Array, **columns: pa.Array) -> pa.Table:
    """Rows of ``image``, anger's where no label is given."""
    labels = {} if "label" in columns else {"label": [0] * len(image)}
    return pa.table({"image": image, **labels, **columns})


def whole_parquets() -> Cases:
    """Good ones, from which the broken ones are made."""
    tables = {
        "raw": table(pa.array([FACE] * 4)),
        "png": table(pa.array([whole_pngs()["grey"]] * 4)),
        "lists": table(pa.array([FLAT] * 2, pa.list_(pa.uint8()))),
    }
    return {name: parquet(one) for name, one in tables.items()}


def viewed(value: int, kind: pa.DataType) -> pa.Array:
    """One ``value`` as stored in ``kind``, whether or not Python knows such a date."""
    return pa.array([value], pa.int32() if kind.bit_width == 32 else pa.int64()).view(kind)


def no_words() -> dict[str, pa.Array]:
    """One value each of types that no image, label or usage has."""
    kinds = [pa.date64(), pa.time64("ns"), pa.duration("ms"), pa.duration("us"), pa.duration("ns")]
    kinds += [pa.timestamp(unit, zone) for unit in ("ms", "us", "ns") for zone in (None, "UTC")]
    kinds += [pa.timestamp("us", "Nowhere/City"), pa.timestamp("us", "+99:99")]
    values = {str(kind): viewed(2**62, kind) for kind in kinds}
    values |= {f"earliest {kind}": viewed(-(2**62), kind) for kind in kinds[5:]}
    far = [pa.array([2**31 - 1], pa.int32()), pa.array([-(2**31)], pa.int32())]
    values |= {f"date {number}": days.view(pa.date32()) for number, days in enumerate(far)}
    invalid = [None, pa.py_buffer(np.int32([0, 2]).tobytes()), pa.py_buffer(b"\xff\xfe")]
    return values | {
        "nothing": pa.nulls(1),
        "missing": pa.array([None], pa.string()),
        "true": pa.array([True]),
        "number": pa.array([99]),
        "half": pa.array([np.float16(np.nan)], pa.float16()),
        "infinite": pa.array([np.inf]),
        "huge": pa.array([1e300]),
        "decimal": pa.array([Decimal("9e30")]),
        "wide decimal": pa.array([Decimal("1" * 70)], pa.decimal256(76)),
        "moment": pa.array([dt.datetime(2000, 1, 1, tzinfo=dt.UTC)]),
        "map": pa.array([[("a", 1)]], pa.map_(pa.string(), pa.int64())),
        "struct": pa.array([{"a": 1}]),
        "struct of two": pa.StructArray.from_arrays([pa.array([1])] * 2, names=["bytes"] * 2),
        "deep list": pa.array([[[[[[[1]]]]]]]),
        "list of dates": pa.ListArray.from_arrays([0, 1], far[0].view(pa.date32())),
        "empty text": pa.array([""]),
        "text that is not": pa.Array.from_buffers(pa.string(), 1, invalid),
        "word": pa.array(["contempt"]).dictionary_encode(),
        "long word": pa.array(["x" * 10**5]),
        "two lines": pa.array(["a\nb\r\u2028c"]),
        "bytes": pa.array([b"\0\xff"]),
    }


def no_images() -> dict[str, pa.Array]:
    """One value each that might hold pixels, and does not."""
    lists = {
        f"{count} numbers": pa.array([[7] * count], pa.list_(pa.int64()))
        for count in (0, 1, 48, 2303, 2305, 100_000)
    }
    for value in (256, -1, 2**63 - 1, -(2**63)):
        lists[f"list with {value}"] = pa.array([[*FLAT[1:], value]])
    for number in (0.5, np.nan, np.inf, -0.5, 255.5, 1e300):
        lists[f"list with {number}"] = pa.array([[*map(float, FLAT[1:]), number]])
    many = {"word": "7", "bytes": b"7", "truth": True, "nothing": None, "decimal": Decimal(7)}
    lists |= {f"list of {name}": pa.array([[value] * 2304]) for name, value in many.items()}
    nested = NOISE.tolist()
    return lists | {
        "list with a gap": pa.array([[*FLAT[1:], None]]),
        "list of structs": pa.array([[{"a": 7}] * 2304]),
        "list of pairs": pa.array([[(n, 7) for n in range(1152)]], pa.map_(pa.int64(), pa.int64())),
        "row missing": pa.array([[*nested[1:], None]]),
        "ragged rows": pa.array([[*nested[1:], [7] * 47]]),
        "47 rows": pa.array([nested[1:]]),
        "three planes": pa.array([[nested] * 3]),
        "fixed and empty": pa.array([None], pa.list_(pa.uint8(), 2304)),
        "2303 raw": pa.array([FACE[:-1]]),
        "2305 raw": pa.array([FACE + b"\0"]),
        "2303 fixed": pa.array([FACE[:-1]], pa.binary(2303)),
        "bytes missing": pa.array([{"bytes": None, "path": "/etc/passwd"}]),
        "bytes a number": pa.array([{"bytes": 7}]),
        "bytes a list": pa.array([{"bytes": FLAT}]),
        "bytes in bytes": pa.array([{"bytes": {"bytes": FACE}}]),
        "no bytes": pa.array([{"path": "a.png"}]),
    }


def wrong_columns() -> Cases:
    """Whole files whose columns are of other types, or hold other values."""
    cases = {}
    for name, value in no_words().items():
        cases[f"image is {name}"] = parquet(table(value))
        cases[f"label is {name}"] = parquet(table(pa.array([FACE]), label=value))
        cases[f"usage is {name}"] = parquet(table(pa.array([FACE]), usage=value))
    cases |= {f"image is {name}": parquet(table(value)) for name, value in no_images().items()}
    pngs = list(broken_pngs().values())
    for start in range(0, 300, 30):
        cases[f"broken images from {start}"] = parquet(table(pa.array(pngs[start : start + 30])))
    for votes in ([1, 2], [300] * 10, [-1] * 10, [0.5] * 10, ["a"] * 10, [None] * 10, [], [1] * 11):
        value = pa.array([votes]) if votes else pa.array([[]], pa.list_(pa.int64()))
        cases[f"votes are {votes}"] = parquet(table(pa.array([FACE]), votes=value))
    for origin in ("smote", "generator"):
        cases[f"made by {origin}"] = parquet(table(pa.array([FACE]), origin=pa.array([origin])))
    return cases


def wrong_schemas() -> Cases:
    """Columns that are missing or twice there, and metadata that tells other classes."""
    good = table(pa.array([FACE]))
    deep = b"[" * 100_000
    told = [b"{", b"\xff", deep, b'{"info": ' * 5000, b"9" * 5000]
    told += [
        json.dumps({"info": {"features": {"label": {"names": names}}}}).encode()
        for names in (["contempt"], ["a\nb"], [None], [3, 99], [[]], [{}], ["x" * 10**5])
    ]
    cases = {
        f"classes {meta[:50]!r} of {len(meta)}": parquet(
            good.replace_schema_metadata({"huggingface": meta})
        )
        for meta in told
    }
    turned = pa.fixed_shape_tensor(pa.uint8(), (48, 48), permutation=[1, 0])
    tensor = pa.ExtensionArray.from_storage(turned, pa.array([FLAT], turned.storage_type))
    two = pa.Table.from_arrays(
        [good["image"], good["label"], good["label"]], ["image"] + ["label"] * 2
    )
    return cases | {
        "no labels": parquet(good.drop_columns("label")),
        "no images": parquet(good.drop_columns("image")),
        "no rows": parquet(good[:0]),
        "no columns": parquet(good.select([])),
        "labels twice": parquet(two),
        "images twice": parquet(table(pa.array([FACE]), Image=pa.array([FACE]))),
        "a tensor by columns": parquet(table(tensor)),
        "name that is not": parquet(good).replace(b"image", b"i\xff\xfege"),
    }


def damaged() -> Cases:
    """Cut off, without its ends, or with other bytes where its structure is."""
    cases: Cases = {}
    chance = random.Random(6)
    for name, whole in whole_parquets().items():
        footer = int.from_bytes(whole[-8:-4], "little")
        for place in range(12):
            size = (len(whole) - 1) * place // 11
            cases[f"{name} cut to {size}"] = whole[:size]
        cases[f"{name} without its magic"] = whole[:-4] + b"PARX"
        cases[f"{name} encrypted"] = whole[:-4] + b"PARE"
        for length in (0, 1, footer - 1, len(whole), 2**31 - 1, 2**32 - 1):
            cases[f"{name} footer of {length}"] = (
                whole[:-8] + length.to_bytes(4, "little") + b"PAR1"
            )
        for fill in (b"\0", b"\xff", b"\x15"):
            cases[f"{name} footer of {fill!r}"] = whole[: -8 - footer] + fill * footer + whole[-8:]
            cases[f"{name} pages of {fill!r}"] = b"PAR1" + fill * 60 + whole[64:]
        noise = chance.randbytes(footer)
        cases[f"{name} footer of noise"] = whole[: -8 - footer] + noise + whole[-8:]
    others = {"empty": b"", "magic": b"PAR1", "magic twice": b"PAR1PAR1", "zeros": bytes(4096)}
    others |= {"csv": b"emotion,pixels\n3,7\n", "arrow": b"ARROW1\0\0" + bytes(64)}
    return cases | others


def broken_parquets() -> Cases:
    return wrong_columns() | wrong_schemas() | damaged()
