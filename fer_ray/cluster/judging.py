"""A trained challenger judged against the champion of the moment, and what came of it kept."""

import logging
from collections.abc import Callable
from typing import Any, Literal

import numpy as np

from fer_ray.cluster import acquaintance, inference, models, novelty, prepared
from fer_ray.cluster.models import Model
from fer_ray.cluster.prepared import Prepared
from fer_ray.cluster.stream import Faces
from fer_ray.config import TrainConfig
from fer_ray.job import Outcome
from fer_ray.promotion import RetrainConfig
from fer_ray.runs import champion, gate, layout, record, storage
from fer_ray.runs.champion import Entry, OvertakenError, Standing
from fer_ray.runs.predictions import Predictions

logger = logging.getLogger(__name__)


def judged(
    config: RetrainConfig,
    run: storage.Store,
    settings: TrainConfig,
    data: Prepared,
    may: Callable[[], None],
    earlier: Callable[[Standing], Outcome | None],
) -> Outcome:
    """The outcome for a challenger that is trained: champion, or refused.

    Scoring takes minutes, in which another may take over who judges: see ``may``.

    Args:
        config: with the run's name.
        run: the challenger's folder, whose training has ended.
        settings: the challenger's.
        data: the faces there are now, on whose test side both are judged.
        may: raises if the run is another's; asked before anything is written.
        earlier: what the run came to already, where it stands so.

    Raises:
        LostError: the run is another's.
    """
    runs = storage.store(config.storage.uri)
    faces = prepared.side_blocks(data, "test")
    challenger = models.opened(models.locate(run.uri, config.storage.uri, "run"))
    ours, seen, new = _scored(challenger, faces)
    made_of = record.read_document(run, layout.DATA)  # which may be of fewer faces by now
    trained = record.read_document(run, layout.OUTCOME)
    assert made_of is not None, run
    assert trained is not None, run
    content = str(made_of["content"])
    while True:
        standing = champion.read(runs)
        if done := earlier(standing):  # it met itself: the answer to its own change was lost
            return done
        met = {"challenger": seen}
        if standing.entry is None:
            how: Literal["first", "gate"] = "first"
            verdict = gate.judge_first(ours.only(new), config.gate, config.seed)
        else:
            how = "gate"
            theirs, met["champion"], also_new = _scored(opened(standing.entry, config), faces)
            both = new & also_new
            verdict = gate.judge(ours.only(both), theirs.only(both), config.gate, config.seed)
        found = {"verdict": verdict.document(), "seen": met, "metrics": trained["metrics"]}
        if verdict.refusal is not None:
            may()
            novelty.remember(runs, config, standing.entry, content, settings, verdict.refusal)
            refused = Outcome(status="refused", error=verdict.refusal, **found)
            return told(config, run, standing.entry, refused, may)
        may()
        try:
            entry = champion.change(
                runs,
                standing,
                run=str(config.run),
                uri=run.uri,
                model_sha256=challenger.sha256,
                facts={"content": content, "split": config.split.model_dump(mode="json")},
                how=how,
                who=config.retrain.signed,
                why="passed the gate",
                verdict=verdict.document(),
            )
        except OvertakenError as overtaken:
            logger.info("%s; judging against it", overtaken)
            continue
        logger.info("run %s is champion now", config.run)
        return told(config, run, entry, Outcome(status="done", **found), may)


def opened(entry: Entry, config: RetrainConfig) -> Model:
    """The champion's model.

    Raises:
        ValueError: it is not there, or not the one that was promoted.
    """
    model = models.opened(models.locate(entry.uri, config.storage.uri, "the champion"))
    if model.sha256 != entry.model_sha256:
        raise ValueError(
            f"the champion must be the model that was promoted (SHA-256 {entry.model_sha256:.12}…),"
            f" got another in {entry.uri}; --retrain.rollback returns to the one before"
        )
    return model


def told(
    config: RetrainConfig,
    run: storage.Store,
    entry: Entry | None,
    outcome: Outcome,
    may: Callable[[], None],
) -> Outcome:
    """The outcome with its run and the champion there is now, kept in the run's folder."""
    from fer_ray.runs import gate_page  # draws, which takes half a second to load

    where = {"run": config.run, "uri": run.uri, "champion": novelty.named(entry)}
    outcome = outcome.model_copy(update=where | {"gate": config.gate.model_dump(mode="json")})
    document = outcome.model_dump(mode="json", exclude_none=True)
    may()
    gate_page.write(run, document)
    may()
    record.write_document(run, layout.GATE, document)
    return outcome


def _scored(model: Model, faces: Faces) -> tuple[Predictions, dict[str, Any], np.ndarray]:
    """What a model says of the faces, what it has met of them, and which are new to it."""
    (said,) = inference.predict(model.content, faces, flips=False)
    seen, new = acquaintance.seen(model.facts(), acquaintance.families_of(faces))
    return said, seen, new
