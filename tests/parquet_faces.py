"""Noise in the place of faces, as a Parquet file that jobs read."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fer_ray.faces.rows import face_table


def noise(count: int, seed: int = 0) -> np.ndarray:
    """``(count, 48, 48)`` uint8, no two alike."""
    return np.random.default_rng(seed).integers(256, size=(count, 48, 48), dtype=np.uint8)


def write_faces(
    path: Path,
    images: np.ndarray,
    labels: list[int],
    usages: list[str] | None = None,
    rows_a_group: int = 100,
) -> str:
    """The URI of ``path``, now Parquet; a row group becomes a block of Ray's when it is read."""
    rows = face_table(images, labels, [f"face:{number:05d}" for number in range(len(images))])
    if usages is not None:
        rows = rows.append_column("usage", pa.array(usages))
    pq.write_table(rows, path, row_group_size=rows_a_group)
    return str(path)
