"""fer_ray.runs.champion: documents that are damaged, lost or set back are told, never trusted."""

import json
from typing import Any

import pytest

from fer_ray.runs import champion, layout
from fer_ray.runs.storage import Store
from tests.runs.champions import crown, stored


@pytest.mark.parametrize(
    ("change", "sentence"),
    [
        (None, r"must be JSON, got other content$"),
        ({"schema_version": 2}, r"must be of schema_version 1, got 2: it takes the version of "),
        ({"schema_version": None}, r"must have a schema_version \(1\), got none$"),
        ({"number": "1"}, r"must be a champion's entry, got number: Input should be a valid int"),
        ({"number": 0}, r"must be a champion's entry, got number: "),
        ({"run": "../one"}, r"must be a champion's entry, got run: String should match"),
        ({"how": "guess"}, r"must be a champion's entry, got how: Input should be 'gate', 'first'"),
        ({"facts": {"gain": float("nan")}}, r"must be a champion's entry, got facts: "),
        ({"more": 1}, r"must be a champion's entry, got more: Extra inputs are not permitted$"),
    ],
)
@pytest.mark.parametrize("key", [layout.CHAMPION, layout.champion_history(1)])
def test_a_damaged_document_is_told_in_one_sentence(
    local_runs: Store, change: dict[str, Any] | None, sentence: str, key: str
) -> None:
    crown(local_runs, "one")
    if key != layout.CHAMPION:
        crown(local_runs, "two")
    content = local_runs.read_bytes(key)
    damaged = content[:20] if change is None else json.dumps(json.loads(content) | change).encode()
    local_runs.write_bytes(key, damaged)
    with pytest.raises(ValueError, match=rf"^{local_runs.uri}/{key} {sentence}") as caught:
        champion.history(local_runs)
    assert type(caught.value) is ValueError
    assert "\n" not in str(caught.value)


def test_an_entry_of_another_number_or_none_breaks_the_history(runs: Store) -> None:
    for name in ("one", "two", "three"):
        crown(runs, name)
    first, second = layout.champion_history(1), layout.champion_history(2)
    runs.write_bytes(second, runs.read_bytes(first))
    with pytest.raises(ValueError, match=r"/000002.json must be of number 2, got number 1$"):
        champion.history(runs)
    runs.delete_file(second)
    with pytest.raises(ValueError, match=r"/000002.json must be there, as later champions are, go"):
        champion.history(runs)


def test_a_pointer_that_was_lost_or_set_back_is_not_taken_for_the_champion(runs: Store) -> None:
    crown(runs, "one")
    old = runs.read_bytes(layout.CHAMPION)
    crown(runs, "two")
    runs.write_bytes(layout.CHAMPION, old)
    late = r"champion.json must be of number 2 or later, as champion/history/000002.json is there,"
    with pytest.raises(ValueError, match=f"{late} got number 1$"):
        crown(runs, "three")
    runs.delete_file(layout.CHAMPION)
    with pytest.raises(ValueError, match=r"champion.json must be of number 1 or later, .* nothing"):
        champion.read(runs)
    runs.write_bytes(layout.CHAMPION, stored(runs)["000002.json"])  # as the module says
    assert [entry.run for entry in champion.history(runs)] == ["one", "two"]
