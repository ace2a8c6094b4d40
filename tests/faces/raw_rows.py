"""What the tests of formats read, and how a refused row looks."""

from typing import Any

from fer_ray.config import DataConfig
from tests.parquet_faces import noise

FACES = noise(3)
DATA = DataConfig()


def only_reason(rows: list[dict[str, Any]]) -> str:
    (row,) = rows
    assert (row["id"], row["label"], row["image"]) == (None, None, None)
    return str(row["reason"])
