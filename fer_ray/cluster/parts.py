"""A dataset's files as they are written, and discarded where not all of them could be."""

import hashlib
import io
from collections.abc import Callable
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from fer_ray.runs import layout
from fer_ray.runs.storage import store


def write_part(uri: str, name: str, rows: pa.Table) -> dict[str, Any]:
    """Writes ``rows`` as Parquet, and returns what the manifest says of the file.

    The bytes follow from the rows and pyarrow's version alone.
    """
    buffer = io.BytesIO()
    pq.write_table(
        rows.combine_chunks(),
        buffer,
        compression="zstd",
        use_dictionary=["label", "origin"] if "label" in rows.column_names else False,
        write_statistics=["id"] if "id" in rows.column_names else False,
    )
    content = buffer.getvalue()
    store(uri).write_bytes(name, content)
    return {
        "name": name,
        "rows": len(rows),
        "bytes": len(content),
        "sha256": hashlib.sha256(content).hexdigest(),
    }


def discard(uri: str, may: Callable[[], None]) -> None:
    """Deletes what was written of a dataset that has no manifest.

    ``may`` is asked before each deletion, and raises if the files are another's by now.
    """
    folder = store(uri).guarded(may)
    for side in layout.SIDES:
        may()
        folder.delete_folder(side)
    may()
    folder.delete_file(layout.REFUSED)
