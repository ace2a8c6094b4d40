"""fer_ray.runs.champion among processes: one winner of two, and a history that outlives a kill."""

import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fer_ray.runs import champion, rollbacks
from fer_ray.runs.storage import Store
from tests.runs.champions import crown, stored

SETTLE_S = 0.5  # of the rule "last", which swift needs
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


def test_of_two_processes_at_once_one_wins_100_times_of_100_on_a_disk(local_runs: Store) -> None:
    check_races(local_runs, 100)


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
    before = rollbacks.before(runs)
    assert before is not None
    assert before.run == "one"
    crown(runs, "three")
    assert list(stored(runs)) == ["000001.json", "000002.json", "000003.json"]
    assert stored(runs)["000002.json"] == pointer
    assert [entry.run for entry in champion.history(runs)] == ["one", "two", "three"]
