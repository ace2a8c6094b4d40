"""SMOTE over one whole class, and the neighbours that it draws towards.

A room of its own, since imbalanced-learn takes a second to load: of all processes of a run only
those that make such faces load it.
"""

import numpy as np
import scipy.sparse
from imblearn.over_sampling import SMOTE
from sklearn.neighbors import NearestNeighbors

_ROWS_AT_ONCE = 512
_EXACT_PIXELS = 768  # 768 * 128 * 128 < 2**24, up to which float32 holds every whole number


class _Found(NearestNeighbors):  # type: ignore[misc]  # scikit-learn has no types
    """Neighbours found beforehand, for whatever stands in for the faces."""

    def __init__(self, nearest: np.ndarray) -> None:
        super().__init__(n_neighbors=nearest.shape[1])
        self.nearest = nearest

    def fit(self, _faces: object, _labels: object = None) -> "_Found":
        return self

    def kneighbors(self, _faces: object, return_distance: bool = False) -> np.ndarray:
        assert not return_distance
        return self.nearest


def nearest_faces(pixels: np.ndarray, neighbors: int) -> np.ndarray:
    """Each face and its nearest ones, by Euclidean distance, then by place.

    scikit-learn's answer to ties (FER2013 has many: duplicates) changes with the number of
    threads. Here all sums are of whole numbers that float32 holds, so they are exact in any order.

    Args:
        pixels: ``(n, pixels)`` float32, whole numbers from -128 to 127.
        neighbors: of each face, less than n.

    Returns:
        ``(n, 1 + neighbors)`` int64 places, each face's own first.
    """
    n = len(pixels)
    squares = np.square(pixels).sum(1, dtype=np.float64)
    nearest = np.empty((n, 1 + neighbors), np.int64)
    for start in range(0, n, _ROWS_AT_ONCE):
        part = pixels[start : start + _ROWS_AT_ONCE]
        distances = squares[start : start + len(part), None] + squares
        for left in range(0, pixels.shape[1], _EXACT_PIXELS):
            columns = slice(left, left + _EXACT_PIXELS)
            distances -= 2 * (part[:, columns] @ pixels[:, columns].T)
        own = np.arange(len(part))
        distances[own, start + own] = -1  # before its duplicates
        # one number for distance and place, so that no two are equal
        keys = np.partition(distances * n + np.arange(n), neighbors)[:, : 1 + neighbors]
        nearest[start : start + len(part)] = np.sort(keys) % n
    return nearest


def smote(
    images: np.ndarray, count: int, neighbors: int, seed: int
) -> tuple[np.ndarray, np.ndarray]:
    """``count`` faces made by SMOTE from one whole class, and the two faces each lies between.

    imbalanced-learn draws between unit vectors instead of faces, with neighbours found by pixels:
    what it makes are the weights of the parents, and the faces follow from these. Where no two
    neighbours are equally near, they agree with SMOTE on the pixels to rounding.

    Args:
        images: ``(n, 48, 48)`` uint8, all faces of the class.
        count: faces to make, at least 1.
        neighbors: how many nearest faces (Euclidean, in pixels) one may be drawn towards; < n.
        seed: fixes the draw, for faces given in the same order.

    Returns:
        ``(count, 48, 48)`` uint8 and ``(count, 2)`` int64 places in ``images``, ascending.
    """
    n = len(images)
    pixels = images.reshape(n, -1).astype(np.float32) - 128
    sampler = SMOTE(
        sampling_strategy={0: n + count},
        k_neighbors=_Found(nearest_faces(pixels, neighbors)),
        random_state=seed,
    )
    # imbalanced-learn insists on a second class: one stranger, last
    classes = np.arange(n + 1) == n
    drawn, _ = sampler.fit_resample(scipy.sparse.identity(n + 1, format="csr"), classes.astype(int))
    weights = scipy.sparse.csr_matrix(drawn[n + 1 :, :n])
    weights.sort_indices()
    # a face drawn at no distance at all has one parent, which then stands twice
    first, last = weights.indices[weights.indptr[:-1]], weights.indices[weights.indptr[1:] - 1]
    made = np.empty((count, *images.shape[1:]), np.uint8)
    for start in range(0, count, _ROWS_AT_ONCE):  # floats of all at once: nine times the faces
        part = weights[start : start + _ROWS_AT_ONCE].astype(np.float32) @ pixels + 128
        made[start : start + len(part)] = np.rint(part).reshape(-1, *images.shape[1:])
    return made, np.stack([first, last], 1).astype(np.int64)
