"""What a model says of each face, as a table that any program reads."""

import io
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.storage import Store


@dataclass(frozen=True)
class Predictions:
    """Faces by ``id``, in their dataset's order, with labels and probabilities."""

    ids: Sequence[str]
    labels: np.ndarray  # (n,) int8, the truth
    probabilities: np.ndarray  # (n, 7) float32
    votes: np.ndarray  # (n, 10) uint8, FER+'s; zeros where unknown

    @property
    def named(self) -> np.ndarray:
        """``(n,)``: the label that each face got."""
        named: np.ndarray = self.probabilities.argmax(axis=1)
        return named

    def only(self, some: np.ndarray) -> "Predictions":
        """Those of the faces that ``some``, ``(n,)`` bool, names."""
        ids = [one for one, wanted in zip(self.ids, some, strict=True) if wanted]
        return Predictions(ids, self.labels[some], self.probabilities[some], self.votes[some])


def write(run: Store, key: str, predictions: Predictions) -> None:
    """Write a Parquet file, a row a face: id, label, predicted label, seven probabilities.

    ``id`` (hash of the pixels), ``label`` and ``predicted`` (0 to 6), ``p_anger`` to ``p_neutral``
    (float32).
    """
    columns = {
        "id": list(predictions.ids),
        "label": predictions.labels,
        "predicted": predictions.named.astype(np.int8),
    }
    columns |= {f"p_{name}": predictions.probabilities[:, i] for i, name in enumerate(EMOTIONS)}
    sink = io.BytesIO()
    pq.write_table(pa.table(columns), sink, compression="zstd")
    run.write_bytes(key, sink.getvalue())
