"""fer_ray.cluster.inference: what a model says of faces, on a real cluster."""

from pathlib import Path

import keras
import numpy as np
import pytest
import ray

from fer_ray.cluster import inference
from fer_ray.cluster.stream import Faces
from fer_ray.faces import rows
from fer_ray.runs.predictions import Predictions

pytestmark = pytest.mark.usefixtures("ray_cluster")

RNG = np.random.default_rng(0)
COUNTS = (300, 1, 40)  # of three blocks: more than one forward pass, and fewer
FACES = RNG.integers(0, 256, (sum(COUNTS), 48, 48)).astype(np.uint8)
LABELS = RNG.integers(0, 7, len(FACES))
VOTES = [None if number % 3 else [number % 10] * 10 for number in range(len(FACES))]
KERNEL = RNG.normal(scale=1e-4, size=(48 * 48, 7)).astype(np.float32)  # tells left from right


def expected(faces: np.ndarray) -> np.ndarray:
    """What a model of ``KERNEL`` says of faces."""
    logits = faces.reshape(len(faces), -1).astype(np.float64) @ KERNEL
    powers = np.exp(logits)
    return powers / powers.sum(axis=1, keepdims=True)


def predicted(
    folder: Path, kernel: np.ndarray, activation: str = "softmax", *, flips: bool = False
) -> tuple[Predictions, ...]:
    """What a model of one dense layer says of all faces."""
    faces = keras.Input((48, 48, 1))
    layer = keras.layers.Dense(7, activation=activation, use_bias=False)
    model = keras.Model(faces, layer(keras.layers.Flatten()(faces)))
    layer.set_weights([kernel])
    model.save(folder / "model.keras")
    content = ray.put((folder / "model.keras").read_bytes())
    ends = np.cumsum(COUNTS)
    blocks = [
        ray.put(
            rows.face_table(
                FACES[end - count : end],
                LABELS[end - count : end],
                [f"{number}" for number in range(end - count, end)],
                votes=VOTES[end - count : end],
            )
        )
        for end, count in zip(ends, COUNTS, strict=True)
    ]
    return inference.predict(content, Faces(blocks, COUNTS), flips=flips)


def test_every_face_is_told_in_its_place(tmp_path: Path) -> None:
    (told,) = predicted(tmp_path, KERNEL)
    assert told.ids == rows.face_ids(FACES)
    np.testing.assert_array_equal(told.labels, LABELS)
    np.testing.assert_allclose(told.probabilities, expected(FACES), atol=1e-5)
    given = [[0] * 10 if one is None else one for one in VOTES]
    np.testing.assert_array_equal(told.votes, given)


def test_answers_do_not_depend_on_how_many_tasks_give_them(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (in_one,) = predicted(tmp_path, KERNEL)
    monkeypatch.setattr(inference, "FACES_A_TASK", 1)
    (in_three,) = predicted(tmp_path, KERNEL)
    assert in_three.ids == in_one.ids
    np.testing.assert_array_equal(in_three.probabilities, in_one.probabilities)


@pytest.mark.parametrize(
    ("blocks", "faces", "told"),
    [
        (2, 420, [[0, 1]]),  # of the drawn faces a run begins with
        (8, 3_589, [[0, 1], [2], [3], [4], [5], [6], [7]]),  # of FER2013
        (3, 100_000, [[0], [1], [2]]),
    ],
)
def test_a_task_has_faces_enough_to_be_worth_its_process(
    blocks: int, faces: int, told: list[list[int]]
) -> None:
    assert inference._shares(blocks, faces) == told


def test_flips_add_the_mean_of_a_face_and_its_mirror_image(tmp_path: Path) -> None:
    alone, mirrored = expected(FACES), expected(FACES[:, :, ::-1])
    assert np.abs(alone - mirrored).max() > 0.05
    plain, both = predicted(tmp_path, KERNEL, flips=True)
    np.testing.assert_allclose(plain.probabilities, alone, atol=1e-5)
    np.testing.assert_allclose(both.probabilities, (alone + mirrored) / 2, atol=1e-5)


@pytest.mark.parametrize(
    ("kernel", "activation", "told"),
    [(KERNEL * np.nan, "softmax", "finite"), (KERNEL, "sigmoid", "sum to 1")],
)
def test_what_are_no_probabilities_is_an_error(
    kernel: np.ndarray, activation: str, told: str, tmp_path: Path
) -> None:
    with pytest.raises(ArithmeticError, match=f"the model must give .*{told}"):
        predicted(tmp_path, kernel, activation)
