"""Faces as files and columns hold them: encoded images, and their pixels as text."""

import io

import numpy as np
from PIL import Image


def encoded(image: Image.Image | np.ndarray, kind: str = "PNG", **options: object) -> bytes:
    """The bytes of an image file; an array is grey levels, uint8."""
    stream = io.BytesIO()
    image = Image.fromarray(image) if isinstance(image, np.ndarray) else image
    image.save(stream, kind, **options)
    return stream.getvalue()


def pixels(face: np.ndarray) -> str:
    """The grey levels as ``fer2013.csv`` has them: row by row, a blank between."""
    return " ".join(map(str, face.ravel()))
