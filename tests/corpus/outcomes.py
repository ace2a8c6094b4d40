"""What may become of a broken input: a sentence that ends a job with exit code 2, or refused rows.

Files are read as the tasks of a cluster read them, with the same functions, in this process.
"""

import contextlib
from collections.abc import Callable
from pathlib import Path

import pyarrow as pa
import pytest

from fer_ray.cluster import reading, source
from fer_ray.config import DataConfig
from fer_ray.faces.columns import csv_columns
from fer_ray.faces.formats import csv_rows, parquet_rows
from fer_ray.job import outcome_of_error

Cases = dict[str, bytes]  # content by the name of what is wrong with it


def sentence(call: Callable[[], object], kind: type[ValueError] = ValueError) -> str:
    """The one line with which ``call`` refuses its input: exit code 2, and no traceback."""
    with pytest.raises(kind, match=r"\A[^\n\r]+\Z") as told:
        call()
    outcome = outcome_of_error(told.value)
    assert outcome.status == "invalid", outcome
    return str(told.value)


def reasons(rows: pa.Table) -> list[str]:
    """Why each of ``rows`` is refused, each on one line; none of them is a face."""
    told = rows["reason"].to_pylist()
    assert told
    assert all(reason and len(reason.splitlines()) == 1 for reason in told), told
    for column in ("id", "label", "image"):
        assert rows[column].null_count == len(rows)
    return told


def check_file(path: Path) -> None:
    """That the csv or Parquet at ``path`` is refused as a whole, or every row of it."""
    found: list[pa.Table] = []
    with contextlib.suppress(ValueError):
        found.append(read(path))
    if not found:
        sentence(lambda: read(path))
    for rows in found:
        reasons(rows)


def read(path: Path) -> pa.Table:
    """All rows of a csv or Parquet file."""
    source.check_source(str(path))
    found = source.find(str(path))
    (file,) = found.files
    if found.kind == "csv":
        header, columns = source.csv_header(found.store, file)
        assert columns == csv_columns(header)
        text = reading.lines_beginning_in(found.store, file.path, len(header), file.size)
        return csv_rows(((str(n), line) for n, line in enumerate(text.split(b"\n"))), columns)
    tables = []
    for group, _ in enumerate(source.parquet_groups(found.store, file)):
        place = {"path": file.path, "name": file.name, "group": group}
        for table, columns in reading.parquet_tables(place, found.store):
            names = [f"{group}:{row}" for row in range(len(table))]
            tables.append(parquet_rows(table, columns, names, "", DataConfig()))
    return pa.concat_tables(tables)
