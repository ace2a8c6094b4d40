"""fer_ray.cluster.novelty: what was refused is known again, whoever came later."""

from pathlib import Path
from typing import Any

import pytest

from fer_ray.cluster import novelty
from fer_ray.cluster.prepared import Prepared
from fer_ray.config import StorageConfig, TrainConfig
from fer_ray.promotion import RetrainConfig
from fer_ray.runs import champion as champions
from fer_ray.runs import record
from fer_ray.runs.champion import Entry
from fer_ray.runs.storage import Store, store
from tests.runs.champions import crown, roll_back


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


def error_of_again(runs: Store, name: str) -> str | None:
    """What is wrong with another run of the settings and the faces of ``name``."""
    config, challenger = settings("tick")
    config = config.model_copy(update={"storage": StorageConfig(uri=runs.uri)})
    faces = Prepared("/faces", {"content": f"faces of {name}"}, "data.uri")
    entry = champions.read(runs).entry
    outcome = novelty.nothing_new(config, entry, challenger, faces)
    return None if outcome is None else outcome.error


def follow(runs: Store, name: str) -> None:
    """A run becomes champion, made of faces of its own."""
    _, challenger = settings(name)
    record.write_config(runs.folder(name), challenger)
    crown(runs, name, facts={"content": f"faces of {name}"})


@pytest.mark.parametrize(
    ("story", "taken"),
    [
        ("a b c <", "c"),  # a was followed by a better one, and not taken away
        ("a b c < <", "bc"),
        ("a b < c <", "bc"),
        ("a b < c d <", "d"),  # b was taken from upon a, and the champion is c again
        ("a b < c", ""),  # the champion has changed since
    ],
)
def test_only_what_rollbacks_took_away_is_refused_as_rolled_back(
    runs: Store, story: str, taken: str
) -> None:
    for name in story.split():
        if name == "<":
            roll_back(runs)
        else:
            follow(runs, name)
    champion = champions.read(runs).entry
    assert champion is not None
    told = {name: error_of_again(runs, name) for name in "abcd" if name != champion.run}
    assert {name: error for name, error in told.items() if error} == {
        name: f"nothing has changed since run {name}, made of the same faces, was rolled back by"
        " somebody: it is better"
        for name in taken
    }


def test_a_rollback_is_told_with_who_asked_for_it_and_why(runs: Store) -> None:
    for name in "abc":
        follow(runs, name)
    crown(runs, "b", "rollback", who="Ada", why="complaints")
    crown(runs, "a", "rollback", who="Ben", why="more complaints")
    told = [str(error_of_again(runs, name)).rpartition("rolled back by ")[2] for name in "cb"]
    assert told == ["Ada: complaints", "Ben: more complaints"]
