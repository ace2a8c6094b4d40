"""Faces that are nearly the same picture: recompressed, brightened, shifted, cropped or mirrored.

Two looks. From afar all pairs are correlated by matrix products: middle frequencies (a blur of 1.5
pixels less one of 6), 16 × 16 of them. What correlates by ``SEEN`` there is looked at closely: one
face is aligned with the other by an affine warp (ECC: Evangelidis and Psarakis 2008), and finer
frequencies (1 less 4 pixels) are correlated at 48 × 48. The face of the higher id is the one that
is moved, so that the same faces give the same pairs however they were cut into blocks.

At a correlation of 0.97 (``audit.near``'s default) both looks together found, of 1,500 copies each
of FER2013's faces (and of drawn ones), in percent (``python -m tests.faces.copies``): JPEG of
quality 50 100 (100), quality 25 99.9 (98.3); 30 grey levels brighter 99.9 (100); contrast × 1.3
99.3 (100), × 0.7 100 (100); gamma 0.7 100 (100), 1.5 99.9 (100); one pixel aside 100 (100), two 85
(65); resized to 32 pixels and back 100 (100); cut by one pixel all round 99.9 (100), by two 81
(95), by three 10 (19); turned by 4° 100 (100); noise of standard deviation 5 100 (100), 10 99.3
(93.2); mirrored 100 (100); equalised histogram 48 (54). Of the 17.6 million pairs of 4,200 drawn
faces, all different, as they are and mirrored, 1 was called near. Of the 473 million pairs of
FER2013's 30,767 distinct faces (Training and PublicTest) 3,499 were, and 45 with one of the two
mirrored; of the 36 least alike of the former and of the 37 pictures among the latter, looked at,
every pair was one picture.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Self

import cv2
import numpy as np
import pyarrow as pa
from scipy.sparse import coo_matrix
from scipy.sparse.csgraph import connected_components

from fer_ray.faces.rows import SIDE, images_of

SEEN = 0.8  # correlation from afar of pairs that are looked at closely
LEAST_CONTRAST = 3.0  # grey levels, standard deviation: below, a picture is blank

PAIRS = pa.schema(
    [
        ("a", pa.string()),
        ("b", pa.string()),
        ("mirrored", pa.bool_()),
        ("correlation", pa.float32()),
    ]
)
"""Near duplicates by id, ``a`` before ``b``; ``mirrored``: ``a`` is like ``b``'s mirror image."""

_AFAR = 16
_ROWS = 1_024  # of one side at a time: a product with 4,096 faces is 16 MB
_WHOLE = np.ones((SIDE, SIDE), np.uint8)
_ENOUGH = (cv2.TERM_CRITERIA_EPS | cv2.TERM_CRITERIA_COUNT, 30, 1e-4)


@dataclass(frozen=True)
class Prints:
    """Distinct faces that may be compared, in order of id."""

    ids: list[str]
    images: np.ndarray  # (n, 48, 48) uint8
    afar: np.ndarray  # (n, 256) float32, of mean 0 and norm 1

    @classmethod
    def of(cls, rows: pa.Table) -> Self:
        """Of faces in order of id: each but the blank ones once."""
        ids = rows["id"].to_pylist()
        images = images_of(rows["image"])
        new = np.array(
            [one != before for one, before in zip(ids, [None, *ids], strict=False)], bool
        )
        new &= images.std(axis=(1, 2), dtype=np.float32) >= LEAST_CONTRAST
        some = images[new]
        return cls([ids[row] for row in np.flatnonzero(new)], some, from_afar(some))


def from_afar(images: np.ndarray) -> np.ndarray:
    """``(n, 256)`` float32: ``(n, 48, 48)`` faces seen from afar, without their light and grain."""
    small = np.empty((len(images), _AFAR, _AFAR), np.float32)
    for number, face in enumerate(images):
        small[number] = cv2.resize(
            _band(face, 1.5, 6), (_AFAR, _AFAR), interpolation=cv2.INTER_AREA
        )
    flat = small.reshape(len(images), -1)
    flat -= flat.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(flat, axis=1, keepdims=True)
    # of a constant face nothing is left but rounding: it is like no other
    return np.asarray(np.divide(flat, norms, out=np.zeros_like(flat), where=norms > 1e-3))


def close_correlation(face: np.ndarray, other: np.ndarray) -> float:
    """How two ``(48, 48)`` uint8 faces correlate once ``other`` is aligned; -1 to 1."""
    warp = np.eye(2, 3, dtype=np.float32)
    fixed, moved = (_band(one, 1, 4) for one in (face, other))
    try:
        found, _ = cv2.findTransformECC(
            fixed, moved, warp, cv2.MOTION_AFFINE, _ENOUGH, inputMask=_WHOLE, gaussFiltSize=1
        )
    except cv2.error:  # it found no alignment
        return -1.0
    return float(found)


def near_pairs(left: Prints, right: Prints, near: float) -> pa.Table:
    """Table of ``PAIRS``: near duplicates between two blocks, or within one if they are the same.

    Args:
        left: of lower ids than ``right``, or the same object.
        right: the other block.
        near: least ``close_correlation``.
    """
    best: dict[tuple[int, int], tuple[float, bool]] = {}
    for mirrored in (False, True):
        for i, j in _alike(left, right, mirrored=mirrored):
            other = right.images[j]
            found = close_correlation(left.images[i], other[:, ::-1] if mirrored else other)
            if found >= near and (found, not mirrored) > best.get((i, j), (-1.0, False)):
                best[i, j] = found, not mirrored
    rows = [
        {"a": left.ids[i], "b": right.ids[j], "mirrored": not plain, "correlation": found}
        for (i, j), (found, plain) in sorted(best.items())
    ]
    return pa.Table.from_pylist(rows, schema=PAIRS)


def connected(count: int, pairs: np.ndarray) -> np.ndarray:
    """``(count,)``: the group of each of ``count`` things, which ``(n, 2)`` pairs tie together."""
    ones = np.ones(len(pairs), bool)
    ties = coo_matrix((ones, (pairs[:, 0], pairs[:, 1])), (count, count))
    _, group = connected_components(ties, directed=False)
    return np.asarray(group)


def _alike(left: Prints, right: Prints, *, mirrored: bool) -> Iterator[tuple[int, int]]:
    """Places of the pairs that look alike from afar, each pair once."""
    theirs = right.afar
    if mirrored:
        square = theirs.reshape(-1, _AFAR, _AFAR)
        theirs = np.ascontiguousarray(square[:, :, ::-1]).reshape(theirs.shape)
    for start in range(0, len(left.afar), _ROWS):
        product = left.afar[start : start + _ROWS] @ theirs.T
        for i, j in np.argwhere(product >= SEEN).tolist():
            if left is not right or start + i < j:
                yield start + i, j


def _band(face: np.ndarray, fine: float, coarse: float) -> np.ndarray:
    """The frequencies of a face between two blurs, ``(48, 48)`` float32."""
    grey = np.ascontiguousarray(face, np.float32)
    assert grey.shape == (SIDE, SIDE)
    border = cv2.BORDER_REFLECT
    inner = cv2.GaussianBlur(grey, (0, 0), fine, borderType=border)
    return np.asarray(inner - cv2.GaussianBlur(grey, (0, 0), coarse, borderType=border))
