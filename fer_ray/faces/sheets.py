"""Faces as a page shows them."""

import base64
from typing import Any

import cv2
import numpy as np

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.votes import in_words


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
    images: np.ndarray, labels: np.ndarray, probabilities: np.ndarray, votes: np.ndarray
) -> list[dict[str, Any]]:
    """A contact sheet: each face's ``src``, ``true``, ``named``, ``probability`` and ``votes``.

    Args:
        images: ``(n, 48, 48)`` uint8.
        labels: ``(n,)``, the truth.
        probabilities: ``(n, 7)``.
        votes: ``(n, 10)``, FER+'s; of a face with none the words are empty.
    """
    return [
        {
            "src": data_uri(image),
            "true": EMOTIONS[label],
            "named": EMOTIONS[row.argmax()],
            "probability": float(row.max()),
            "votes": in_words(counts),
        }
        for image, label, row, counts in zip(images, labels, probabilities, votes, strict=True)
    ]
