"""fer_ray.faces.near: copies that are not byte for byte are found, and different faces are not."""

from collections.abc import Callable

import cv2
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.faces import demo, near
from fer_ray.faces.near import Prints
from fer_ray.faces.rows import face_table

NEAR = 0.97
COUNT = 60

FACES, _ = demo.draw(0, COUNT, seed=0)


def recompressed(face: np.ndarray) -> np.ndarray:
    written, content = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, 50])
    assert written
    return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))


def moved(face: np.ndarray, warp: np.ndarray) -> np.ndarray:
    matrix = np.asarray(warp, np.float32)
    return np.asarray(cv2.warpAffine(face, matrix, (48, 48), borderMode=cv2.BORDER_REPLICATE))


COPIES: dict[str, Callable[[np.ndarray], np.ndarray]] = {
    "recompressed": recompressed,
    "brighter": lambda face: np.clip(face.astype(int) + 30, 0, 255).astype(np.uint8),
    "of less contrast": lambda face: (0.7 * face + 40).astype(np.uint8),
    "shifted by a pixel": lambda face: moved(face, np.array([[1, 0, 1], [0, 1, 0]])),
    "turned": lambda face: moved(face, cv2.getRotationMatrix2D((23.5, 23.5), 3, 1)),
    "cut by a pixel": lambda face: np.asarray(cv2.resize(face[1:47, 1:47], (48, 48))),
    "resized": lambda face: np.asarray(
        cv2.resize(cv2.resize(face, (36, 36), interpolation=cv2.INTER_AREA), (48, 48))
    ),
    "mirrored": lambda face: face[:, ::-1].copy(),
}


def prints(images: np.ndarray) -> Prints:
    """Of faces in order of id."""
    rows = face_table(images, [0] * len(images), [f"{n:05d}" for n in range(len(images))])
    return Prints.of(rows.sort_by("id"))


def numbered(images: np.ndarray, first: int) -> Prints:
    """Of faces whose ids are their numbers."""
    ids = [f"{first + n:05d}" for n in range(len(images))]
    return Prints(ids, images, near.from_afar(images))


@pytest.mark.parametrize("change", COPIES)
def test_a_copy_is_found_however_it_was_made(change: str) -> None:
    copies = np.stack([COPIES[change](face) for face in FACES])
    found = near.near_pairs(numbered(FACES, 0), numbered(copies, COUNT), NEAR)
    assert set(zip(found["a"].to_pylist(), found["b"].to_pylist(), strict=True)) == {
        (f"{n:05d}", f"{COUNT + n:05d}") for n in range(COUNT)
    }
    assert set(found["mirrored"].to_pylist()) == {change == "mirrored"}
    assert min(found["correlation"].to_pylist()) >= NEAR


def test_different_faces_are_no_near_duplicates() -> None:
    images, _ = demo.draw(5_000, 600, seed=0)
    some = prints(images)
    assert len(some.ids) == 600
    assert len(near.near_pairs(some, some, NEAR)) == 0


def test_the_same_pairs_are_found_however_the_faces_are_cut() -> None:
    both = np.concatenate([FACES[:20], np.stack([recompressed(face) for face in FACES[:20]])])
    whole = numbered(both, 0)
    parts = [numbered(both[:13], 0), numbered(both[13:], 13)]
    at_once = near.near_pairs(whole, whole, NEAR).to_pylist()
    in_parts = [
        row
        for ours, theirs in ((0, 0), (0, 1), (1, 1))
        for row in near.near_pairs(parts[ours], parts[theirs], NEAR).to_pylist()
    ]
    assert sorted(in_parts, key=lambda row: (row["a"], row["b"])) == at_once
    assert len(at_once) == 20


def test_equal_faces_are_compared_once_and_blank_ones_never() -> None:
    blank = np.full((2, 48, 48), 128, np.uint8)
    blank[1, 20, 20] = 160
    some = prints(np.concatenate([FACES[:3], FACES[:2], blank]))
    assert len(some.ids) == 3
    assert sorted(some.ids) == some.ids


def test_a_constant_face_is_like_nothing_from_afar() -> None:
    afar = near.from_afar(np.stack([np.full((48, 48), 77, np.uint8), FACES[0]]))
    assert np.isfinite(afar).all()
    np.testing.assert_allclose(np.linalg.norm(afar, axis=1), [0, 1], atol=1e-5)


def test_what_cannot_be_aligned_does_not_correlate() -> None:
    assert near.close_correlation(FACES[0], np.zeros((48, 48), np.uint8)) == -1
    assert near.close_correlation(FACES[0], FACES[0]) == pytest.approx(1, abs=1e-4)


@given(
    st.integers(1, 20).flatmap(
        lambda count: st.tuples(
            st.just(count),
            st.lists(st.tuples(st.integers(0, count - 1), st.integers(0, count - 1))),
        )
    )
)
def test_things_are_in_one_group_if_and_only_if_pairs_lead_from_one_to_the_other(
    drawn: tuple[int, list[tuple[int, int]]],
) -> None:
    count, pairs = drawn
    group = near.connected(count, np.array(pairs, np.int64).reshape(-1, 2))
    merged = _merged(count, pairs)
    by_group = [{n for n in range(count) if group[n] == one} for one in set(group.tolist())]
    assert sorted(map(sorted, by_group)) == sorted(map(sorted, merged))


def _merged(count: int, pairs: list[tuple[int, int]]) -> list[set[int]]:
    groups = [{n} for n in range(count)]
    for a, b in pairs:
        ours = next(one for one in groups if a in one)
        theirs = next(one for one in groups if b in one)
        if ours is not theirs:
            groups.remove(theirs)
            ours |= theirs
    return groups
