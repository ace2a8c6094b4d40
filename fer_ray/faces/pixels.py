"""From numbers or their text to a face: what csv and Parquet lists hold, or why it is none."""

from typing import Any

import numpy as np
import pyarrow as pa

from fer_ray.faces.rows import FACE_BYTES, SIDE

_GREY = {str(value).encode(): value for value in range(256)}
_LISTS = (pa.ListScalar, pa.LargeListScalar, pa.FixedSizeListScalar)
_IS_LIST = (pa.types.is_list, pa.types.is_large_list, pa.types.is_fixed_size_list)


def face_of_text(text: str) -> np.ndarray:
    """The ``(48, 48)`` uint8 face of 2,304 decimal numbers, separated by blanks.

    A dictionary reads a face in 0.12 ms, a third of ``int`` for each, and takes nothing else for a
    number that ``int`` would (``1_0``, ``+7``).

    Raises:
        ValueError: another count, or a word that is not 0 to 255.
    """
    try:
        pixels = bytes(map(_GREY.__getitem__, text.encode().split()))
    except KeyError as error:
        word = error.args[0].decode()
        raise ValueError(
            f"a pixel must be a whole number from 0 to 255, got {word!r:.40}"
        ) from None
    return face_of_numbers(np.frombuffer(pixels, np.uint8))


def face_of_numbers(numbers: np.ndarray) -> np.ndarray:
    """The ``(48, 48)`` uint8 face of 2,304 whole numbers of any type.

    Raises:
        ValueError: another count, or one that is not a whole number from 0 to 255.
    """
    if len(numbers) != FACE_BYTES:
        raise ValueError(f"a face must have {FACE_BYTES} pixels, got {len(numbers)}")
    return as_bytes(numbers, "a pixel").reshape(SIDE, SIDE)


def as_bytes(numbers: np.ndarray, what: str) -> np.ndarray:
    """``(n,)`` numbers as uint8, if that changes none of them.

    Raises:
        ValueError: it would; ``what`` names one of them in the sentence.
    """
    if numbers.dtype == np.uint8:
        return numbers
    if numbers.dtype.kind not in "iuf":
        raise ValueError(f"{what} must be a whole number from 0 to 255, got {numbers.dtype} values")
    wrong = (numbers < 0) | (numbers > 255) | (numbers != np.rint(numbers))  # NaN is not itself
    if wrong.any():
        raise ValueError(
            f"{what} must be a whole number from 0 to 255, got {numbers[wrong.argmax()]:g}"
        )
    return numbers.astype(np.uint8)


def plain(column: pa.ChunkedArray) -> pa.ChunkedArray:
    """``column`` as what it is stored in, if its type is an extension: a tensor's is a list."""
    if not isinstance(column.type, pa.BaseExtensionType):
        return column
    chunks = [chunk.storage for chunk in column.chunks]
    return pa.chunked_array(chunks, plain_type(column.type))


def plain_type(kind: pa.DataType) -> pa.DataType:
    """The type of ``plain`` of a column of ``kind``."""
    return kind.storage_type if isinstance(kind, pa.BaseExtensionType) else kind


def is_list_type(kind: pa.DataType) -> bool:
    """Whether values of ``kind`` are lists of some sort."""
    return any(is_one(kind) for is_one in _IS_LIST)


def is_list(value: Any) -> bool:
    """Whether ``value`` is an Arrow list that is not null."""
    return isinstance(value, _LISTS) and value.is_valid


def numbers_of(value: Any) -> np.ndarray:
    """All numbers of an Arrow list, or of a list of lists, in order; nulls become NaN.

    Of other values there is only their count: text that is no UTF-8 could not be told.
    """
    items = value.values
    while is_list_type(items.type):
        items = items.flatten()
    if pa.types.is_dictionary(items.type):
        items = items.dictionary_decode()
    if not pa.types.is_primitive(items.type):
        return np.empty(len(items), object)
    return np.asarray(items.to_numpy(zero_copy_only=False))
