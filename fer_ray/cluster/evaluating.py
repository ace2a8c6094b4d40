"""An evaluation: any model on any faces, against others on the same, and whether it knew them."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from fer_ray.cluster import acquaintance, dataset, everyone, models, prepared, reporting, scoring
from fer_ray.cluster.models import Model
from fer_ray.cluster.owning import conducted, owned
from fer_ray.cluster.source import DEMO
from fer_ray.cluster.stream import Faces
from fer_ray.evaluation import EvaluateJobConfig
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.job import Outcome
from fer_ray.runs import comparing, layout, record, storage
from fer_ray.runs.lease import Lease
from fer_ray.runs.predictions import Predictions
from fer_ray.runs.shown import Shown

logger = logging.getLogger(__name__)


def evaluate(config: EvaluateJobConfig) -> Outcome:
    """The outcome of an evaluation, or of what stopped it."""
    return conducted(_owned, config, "evaluate")


def _owned(config: EvaluateJobConfig) -> Outcome:
    """The evaluation, by its one owner."""
    named = {"evaluate.model": str(config.evaluate.model)}
    named |= {f"evaluate.against[{n}]": one for n, one in enumerate(config.evaluate.against)}
    return owned(
        config,
        lambda run, held: _evaluate(config, run, held),
        reads={setting: name for setting, name in named.items() if "/" in name},
        first=lambda: _places(config),
    )


def _places(config: EvaluateJobConfig) -> list[models.Place]:
    """Where the model in question is, and those that it is compared with."""
    settings, runs = config.evaluate, config.storage.uri
    return [
        models.locate(str(settings.model), runs, "evaluate.model"),
        *(models.locate(other, runs, "evaluate.against") for other in settings.against),
    ]


def _evaluate(config: EvaluateJobConfig, run: storage.Store, held: Lease) -> Outcome:
    """Score, compare, report."""
    model, *others = [models.opened(place) for place in _places(config)]
    side = config.evaluate.side
    faces, facts = _faces(config, side)
    record.write_config(run, config)
    logger.info("scoring %d faces", faces.count)
    scored, told = scoring.score(model.content, {side: faces}, flips=config.evaluate.flips)
    ours = told[side]
    families = acquaintance.families_of(faces)
    seen, new = acquaintance.seen(model.facts(), families)
    if 0 < new.sum() < len(new):
        scored[f"{side}_unseen"] = scoring.worth(ours.only(new))
    outcome = Outcome(
        status="done",
        run=config.run,
        uri=run.uri,
        model=model.place.uri,
        model_sha256=model.sha256,
        **{name: fact for name, fact in facts.items() if fact is not None}
        | {"counts": {side: _counts(ours)}, "leaky": _leaky(seen)},
        **({"drawn": True} if config.data.uri == DEMO else {}),
        seen=seen,
        metrics=scored,
        against=[_against(other, faces, families, side, ours, new) for other in others],
    )
    held.guard.check()
    document = outcome.model_dump(mode="json", exclude_none=True)
    reporting.report_on(run, Shown(document, side, job="evaluate"), faces, told)
    held.guard.check()
    record.write_document(run, layout.OUTCOME, document)
    return outcome


def _faces(config: EvaluateJobConfig, side: str) -> tuple[Faces, Mapping[str, Any]]:
    """The faces of a side, or all of them, and what is told of them.

    Of all of an input that is not prepared none is dropped, and no emotion need be there.
    """
    uri = str(config.data.uri)
    ready = uri != DEMO and prepared.is_prepared(uri, "data.uri")
    if side == "all" and not ready and config.split.protocol != "paper":
        return everyone.unsplit(config)
    data = dataset.prepare(config)
    sides = layout.SIDES if side == "all" else (side,)
    parts = [prepared.side_blocks(data, one) for one in sides]
    faces = Faces(
        [block for part in parts for block in part.blocks],
        [size for part in parts for size in part.sizes],
    )
    return faces, data.facts()


def _leaky(seen: Mapping[str, Any]) -> bool | None:
    """Whether the model was trained on some faces or relatives of theirs, if that is known."""
    return seen["trained_on"] + seen["related"] > 0 if seen["known"] else None


def _against(
    other: Model,
    faces: Faces,
    families: Sequence[acquaintance.Family],
    side: str,
    ours: Predictions,
    new: np.ndarray,
) -> dict[str, Any]:
    """How another model does, and the comparison with it.

    On the faces that are new to both, where there are some; ``compared`` says which they were.
    """
    scored, told = scoring.score(other.content, {side: faces}, flips=False)
    seen, theirs_new = acquaintance.seen(other.facts(), families)
    both = new & theirs_new
    some = both if both.any() else np.ones(len(both), bool)
    return {
        "name": other.place.name,
        "model": other.place.uri,
        "model_sha256": other.sha256,
        "seen": seen,
        "metrics": scored[side],
        "compared": "all" if some.all() else "unseen",
        "comparison": comparing.compare(
            ours.labels[some], ours.named[some], told[side].named[some]
        ),
    }


def _counts(told: Predictions) -> dict[str, Any]:
    """Faces by emotion."""
    counts = np.bincount(told.labels, minlength=len(EMOTIONS)).tolist()
    return dict(zip(EMOTIONS, counts, strict=True))
