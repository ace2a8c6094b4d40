"""fer_ray.runs.champion: one winner of two, a history without gaps, told from real processes."""

import json
import logging
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from fer_ray.inspection import DoctorConfig
from fer_ray.runs import champion, layout
from fer_ray.runs.champion import Entry, How, Standing
from fer_ray.runs.storage import Store, store
from tests.s3_server import S3

SETTLE_S = 0.5  # of the rule "last", which swift needs


@pytest.fixture(params=["local", "s3"])
def runs(request: pytest.FixtureRequest, tmp_path: Path) -> Store:
    """An empty folder for runs, on this machine's disk, on S3 or, if asked for, on swift."""
    if request.param == "local":
        return store(f"{tmp_path}/runs")
    return store(f"s3://{request.getfixturevalue(request.param).bucket()}/runs")


@pytest.fixture
def local(tmp_path: Path) -> Store:
    """An empty folder for runs on this machine's disk."""
    return store(f"{tmp_path}/runs")


def crown(
    runs: Store, run: str, how: How = "promote", standing: Standing | None = None, **fields: Any
) -> Entry:
    about: dict[str, Any] = {
        "uri": runs.folder(run).uri,
        "model_sha256": "0" * 64,
        "facts": {"content": "ab", "split": {"seed": 7, "fractions": [0.8, 0.1, 0.1]}},
        "who": "somebody",
        "why": "it is better",
    }
    standing = standing or champion.read(runs)
    return champion.change(runs, standing, run=run, how=how, **(about | fields))


def roll_back(runs: Store) -> str:
    standing = champion.read(runs)
    entry = champion.before(runs)
    assert entry is not None
    return crown(runs, entry.run, "rollback", standing).run


def stored(runs: Store) -> dict[str, bytes]:
    entries = runs.listing(layout.CHAMPION_HISTORY)
    return {entry.key.rpartition("/")[2]: runs.read_bytes(entry.key) for entry in entries}


def test_where_nothing_was_promoted_there_is_no_champion(runs: Store) -> None:
    assert champion.read(runs) == Standing(None, None)
    assert champion.history(runs) == []
    assert champion.before(runs) is None
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


RACE = """
import sys, time
from fer_ray.runs import champion, storage, versioned
runs = storage.store(sys.argv[1])
versioned.SETTLE_S = float(sys.argv[2])
while True:
    standing = champion.read(runs)
    print("ready", flush=True)
    line = sys.stdin.readline()
    if not line:
        break
    while time.monotonic() < float(line):
        pass
    try:
        entry = champion.change(
            runs, standing, run="one", uri=runs.folder("one").uri, model_sha256="0" * 64,
            facts={}, how="promote", who="somebody", why="it is better",
        )
        print("won", entry.mark, flush=True)
    except champion.OvertakenError as error:
        print("lost", error, flush=True)
    sys.stdin.readline()  # until the other has ended too
"""


@contextmanager
def racer(runs: Store) -> "Iterator[subprocess.Popen[str]]":
    """A process that reads the champion, says so, and changes it at the time it is told."""
    with subprocess.Popen(
        [sys.executable, "-c", RACE, runs.uri, str(SETTLE_S)],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        try:
            yield process
        finally:
            process.kill()


def told(process: "subprocess.Popen[str]") -> str:
    assert process.stdout is not None
    return process.stdout.readline()


def tell(process: "subprocess.Popen[str]", line: object) -> None:
    assert process.stdin is not None
    process.stdin.write(f"{line}\n")
    process.stdin.flush()


def check_races(runs: Store, races: int) -> None:
    """Check that of two processes that change one champion one wins, ``races`` times in a row.

    They say the same of the same run in the same second, so nothing but their marks differs.
    """
    winners = []
    with racer(runs) as one, racer(runs) as other:
        for number in range(1, races + 1):
            assert [told(one), told(other)] == ["ready\n"] * 2
            start = time.monotonic() + 0.003  # one clock for both, whatever a pipe takes
            tell(one, start)
            tell(other, start)
            lost, won = sorted([told(one), told(other)])
            assert (lost.split()[0], won.split()[0]) == ("lost", "won"), (lost, won)
            assert f"got one (number {number}), by somebody at " in lost
            winners.append(won.split()[1])
            tell(one, "on")
            tell(other, "on")
    entries = champion.history(runs)
    assert [entry.mark for entry in entries] == winners
    assert [entry.number for entry in entries] == list(range(1, races + 1))
    assert list(stored(runs)) == [f"{number:06d}.json" for number in range(1, races + 1)]


def test_of_two_processes_at_once_one_wins_100_times_of_100_on_a_disk(local: Store) -> None:
    check_races(local, 100)


@pytest.mark.parametrize("runs", ["s3"], indirect=True)
def test_of_two_processes_at_once_one_wins_100_times_of_100_on_s3(runs: Store) -> None:
    check_races(runs, 100)


@pytest.mark.parametrize("runs", ["swift"], indirect=True)
def test_without_conditions_one_of_two_at_once_wins_2_times_of_2(runs: Store) -> None:
    check_races(runs, 2)


DIE = """
import os, signal, sys
from fer_ray.runs import champion, storage
class Dying(storage.Store):
    def write_bytes(self, key, data):
        if key == "champion/history/000002.json":
            os.kill(os.getpid(), signal.SIGKILL)
        super().write_bytes(key, data)
runs = Dying(**vars(storage.store(sys.argv[1])))
for name in ("one", "two"):
    champion.change(
        runs, champion.read(runs), run=name, uri=runs.folder(name).uri, model_sha256="0" * 64,
        facts={}, how="promote", who="somebody", why="it is better",
    )
"""


def test_a_mover_killed_between_its_two_writes_loses_nothing(runs: Store) -> None:
    command = [sys.executable, "-c", DIE, runs.uri]
    assert subprocess.run(command, check=False).returncode == -signal.SIGKILL
    pointer = runs.read_bytes("champion/champion.json")
    assert list(stored(runs)) == ["000001.json"]
    assert [entry.run for entry in champion.history(runs)] == ["one", "two"]
    before = champion.before(runs)
    assert before is not None
    assert before.run == "one"
    crown(runs, "three")
    assert list(stored(runs)) == ["000001.json", "000002.json", "000003.json"]
    assert stored(runs)["000002.json"] == pointer
    assert [entry.run for entry in champion.history(runs)] == ["one", "two", "three"]


def test_an_entry_that_cannot_be_stored_is_told_and_stored_with_the_next_change(
    local: Store, caplog: pytest.LogCaptureFixture
) -> None:
    local.write_bytes("champion/history", b"a file in the way")
    with caplog.at_level(logging.WARNING, "fer_ray"):
        first = crown(local, "one")
    assert "entry was not stored in the history: storage.uri must be " in caplog.text
    assert champion.read(local).entry == first
    local.delete_file("champion/history")
    assert champion.history(local) == [first]
    second = crown(local, "two")
    assert champion.history(local) == [first, second]
    assert len(stored(local)) == 2


def test_the_stored_history_is_never_written_over(local: Store) -> None:
    seen: dict[str, bytes] = {}
    for name in ("one", "two", "three"):
        crown(local, name)
        now = stored(local)
        assert now.items() >= seen.items()
        seen = now
    key = "champion/history/000003.json"
    other = seen["000003.json"].replace(b"three", b"other")
    local.write_bytes(key, other)
    pointer = local.read_bytes("champion/champion.json")
    wrong = r"^/.*/champion/history/000003.json must be what champion/champion.json said at number"
    with pytest.raises(ValueError, match=wrong):
        crown(local, "four")
    with pytest.raises(ValueError, match=wrong):
        champion.history(local)
    assert local.read_bytes(key) == other
    assert local.read_bytes("champion/champion.json") == pointer


def test_rollbacks_walk_back_and_never_to_and_fro(local: Store) -> None:
    crown(local, "a", "first")
    assert champion.before(local) is None
    crown(local, "b", "gate")
    crown(local, "c", "gate")
    assert roll_back(local) == "b"
    assert roll_back(local) == "a"
    assert champion.before(local) is None
    assert [entry.run for entry in champion.history(local)] == ["a", "b", "c", "b", "a"]


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
def test_a_rollback_takes_the_last_promotion_away(local: Store, promoted: str, back: str) -> None:
    for name in promoted.split():
        if name == "<":
            roll_back(local)
        else:
            crown(local, name)
    for name in back.split():
        assert roll_back(local) == name
    assert champion.before(local) is None


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
    local: Store, change: dict[str, Any] | None, sentence: str, key: str
) -> None:
    crown(local, "one")
    if key != layout.CHAMPION:
        crown(local, "two")
    content = local.read_bytes(key)
    damaged = content[:20] if change is None else json.dumps(json.loads(content) | change).encode()
    local.write_bytes(key, damaged)
    with pytest.raises(ValueError, match=rf"^{local.uri}/{key} {sentence}") as caught:
        champion.history(local)
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
    local: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """A machine that loses power has the old champion or the new one, and no empty file."""
    crown(local, "one", "first")
    synced = []
    sync = os.fsync

    def spy(file: int) -> None:
        sync(file)
        name = Path(f"/proc/self/fd/{file}").readlink().name
        if Path(layout.CHAMPION).name in name:
            synced.append((os.fstat(file).st_size, champion.read(local).entry))

    monkeypatch.setattr(os, "fsync", spy)
    crown(local, "two")
    ((size, entry),) = synced
    assert size == len(local.read_bytes(layout.CHAMPION))
    assert entry is not None
    assert entry.run == "one"
