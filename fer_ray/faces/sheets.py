"""Faces as a page shows them."""

import base64
from typing import Any

import cv2
import numpy as np

from fer_ray.faces.emotions import EMOTIONS


def data_uri(face: np.ndarray) -> str:
    """A ``(48, 48)`` uint8 face as the ``src`` of an image: a PNG, bit for bit."""
    written, content = cv2.imencode(".png", face)
    assert written
    return f"data:image/png;base64,{base64.b64encode(content.tobytes()).decode()}"


def most_confident_mistakes(
    labels: np.ndarray, probabilities: np.ndarray, count: int
) -> np.ndarray:
    """Which predictions are wrong, the most confident first; at most ``count`` places.

    Args:
        labels: ``(n,)``, the truth.
        probabilities: ``(n, 7)``.
        count: at most.
    """
    confidence, predicted = probabilities.max(axis=1), probabilities.argmax(axis=1)
    wrong = np.flatnonzero(predicted != labels)
    return wrong[np.argsort(-confidence[wrong], kind="stable")][:count]


def captioned(
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray
) -> list[dict[str, Any]]:
    """Faces of a contact sheet: ``src``, ``true`` and ``named`` emotion, its ``probability``.

    Args:
        images: ``(n, 48, 48)`` uint8.
        labels: ``(n,)``, the truth.
        probabilities: ``(n, 7)``.
    """
    return [
        {
            "src": data_uri(image),
            "true": EMOTIONS[label],
            "named": EMOTIONS[row.argmax()],
            "probability": float(row.max()),
        }
        for image, label, row in zip(images, labels, probabilities, strict=True)
    ]
