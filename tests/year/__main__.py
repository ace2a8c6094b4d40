"""``python -m tests.year [--s3] [--ticks N] [--every DAYS] [--broken NAME …] SEED …``.

A line of JSON for each year; exit 1 if anything did not hold in one. A year that failed is repeated
by its seed.
"""

import argparse
import gc
import json
import os
import shutil
import sys
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

import fer_ray.cluster.retraining
import fer_ray.cluster.submitting
from tests.s3_server import S3, serve
from tests.year import broken
from tests.year.schedule import Schedule
from tests.year.world import Place
from tests.year.year import live

LOADED = (fer_ray.cluster.retraining, fer_ray.cluster.submitting)  # before anything is forked


def main() -> int:
    """Live through the years, and tell of each."""
    parser = argparse.ArgumentParser(prog="python -m tests.year", description=__doc__)
    parser.add_argument("seeds", nargs="+", type=int)
    parser.add_argument("--ticks", type=int, default=52)
    parser.add_argument("--every", type=int, default=7, help="days between two ticks")
    parser.add_argument("--s3", action="store_true", help="on an S3 server, else on a disk")
    parser.add_argument("--broken", nargs="*", default=[], choices=sorted(broken.WAYS))
    parser.add_argument("--keep", type=Path, help="where what happened is kept")
    given = parser.parse_args()
    gc.collect()
    gc.freeze()
    wrong = 0
    with storage(given.s3) as server:
        for seed in given.seeds:
            for way in given.broken or [None]:
                told = apart(seed, server, way, given)
                sys.stdout.write(json.dumps(told) + "\n")
                sys.stdout.flush()
                wrong += told["fault"] is not None
    return 1 if wrong else 0


@contextmanager
def storage(on_s3: bool) -> Iterator[S3 | None]:
    """The S3 server, if it is to be on one."""
    if not on_s3:
        yield None
        return
    with serve() as server:
        os.environ.update(server.environment)
        yield server


def apart(
    seed: int, server: S3 | None, way: str | None, given: argparse.Namespace
) -> dict[str, Any]:
    """A year in a process of its own, with the program broken in one way if it is to be."""
    folder = Path(tempfile.mkdtemp(prefix="fer-year-"))
    bucket = server.bucket() if server else ""
    where = f"s3://{bucket}" if server else str(folder)
    place = Place(folder, f"{where}/runs", f"{where}/faces", server and server.endpoint)
    fork = get_context("fork")
    here, there = fork.Pipe()
    process = fork.Process(target=_live, args=(there, seed, place, way, given.ticks, given.every))
    process.start()
    there.close()
    try:
        told: dict[str, Any] = here.recv()
    except EOFError:
        told = {"seed": seed, "fault": "the year ended without a word"}
    process.join()
    if given.keep:
        shutil.copytree(folder, given.keep / f"{seed}-{way or 'whole'}", dirs_exist_ok=True)
    shutil.rmtree(folder, ignore_errors=True)
    return told | {"storage": "s3" if server else "disk", "broken": way}


def _live(
    line: Connection, seed: int, place: Place, way: str | None, ticks: int, every: int
) -> None:
    schedule = Schedule.read()
    if way:
        schedule = broken.WAYS[way](schedule)
    line.send(live(seed, place, schedule, ticks, every))


if __name__ == "__main__":
    sys.exit(main())
