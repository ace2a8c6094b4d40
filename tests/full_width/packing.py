"""Prepared datasets, packed small enough to be carried to a machine that has no Ray.

Every face is kept once, whatever datasets it is in: the pixels' mixed differences, which LZMA makes
a third smaller than they are. Beside them stands what each dataset says of its faces.
"""

import lzma
from collections.abc import Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.dataset

from fer_ray.faces.rows import SIDE, face_ids, image_column, images_of
from fer_ray.faces.split import SIDES

FILTERS = [{"id": lzma.FILTER_LZMA2, "preset": 6, "lc": 4, "lp": 0}]
TOLD = ("source", "label", "origin")


def pack(datasets: Mapping[str, Path], folder: Path) -> None:
    """Write the prepared ``datasets``, by name, to ``folder``."""
    folder.mkdir(parents=True, exist_ok=True)
    pool: dict[str, int] = {}
    images: list[np.ndarray] = []
    for name, dataset in datasets.items():
        columns: dict[str, np.ndarray] = {}
        for side in SIDES:
            rows = pyarrow.dataset.dataset(dataset / side, format="parquet").to_table()
            ids = rows["id"].to_pylist()
            new = [not (one in pool or pool.setdefault(one, len(pool)) < 0) for one in ids]
            images.append(images_of(rows["image"])[new])
            for column in TOLD:
                columns[f"{side}.{column}"] = _plain(rows[column])
            columns[f"{side}.place"] = np.array([pool[one] for one in ids], np.int32)
        np.savez_compressed(folder / f"{name}.npz", **columns)
    faces = np.concatenate(images)
    assert len(faces) == len(pool), (len(faces), len(pool))
    rest = np.diff(np.diff(faces, axis=2, prepend=np.uint8(0)), axis=1, prepend=np.uint8(0))
    (folder / "faces.xz").write_bytes(lzma.compress(rest.tobytes(), filters=FILTERS))


def _plain(column: pa.ChunkedArray) -> np.ndarray:
    """A column of whole numbers or of text, as NumPy keeps it without objects."""
    values = np.array(column.to_pylist())
    return values.astype(np.int8) if values.dtype.kind == "i" else np.char.encode(values)


def unpack(folder: Path, name: str) -> dict[str, pa.Table]:
    """The sides of one dataset: ``id source label origin image``, as they were prepared."""
    rest = np.frombuffer(lzma.decompress((folder / "faces.xz").read_bytes()), np.uint8)
    faces = rest.reshape(-1, SIDE, SIDE)
    for axis in (1, 2):
        faces = np.cumsum(faces, axis=axis, dtype=np.uint8)
    told = np.load(folder / f"{name}.npz")
    sides = {}
    for side in SIDES:
        columns = {column: told[f"{side}.{column}"] for column in TOLD}
        texts = {k: np.char.decode(v).tolist() for k, v in columns.items() if v.dtype.kind == "S"}
        images = faces[told[f"{side}.place"]]
        made = {"id": face_ids(images), "image": image_column(images)}
        sides[side] = pa.table(columns | texts | made)
    return sides
