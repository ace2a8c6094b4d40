"""The report, written where there is memory for it, with the faces that it shows."""

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import ray

from fer_ray.cluster.stream import Faces
from fer_ray.faces import sheets
from fer_ray.runs import report, storage

SHOWN = 24  # mistakes on the contact sheet


@ray.remote(num_cpus=0)
def write(
    run_uri: str,
    outcome: Mapping[str, Any],
    epochs: Sequence[Mapping[str, Any]],
    faces: Faces,
    labels: np.ndarray,
    probabilities: np.ndarray,
) -> None:
    """Write a run's report.

    Args:
        run_uri: its folder.
        outcome: as ``run.json`` will have it.
        epochs: the metrics of each.
        faces: the test side.
        labels: ``(n,)``, of its faces in order.
        probabilities: ``(n, 7)``, what the model gave them.
    """
    places = sheets.most_confident_mistakes(labels, probabilities, SHOWN)
    images, _ = faces.take(places) if len(places) else (np.empty((0, 48, 48), np.uint8), None)
    mistakes = sheets.captioned(images, labels[places], probabilities[places])
    report.write(storage.store(run_uri), outcome, epochs, mistakes)
