"""fer_ray.cluster.novelty: what was refused is known again, whoever came later."""

from pathlib import Path
from typing import Any

import pytest

from fer_ray.cluster import novelty
from fer_ray.config import TrainConfig
from fer_ray.promotion import RetrainConfig
from fer_ray.runs.champion import Entry
from fer_ray.runs.storage import Store, store


@pytest.fixture
def runs(tmp_path: Path) -> Store:
    return store(str(tmp_path))


def champion(number: int) -> Entry:
    return Entry(
        number=number,
        run="one",
        uri="/runs/one",
        model_sha256="0" * 64,
        facts={"content": "older"},
        how="first",
        who="schedule",
        why="it is the first",
        when="2026-11-26T00:00:00Z",
        verdict=None,
        mark="0" * 16,
    )


def settings(run: str, **more: Any) -> tuple[RetrainConfig, TrainConfig]:
    given: dict[str, Any] = {"data": {"uri": "demo:"}, "storage": {"uri": "/runs"}, "run": run}
    return RetrainConfig.model_validate(given), TrainConfig.model_validate(given | more)


def test_an_older_refusal_that_comes_late_leaves_the_newer_one_known(runs: Store) -> None:
    entry = champion(1)
    for run, content in (("tick-2", "newer"), ("tick-1", "older")):
        config, challenger = settings(run)
        novelty.remember(runs, config, entry, content, challenger, "no better")
    config, challenger = settings("tick-3")
    told = [novelty._refused(runs, config, entry, one, challenger) for one in ("newer", "older")]
    assert told == [
        f"nothing has changed since run {run} was refused: no better"
        for run in ("tick-2", "tick-1")
    ]


def test_what_was_refused_is_tried_again_once_something_has_changed(runs: Store) -> None:
    config, challenger = settings("tick-1")
    novelty.remember(runs, config, champion(1), "faces", challenger, "no better")
    assert novelty._refused(runs, config, champion(2), "faces", challenger) is None
    assert novelty._refused(runs, config, None, "faces", challenger) is None
    assert novelty._refused(runs, config, champion(1), "others", challenger) is None
    _, other = settings("tick-2", training={"epochs": 7})
    assert novelty._refused(runs, config, champion(1), "faces", other) is None
    _, same = settings("tick-2")
    assert novelty._refused(runs, config, champion(1), "faces", same) is not None
