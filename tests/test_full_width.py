"""What is carried to a GPU, and trained on there, is what a run of the job is made of."""

from itertools import pairwise
from pathlib import Path

import numpy as np
import pyarrow.parquet as pq
import pytest

from fer_ray.cluster.stream import Faces, Plan, faces_at
from fer_ray.config import TrainConfig
from fer_ray.faces import demo
from fer_ray.faces.rows import FACE_BYTES, face_table, images_of
from tests.full_width import batches, packing

CONFIG = TrainConfig.model_validate(
    {
        "data": {"uri": "demo:"},
        "balance": {"target": "none"},
        "augment": {"rotation": 10.0, "horizontal_flip": True, "erasing": 0.5, "mixup": 0.2},
        "training": {"epochs": 2, "batch_size": 16},
        "seed": 3,
    }
)


class Here(Faces):
    """Faces in this process's memory."""

    def take(self, numbers: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        images, labels = demo.draw(0, self.count, 0)
        return images[numbers], labels[numbers]


@pytest.mark.parametrize("mixup", [0.0, 0.2])
def test_batches_are_those_of_the_stream(mixup: float) -> None:
    augment = CONFIG.augment.model_copy(update={"mixup": mixup})
    config = CONFIG.model_copy(update={"augment": augment})
    drawn = batches.Drawn(*demo.draw(0, 100, 0), config)
    plan = Plan(16, window=512 * 2**20 // FACE_BYTES, seed=3, augment=augment)
    images, targets = batches.steps(drawn, 3, 9)
    expected = faces_at(Here([], [100]), plan, np.arange(3 * 16, 9 * 16))
    np.testing.assert_array_equal(images.reshape(-1, 48, 48), expected[0])
    np.testing.assert_array_equal(targets.reshape(-1, 7), expected[1])


def test_epochs_come_whole_and_in_order() -> None:
    drawn = batches.Drawn(*demo.draw(0, 100, 0), CONFIG)
    edges = [0, 20, 33, 50, 51]
    with batches.making(drawn, 2) as epochs:
        made = list(epochs(edges))
    for (first, stop), (images, targets) in zip(pairwise(edges), made, strict=True):
        expected = batches.steps(drawn, first, stop)
        np.testing.assert_array_equal(images, expected[0])
        np.testing.assert_array_equal(targets, expected[1])


def test_packed_datasets_come_back_as_they_were(tmp_path: Path) -> None:
    images, labels = demo.draw(0, 90, 0)
    sources = [f"drawn:{number}" for number in range(90)]
    whole = face_table(images, labels, sources)
    cuts = {"one": [(0, 60), (60, 75), (75, 90)], "two": [(30, 80), (0, 20), (5, 30)]}
    for name, sides in cuts.items():
        for side, (first, stop) in zip(packing.SIDES, sides, strict=True):
            (tmp_path / name / side).mkdir(parents=True)
            pq.write_table(whole[first:stop], tmp_path / name / side / "part-0.parquet")
    packing.pack({name: tmp_path / name for name in cuts}, tmp_path / "pack")
    for name, sides in cuts.items():
        back = packing.unpack(tmp_path / "pack", name)
        for side, (first, stop) in zip(packing.SIDES, sides, strict=True):
            expected = whole[first:stop]
            for column in ("id", "source", "label", "origin"):
                assert back[side][column].to_pylist() == expected[column].to_pylist()
            np.testing.assert_array_equal(
                images_of(back[side]["image"]), images_of(expected["image"])
            )
