"""fer_ray.runs.predictions: a table that any program reads."""

import io

import numpy as np
import pandas as pd

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import predictions
from fer_ray.runs.storage import Store
from tests.runs.test_scores import drawn


def test_pandas_reads_what_the_model_said_of_each_face(run: Store) -> None:
    labels, probabilities = drawn(0, faces=20)
    ids = [f"{number:032x}" for number in range(20)]
    votes = np.zeros((20, 10), np.uint8)
    predictions.write(run, "p.parquet", predictions.Predictions(ids, labels, probabilities, votes))
    table = pd.read_parquet(io.BytesIO(run.read_bytes("p.parquet")))
    assert table["id"].tolist() == ids
    assert table["label"].tolist() == labels.tolist()
    assert table["predicted"].tolist() == probabilities.argmax(axis=1).tolist()
    columns = [f"p_{name}" for name in EMOTIONS]
    assert table.columns.tolist() == ["id", "label", "predicted", *columns]
    np.testing.assert_array_equal(table[columns].to_numpy(), probabilities)


def test_some_faces_keep_what_was_said_of_each() -> None:
    labels, probabilities = drawn(0, faces=6)
    votes = np.arange(60, dtype=np.uint8).reshape(6, 10)
    all_of_them = predictions.Predictions(list("abcdef"), labels, probabilities, votes)
    some = all_of_them.only(np.array([False, True, False, False, True, True]))
    assert some.ids == ["b", "e", "f"]
    np.testing.assert_array_equal(some.labels, labels[[1, 4, 5]])
    np.testing.assert_array_equal(some.probabilities, probabilities[[1, 4, 5]])
    np.testing.assert_array_equal(some.votes, votes[[1, 4, 5]])
