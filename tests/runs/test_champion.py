"""fer_ray.runs.champion: who is champion, who was, and what a change or a rollback makes of it."""

import logging
import os
import subprocess
import sys
from pathlib import Path

import pytest

from fer_ray.inspection import DoctorConfig
from fer_ray.runs import champion, layout, rollbacks
from fer_ray.runs.champion import Standing
from fer_ray.runs.storage import Store, store
from tests.runs.champions import crown, roll_back, stored
from tests.s3_server import S3


def test_where_nothing_was_promoted_there_is_no_champion(runs: Store) -> None:
    assert champion.read(runs) == Standing(None, None)
    assert champion.history(runs) == []
    assert rollbacks.before(runs) is None
    assert runs.listing() == []


def test_a_champion_is_read_as_it_was_made(runs: Store) -> None:
    first = crown(runs, "one", "first")
    assert champion.read(runs).entry == first
    second = crown(runs, "two", "gate", verdict={"gain": 0.01, "passed": True})
    assert champion.read(runs).entry == second
    assert champion.history(runs) == [first, second]
    assert (first.number, second.number) == (1, 2)
    assert second.verdict == {"gain": 0.01, "passed": True}
    assert [entry.key for entry in runs.listing() if "/." not in entry.key] == [
        "champion/champion.json",
        "champion/history/000001.json",
        "champion/history/000002.json",
    ]
    assert stored(runs)["000002.json"] == runs.read_bytes("champion/champion.json")


def test_who_read_an_older_champion_changes_nothing_and_hears_who_is_champion(runs: Store) -> None:
    nobody = champion.read(runs)
    crown(runs, "one")
    one = champion.read(runs)
    two = crown(runs, "two")
    kept = stored(runs)
    told = rf"got two \(number 2\), by somebody at {two.when}$"
    for standing, was in ((nobody, "none"), (one, r"one \(number 1\)")):
        with pytest.raises(
            champion.OvertakenError, match=f"^the champion must still be {was}, {told}"
        ):
            crown(runs, "three", standing=standing)
    assert champion.read(runs).entry == two
    assert stored(runs) == kept


def test_an_entry_that_cannot_be_stored_is_told_and_stored_with_the_next_change(
    local_runs: Store, caplog: pytest.LogCaptureFixture
) -> None:
    local_runs.write_bytes("champion/history", b"a file in the way")
    with caplog.at_level(logging.WARNING, "fer_ray"):
        first = crown(local_runs, "one")
    assert "entry was not stored in the history: storage.uri must be " in caplog.text
    assert champion.read(local_runs).entry == first
    local_runs.delete_file("champion/history")
    assert champion.history(local_runs) == [first]
    second = crown(local_runs, "two")
    assert champion.history(local_runs) == [first, second]
    assert len(stored(local_runs)) == 2


def test_the_stored_history_is_never_written_over(local_runs: Store) -> None:
    seen: dict[str, bytes] = {}
    for name in ("one", "two", "three"):
        crown(local_runs, name)
        now = stored(local_runs)
        assert now.items() >= seen.items()
        seen = now
    key = "champion/history/000003.json"
    other = seen["000003.json"].replace(b"three", b"other")
    local_runs.write_bytes(key, other)
    pointer = local_runs.read_bytes("champion/champion.json")
    wrong = r"^/.*/champion/history/000003.json must be what champion/champion.json said at number"
    with pytest.raises(ValueError, match=wrong):
        crown(local_runs, "four")
    with pytest.raises(ValueError, match=wrong):
        champion.history(local_runs)
    assert local_runs.read_bytes(key) == other
    assert local_runs.read_bytes("champion/champion.json") == pointer


def test_rollbacks_walk_back_and_never_to_and_fro(local_runs: Store) -> None:
    crown(local_runs, "a", "first")
    assert rollbacks.before(local_runs) is None
    crown(local_runs, "b", "gate")
    crown(local_runs, "c", "gate")
    assert roll_back(local_runs) == "b"
    assert roll_back(local_runs) == "a"
    assert rollbacks.before(local_runs) is None
    assert [entry.run for entry in champion.history(local_runs)] == ["a", "b", "c", "b", "a"]


@pytest.mark.parametrize(
    ("promoted", "back"),
    [
        ("a b < c", "a"),  # what was taken away is not returned to
        ("a b c < < d", "a"),
        ("a b c < c", "b a"),  # promoted anew, it is the uppermost again
        ("a b b", "a"),  # once more the same run is no step
        ("a b a", "b a"),
        ("a b a < b", "a"),
    ],
)
def test_a_rollback_takes_the_last_promotion_away(
    local_runs: Store, promoted: str, back: str
) -> None:
    for name in promoted.split():
        if name == "<":
            roll_back(local_runs)
        else:
            crown(local_runs, name)
    for name in back.split():
        assert roll_back(local_runs) == name
    assert rollbacks.before(local_runs) is None


LOOK = """
import sys
from fer_ray.runs import champion, storage
runs = storage.store(sys.argv[1])
standing = champion.read(runs)
print([entry.run for entry in champion.history(runs)])
try:
    champion.change(
        runs, standing, run="two", uri=runs.folder("two").uri, model_sha256="0" * 64,
        facts={}, how="promote", who="somebody", why="it is better",
    )
except storage.StorageError as error:
    print(error)
"""


def test_who_may_only_read_reads_the_champion_and_changes_none(s3: S3) -> None:
    runs = store(f"s3://{s3.bucket()}/runs")
    entry = crown(runs, "one")
    reader = s3.stranger("s3:GetObject", "s3:ListBucket")
    seen = subprocess.run(
        [sys.executable, "-c", LOOK, runs.uri],
        env=os.environ | reader.environment,
        capture_output=True,
        text=True,
        check=True,
    )
    sentence = f"storage.uri must be readable and writable, got {runs.uri}: the server answers"
    assert seen.stdout == f"['one']\n{sentence} AccessDenied\n"
    assert champion.history(runs) == [entry]


@pytest.mark.parametrize("name", [layout.DATASETS, layout.CHAMPIONS])
def test_no_run_bears_the_name_of_what_lies_beside_the_runs(name: str) -> None:
    with pytest.raises(ValueError, match=f"must not be '{name}', where "):
        DoctorConfig(run=name)


def test_on_a_disk_a_pointer_is_there_before_it_gets_its_name(
    local_runs: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses power has the old champion or the new one, and no empty file."""
    crown(local_runs, "one", "first")
    synced = []
    sync = os.fsync

    def spy(file: int) -> None:
        sync(file)
        name = Path(f"/proc/self/fd/{file}").readlink().name
        if Path(layout.CHAMPION).name in name:
            synced.append((os.fstat(file).st_size, champion.read(local_runs).entry))

    monkeypatch.setattr(os, "fsync", spy)
    crown(local_runs, "two")
    ((size, entry),) = synced
    assert size == len(local_runs.read_bytes(layout.CHAMPION))
    assert entry is not None
    assert entry.run == "one"
