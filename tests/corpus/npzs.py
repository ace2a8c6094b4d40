"""Broken archives of arrays: what a checkpoint from elsewhere may hold in the place of weights."""

import io
import random
import zipfile
from collections.abc import Mapping

import numpy as np

from fer_ray.runs.arrays import pack
from tests.corpus.outcomes import Cases

WHOLE = pack({"a": np.arange(100.0), "b": np.zeros((2, 3), np.uint8)})


def archive(members: Mapping[str, bytes], kind: int = zipfile.ZIP_STORED) -> bytes:
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w", kind) as file:
        for name, content in members.items():
            file.writestr(zipfile.ZipInfo(name), content, compress_type=kind)
    return sink.getvalue()


def npy(shape: str, kind: str = "'<f8'", data: bytes = b"", by_columns: bool = False) -> bytes:
    """An array file whose header says whatever it is told."""
    head = f"{{'descr': {kind}, 'fortran_order': {by_columns}, 'shape': {shape}, }}".encode()
    head += b" " * (63 - (len(head) + 10) % 64) + b"\n"
    return b"\x93NUMPY\x01\x00" + len(head).to_bytes(2, "little") + head + data


def broken_npzs() -> Cases:
    chance = random.Random(10)
    shapes = ["(10**15,)", "(1000000000000000,)", "(2500000000,)", "(-1,)", "(-1, -1)", "(2,)"]
    shapes += [
        "(4294967296, 4294967296, 4294967296)",
        "1",
        "(1,",
        "()()",
        "None",
        "('a',)",
        "(1.0,)",
    ]
    shapes += ["__import__('os').system('true')", "(" * 3000 + ")" * 3000, "[1]", "(True, 'x')"]
    cases = {
        f"shape {shape[:30]}": archive({"a.npy": npy(shape, data=bytes(8))}) for shape in shapes
    }
    for kind in (
        "'|O'",
        "'<U2'",
        "'|S8'",
        "'<M8[s]'",
        "[('a', '<f8')]",
        "'|V8'",
        "'f9'",
        "3",
        "None",
    ):
        cases[f"type {kind}"] = archive({"a.npy": npy("(1,)", kind, bytes(8))})
    for size in range(0, len(WHOLE), 1 + len(WHOLE) // 12):
        cases[f"cut to {size}"] = WHOLE[:size]
    for number in range(8):
        cases[f"noise {number}"] = chance.randbytes(chance.randrange(1, 900))
    bomb = npy("(1000000,)", data=bytes(8_000_000))
    return cases | {
        "zip bomb": archive({"a.npy": bomb}, zipfile.ZIP_DEFLATED),
        "another zip bomb": archive({"a.npy": bomb}, zipfile.ZIP_BZIP2),
        "by columns": archive({"a.npy": npy("(2, 2)", data=bytes(32), by_columns=True)}),
        "no array": archive({"a.npy": b"x"}),
        "a folder": archive({"a/": b""}),
        "text": archive({"README": b"no arrays"}),
        "version 9": archive({"a.npy": b"\x93NUMPY\x09\x00" + bytes(200)}),
        "a pickle": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94.",
        "a pickle within": archive(
            {"a.npy": b"\x80\x04\x8c\x05posix\x94\x8c\x06system\x94\x93\x94."}
        ),
    }
