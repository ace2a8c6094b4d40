"""Random changes to training faces: one affine warp each, random erasing, mixup's weights.

All that is random about a face comes from its own row of uniform draws, and a row follows from
(seed, position) alone: never from the batch that a face happens to be in. The warp is the paper's
Table 2 with the conventions of Keras' ImageDataGenerator, to which it agrees to rounding.
"""

from typing import NamedTuple

import cv2
import numpy as np

from fer_ray.config import AugmentConfig
from fer_ray.faces.rows import SIDE

DRAWS = 16  # uniform numbers a face needs: one for each name below
(
    _ROTATION,
    _SHIFT_X,
    _SHIFT_Y,
    _SHEAR,
    _ZOOM_X,
    _ZOOM_Y,
    _MIRROR,
    _UPEND,
    _ERASE,
    _AREA,
    _ASPECT,
    _TOP,
    _LEFT,
    _NOISE,
    MIXUP_WEIGHT,
    MIXUP_PARTNER,
) = range(DRAWS)

# Zhong et al. 2017 (arXiv:1708.04896) erase up to 0.4 of an image; a fifth leaves a face readable,
# and with these aspects every rectangle fits, so that none has to be drawn again.
ERASED_AREA = (0.02, 0.2)
ERASED_ASPECT = (0.3, 3.3)


class Warp(NamedTuple):
    """Parameters of ``n`` affine warps, under the names that ImageDataGenerator gives them."""

    theta: np.ndarray  # (n,) degrees
    tx: np.ndarray  # (n,) pixels along a row: Keras swaps its axes after drawing tx for the height
    ty: np.ndarray  # (n,) pixels down a column
    shear: np.ndarray  # (n,) degrees
    zx: np.ndarray  # (n,) of the width; below 1 magnifies
    zy: np.ndarray  # (n,) of the height
    flip_horizontal: np.ndarray  # (n,) bool
    flip_vertical: np.ndarray  # (n,) bool


def uniforms(seed: int, positions: np.ndarray, count: int) -> np.ndarray:
    """``(n, count)`` float64 in [0, 1), row i following from ``(seed, positions[i])`` alone.

    A position owns ``count / 4`` steps of Philox's counter (Salmon et al. 2011), so that the
    same seed read with another ``count`` gives other, overlapping rows.

    Args:
        seed: 0 or more.
        positions: ``(n,)`` int64, 0 or more; runs of consecutive ones share a generator (7 µs).
        count: numbers a position; a multiple of 4, which is what one step of the counter yields.

    Raises:
        ValueError: ``count`` is not a multiple of 4.
    """
    if count % 4:
        raise ValueError(f"count must be a multiple of 4, got {count}")
    rows = np.empty((len(positions), count))
    edges = np.flatnonzero(np.diff(positions) != 1) + 1
    for run in np.split(np.arange(len(positions)), edges) if len(positions) else []:
        philox = np.random.Philox(key=seed)
        philox.advance(int(positions[run[0]]) * (count // 4))
        np.random.Generator(philox).random(out=rows[run[0] : run[-1] + 1])
    return rows


def noise(keys: np.ndarray, count: int) -> np.ndarray:
    """``(n, count)`` uint8, uniform over 0 to 255, row i following from ``keys[i]`` alone.

    SplitMix64 (Steele et al. 2014) over a counter that starts at the key.

    Args:
        keys: ``(n,)`` float64 in [0, 1), as from ``uniforms``.
        count: bytes a row.
    """
    words = np.arange(1, -(-count // 8) + 1, dtype=np.uint64) * np.uint64(0x9E3779B97F4A7C15)
    mixed = (keys * 2.0**64).astype(np.uint64)[:, None] + words
    mixed = (mixed ^ (mixed >> np.uint64(30))) * np.uint64(0xBF58476D1CE4E5B9)
    mixed = (mixed ^ (mixed >> np.uint64(27))) * np.uint64(0x94D049BB133111EB)
    mixed ^= mixed >> np.uint64(31)
    octets: np.ndarray = mixed.astype("<u8", copy=False).view(np.uint8)
    return octets[:, :count]


def draw_warp(draws: np.ndarray, settings: AugmentConfig) -> Warp:
    """The warp of each of ``n`` faces: symmetric, uniform ranges as ImageDataGenerator has them.

    Args:
        draws: ``(n, DRAWS)``.
        settings: the ranges; a flip happens with probability 1/2 where it is on.
    """
    sign = 2 * draws - 1
    return Warp(
        theta=sign[:, _ROTATION] * settings.rotation,
        tx=sign[:, _SHIFT_X] * settings.width_shift * SIDE,
        ty=sign[:, _SHIFT_Y] * settings.height_shift * SIDE,
        shear=sign[:, _SHEAR] * settings.shear,
        zx=1 + sign[:, _ZOOM_X] * settings.zoom,
        zy=1 + sign[:, _ZOOM_Y] * settings.zoom,
        flip_horizontal=(draws[:, _MIRROR] < 0.5) & settings.horizontal_flip,
        flip_vertical=(draws[:, _UPEND] < 0.5) & settings.vertical_flip,
    )


def transform_matrix(warp: Warp) -> np.ndarray:
    """``(n, 2, 3)`` float64: from a pixel ``(x, y, 1)`` of the result to its place in the face.

    Rotation · shift · shear · zoom about the centre, then the flips, as
    ``ImageDataGenerator.apply_transform`` does them one after the other.
    """
    theta, shear = np.deg2rad(warp.theta), np.deg2rad(warp.shear)
    cos, sin = np.cos(theta), np.sin(theta)
    lean, height = -np.sin(shear), np.cos(shear)
    zx = np.where(warp.flip_horizontal, -warp.zx, warp.zx)  # about the centre, a flip is a sign
    zy = np.where(warp.flip_vertical, -warp.zy, warp.zy)
    matrix = np.empty((len(theta), 2, 3))
    matrix[:, 0, 0] = cos * zx
    matrix[:, 0, 1] = (cos * lean - sin * height) * zy
    matrix[:, 1, 0] = sin * zx
    matrix[:, 1, 1] = (sin * lean + cos * height) * zy
    centre = (SIDE - 1) / 2
    matrix[:, 0, 2] = centre + cos * warp.tx - sin * warp.ty
    matrix[:, 1, 2] = centre + sin * warp.tx + cos * warp.ty
    matrix[:, :, 2] -= centre * (matrix[:, :, 0] + matrix[:, :, 1])
    return matrix


def apply_warp(images: np.ndarray, warp: Warp) -> np.ndarray:
    """The warped faces, ``(n, 48, 48)`` uint8; bilinear, what lies outside is the nearest edge."""
    images = np.ascontiguousarray(images)  # OpenCV reads no transposed views
    warped = np.empty_like(images)
    for image, matrix, result in zip(images, transform_matrix(warp), warped, strict=True):
        cv2.warpAffine(
            image,
            matrix,
            (SIDE, SIDE),
            dst=result,
            flags=cv2.INTER_LINEAR | cv2.WARP_INVERSE_MAP,
            borderMode=cv2.BORDER_REPLICATE,
        )
    return warped


def erase(images: np.ndarray, draws: np.ndarray, probability: float) -> np.ndarray:
    """The faces, some with a rectangle of noise: random erasing (Zhong et al. 2017).

    Args:
        images: ``(n, 48, 48)`` uint8.
        draws: ``(n, DRAWS)``.
        probability: that a face is touched.
    """
    result = images.copy()
    touched = np.flatnonzero(draws[:, _ERASE] < probability)
    own = draws[touched]
    smallest, largest = ERASED_AREA
    area = (smallest + own[:, _AREA] * (largest - smallest)) * SIDE**2
    narrowest, widest = np.log(ERASED_ASPECT)  # in logarithms: as often tall as wide
    aspect = np.exp(narrowest + own[:, _ASPECT] * (widest - narrowest))
    height = np.sqrt(area * aspect).astype(int)
    width = np.sqrt(area / aspect).astype(int)
    top = (own[:, _TOP] * (SIDE + 1 - height)).astype(int)
    left = (own[:, _LEFT] * (SIDE + 1 - width)).astype(int)
    pixels = noise(own[:, _NOISE], int(largest * SIDE**2))
    for i, h, w, y, x, grey in zip(touched, height, width, top, left, pixels, strict=True):
        result[i, y : y + h, x : x + w] = grey[: h * w].reshape(h, w)
    return result


def augment(images: np.ndarray, draws: np.ndarray, settings: AugmentConfig) -> np.ndarray:
    """The faces, each changed by its own draws: warped, then erased; mixup is the caller's.

    Args:
        images: ``(n, 48, 48)`` uint8.
        draws: ``(n, DRAWS)``, of ``uniforms``.
        settings: what is on; what is 0 or false changes nothing.

    Returns:
        ``(n, 48, 48)`` uint8, never the caller's own array.

    Raises:
        ValueError: there is not one row of draws for each face.
    """
    if draws.shape != (len(images), DRAWS):
        raise ValueError(f"draws must be ({len(images)}, {DRAWS}), got {draws.shape}")
    moves = (settings.rotation, settings.width_shift, settings.height_shift, settings.shear)
    if any(moves) or settings.zoom or settings.horizontal_flip or settings.vertical_flip:
        images = apply_warp(images, draw_warp(draws, settings))
    return erase(images, draws, settings.erasing)


def mixup_weights(draws: np.ndarray, alpha: float) -> np.ndarray:
    """Each face's own share of its mixup blend, ``(n,)`` in [0, 1]: Beta(alpha, alpha) distributed.

    The inverse distribution function at the draws (Zhang et al. 2018, arXiv:1710.09412).

    Args:
        draws: ``(n,)`` in [0, 1): column ``MIXUP_WEIGHT``.
        alpha: 0 blends nothing: every share is 1.
    """
    if not alpha:
        return np.ones(len(draws))
    from scipy.special import betaincinv  # a fifth of a second, and most runs blend nothing

    weights: np.ndarray = betaincinv(alpha, alpha, draws)
    return weights
