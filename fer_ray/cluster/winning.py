"""The end of a sweep: its results written, the winner chosen by validation and scored once."""

import logging
from collections import Counter
from collections.abc import Mapping
from typing import Any

import ray

from fer_ray.cluster import capacity, prepared, scoring, training
from fer_ray.cluster.trial import Task
from fer_ray.config import TrainConfig
from fer_ray.job import Outcome
from fer_ray.runs import layout, record, results, storage, trials, uris

logger = logging.getLogger(__name__)


def conclude(task: Task, folder: storage.Store) -> Outcome:
    """Write the results, choose the winner, score it on the test side; the sweep's outcome.

    ``failed`` where no point's trials all ran to their end.
    """
    from fer_ray.runs import sweep_page  # draws, which takes a second to load

    config = task.config
    rows = results.rows(folder, config.training.select_by)
    results.write(folder, rows)
    counts = Counter(row["status"] for row in rows)
    told = {
        "run": config.run,
        "uri": folder.uri,
        "trials": {status: counts[status] for status in ("done", "stopped", "failed")},
        **{name: fact for name, fact in task.data.facts().items() if fact is not None},
    }
    values = [(one, row["metric"]) for one, row in zip(trials.read_all(folder), rows, strict=True)]
    standings = trials.standings(values, config.tune.seeds)
    outcome = (
        _won(task, folder, standings, told)
        if standings
        else Outcome(
            status="failed",
            **told,
            error=f"no point's trials all ran to their end; see {folder.uri}/{layout.TRIALS}",
        )
    )
    sweep_page.write(
        folder,
        outcome.model_dump(mode="json", exclude_none=True),
        config.tune.model_dump(mode="json"),
        config.training.select_by,
    )
    return outcome


def _won(
    task: Task,
    folder: storage.Store,
    standings: list[trials.Standing],
    told: Mapping[str, Any],
) -> Outcome:
    """The outcome of a sweep that has a winner."""
    config, (winner, *others) = task.config, standings
    won = config.at(winner.point, seed=config.seed, run=None)
    folder.write_bytes(layout.WINNER, record.config_text(won, without=("run",)))
    number = winner.numbers[0]
    logger.info("trial %d has won; scoring it on the test side", number)
    scores = _scores(task, won, uris.join(folder.uri, layout.TRIALS, layout.trial_name(number)))
    faces = sum(task.data.counts["validation"].values())
    return Outcome(
        status="done",
        **told,
        winner={
            "trial": number,
            "point": dict(winner.point),
            "seed": config.seed,
            **_standing(config.training.select_by, winner),
            "settings": uris.join(folder.uri, layout.WINNER),
        },
        **_second(config.training.select_by, winner, others, faces),
        metrics=scores,
    )


def _standing(select_by: str, standing: trials.Standing) -> dict[str, Any]:
    """A point's validation metric: the mean of its seeds, and of several their deviation."""
    told: dict[str, Any] = {f"validation_{select_by}": standing.mean}
    if standing.deviation is not None:
        told["standard_deviation"] = standing.deviation
    return told


def _second(
    select_by: str, winner: trials.Standing, others: list[trials.Standing], faces: int
) -> dict[str, Any]:
    """What is told of the best of the other points, if there is one."""
    if not others:
        return {}
    second = others[0]
    noise = trials.noise(winner, second, faces)
    return {
        "second": {
            "trial": second.numbers[0],
            "point": dict(second.point),
            **_standing(select_by, second),
            "standard_error_of_the_difference": noise,
            "within_noise": winner.mean - second.mean <= noise,
        }
    }


def _scores(task: Task, won: TrainConfig, run_uri: str) -> Mapping[str, Any]:
    """Both sides' metrics of the winning trial's model, or of one that is trained anew."""
    if task.config.tune.winner == "retrain":
        named = won.model_copy(
            update={
                "run": layout.RETRAINED,
                "storage": won.storage.model_copy(update={"uri": task.folder}),
            }
        )
        faces = ray.get(task.shared.training.remote(named))
        part = training.Part(task.data, faces, str(task.config.run))
        training.fit(named, part)
        run_uri = uris.join(task.folder, layout.RETRAINED)
    where = capacity.where_work_is_done()
    model = _model_of.options(scheduling_strategy=where).remote(run_uri)
    faces = {side: prepared.side_blocks(task.data, side) for side in ("validation", "test")}
    scores, _ = scoring.score(model, faces, flips=won.evaluate.flips)
    return scores


@ray.remote(num_cpus=0)
def _model_of(run_uri: str) -> bytes:
    """The model file of a run."""
    return storage.store(run_uri).read_bytes(f"{layout.MODEL}/{layout.MODEL_FILE}")
