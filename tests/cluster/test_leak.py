"""What the published protocol is worth: on faces that have nothing to learn, it learns them."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest
import ray
from sklearn.neighbors import KNeighborsClassifier

from fer_ray.cluster import balancing, dataset, prepared
from fer_ray.config import TrainConfig
from fer_ray.faces.rows import images_of
from tests.parquet_faces import noise, write_faces

pytestmark = pytest.mark.usefixtures("ray_cluster")

COPIES = 3
CHANCE = 1 / 7


@pytest.fixture
def faces(tmp_path: Path) -> str:
    """Noise under labels drawn by lot, each face several times: who names it rightly knew it."""
    images = noise(700)
    labels = np.random.default_rng(0).permutation(np.arange(700) % 7)
    repeated = np.repeat(images, COPIES, axis=0)
    return write_faces(tmp_path / "noise.parquet", repeated, np.repeat(labels, COPIES).tolist())


def figure(uri: str, storage: Path, **sections: dict[str, Any]) -> tuple[float, bool]:
    """Test accuracy of the nearest training face's label, as a run of these settings sees faces."""
    given = {"data": {"uri": uri}, "storage": {"uri": str(storage)}, **sections}
    config = TrainConfig.model_validate(given)
    data = dataset.prepare(config)
    made = balancing.training_blocks(data, config.balance, config.augment, config.seed).faces
    (train, trained), (test, tested) = (
        tuple(map(np.concatenate, zip(*(arrays(block) for block in some.blocks), strict=True)))
        for some in (made, prepared.side_blocks(data, "test"))
    )
    nearest = KNeighborsClassifier(1).fit(train, trained)
    return float(nearest.score(test, tested)), data.leaky


def arrays(block: Any) -> tuple[np.ndarray, np.ndarray]:
    table = ray.get(block)
    images = images_of(table["image"])
    return images.reshape(len(images), -1).astype(np.float32), table["label"].to_numpy()


def test_the_papers_protocol_makes_a_figure_out_of_nothing(faces: str, tmp_path: Path) -> None:
    balance = {"target": 350, "neighbors": 3}
    honest, leaky = figure(faces, tmp_path / "honest", balance=balance)
    assert not leaky
    assert abs(honest - CHANCE) < 0.15  # of some 70 test faces: three standard deviations
    published, leaky = figure(
        faces,
        tmp_path / "paper",
        balance=balance,
        split={"protocol": "paper", "deduplicate": False},
    )
    assert leaky
    assert published > 0.9
