"""What the audit's look for near duplicates finds of copies, and calls copies that are none.

    python -m tests.faces.copies                  # of drawn faces
    python -m tests.faces.copies faces.parquet    # of real ones, as PNG images

Prints one line of JSON: of 1,500 copies of each kind the percentage that is found; of drawn faces
also how many pairs of different ones are called near.
"""

import argparse
import json
import sys
from collections.abc import Callable
from typing import Any

import cv2
import numpy as np
import pyarrow.parquet as pq

from fer_ray.faces import demo, near
from fer_ray.faces.near import Prints
from fer_ray.faces.rows import face_table
from fer_ray.inspection import AuditConfig

COPIES = 1_500
DIFFERENT = 4_200  # drawn faces, all of whose pairs are compared
NEAR = AuditConfig().near

Change = Callable[[np.ndarray, np.random.Generator], np.ndarray]


def _jpeg(quality: int) -> Change:
    def change(face: np.ndarray, _: np.random.Generator) -> np.ndarray:
        content = cv2.imencode(".jpg", face, [cv2.IMWRITE_JPEG_QUALITY, quality])[1]
        return np.asarray(cv2.imdecode(content, cv2.IMREAD_GRAYSCALE))

    return change


def _greys(of: Callable[[np.ndarray], np.ndarray]) -> Change:
    return lambda face, _: of(face.astype(float)).clip(0, 255).round().astype(np.uint8)


def _contrast(by: float) -> Change:
    return _greys(lambda face: (face - 128) * by + 128)


def _gamma(by: float) -> Change:
    return _greys(lambda face: 255 * (face / 255) ** by)


def _moved(matrix: Callable[[np.random.Generator], np.ndarray]) -> Change:
    return lambda face, rng: cv2.warpAffine(
        face, matrix(rng), (48, 48), borderMode=cv2.BORDER_REPLICATE
    )


def _aside(pixels: int) -> Change:
    steps = pixels * np.array([(1, 0), (-1, 0), (0, 1), (0, -1)], float)
    return _moved(lambda rng: np.column_stack([np.eye(2), steps[rng.integers(4)]]))


def _cut(pixels: int) -> Change:
    return lambda face, _: cv2.resize(face[pixels : 48 - pixels, pixels : 48 - pixels], (48, 48))


def _resized(side: int) -> Change:
    def change(face: np.ndarray, _: np.random.Generator) -> np.ndarray:
        small = cv2.resize(face, (side, side), interpolation=cv2.INTER_AREA)
        return np.asarray(cv2.resize(small, (48, 48)))

    return change


def _noise(deviation: float) -> Change:
    return lambda face, rng: (
        (face + rng.normal(0, deviation, face.shape)).clip(0, 255).round().astype(np.uint8)
    )


CHANGES: dict[str, Change] = {
    **{f"JPEG of quality {quality}": _jpeg(quality) for quality in (50, 25)},
    "30 grey levels brighter": _greys(lambda face: face + 30),
    **{f"contrast x {by}": _contrast(by) for by in (0.7, 1.3)},
    **{f"gamma {by}": _gamma(by) for by in (0.7, 1.5)},
    **{f"{pixels} pixels aside": _aside(pixels) for pixels in (1, 2)},
    "resized to 32 and back": _resized(32),
    **{f"cut by {pixels} all round": _cut(pixels) for pixels in (1, 2, 3)},
    "turned by 4 degrees": _moved(lambda _: cv2.getRotationMatrix2D((23.5, 23.5), 4, 1)),
    **{f"noise of deviation {deviation}": _noise(deviation) for deviation in (5, 10)},
    "equalised histogram": lambda face, _: cv2.equalizeHist(face),
    "mirrored": lambda face, _: np.ascontiguousarray(face[:, ::-1]),
}


def found(images: np.ndarray) -> dict[str, float]:
    """Percentage of the copies of ``(n, 48, 48)`` uint8 faces that is found, by kind."""
    told = {}
    for kind, change in CHANGES.items():
        rng = np.random.default_rng(5)
        hits = 0
        for face in images:
            one, other = (_prints(some) for some in (face, change(face, rng)))
            hits += len(near.near_pairs(one, other, NEAR)) > 0
        told[kind] = round(100 * hits / len(images), 1)
    return told


def _prints(face: np.ndarray) -> Prints:
    return Prints.of(face_table(face[None], [0], ["face"]))


def different(images: np.ndarray) -> dict[str, int]:
    """How many pairs of faces, none a copy of another, there are, and are called near."""
    rows = face_table(images, [0] * len(images), [str(number) for number in range(len(images))])
    prints = Prints.of(rows.sort_by("id"))
    count = len(prints.ids)
    pairs = near.near_pairs(prints, prints, NEAR)
    return {"pairs": count * (count - 1), "called_near": len(pairs)}  # as they are and mirrored


def real(path: str) -> np.ndarray:
    """Some of the faces of a Parquet file of PNG images that are not blank."""
    contents = pq.read_table(path, columns=["image"])["image"].to_pylist()
    rng = np.random.default_rng(5)
    chosen = (contents[place] for place in rng.permutation(len(contents)))
    faces = (cv2.imdecode(np.frombuffer(one, np.uint8), cv2.IMREAD_GRAYSCALE) for one in chosen)
    whole = (face for face in faces if face is not None and face.std() >= near.LEAST_CONTRAST)
    return np.stack([face for face, _ in zip(whole, range(COPIES), strict=False)])


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("faces", nargs="?", help="Parquet of PNG images; else faces are drawn.")
    given = parser.parse_args().faces
    told: dict[str, Any] = {"near": NEAR}
    if given:
        told["found"] = found(real(given))
    else:
        told["found"] = found(demo.draw(10_000, COPIES, 0)[0])
        told["different"] = different(demo.draw(0, DIFFERENT, 0)[0])
    sys.stdout.write(json.dumps(told) + "\n")


if __name__ == "__main__":
    main()
