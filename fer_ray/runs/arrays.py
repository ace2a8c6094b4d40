"""Arrays as bytes that can run no code: equal arrays by equal names give equal bytes.

What is read may be a stranger's: an array takes no more memory than the bytes that hold it.
"""

import io
import math
import struct
import tokenize
import zipfile
from collections.abc import Mapping

import numpy as np

_NUMBERS = "biufc"  # NumPy's kinds of types
_HEADER = (1, 0)  # the version of ``.npy`` that ``pack`` writes

# What zipfile and NumPy's reader of headers raise over bytes that are something else.
_OTHER_CONTENT = (
    *(ValueError, LookupError, SyntaxError, RuntimeError, OSError, EOFError),
    *(zipfile.BadZipFile, struct.error, tokenize.TokenError),
)


def pack(arrays: Mapping[str, np.ndarray]) -> bytes:
    """Arrays of numbers or booleans as an ``.npz``; equal arrays by equal names, equal bytes."""
    sink = io.BytesIO()
    with zipfile.ZipFile(sink, "w") as archive:
        for name in sorted(arrays):
            array = np.asarray(arrays[name], order="C")
            if array.dtype.kind not in _NUMBERS:
                raise ValueError(f"array {name} must hold numbers or booleans, got {array.dtype}")
            member = zipfile.ZipInfo(f"{name}.npy")  # its date is 1980: bytes know no clock
            with archive.open(member, "w", force_zip64=True) as entry:
                np.lib.format.write_array(entry, array, allow_pickle=False)
    return sink.getvalue()


def unpack(data: bytes) -> dict[str, np.ndarray]:
    """The arrays of ``pack``, by name.

    Raises:
        ValueError: it is something else; the text is one line.
    """
    try:
        with zipfile.ZipFile(io.BytesIO(data)) as archive:
            return {
                info.filename.removesuffix(".npy"): _array(archive, info)
                for info in archive.infolist()
            }
    except _OTHER_CONTENT as error:
        reason = " ".join(str(error).split())[:200]
        raise ValueError(f"arrays must be those of an .npz of numbers, got: {reason}") from error


def _array(archive: zipfile.ZipFile, info: zipfile.ZipInfo) -> np.ndarray:
    """The array of one file of an archive; nothing is inflated, and nothing allocated for it."""
    if info.compress_type != zipfile.ZIP_STORED:
        raise ValueError(f"{info.filename} is compressed")
    content = archive.read(info)
    stream = io.BytesIO(content)
    if np.lib.format.read_magic(stream) != _HEADER:
        raise ValueError(f"{info.filename} has another header")
    shape, by_columns, dtype = np.lib.format.read_array_header_1_0(stream)
    if dtype.kind not in _NUMBERS or by_columns:
        raise ValueError(f"{info.filename} must hold numbers row by row, got {dtype}")
    start = stream.tell()
    if math.prod(shape) * dtype.itemsize != len(content) - start:
        raise ValueError(f"{info.filename} must hold {shape} numbers, got {len(content)} bytes")
    return np.ndarray(shape, dtype, content, start).copy()
