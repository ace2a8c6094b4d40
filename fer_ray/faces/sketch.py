"""Cartoon faces from what their muscles do: curves in head coordinates, painted with OpenCV.

A head is a unit high and wide each way from (0, 0), x to the viewer's right, y down. Everything
about face i comes from row i of the arrays, nothing from the batch. AU numbers are those of the
Facial Action Coding System (Ekman, Friesen 1978).
"""

from collections.abc import Iterator
from typing import NamedTuple

import cv2
import numpy as np

from fer_ray.faces.rows import SIDE

_ENLARGED = 4  # painted this many times larger, then averaged over areas: smooth edges
_CANVAS = SIDE * _ENLARGED
_FRACTION_BITS = 4  # of cv2's fixed-point coordinates
_UNIT = 86  # canvas pixels of half a head
_ALONG = np.linspace(-1, 1, 11)  # from a curve's left end to its right
_OUTWARD = np.linspace(0, 1, 5)  # from the nose to the temple
_ROUND = np.linspace(0, 2 * np.pi, 33)[:-1]


class Expression(NamedTuple):
    """What the muscles of ``n`` faces do, ``(n, 1)`` each; lengths in half heads."""

    brow_inner: np.ndarray  # raised (AU 1) or lowered (AU 4)
    brow_outer: np.ndarray  # raised (AU 2) or lowered
    lid: np.ndarray  # the upper lid above the eye's middle (AU 5, 43)
    cheek: np.ndarray  # share of the eye that the lower lid covers (AU 6, 7)
    wide: np.ndarray  # half the mouth (AU 18 narrows, AU 20 stretches)
    corners: np.ndarray  # of the mouth raised (AU 12) or lowered (AU 15)
    gap: np.ndarray  # between the lips (AU 25, 26)
    sneer: np.ndarray  # the upper lip's middle raised (AU 10)
    oval: np.ndarray  # 0: the lips meet at an angle; 1: an ellipse
    lips: np.ndarray  # thickness, 0 to 1 (AU 23, 24 tighten)
    teeth: np.ndarray  # share of the gap
    furrow: np.ndarray  # between the brows, 0 to 1 (AU 4)
    wrinkle: np.ndarray  # across the nose, 0 to 1 (AU 9)
    fold: np.ndarray  # from nose to mouth, 0 to 1 (AU 10, 12)


class Stroke(NamedTuple):
    """A line or a filled shape, one for each of ``n`` faces."""

    points: np.ndarray  # (n, k, 2) x, y in head coordinates
    grey: np.ndarray  # (n, 1), 0 to 255
    width: np.ndarray | None = None  # (n, 1) canvas pixels; none fills


def between(low: float, high: float, columns: Iterator[np.ndarray]) -> np.ndarray:
    """``(n, 1)`` numbers from ``low`` to ``high``: the next column of uniform draws."""
    return low + (high - low) * next(columns)


def sketch(expression: Expression, columns: Iterator[np.ndarray]) -> np.ndarray:
    """``(n, 48, 48)`` uint8: the faces, each with a head, place, tilt and pen of its own.

    Args:
        expression: of ``n`` faces.
        columns: ``(n, 1)`` uniform draws; as many are taken as there are ways to differ.
    """
    skin = between(120, 225, columns)
    ink = skin * between(0.1, 0.3, columns)
    pen = between(3.5, 6.5, columns)
    strokes = [
        *_head(expression, skin, columns),
        *_lines(expression, skin, pen),
        *_mouth(expression, skin, ink, pen, columns),
    ]
    for side in (-1, 1):
        strokes += _eye(expression, side, ink, pen)
    return _paint(_placed(strokes, columns), _backdrop(columns))


def _curve(x: np.ndarray, y: np.ndarray) -> np.ndarray:
    """``(n, k, 2)`` points of coordinates that broadcast to ``(n, k)``."""
    return np.stack(np.broadcast_arrays(x, y), axis=-1)


def _closed(there: np.ndarray, back: np.ndarray) -> np.ndarray:
    """The outline between two curves that run the same way."""
    return np.concatenate([there, back[:, ::-1]], axis=1)


def _head(e: Expression, skin: np.ndarray, columns: Iterator[np.ndarray]) -> list[Stroke]:
    """Neck, ears, head and hair; an open mouth lengthens the chin."""
    broad, jaw = between(0.66, 0.76, columns), between(0.05, 0.22, columns)
    down, across = np.cos(_ROUND), np.sin(_ROUND)
    chin = np.maximum(down, 0)
    x = broad * across * (1 - jaw * chin)
    y = down * (0.93 + 0.35 * e.gap * chin)
    hairline, fringe = between(-0.78, -0.62, columns), between(-0.12, 0.12, columns)
    temple, volume = between(-0.45, 0.15, columns), between(1.04, 1.16, columns)
    arc = np.linspace(-np.pi / 2, np.pi / 2, 11)
    top = _curve(volume * broad * np.sin(arc), temple + (temple + volume) * -np.cos(arc))
    edge = _curve(0.99 * broad * _ALONG, temple + (hairline - temple) * (1 - _ALONG**6))
    edge[:, :, 1] += fringe * _ALONG * (1 - _ALONG**2)
    hair = between(15, 190, columns)
    ears = [
        Stroke(_curve(s * broad + 0.1 * across, 0.02 + 0.16 * down), 0.85 * skin) for s in (-1, 1)
    ]
    neck = _curve(0.38 * np.array([-1, 1, 1.2, -1.2]), np.array([0.5, 0.5, 1.6, 1.6]))
    shape = len(skin), *neck.shape
    return [
        Stroke(np.broadcast_to(neck, shape), 0.75 * skin),
        *ears,
        Stroke(_curve(x, y), skin),
        Stroke(_closed(top, edge), hair),
    ]


def _lines(e: Expression, skin: np.ndarray, pen: np.ndarray) -> list[Stroke]:
    """The nose, and the lines that muscles fold into skin; those at rest have the skin's grey."""

    def folded(x: np.ndarray, y: np.ndarray, depth: np.ndarray) -> Stroke:
        points = _curve(x, y + 0 * skin)
        return Stroke(points, skin * (1 - 0.6 * np.minimum(depth, 1)), 0.7 * pen)

    nose_x = np.array([0.03, 0.06, 0.11, 0.06, -0.06, -0.11])
    nose_y = np.array([-0.06, 0.12, 0.2, 0.25, 0.25, 0.2])
    lines = [folded(nose_x, nose_y - 0.3 * e.sneer, 0.8 + 0 * skin)]
    for s in (-1, 1):
        furrow_x = s * (0.05 + 0.01 * _OUTWARD)
        lines.append(folded(furrow_x, -0.4 + 0.16 * _OUTWARD - e.brow_inner, e.furrow))
        cheek_x = s * (0.15 + (e.wide - 0.06) * _OUTWARD)
        cheek_y = 0.16 + (0.3 - 0.4 * e.corners) * _OUTWARD**1.6 - 0.3 * e.sneer
        lines.append(folded(cheek_x, cheek_y, e.fold))
    for y in (-0.14, -0.06, 0.02):
        lines.append(folded(0.09 * _ALONG, y + 0.03 * _ALONG**2, e.wrinkle))
    return lines


def _eye(e: Expression, side: int, ink: np.ndarray, pen: np.ndarray) -> list[Stroke]:
    """White, iris and lid of one eye, and its brow; ``side`` is -1 or 1."""
    x, half, y = 0.31 * side, 0.155, -0.12
    below = 0.075 * (1 - 0.9 * np.minimum(e.cheek, 1))

    def lids(at: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        bow = np.maximum(1 - (at / half) ** 2, 0)
        return y - e.lid * bow**0.7, y + below * bow

    upper, lower = (_curve(x + half * _ALONG, edge) for edge in lids(half * _ALONG))
    iris = 0.075 * np.sin(_ROUND)
    iris_y = np.clip(y - 0.03 + 0.085 * np.cos(_ROUND), *lids(iris))
    brow = -0.34 - e.brow_inner * (1 - _OUTWARD) - e.brow_outer * _OUTWARD
    brow = brow - 0.05 * np.sin(np.pi * _OUTWARD)
    return [
        Stroke(_closed(upper, lower), 235 + 0 * ink),
        Stroke(_curve(x + iris, iris_y), ink),
        Stroke(upper, ink, pen),
        Stroke(lower, 1.5 * ink, 0.5 * pen),
        Stroke(_curve(side * (0.12 + 0.37 * _OUTWARD), brow), ink, 2 * pen),
    ]


def _mouth(
    e: Expression, skin: np.ndarray, ink: np.ndarray, pen: np.ndarray, columns: Iterator[np.ndarray]
) -> list[Stroke]:
    """Lips, the dark between them, and teeth under the upper one."""
    bow = (1 - _ALONG**2) ** (1 - e.oval / 2)
    middle = between(0.47, 0.53, columns) - e.corners * (_ALONG**2 - 0.4)
    x = e.wide * _ALONG
    upper = middle - (0.4 * e.gap + e.sneer) * bow
    lower = middle + (0.6 * e.gap - 0.4 * e.sneer) * bow
    bite = upper + e.teeth * (lower - upper)
    inside, outside = _closed(_curve(x, upper), _curve(x, lower)), skin * 0.6
    white = np.where(e.teeth * e.gap > 0.02, 235, ink)
    thick = pen * (1 + 2 * e.lips)
    return [
        Stroke(_curve(x, upper), outside, thick),
        Stroke(_curve(x, lower), outside, thick),
        Stroke(inside, ink),
        Stroke(_closed(_curve(x, upper), _curve(x, bite)), white),
        Stroke(_curve(x, upper), ink, 0.6 * pen),
    ]


def _placed(strokes: list[Stroke], columns: Iterator[np.ndarray]) -> list[Stroke]:
    """The strokes with points in cv2's fixed-point canvas pixels: tilted, sized and moved."""
    tilt, size = np.deg2rad(between(-14, 14, columns)), _UNIT * between(0.84, 1.1, columns)
    broader = between(0.93, 1.07, columns)
    left, top = between(-12, 12, columns), between(-12, 12, columns)
    placed = []
    for points, grey, width in strokes:
        x, y = points[:, :, 0] * size * broader, points[:, :, 1] * size
        across = _CANVAS / 2 + left + np.cos(tilt) * x - np.sin(tilt) * y
        down = _CANVAS / 2 + top + np.sin(tilt) * x + np.cos(tilt) * y
        fixed = np.rint(_curve(across, down) * 2**_FRACTION_BITS).astype(np.int32)
        placed.append(Stroke(fixed, grey, width))
    return placed


def _backdrop(columns: Iterator[np.ndarray]) -> np.ndarray:
    """``(n, 4, 4)`` float32: a coarse pattern of greys, to be enlarged behind a face."""
    mean, spread = between(30, 220, columns), between(5, 60, columns)
    cells = [mean + spread * between(-1, 1, columns) for _ in range(16)]
    return np.concatenate(cells, axis=1).reshape(-1, 4, 4).clip(0, 255).astype(np.float32)


def _paint(strokes: list[Stroke], backdrop: np.ndarray) -> np.ndarray:
    """``(n, 48, 48)`` uint8: the strokes in order, over the backdrop."""
    greys = [stroke.grey[:, 0].clip(0, 255).tolist() for stroke in strokes]
    widths = [
        None if stroke.width is None else np.rint(stroke.width[:, 0]).astype(int).tolist()
        for stroke in strokes
    ]
    painted = np.empty((len(backdrop), SIDE, SIDE), np.uint8)
    for i, behind in enumerate(backdrop):
        canvas = cv2.resize(behind, (_CANVAS, _CANVAS), interpolation=cv2.INTER_LINEAR)
        canvas = canvas.astype(np.uint8)
        for stroke, grey, width in zip(strokes, greys, widths, strict=True):
            if width is None:
                cv2.fillPoly(canvas, [stroke.points[i]], grey[i], cv2.LINE_8, _FRACTION_BITS)
            else:
                cv2.polylines(
                    canvas,
                    [stroke.points[i]],
                    False,
                    grey[i],
                    max(width[i], 1),
                    cv2.LINE_8,
                    _FRACTION_BITS,
                )
        painted[i] = cv2.resize(canvas, (SIDE, SIDE), interpolation=cv2.INTER_AREA)
    return painted
