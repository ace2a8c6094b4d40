"""From what people keep faces in (csv, image files, Parquet) to one table, good rows and refused.

A row that cannot be used is never dropped and never repaired: it stays, with its reason. No bytes
may crash this room.
"""

from collections.abc import Callable, Iterable, Sequence
from functools import partial
from typing import Any, NamedTuple, TypeVar

import numpy as np
import pyarrow as pa

from fer_ray.config import DataConfig
from fer_ray.faces.columns import Columns, csv_fields
from fer_ray.faces.emotions import label_of
from fer_ray.faces.images import JPEG, PNG, face_of_image
from fer_ray.faces.pixels import (
    as_bytes,
    face_of_numbers,
    face_of_text,
    is_list,
    numbers_of,
    plain,
)
from fer_ray.faces.rows import FACE_BYTES, SCHEMA, face_table

RAW_SCHEMA = SCHEMA.append(pa.field("usage", pa.string())).append(pa.field("reason", pa.string()))
"""Faces as read: ``usage`` is FER2013's, or "" where the source has none; ``reason`` is null, or
why the row is refused (then ``id``, ``label`` and ``image`` are null)."""

USAGES = ("Training", "PublicTest", "PrivateTest")
_USAGE_OF = {usage.lower(): usage for usage in USAGES}
_REASON_CHARACTERS = 200

R = TypeVar("R")


class Face(NamedTuple):
    """One good row."""

    image: np.ndarray  # (48, 48) uint8
    label: int
    usage: str
    votes: list[int] | None = None


def raw_rows(rows: Iterable[tuple[str, R]], read: Callable[[R], Face]) -> pa.Table:
    """``(source, row)`` pairs as a table of ``RAW_SCHEMA``: the good ones, then the refused.

    Args:
        rows: each with the unique name of where it came from.
        read: gives the face of a row; its ``ValueError`` is why the row is refused.
    """
    sources: list[str] = []
    faces: list[Face] = []
    refused: list[dict[str, str]] = []
    for source, row in rows:
        try:
            faces.append(read(row))
            sources.append(source)
        except ValueError as error:
            refused.append({"source": source, "reason": str(error)[:_REASON_CHARACTERS]})
    bad = pa.Table.from_pylist(refused, schema=RAW_SCHEMA)
    if not faces:
        return bad
    images = np.stack([face.image for face in faces])
    votes = [face.votes for face in faces]
    good = face_table(images, [face.label for face in faces], sources, votes=votes)
    good = good.append_column("usage", pa.array([face.usage for face in faces], pa.string()))
    good = good.append_column("reason", pa.nulls(len(faces), pa.string()))
    return pa.concat_tables([good, bad])


def csv_rows(lines: Iterable[tuple[str, bytes]], columns: Columns) -> pa.Table:
    """The faces of ``(source, line)`` pairs; empty lines are no rows."""
    full = ((source, line) for source, line in lines if line.strip())
    return raw_rows(full, partial(_csv_face, columns=columns))


def parquet_rows(
    table: pa.Table, columns: Columns, sources: Sequence[str], usage: str, settings: DataConfig
) -> pa.Table:
    """The faces of Parquet rows.

    Args:
        table: some rows of a file; an image is a file's bytes (alone, or with its path as Hugging
            Face keeps it), 2,304 raw bytes, or 2,304 pixels as a list or as text.
        columns: of the file.
        sources: one name a row.
        usage: of a row in a table without a column of usages.
        settings: what an image may weigh.
    """
    places = (columns.label, columns.image, columns.usage, columns.votes, columns.origin)
    values = [
        [None] * len(table) if place is None else plain(table.column(place)) for place in places
    ]
    rows = zip(sources, zip(*values, strict=True), strict=True)
    face = partial(_parquet_face, columns=columns, usage=usage, settings=settings)
    return raw_rows(rows, face)


def image_face(data: bytes, label: int | None, usage: str, settings: DataConfig) -> Face:
    """The face in the bytes of a file that lies in the folder of a class (``label``) or in none.

    Raises:
        ValueError: it cannot be used; the text is the reason.
    """
    if label is None:
        raise ValueError("a file must lie in a folder named for an emotion, got one that does not")
    return Face(face_of_image(data, settings.max_image_pixels), label, usage)


def check_bytes(size: int, settings: DataConfig) -> None:
    """Refuses an image by its size in bytes, for which it need not be read.

    Raises:
        ValueError: it has more than ``data.max_image_bytes``.
    """
    if size > settings.max_image_bytes:
        raise ValueError(
            f"an image must have at most {settings.max_image_bytes} bytes (data.max_image_bytes),"
            f" got {size}"
        )


def _csv_face(line: bytes, columns: Columns) -> Face:
    text = line.decode("utf-8", "replace").rstrip("\r\n")
    fields = csv_fields(text) if '"' in text else text.split(",")
    if len(fields) != columns.fields:
        raise ValueError(f"a row must have {columns.fields} fields, got {len(fields)}")
    usage = "" if columns.usage is None else _usage(fields[columns.usage])
    return Face(face_of_text(fields[columns.image]), label_of(fields[columns.label]), usage)


def _parquet_face(row: tuple[Any, ...], columns: Columns, usage: str, settings: DataConfig) -> Face:
    label, image, own_usage, votes, origin = map(_told, row)
    # No list is a word: what it is stands for it in the reason.
    label, own_usage = (value.type if is_list(value) else value for value in (label, own_usage))
    if origin in ("generator", "smote"):  # another word is another table's own business
        raise ValueError(f"a face must be real, got one made by {origin}")
    return Face(
        _face_of_value(image, settings),
        _label(label, columns.classes),
        usage if columns.usage is None else _usage(own_usage),
        None if votes is None else _votes(votes),
    )


def _told(value: Any) -> Any:
    """An Arrow value as Python's, but a list that is not null as it is.

    As Python's, 2,304 numbers would cost 50 times the time.
    """
    if value is None or is_list(value):
        return value
    try:
        return value.as_py()
    except OverflowError as error:  # dates and times go further there than here
        raise ValueError(f"a value must be one of Python's, got {value.type}: {error}") from error


def _face_of_value(value: Any, settings: DataConfig) -> np.ndarray:
    if isinstance(value, dict):
        value = value.get("bytes")
    if isinstance(value, str):
        return face_of_text(value)
    if is_list(value):
        return face_of_numbers(numbers_of(value))
    if not isinstance(value, bytes):
        raise ValueError(f"an image must be bytes, pixels or text, got {value!r:.40}")
    if len(value) == FACE_BYTES and not value.startswith((PNG, JPEG)):
        return face_of_numbers(np.frombuffer(value, np.uint8))
    check_bytes(len(value), settings)
    return face_of_image(value, settings.max_image_pixels)


def _label(value: Any, classes: Sequence[str] | None) -> int:
    if isinstance(value, float) and value.is_integer():
        value = int(value)  # pandas keeps whole numbers so, once a column has a gap
    if classes is not None and isinstance(value, int):
        if not 0 <= value < len(classes):
            raise ValueError(f"a label must be 0 to {len(classes) - 1}, got {value}")
        value = classes[value]
    return label_of(str(value))


def _usage(value: Any) -> str:
    usage = _USAGE_OF.get(str(value).strip().lower())
    if usage is None:
        raise ValueError(f"usage must be one of {', '.join(USAGES)}, got {value!r:.40}")
    return usage


def _votes(value: Any) -> list[int]:
    votes = numbers_of(value) if is_list(value) else np.empty(0)
    if len(votes) != 10:
        raise ValueError(f"votes must be a list of ten counts, got {len(votes)}")
    return [int(vote) for vote in as_bytes(votes, "a vote")]
