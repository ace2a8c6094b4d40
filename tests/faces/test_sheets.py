"""fer_ray.faces.sheets: faces as a page shows them."""

import base64

import cv2
import numpy as np

from fer_ray.faces import demo, sheets


def test_a_face_is_shown_bit_for_bit() -> None:
    (face,), _ = demo.draw(0, 1, seed=0)
    kind, _, content = sheets.data_uri(face).partition(",")
    assert kind == "data:image/png;base64"
    shown = cv2.imdecode(np.frombuffer(base64.b64decode(content), np.uint8), cv2.IMREAD_UNCHANGED)
    np.testing.assert_array_equal(shown, face)


def test_the_most_confident_mistakes_come_first() -> None:
    labels = np.array([0, 1, 2, 3])
    probabilities = np.full((4, 7), 0.01)
    for row, (named, sure) in enumerate([(0, 0.9), (0, 0.5), (3, 0.8), (2, 0.8)]):
        probabilities[row, named] = sure
    assert sheets.most_confident_mistakes(labels, probabilities, 9).tolist() == [2, 3, 1]
    assert sheets.most_confident_mistakes(labels, probabilities, 2).tolist() == [2, 3]
    assert len(sheets.most_confident_mistakes(labels[:1], probabilities[:1], 9)) == 0


def test_mistakes_that_are_equally_sure_come_in_their_order() -> None:
    sure = np.array([0.6, 0.75] * 50)
    probabilities = np.zeros((100, 7))
    probabilities[:, 0], probabilities[:, 1] = 1 - sure, sure
    shown = sheets.most_confident_mistakes(np.zeros(100, int), probabilities, 100)
    assert shown.tolist() == [*range(1, 100, 2), *range(0, 100, 2)]


def test_a_caption_has_the_truth_and_what_was_named_how_surely() -> None:
    images, _ = demo.draw(0, 2, seed=0)
    probabilities = np.array([[0.25, 0.5, 0.25, 0, 0, 0, 0], [0, 0, 0, 1, 0, 0, 0]])
    votes = np.zeros((2, 10), np.uint8)
    votes[0, 6] = 10
    told = sheets.captioned(images, np.array([0, 3]), probabilities, votes)
    assert [(one["true"], one["named"], one["probability"], one["votes"]) for one in told] == [
        ("anger", "disgust", 0.5, "fear 10"),
        ("happiness", "happiness", 1.0, ""),
    ]
    assert [one["src"] for one in told] == [sheets.data_uri(image) for image in images]
