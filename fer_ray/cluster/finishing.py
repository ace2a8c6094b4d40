"""The end of a run: the best epoch's model exported, its file scored, the outcome written."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import ray

from fer_ray.cluster import capacity, export, inference, prepared, reporting
from fer_ray.cluster.progress import Progress
from fer_ray.cluster.work import Work
from fer_ray.config import TrainConfig
from fer_ray.job import Outcome
from fer_ray.runs import layout, record, scores, storage

logger = logging.getLogger(__name__)


def finish(
    work: Work,
    run: storage.Store,
    data: prepared.Prepared,
    progress: Progress,
    facts: Mapping[str, Any],
    epochs: list[dict[str, Any]],
    sides: Sequence[str],
) -> Outcome:
    """Export the best epoch's model, score its file, and write the outcome.

    Args:
        work: the run, as its workers knew it.
        run: its folder.
        data: the prepared dataset.
        progress: of the finished training.
        facts: what ``data.json`` says.
        epochs: the metrics of each.
        sides: that are scored.
    """
    assert progress.best is not None
    best = progress.best
    logger.info("exporting epoch %d and scoring it on the %s side", best.epoch, sides[-1])
    model = export.export.remote(work, best.step, {"epoch": best.epoch, "data": facts})
    ray.wait([model], fetch_local=False)  # its process, TensorFlow loaded, is then free to score
    scored, predictions = score(work.config, model, data, sides)
    chosen = next(epoch for epoch in epochs if epoch["epoch"] == best.epoch)
    outcome = Outcome(
        status="done",
        run=work.config.run,
        uri=run.uri,
        **{name: fact for name, fact in data.facts().items() if fact is not None},
        balanced=facts["balanced"],
        epochs=len(epochs),
        worker_groups=record.read_groups(run),
        best_epoch=best.epoch,
        train={"accuracy": chosen["train"]["accuracy"], "loss": chosen["train"]["loss"]},
        metrics=scored,
    )
    run.delete_folder(layout.RAY)
    work.guard.check()
    document = outcome.model_dump(mode="json", exclude_none=True)
    if "test" in predictions:
        where = capacity.where_work_is_done()
        write = reporting.write.options(scheduling_strategy=where)
        faces = prepared.side_blocks(data, "test")
        ray.get(write.remote(run.uri, document, epochs, faces, *predictions["test"]))
    record.write_document(run, layout.OUTCOME, document)
    return outcome


def score(
    config: TrainConfig,
    model: "ray.ObjectRef[bytes]",
    data: prepared.Prepared,
    sides: Sequence[str],
) -> tuple[dict[str, Any], dict[str, tuple[np.ndarray, np.ndarray]]]:
    """Scores of a ``.keras`` file's content on each of ``sides``, and its predictions there.

    Every face counts once; predictions are labels and probabilities in the faces' order. With
    ``evaluate.flips`` there is a second row of each, the mean over faces and mirror images.
    """
    told: dict[str, Any] = {}
    predictions = {}
    for side in sides:
        blocks = prepared.side_blocks(data, side).blocks
        rows = {side: False} | ({f"{side}_flips": True} if config.evaluate.flips else {})
        for row, flips in rows.items():
            predictions[row] = inference.predict(model, blocks, flips=flips)
            told[row] = scores.of_predictions(*predictions[row])
    return told, predictions
