"""fer_ray.faces.demo and sketch: drawn faces that are learnable, uneven, and their numbers' own."""

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.linear_model import RidgeClassifier
from sklearn.neighbors import KNeighborsClassifier

from fer_ray.faces.demo import draw, labels_of, usage_of
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import face_ids

SHARES = np.array([4953, 547, 5121, 8989, 6077, 4002, 6198]) / 35_887


def test_faces_are_faces() -> None:
    images, labels = draw(5, 300, seed=1)
    assert (images.shape, images.dtype) == ((300, 48, 48), np.uint8)
    assert (labels.shape, labels.dtype) == ((300,), np.int8)
    assert images.min(axis=(1, 2)).max() < 160  # lines dark enough to see
    assert images.std(axis=(1, 2)).min() > 5


@given(
    start=st.integers(0, 10**6),
    before=st.integers(0, 40),
    count=st.integers(0, 20),
    after=st.integers(0, 4),
    seed=st.integers(0, 2**31 - 1),
)
@settings(deadline=None, max_examples=30)
def test_any_slice_agrees_with_the_whole(
    start: int, before: int, count: int, after: int, seed: int
) -> None:
    whole, labels = draw(start, before + count + after, seed)
    part, part_labels = draw(start + before, count, seed)
    np.testing.assert_array_equal(part, whole[before : before + count])
    np.testing.assert_array_equal(part_labels, labels[before : before + count])


def test_faces_and_seeds_differ() -> None:
    ids = face_ids(np.concatenate([draw(0, 500, seed)[0] for seed in (0, 1)]))
    assert len(set(ids)) == 1_000
    assert (labels_of(np.arange(500), 0) != labels_of(np.arange(500), 1)).any()


@pytest.mark.parametrize("seed", [0, 1, 2**31 - 1])
def test_any_row_of_350_has_the_imbalance_of_fer2013(seed: int) -> None:
    labels = labels_of(np.arange(20_000), seed)
    for start in range(0, 19_650, 35):
        counts = np.bincount(labels[start : start + 350], minlength=len(EMOTIONS))
        assert np.abs(counts - 350 * SHARES).max() < 4
        assert counts[EMOTIONS.index("disgust")] in (4, 5, 6, 7)


def test_labels_are_spread_however_far_the_row_goes() -> None:
    far = labels_of(np.arange(2**62, 2**62 + 35_887), seed=0)
    assert np.abs(np.bincount(far) - 35_887 * SHARES).max() < 4


class TestUsage:
    def test_four_fifths_train_and_a_tenth_each_is_for_the_tests(self) -> None:
        names, counts = np.unique(usage_of(np.arange(20_000), seed=0), return_counts=True)
        shares = dict(zip(names.tolist(), counts / 20_000, strict=True))
        assert shares == pytest.approx(
            {"Training": 0.8, "PublicTest": 0.1, "PrivateTest": 0.1}, abs=0.01
        )

    @given(numbers=st.lists(st.integers(0, 2**62), max_size=8), seed=st.integers(0, 99))
    def test_it_follows_from_number_and_seed(self, numbers: list[int], seed: int) -> None:
        asked = np.array(numbers, np.int64)
        alone = [usage_of(np.array([number]), seed)[0] for number in numbers]
        assert usage_of(asked, seed).tolist() == alone

    def test_seeds_move_faces(self) -> None:
        asked = np.arange(1_000)
        assert 0.2 < (usage_of(asked, 0) != usage_of(asked, 1)).mean() < 0.5

    def test_it_says_nothing_of_the_label(self) -> None:
        numbers = np.arange(50_000)
        trains = usage_of(numbers, 0) == "Training"
        by_label = [trains[labels_of(numbers, 0) == label].mean() for label in range(7)]
        np.testing.assert_allclose(by_label, 0.8, atol=0.04)


def test_emotions_can_be_told_but_not_by_single_pixels() -> None:
    images, labels = draw(0, 2_400, seed=0)
    flat = images.reshape(len(images), -1) / 128 - 1
    linear = RidgeClassifier(alpha=100)
    nearest = KNeighborsClassifier(1)
    scores = {}
    for name, model in {"linear": linear, "nearest": nearest}.items():
        scores[name] = (
            model.fit(flat[:2_000], labels[:2_000]).predict(flat[2_000:]) == labels[2_000:]
        ).mean()
    assert 0.5 < scores["linear"] < 0.85
    assert 0.25 < scores["nearest"] < 0.6  # always saying happiness gets 0.25
