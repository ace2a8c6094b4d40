"""The report, written where there is memory for it, with the faces that it shows."""

import dataclasses

import numpy as np
import ray

from fer_ray.cluster import capacity, specimens
from fer_ray.cluster.stream import Faces, Plan
from fer_ray.faces import sheets
from fer_ray.runs import layout, predictions, storage
from fer_ray.runs.predictions import Predictions
from fer_ray.runs.shown import Shown

SHOWN = 24  # mistakes on the contact sheet


def report_on(
    run: storage.Store,
    shown: Shown,
    faces: Faces,
    told: dict[str, Predictions],
    trained: tuple[Faces, Plan] | None = None,
) -> None:
    """Write a run's report and predictions.

    Args:
        run: its folder.
        shown: what is known before a face is looked at.
        faces: that the report is about.
        told: what the model says of them, under ``shown.side``; with flips under
            ``{side}_flips``.
        trained: what was trained on, and how it was changed.
    """
    for row, one in told.items():
        predictions.write(run, layout.predictions(flips=row != shown.side), one)
    where = capacity.where_work_is_done()
    write = _write.options(scheduling_strategy=where)
    ray.get(write.remote(run.uri, shown, faces, told[shown.side], trained))


@ray.remote(num_cpus=0)
def _write(
    run_uri: str,
    shown: Shown,
    faces: Faces,
    told: Predictions,
    trained: tuple[Faces, Plan] | None,
) -> None:
    """Write the report with its faces."""
    from fer_ray.runs import report  # draws, which takes half a second to load

    places = sheets.most_confident_mistakes(told.labels, told.probabilities, SHOWN)
    images, _ = faces.take(places) if len(places) else (np.empty((0, 48, 48), np.uint8), None)
    whole = dataclasses.replace(
        shown,
        mistakes=sheets.captioned(
            images, told.labels[places], told.probabilities[places], told.votes[places]
        ),
        sheets=specimens.sheets_of(*trained) if trained else (),
    )
    report.write(storage.store(run_uri), whole)
