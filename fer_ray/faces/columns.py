"""Which column holds what: people name them differently, and count classes differently."""

import csv
import json
from collections.abc import Sequence
from typing import NamedTuple

import pyarrow as pa

from fer_ray.faces.emotions import label_of
from fer_ray.faces.pixels import is_list_type, plain_type

_SPELLINGS = {  # of a column's name; the first that is there wins
    "label": ("emotion", "label", "class", "labels"),
    "image": ("pixels", "image", "images", "img"),
    "usage": ("usage",),
    "votes": ("ferplus_votes", "votes"),
    "origin": ("origin",),
}


class Columns(NamedTuple):
    """Where a table keeps what, as positions among ``fields`` columns; ``None``: it does not."""

    fields: int
    label: int
    image: int
    usage: int | None = None
    votes: int | None = None
    origin: int | None = None
    classes: tuple[str, ...] | None = None  # what a numeric label counts through, if not FER2013's


def csv_columns(header: bytes) -> Columns:
    """Where the columns are, from a csv's first line, with its line end and byte order mark or not.

    Raises:
        ValueError: it names no column of labels, or none of pixels.
    """
    return _named(csv_fields(header.decode("utf-8-sig", "replace").rstrip("\r\n")))


def csv_fields(line: str) -> list[str]:
    """The fields of one line of csv; a line ends where it ends, inside quotes too.

    Raises:
        ValueError: it is too long for a field.
    """
    try:
        return next(csv.reader([line]), [])
    except csv.Error as error:
        raise ValueError(f"a row must be comma-separated values, got: {error}") from error


def parquet_columns(schema: pa.Schema) -> Columns:
    """Where the columns are, and the classes that numeric labels count through.

    Hugging Face's ``datasets`` keeps the classes' names in the schema's metadata, often in
    alphabetical order; without them a number is FER2013's. Votes that are no lists are not FER+'s.

    Raises:
        ValueError: no column of labels, or none of images, or a class that is no emotion, or
            tensors that are not stored row by row, or values that are not plain.
    """
    columns = _named(schema.names)
    places = (columns.label, columns.image, columns.usage, columns.votes, columns.origin)
    for place in places:
        if place is not None:
            _check_plain(schema.field(place))
    _check_row_major(schema.field(columns.image))
    if columns.votes is not None and not is_list_type(schema.field(columns.votes).type):
        columns = columns._replace(votes=None)
    classes = _hugging_face_classes(schema, schema.names[columns.label])
    for name in classes or ():
        label_of(name)
    return columns._replace(classes=classes)


def _named(names: Sequence[str]) -> Columns:
    """Where the columns are by name; case and surrounding blanks do not count."""
    cleaned = [name.strip().lower() for name in names]
    places = {name: place for place, name in enumerate(cleaned)}
    found = {
        role: next((places[name] for name in spellings if name in places), None)
        for role, spellings in _SPELLINGS.items()
    }
    label, image = found["label"], found["image"]
    if label is None or image is None:
        raise ValueError(
            "data.uri must have a column of labels (emotion, label or class) and one of faces"
            f" (pixels or image), got {', '.join(names)!r:.100}"
        )
    for place in found.values():
        if place is not None and cleaned.count(cleaned[place]) > 1:
            raise ValueError(
                "data.uri must have one column of each name,"
                f" got several named {names[place]!r:.40}"
            )
    return Columns(len(names), label, image, found["usage"], found["votes"], found["origin"])


def _check_row_major(images: pa.Field) -> None:
    """Raise if the pixels of ``images`` are tensors whose axes are stored in another order."""
    order = getattr(images.type, "permutation", None)
    if order is not None and list(order) != sorted(order):
        raise ValueError(
            f"tensors in column {images.name!r} must be stored row by row, got axes stored in"
            f" order {list(order)}"
        )


def _check_plain(column: pa.Field) -> None:
    """Raise if values of ``column`` hold an extension type, within which only Arrow looks.

    Python's value of an extension type is whatever the library that registered it makes of the
    bytes: Ray Data's ``arrow_pickled_object`` unpickles them, which runs any code.
    """
    kinds = [plain_type(column.type)]
    while kinds:
        kind = kinds.pop()
        if isinstance(kind, pa.BaseExtensionType):
            raise ValueError(f"column {column.name!r:.40} must hold plain values, got {kind}")
        if pa.types.is_dictionary(kind):
            kinds.append(kind.value_type)
        else:
            kinds += [kind.field(child).type for child in range(kind.num_fields)]


def _hugging_face_classes(schema: pa.Schema, column: str) -> tuple[str, ...] | None:
    try:
        told = json.loads((schema.metadata or {}).get(b"huggingface", b"{}"))
    except (ValueError, RecursionError) as error:
        raise ValueError(f"metadata 'huggingface' must be JSON, got: {error}") from error
    match told:
        case {"info": {"features": {**features}}}:
            match features.get(column):
                case {"names": [*names]}:
                    return tuple(str(name) for name in names)
    return None
