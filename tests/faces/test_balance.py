"""fer_ray.faces.balance: sizes, and what SMOTE and the generator may and may not make."""

import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from imblearn.over_sampling import SMOTE
from sklearn.utils.class_weight import compute_class_weight

from fer_ray.config import AugmentConfig, BalanceConfig
from fer_ray.faces import balance, smote, split
from fer_ray.faces.rows import FACE_BYTES

COUNTS = {0: 10, 1: 90, 2: 30}


def faces(count: int, seed: int = 0) -> np.ndarray:
    """``(count, 6, 6)`` uint8 noise: small stand-ins for 48 by 48 faces."""
    return np.random.default_rng(seed).integers(256, size=(count, 6, 6), dtype=np.uint8)


@pytest.mark.parametrize(
    ("target", "size"), [("none", None), ("median", 30), ("largest", 90), (50, 50)]
)
def test_target_is_a_number_or_a_class_of_the_data(
    target: balance.Target, size: int | None
) -> None:
    assert balance.target_size(COUNTS, target) == size


def test_the_generator_comes_first_then_one_size_for_all() -> None:
    balancing = BalanceConfig(generator_below=20, generator_target=25, target="median")
    plans = balance.plan(COUNTS, balancing)
    assert plans == {
        0: balance.ClassPlan(10, 25, 30),
        1: balance.ClassPlan(90, 90, 30),
        2: balance.ClassPlan(30, 30, 30),
    }
    assert [plans[label].grows for label in range(3)] == [True, False, False]


def test_neighbors_not_below_a_class_that_grows_are_refused() -> None:
    balancing = BalanceConfig(target="largest", neighbors=10)
    with pytest.raises(
        ValueError, match=r"balance.neighbors must be less than the 10 faces of anger, .* got 10"
    ):
        balance.plan(COUNTS, balancing)
    assert balance.plan(COUNTS, balancing.model_copy(update={"target": 10}))


@pytest.mark.parametrize(
    ("generator_below", "target", "grown"),
    [(0, 12, 12), (20, 12, 20), (20, 25, 25), (0, "largest", 90)],
)
def test_a_class_is_refused_if_it_grows_to_more_than_one_task_may_hold(
    generator_below: int, target: balance.Target, grown: int
) -> None:
    balancing = BalanceConfig(
        target=target, generator_below=generator_below, generator_target=20, neighbors=2
    )
    most = grown * FACE_BYTES
    assert balance.plan(COUNTS, balancing.model_copy(update={"max_class_bytes": most}))
    with pytest.raises(
        ValueError,
        match=f"balance.max_class_bytes must be at least the {most} bytes that anger has to grow to"
        f", got {most - 1}$",
    ):
        balance.plan(COUNTS, balancing.model_copy(update={"max_class_bytes": most - 1}))


def test_weights_of_a_class_without_faces_are_refused() -> None:
    counts = {**COUNTS, 3: 0}
    assert balance.plan(counts, BalanceConfig())
    with pytest.raises(
        ValueError,
        match=r"^balance.class_weights must be false where a class has no faces, got true and no"
        " happiness$",
    ):
        balance.plan(counts, BalanceConfig(class_weights=True))


def test_a_class_that_only_shrinks_may_be_of_any_size() -> None:
    assert balance.plan(COUNTS, BalanceConfig(target=10, max_class_bytes=1))


@given(seed=st.integers(0, 999), neighbors=st.integers(1, 7))
@settings(max_examples=25)
def test_each_face_made_by_smote_lies_between_its_parents_who_are_neighbours(
    seed: int, neighbors: int
) -> None:
    originals = faces(8, seed).astype(np.float64)
    made, parents = smote.smote(faces(8, seed), 5, neighbors, seed)
    for face, (a, b) in zip(made.astype(np.float64), parents, strict=True):
        line = originals[b] - originals[a]
        step = np.vdot(face - originals[a], line) / np.vdot(line, line)
        assert np.abs(face - originals[a] - np.clip(step, 0, 1) * line).max() < 1  # whole greys
        near = np.linalg.norm(originals[:, None] - originals[[a, b]][None], axis=(2, 3)).argsort(0)
        assert b in near[: neighbors + 1, 0] or a in near[: neighbors + 1, 1]


@given(seed=st.integers(0, 999), count=st.integers(2, 30))
@settings(max_examples=25)
def test_smote_agrees_with_imbalanced_learn_on_the_pixels(seed: int, count: int) -> None:
    flat = np.concatenate([faces(9, seed).reshape(9, -1), np.zeros((1, 36))]).astype(np.float32)
    direct, _ = SMOTE(
        sampling_strategy={0: 9 + count}, k_neighbors=4, random_state=seed
    ).fit_resample(flat, [0] * 9 + [1])
    made, _ = smote.smote(faces(9, seed), count, 4, seed)
    difference = np.abs(direct[10:] - made.reshape(count, -1))
    assert difference.max() <= 0.5 + 1e-4  # rounded, not truncated


def test_smote_makes_any_number_of_faces_in_little_more_memory_than_theirs() -> None:
    few = np.random.default_rng(0).integers(256, size=(9, 48, 48), dtype=np.uint8)
    count = 20_001
    flat = np.concatenate([few.reshape(9, -1), np.zeros((1, FACE_BYTES))]).astype(np.float32)
    over = SMOTE(sampling_strategy={0: 9 + 1_300}, k_neighbors=4, random_state=3)
    direct = over.fit_resample(flat, [0] * 9 + [1])[0][10:].reshape(-1, 48, 48)
    assert np.abs(direct - smote.smote(few, 1_300, 4, 3)[0]).max() <= 0.5 + 1e-4
    tracemalloc.start()
    made, _ = smote.smote(few, count, 4, 3)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert len(made) == count
    assert peak < 2 * made.nbytes


def test_a_face_drawn_towards_its_duplicate_is_that_face() -> None:
    twins = np.repeat(faces(1), 3, axis=0)
    made, parents = smote.smote(twins, 20, 2, seed=0)
    np.testing.assert_array_equal(made, np.repeat(faces(1), 20, axis=0))
    assert (parents[:, 0] < parents[:, 1]).all()


@given(seed=st.integers(0, 999), count=st.integers(4, 700), greys=st.sampled_from([2, 256]))
@settings(max_examples=20)
def test_nearest_faces_are_those_of_exact_arithmetic(seed: int, count: int, greys: int) -> None:
    rng = np.random.default_rng(seed)
    whole = rng.integers(greys, size=(count, 9)) * (255 // (greys - 1))  # of two: many are equal
    whole = np.tile(whole - 128, (1, 100))
    expected = []
    for place, face in enumerate(whole):
        distances = np.square(whole - face).sum(1)
        distances[place] = -1
        expected.append(np.argsort(distances, kind="stable")[:4])
    found = smote.nearest_faces(whole.astype(np.float32), 3)
    assert found.tolist() == np.array(expected).tolist()


def test_classes_draw_from_streams_of_their_own() -> None:
    assert len({balance.class_seed(seed, label) for seed in range(9) for label in range(7)}) == 63


@given(count=st.integers(1, 30), seed=st.integers(0, 99))
def test_the_generator_gives_every_face_its_turn(count: int, seed: int) -> None:
    images = np.random.default_rng(seed).integers(256, size=(7, 48, 48), dtype=np.uint8)
    made, parents = balance.grow_with_generator(images, count, AugmentConfig(), seed)
    np.testing.assert_array_equal(made, images[parents])  # transforms that change nothing
    turns = np.bincount(parents, minlength=7)
    assert turns.max() - turns.min() <= 1


def test_the_generator_changes_faces_by_its_settings() -> None:
    images = np.random.default_rng(0).integers(256, size=(7, 48, 48), dtype=np.uint8)
    made, parents = balance.grow_with_generator(images, 9, AugmentConfig(rotation=30), seed=0)
    assert (made != images[parents]).any(axis=(1, 2)).all()


@given(seed=st.integers(0, 2**31 - 1))
def test_ranks_belong_to_faces_not_to_their_order(seed: int) -> None:
    ids, sources = ["a", "b", "a"], ["x", "y", "z"]
    ranks = balance.hash_ranks(ids, sources, seed)
    assert ranks[::-1].tolist() == balance.hash_ranks(ids[::-1], sources[::-1], seed).tolist()
    assert len(set(ranks.tolist())) == 3


def test_the_lowest_ranks_are_spread_over_the_sides() -> None:
    ids = [f"{number:x}" for number in range(4_000)]
    sources = [f"face:{number}" for number in range(4_000)]
    lowest = np.argsort(balance.hash_ranks(ids, sources, seed=0))[:1_000]
    keys = [f"{ids[place]} {sources[place]}" for place in lowest]  # as the paper protocol has them
    sides = split.hashed_sides(keys, (0.8, 0.1, 0.1), seed=0)
    assert np.mean(sides == "train") == pytest.approx(0.8, abs=0.05)


def test_class_weights_are_scikit_learns() -> None:
    labels = np.repeat(list(COUNTS), list(COUNTS.values()))
    expected = compute_class_weight("balanced", classes=np.array([0, 1, 2]), y=labels)
    assert list(balance.class_weights(COUNTS).values()) == pytest.approx(expected)
