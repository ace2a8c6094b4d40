"""What a model's answers are worth, found out where there is memory for it, not in the driver."""

from collections.abc import Mapping
from typing import Any

import numpy as np
import ray

from fer_ray.cluster import capacity, inference
from fer_ray.cluster.stream import Faces
from fer_ray.runs import scores
from fer_ray.runs.predictions import Predictions


def score(
    model: "ray.ObjectRef[bytes]", faces: Mapping[str, Faces], *, flips: bool
) -> tuple[dict[str, Any], dict[str, Predictions]]:
    """Scores of a ``.keras`` file's content on faces by side, and what it says of each there.

    Every face counts once. With ``flips`` there is a second row of each side, ``{side}_flips``, of
    the mean over faces and mirror images.
    """
    scored: dict[str, Any] = {}
    told: dict[str, Predictions] = {}
    for side, some in faces.items():
        rows = (side, f"{side}_flips") if flips else (side,)
        answers = inference.predict(model, some, flips=flips)
        for row, one in zip(rows, answers, strict=True):
            told[row], scored[row] = one, worth(one)
            if votes := scores.of_votes(one.labels, one.named, one.votes):
                scored[row]["votes"] = votes
    return scored, told


def worth(told: Predictions) -> dict[str, Any]:
    """Every score of predictions but those of votes (``fer_ray.runs.scores.of_predictions``).

    In a task: a cluster's worker that has loaded scikit-learn scores again and again, while
    drivers and trials come and go.
    """
    where = capacity.where_work_is_done()
    scores_of = _worth.options(scheduling_strategy=where)
    found: dict[str, Any] = ray.get(scores_of.remote(told.labels, told.probabilities))
    return found


@ray.remote(num_cpus=0)
def _worth(labels: np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    return scores.of_predictions(labels, probabilities)
