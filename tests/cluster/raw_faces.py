"""Faces as they come, some of them twice, the settings that prepare them, and what was written."""

from pathlib import Path

import numpy as np
import pandas as pd

from fer_ray.config import DataConfig, PrepareConfig, SplitConfig, StorageConfig
from tests.parquet_faces import noise, write_faces

COUNT = 420
LABELS = [number % 7 for number in range(COUNT)]
USAGES = ["Training"] * 300 + ["PublicTest"] * 60 + ["PrivateTest"] * 60


def with_duplicates() -> np.ndarray:
    """Noise with faces that stand twice: 0 on every side, 1 in training, 2 with two labels."""
    images = noise(COUNT)
    images[[7, 301, 361]] = images[0]  # 0, 7, 301, 361: Training, PublicTest, PrivateTest
    images[8] = images[1]
    images[4] = images[2]
    return images


def config(
    source: str, storage: Path, protocol: str = "official", **split: object
) -> PrepareConfig:
    return PrepareConfig(
        data=DataConfig(uri=source),
        split=SplitConfig.model_validate({"protocol": protocol, **split}),
        storage=StorageConfig(uri=str(storage)),
    )


def read(uri: str, side: str) -> pd.DataFrame:
    """A side as someone without this package reads it."""
    return pd.concat(map(pd.read_parquet, sorted(Path(uri).glob(f"{side}/*.parquet"))))


def write_source(folder: Path) -> str:
    """The URI of all of them, as a Parquet file in ``folder``."""
    return write_faces(folder / "faces.parquet", with_duplicates(), LABELS, USAGES)
