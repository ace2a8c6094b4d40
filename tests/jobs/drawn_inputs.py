"""Noise in the place of faces, as each kind of input that jobs read: csv, folders, Parquet."""

from pathlib import Path

import pyarrow as pa

from tests.encoded import encoded, pixels
from tests.parquet_faces import noise

FOLDERS = ("angry", "disgust", "fear", "happy", "sad", "surprise", "neutral")
COUNT = 98  # 84 of Training, 14 of PublicTest
FACES = noise(COUNT, seed=2)
LABELS = [number % 7 for number in range(COUNT)]
USAGES = ["Training" if number < 84 else "PublicTest" for number in range(COUNT)]


def csv_lines() -> list[str]:
    """A header and COUNT good rows."""
    rows = zip(LABELS, FACES, USAGES, strict=True)
    return ["emotion,pixels,Usage", *(f"{label},{pixels(face)},{use}" for label, face, use in rows)]


def csv_file(path: Path, *more: str) -> Path:
    path.write_text("\n".join([*csv_lines(), *more]))
    return path


def image_name(number: int) -> str:
    side = "train" if USAGES[number] == "Training" else "test"
    return f"{side}/{FOLDERS[LABELS[number]]}/{number}.png"


def image_folders(root: Path, **more: bytes) -> Path:
    """Kaggle's folders of COUNT good images, and more files in ``train/happy``."""
    files = {image_name(number): encoded(face) for number, face in enumerate(FACES)}
    files |= {f"train/happy/{name.replace('__', '.')}": content for name, content in more.items()}
    for name, content in files.items():
        (root / name).parent.mkdir(parents=True, exist_ok=True)
        (root / name).write_bytes(content)
    return root


def parquet_table() -> pa.Table:
    images = [encoded(face) for face in FACES]
    return pa.table({"image": images, "emotion": LABELS, "usage": USAGES})
