"""fer_ray.faces.split: sides that stay, and the duplicate rule."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.faces import split

KEYS = st.lists(st.text("0123456789abcdef", min_size=8, max_size=8), max_size=30)
GROUPED = st.lists(
    st.tuples(st.sampled_from("abcde"), st.integers(0, 2), st.sampled_from(split.SIDES)),
    max_size=40,
)


def columns(rows: list[tuple[str, int, str]]) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Ids, labels and sides of rows, equal ids together."""
    rows = sorted(rows, key=lambda row: row[0])
    return (
        np.array([row[0] for row in rows], dtype="<U1"),
        np.array([row[1] for row in rows], dtype=np.int8),
        np.array([row[2] for row in rows], dtype="<U10"),
    )


@given(keys=KEYS, more=KEYS, seed=st.integers(0, 2**32 - 1))
def test_a_face_keeps_its_side_when_more_faces_arrive(
    keys: list[str], more: list[str], seed: int
) -> None:
    alone = split.hashed_sides(keys, (0.6, 0.2, 0.2), seed)
    among = split.hashed_sides(more + keys, (0.6, 0.2, 0.2), seed)[len(more) :]
    assert alone.tolist() == among.tolist()


def test_sides_have_about_their_fractions() -> None:
    sides = split.hashed_sides([f"{i:x}" for i in range(20_000)], (0.8, 0.15, 0.05), seed=3)
    shares = [np.mean(sides == side) for side in split.SIDES]
    assert shares == pytest.approx([0.8, 0.15, 0.05], abs=0.01)


def test_another_seed_moves_faces() -> None:
    keys = [f"{i:x}" for i in range(100)]
    one, other = (split.hash_points(keys, seed) for seed in (0, 1))
    assert (one != other).all()
    assert (one >= 0).all()
    assert (one < 1).all()


def test_official_takes_public_test_to_validate_where_there_is_a_private_test() -> None:
    roles = split.official_roles({"Training", "PublicTest", "PrivateTest"})
    assert roles == {"Training": "train", "PublicTest": "validation", "PrivateTest": "test"}
    sides = split.official_sides(["a", "b", "c"], list(roles), roles, 0.99, seed=0)
    assert sides.tolist() == ["train", "validation", "test"]


@pytest.mark.parametrize("exam", ["PublicTest", "PrivateTest"])
def test_official_takes_a_share_of_training_to_validate_where_there_is_one_test_side(
    exam: str,
) -> None:
    roles = split.official_roles({"Training", exam})
    ids = [f"{i:x}" for i in range(4_000)]
    sides = split.official_sides(ids, ["Training"] * 3_000 + [exam] * 1_000, roles, 0.1, seed=0)
    assert set(sides[3_000:]) == {"test"}
    assert np.mean(sides[:3_000] == "validation") == pytest.approx(0.1, abs=0.02)
    assert (sides[:3_000] == "validation").tolist() == (
        split.hash_points(ids[:3_000], 0) < 0.1
    ).tolist()


@pytest.mark.parametrize(
    ("present", "message"),
    [
        ({""}, r"split.protocol must be .* for faces without a Usage"),
        ({"Training", ""}, r"split.protocol must be .* for faces without a Usage"),
        ({"Training"}, r"split.protocol must be .* got 'official' for Training only"),
    ],
)
def test_official_without_usages_is_refused(present: set[str], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        split.official_roles(present)


@given(rows=GROUPED)
def test_the_duplicate_rule_keeps_one_face_on_the_strongest_side_and_the_test_side_whole(
    rows: list[tuple[str, int, str]],
) -> None:
    ids, labels, sides = columns(rows)
    fates = split.fates(ids, labels, sides)
    for face in set(ids):
        ours = ids == face
        strongest = max(set(sides[ours]), key=split.SIDES.index)
        kept = ours & (fates == "")
        if strongest == "test":
            assert kept.tolist() == (ours & (sides == "test")).tolist()
        elif len(set(labels[ours])) > 1:
            assert set(fates[ours]) == {"contradicting"}
        else:
            assert np.flatnonzero(kept).tolist() == [np.flatnonzero(ours & (sides == strongest))[0]]


@given(rows=GROUPED)
def test_duplicates_are_counted_as_by_hand(rows: list[tuple[str, int, str]]) -> None:
    ids, labels, sides = columns(rows)
    groups = [(labels[ids == face], sides[ids == face]) for face in set(ids)]
    several = [len(labels) for labels, _ in groups if len(labels) > 1]
    assert split.duplicate_counts(ids, labels, sides) == {
        "groups": len(several),
        "faces": sum(several),
        "contradicting_groups": sum(len(set(labels)) > 1 for labels, _ in groups),
        "test_also_in_train": sum(
            int((sides == "test").sum()) for _, sides in groups if "train" in sides
        ),
        "test_also_in_validation": sum(
            int((sides == "test").sum()) for _, sides in groups if "validation" in sides
        ),
    }


def test_each_dropped_face_says_why() -> None:
    ids = np.array(list("aabbccc"))
    labels = np.array([0, 0, 1, 2, 3, 3, 3])
    sides = np.array(["train", "train", "train", "train", "train", "validation", "test"])
    assert split.fates(ids, labels, sides).tolist() == [
        "",
        "repeated",
        "contradicting",
        "contradicting",
        "stronger_side",
        "stronger_side",
        "",
    ]
