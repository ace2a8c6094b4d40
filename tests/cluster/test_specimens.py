"""fer_ray.cluster.specimens: faces beside what was made of them, on a real cluster."""

import base64
from typing import Any

import cv2
import numpy as np
import pytest
import ray

from fer_ray.cluster import specimens
from fer_ray.cluster.stream import Faces, Plan
from fer_ray.config import AugmentConfig
from fer_ray.faces import demo
from fer_ray.faces.balance import ClassPlan
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.resampling import resized
from fer_ray.faces.rows import face_table

pytestmark = pytest.mark.usefixtures("ray_cluster")

TURNED = AugmentConfig(rotation=30, vertical_flip=True)


def plan(**augment: Any) -> Plan:
    return Plan(batch_size=10, window=10_000, seed=0, augment=AugmentConfig(**augment))


def shown(src: str) -> np.ndarray:
    """The face in the source of an image."""
    content = np.frombuffer(base64.b64decode(src.partition(",")[2]), np.uint8)
    face = cv2.imdecode(content, cv2.IMREAD_UNCHANGED)
    assert face is not None
    return face.astype(int)


@pytest.fixture(scope="module")
def grown() -> Faces:
    """Three classes: fear grown by the generator and SMOTE, anger by SMOTE, the third left."""
    images, labels = demo.draw(0, 400, seed=0)
    blocks = []
    for label, generated, after in ((0, None, 80), (2, 70, 90), (3, None, None)):
        own = images[labels == label]
        count = len(own)
        sizes = ClassPlan(before=count, generated=generated or count, after=after or count)
        rows = face_table(own, [label] * count, [f"{label}:{n}" for n in range(count)])
        blocks.append(resized(rows, {label: sizes}, 3, TURNED, 0))
    return Faces([ray.put(block) for block in blocks], [len(block) for block in blocks])


def test_what_smote_made_lies_between_the_parents_beside_it(grown: Faces) -> None:
    (sheet,) = [one for one in specimens.sheets_of(grown, plan()) if "SMOTE" in one["title"]]
    assert {row["label"] for row in sheet["rows"]} == {"anger", "fear"}
    assert [row["label"] for row in sheet["rows"][:2]] == ["anger", "fear"]
    for row in sheet["rows"]:
        one, other, made = map(shown, row["faces"])
        low, high = np.minimum(one, other), np.maximum(one, other)
        assert ((made >= low - 1) & (made <= high + 1)).all()


def test_a_generated_face_stands_beside_the_one_that_it_was_made_from(grown: Faces) -> None:
    (sheet,) = [one for one in specimens.sheets_of(grown, plan()) if "generator" in one["title"]]
    assert {row["label"] for row in sheet["rows"]} == {"fear"}
    for row in sheet["rows"]:
        mother, made = map(shown, row["faces"])
        assert (mother != made).any()
        assert np.abs(np.sort(mother.ravel()) - np.sort(made.ravel())).mean() < 12


def test_a_face_is_shown_as_training_changes_faces(grown: Faces) -> None:
    sheets = specimens.sheets_of(grown, plan(horizontal_flip=True))
    (sheet,) = [one for one in sheets if "augmentation" in one["title"]]
    assert len(sheet["rows"]) == specimens.SHOWN
    assert sheet["columns"] == ["original", *["augmented"] * specimens.TIMES]
    turned = 0
    for row in sheet["rows"]:
        assert row["label"] in EMOTIONS
        original, *changed = map(shown, row["faces"])
        for one in changed:
            mirrored = (one == original[:, ::-1]).all()
            assert mirrored or (one == original).all()
            turned += mirrored
    assert 4 <= turned <= 20
    assert any(len(set(row["faces"][1:])) == 2 for row in sheet["rows"])  # each drawn by itself
    assert specimens.sheets_of(grown, plan(horizontal_flip=True)) == sheets


@pytest.mark.parametrize("augment", [{}, {"on_the_fly": False, "rotation": 10}, {"mixup": 0.2}])
def test_of_what_is_trained_on_as_it_is_there_is_no_sheet(augment: dict[str, Any]) -> None:
    images, labels = demo.draw(0, 20, seed=0)
    rows = face_table(images, labels, [str(n) for n in range(20)])
    faces = Faces([ray.put(rows)], [20])
    assert specimens.sheets_of(faces, plan(**augment)) == []


def test_a_made_face_whose_parents_are_elsewhere_is_not_shown() -> None:
    images, _ = demo.draw(0, 4, seed=0)
    made = face_table(images, [0] * 4, list("abcd"), "smote", [["x", "y"]] * 4)
    assert specimens.sheets_of(Faces([ray.put(made)], [4]), plan()) == []


@pytest.mark.parametrize("parents", [["real", "elsewhere"], ["real"], ["real"] * 3])
def test_a_blend_is_shown_beside_two_parents_or_not_at_all(parents: list[str]) -> None:
    images, _ = demo.draw(0, 2, seed=0)
    real = face_table(images[:1], [0], ["real"])
    mother = real["id"][0].as_py()
    named = [mother if one == "real" else one for one in parents]
    made = face_table(images[1:], [0], ["made"], "smote", [named])
    blocks = [ray.put(real), ray.put(made)]
    assert specimens.sheets_of(Faces(blocks, [1, 1]), plan()) == []
    both = face_table(images[1:], [0], ["made"], "smote", [[mother, mother]])
    (sheet,) = specimens.sheets_of(Faces([ray.put(real), ray.put(both)], [1, 1]), plan())
    assert len(sheet["rows"]) == 1
