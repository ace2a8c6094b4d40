"""fer_ray.faces.votes: what FER+'s annotators mean in FER2013's order."""

import numpy as np
import pyarrow as pa

from fer_ray.faces import votes
from fer_ray.faces.emotions import EMOTIONS


def counted(**given: int) -> np.ndarray:
    """Counts by answer; underscores stand for blanks."""
    names = {name.replace("_", " "): count for name, count in given.items()}
    return np.array([names.get(answer, 0) for answer in votes.ANSWERS], np.uint8)


def test_every_emotion_has_its_own_label() -> None:
    each = np.stack([counted(**{name: 6, "unknown": 4}) for name in EMOTIONS])
    assert votes.majorities(each).tolist() == list(range(7))


def test_no_emotion_has_most_votes_where_they_are_shared_or_mean_none() -> None:
    rows = [
        counted(anger=5, fear=5),
        counted(contempt=6, anger=4),
        counted(not_a_face=10),
        counted(),
        counted(anger=4, fear=3, sadness=3),
    ]
    assert votes.majorities(np.stack(rows)).tolist() == [-1, -1, -1, -1, 0]


def test_votes_are_read_from_a_column_and_their_absence_is_zeros() -> None:
    column = pa.array([[0] * 9 + [10], None], pa.list_(pa.uint8()))
    assert votes.counts_of(column).tolist() == [[0] * 9 + [10], [0] * 10]
    assert votes.counts_of(column[:0]).shape == (0, 10)
    assert votes.majorities(votes.counts_of(column[:0])).tolist() == []


def test_votes_are_told_the_most_frequent_first() -> None:
    assert votes.in_words(counted(fear=5, surprise=4, unknown=1)) == "fear 5, surprise 4, unknown 1"
    assert votes.in_words(counted(happiness=2, neutral=8)) == "neutral 8, happiness 2"
    assert votes.in_words(counted(fear=3, anger=3, sadness=4)) == "sadness 4, anger 3, fear 3"
    assert votes.in_words(counted()) == ""
