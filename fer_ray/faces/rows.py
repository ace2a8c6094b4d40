"""A face as a row of an Arrow table: what moves between the rooms, and what Parquet holds.

Pixels are raw bytes, 48 × 48, row by row, 0 black to 255 white: pandas and pyarrow read them
without this package (``np.frombuffer(row.image, np.uint8).reshape(48, 48)``).
"""

import hashlib
from collections.abc import Sequence

import numpy as np
import pyarrow as pa

SIDE = 48
FACE_BYTES = SIDE * SIDE

SCHEMA = pa.schema(
    [
        ("id", pa.string()),  # hash of the pixels: equal faces have equal ids
        ("source", pa.string()),  # where the face came from, unique within one reading
        ("label", pa.int8()),
        ("image", pa.binary(FACE_BYTES)),
        ("origin", pa.string()),  # real, generator or smote
        ("parents", pa.list_(pa.string())),  # ids of the faces a made one was made from
        ("votes", pa.list_(pa.uint8())),  # FER+'s ten annotators, null where unknown
    ]
)


def face_ids(images: np.ndarray) -> list[str]:
    """The id of each of ``(n, 48, 48)`` uint8 faces: 32 hex digits of BLAKE2b over its pixels."""
    return [
        hashlib.blake2b(face.data, digest_size=16).hexdigest()
        for face in np.ascontiguousarray(images).reshape(-1, FACE_BYTES)
    ]


def image_column(images: np.ndarray) -> pa.Array:
    """``(n, 48, 48)`` uint8 faces as the ``image`` column."""
    data = pa.py_buffer(np.ascontiguousarray(images).reshape(-1))
    return pa.Array.from_buffers(pa.binary(FACE_BYTES), len(images), [None, data])


def images_of(column: pa.ChunkedArray | pa.Array) -> np.ndarray:
    """The ``(n, 48, 48)`` uint8 faces of an ``image`` column without nulls, as a view."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    flat = np.frombuffer(whole.buffers()[1], np.uint8) if len(whole) else np.empty(0, np.uint8)
    start = whole.offset * FACE_BYTES
    return flat[start : start + len(whole) * FACE_BYTES].reshape(-1, SIDE, SIDE)


def face_table(
    images: np.ndarray,
    labels: Sequence[int] | np.ndarray,
    sources: Sequence[str],
    origin: str = "real",
    parents: Sequence[Sequence[str]] | None = None,
    votes: Sequence[Sequence[int] | None] | None = None,
) -> pa.Table:
    """Faces as a table of ``SCHEMA``; ids are taken from the pixels.

    Args:
        images: ``(n, 48, 48)`` uint8.
        labels: ``(n,)``, 0 to 6.
        sources: ``n`` names of where each came from.
        origin: of them all.
        parents: ids each was made from; none for real faces.
        votes: FER+'s ten counts of each, where known.
    """
    count = len(images)
    return pa.table(
        [
            face_ids(images),
            list(sources),
            np.asarray(labels, np.int8),
            image_column(images),
            [origin] * count,
            list(parents) if parents is not None else [[]] * count,
            list(votes) if votes is not None else [None] * count,
        ],
        schema=SCHEMA,
    )
