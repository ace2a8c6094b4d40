"""``python -m tests.campaign {bare,live,sweep} COUNT LEDGER``: kill at random, go on, compare.

Each line of the ledger is one run: its seed, when it was killed, and whether it ended with the bits
of one that nothing happened to. Seeds that the ledger has are not run again, so that a campaign can
be run in parts; a run is repeated by deleting its line. Exit 1 if any came to anything else.
"""

import json
import os
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from tests.campaign import bare, live
from tests.campaign import sweeps as sweep
from tests.drill.place import Place
from tests.flaky import Flaky
from tests.s3_server import serve

Strike = Callable[[int], dict[str, Any]]


def main() -> int:
    """Run the seeds that are missing, and tell what the whole ledger says."""
    kind, count, ledger = sys.argv[1], int(sys.argv[2]), Path(sys.argv[3])
    entries = read(ledger, kind)
    missing = [seed for seed in range(count) if seed not in {one["seed"] for one in entries}]
    if missing:
        with KINDS[kind]() as strike:
            for seed in missing:
                entry = entry_of(kind, seed, strike)
                with ledger.open("a") as sink:
                    sink.write(json.dumps(entry) + "\n")
                say(json.dumps(entry))
    entries = read(ledger, kind)
    wrong = [one["seed"] for one in entries if not one["same"]]
    kills = sum(len(one.get("kills", ())) for one in entries)
    say(f"{len(entries)} runs, {kills} kills, {len(wrong)} wrong or hung: {wrong}")
    return 1 if wrong else 0


def read(ledger: Path, kind: str) -> list[dict[str, Any]]:
    """What the ledger says of runs of one kind."""
    lines = ledger.read_text().splitlines() if ledger.exists() else []
    return [entry for entry in map(json.loads, lines) if entry["kind"] == kind]


def entry_of(kind: str, seed: int, strike: Strike) -> dict[str, Any]:
    """The line of one run; what went wrong is told in it, and the campaign goes on."""
    began = time.monotonic()
    entry: dict[str, Any] = {"kind": kind, "seed": seed}
    try:
        entry |= strike(seed)
    except Exception as error:  # noqa: BLE001 a run that failed is a result
        entry |= {"same": False, "error": f"{type(error).__name__}: {error}"}
    return entry | {"seconds": round(time.monotonic() - began, 1)}


@contextmanager
def bares() -> Iterator[Strike]:
    """Runs of the bare loop, on a disk and on S3 in turns."""
    import tensorflow as tf  # forked processes need not load it again

    assert tf.__version__
    with serve() as server, tempfile.TemporaryDirectory() as here:
        os.environ.update(server.environment)
        log = Path(here) / "log"

        def place(name: str, seed: int) -> str:
            return f"{here}/{name}" if seed % 2 else f"s3://{server.bucket()}/{name}"

        undisturbed = f"{here}/undisturbed"
        whole_s = bare.spawn(undisturbed, None, log).seconds
        wanted = bare.result_of(undisturbed)
        say(f"an undisturbed run takes {whole_s:.1f} s")

        def strike(seed: int) -> dict[str, Any]:
            folder = place(f"run-{seed}", seed)
            kills = bare.struck(folder, seed, whole_s, log)
            same = bare.result_of(folder) == wanted
            return {"kills": [round(after, 3) for after in kills], "same": same}

        yield strike


@contextmanager
def lives() -> Iterator[Strike]:
    """Runs of whole jobs on one cluster, kept in S3."""
    with serve() as server, Flaky(server.endpoint) as relay:
        os.environ.update(server.environment)
        place = Place(server, relay)
        with place.cluster() as there:
            first, whole_s = live.whole(place, there)
            wanted = first.digests(), first.batches()
            say(f"an undisturbed run takes {whole_s:.1f} s")

            def strike(seed: int) -> dict[str, Any]:
                run, kills = live.struck(place, there, seed, whole_s)
                return {"kills": kills, "same": (run.digests(), run.batches()) == wanted}

            yield strike


@contextmanager
def sweeps() -> Iterator[Strike]:
    """Sweeps of three trials on this machine."""
    with tempfile.TemporaryDirectory() as here:
        wanted, whole_s = sweep.whole(Path(here) / "whole")
        say(f"an undisturbed sweep takes {whole_s:.1f} s")

        def strike(seed: int) -> dict[str, Any]:
            came_to, after = sweep.struck(Path(here) / f"struck-{seed}", seed, whole_s)
            return {"kills": [round(after, 3)], "same": came_to == wanted}

        yield strike


KINDS = {"bare": bares, "live": lives, "sweep": sweeps}


def say(line: str) -> None:
    """Tell who watches."""
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
