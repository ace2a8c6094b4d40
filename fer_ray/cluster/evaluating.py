"""An evaluation: any model on any faces, against others on the same, and whether it knew them."""

import logging
from dataclasses import dataclass
from typing import Any

import numpy as np

from fer_ray.cluster import acquaintance, dataset, finishing, models, prepared, reporting
from fer_ray.cluster.models import Place
from fer_ray.cluster.owning import conducted, owned
from fer_ray.cluster.stream import Faces
from fer_ray.config import EvaluateJobConfig
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.job import Outcome
from fer_ray.runs import comparing, layout, record, scores, storage
from fer_ray.runs.lease import Lease
from fer_ray.runs.predictions import Predictions
from fer_ray.runs.report import Shown

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class _Contest:
    """The model in question, and those that it is compared with."""

    model: Place
    others: list[Place]


def evaluate(config: EvaluateJobConfig) -> Outcome:
    """The outcome of an evaluation, or of what stopped it."""
    return conducted(_owned, config, "evaluate")


def _owned(config: EvaluateJobConfig) -> Outcome:
    """The evaluation, by its one owner."""
    settings, runs = config.evaluate, config.storage.uri
    contest = _Contest(
        models.locate(str(settings.model), runs, "evaluate.model"),
        [models.locate(other, runs, "evaluate.against") for other in settings.against],
    )
    reads = {"evaluate.model": contest.model.uri}
    reads |= {f"evaluate.against[{n}]": place.uri for n, place in enumerate(contest.others)}
    return owned(config, lambda run, held: _evaluate(config, contest, run, held), reads)


def _evaluate(
    config: EvaluateJobConfig, contest: _Contest, run: storage.Store, held: Lease
) -> Outcome:
    """Score, compare, report."""
    model = models.content_of(contest.model)
    others = [(place, models.content_of(place)) for place in contest.others]
    data = dataset.prepare(config)
    record.write_config(run, config)
    side = config.evaluate.side
    parts = [
        prepared.side_blocks(data, one) for one in (layout.SIDES if side == "all" else (side,))
    ]
    faces = Faces(
        [block for part in parts for block in part.blocks],
        [size for part in parts for size in part.sizes],
    )
    logger.info("scoring %d faces", faces.count)
    scored, told = finishing.score(model, {side: faces}, flips=config.evaluate.flips)
    ours = told[side]
    seen, new = acquaintance.seen(models.facts_of(contest.model), faces)
    if 0 < new.sum() < len(new):
        scored[f"{side}_unseen"] = scores.of_predictions(ours.labels[new], ours.probabilities[new])
    against = []
    for place, content in others:
        their_scores, theirs = finishing.score(content, {side: faces}, flips=False)
        against.append(
            {
                "name": place.name,
                "model": place.uri,
                "metrics": their_scores[side],
                "comparison": comparing.compare(ours.labels, ours.named, theirs[side].named),
            }
        )
    outcome = Outcome(
        status="done",
        run=config.run,
        uri=run.uri,
        model=contest.model.uri,
        **{name: fact for name, fact in data.facts().items() if fact is not None}
        | {"counts": {side: _counts(ours)}, "leaky": not new.all()},
        seen=seen,
        metrics=scored,
        against=against,
    )
    held.guard.check()
    document = outcome.model_dump(mode="json", exclude_none=True)
    reporting.report_on(run, Shown(document, side, job="evaluate"), faces, told)
    held.guard.check()
    record.write_document(run, layout.OUTCOME, document)
    return outcome


def _counts(told: Predictions) -> dict[str, Any]:
    """Faces by emotion."""
    counts = np.bincount(told.labels, minlength=len(EMOTIONS)).tolist()
    return dict(zip(EMOTIONS, counts, strict=True))
