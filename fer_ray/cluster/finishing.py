"""The end of a run: the best epoch's model exported, its file scored, the outcome written."""

import logging
from collections.abc import Mapping, Sequence
from typing import Any

from fer_ray.cluster import export, prepared, reporting, scoring
from fer_ray.cluster.progress import Progress
from fer_ray.cluster.stream import Faces, Plan
from fer_ray.cluster.work import Work
from fer_ray.job import Outcome
from fer_ray.runs import layout, model_card, record, storage
from fer_ray.runs.shown import Shown

logger = logging.getLogger(__name__)


def finish(
    work: Work,
    run: storage.Store,
    data: prepared.Prepared,
    progress: Progress,
    facts: Mapping[str, Any],
    epochs: list[dict[str, Any]],
    trained: tuple[Faces, Plan],
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
        trained: what was trained on, and how it was changed.
        sides: that are scored; with the test side there is a report.
    """
    assert progress.best is not None
    best = progress.best
    logger.info("exporting epoch %d and scoring it on the %s side", best.epoch, sides[-1])
    model = export.exported(work, best.step, {"epoch": best.epoch, "data": facts})
    faces = {side: prepared.side_blocks(data, side) for side in sides}
    scored, told = scoring.score(model, faces, flips=work.config.evaluate.flips)
    chosen = next(epoch for epoch in epochs if epoch["epoch"] == best.epoch)
    outcome = Outcome(
        status="done",
        run=work.config.run,
        uri=run.uri,
        **{name: fact for name, fact in data.facts().items() if fact is not None},
        **({"drawn": True} if "drawn" in facts else {}),
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
    if "test" in sides:
        config = work.config.model_dump(mode="json")
        model_card.write(run, document, config, str(facts["content"]))
        shown = Shown(outcome=document, side="test", epochs=epochs)
        about = {row: one for row, one in told.items() if row.startswith("test")}
        reporting.report_on(run, shown, faces["test"], about, trained)
    work.guard.check()  # a report takes seconds
    record.write_document(run, layout.OUTCOME, document)
    return outcome
