"""A process that holds a run's lease, as tests look at it."""

import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager

from fer_ray.runs import lease, versioned
from fer_ray.runs.storage import Store

TTL_S = 1.5


HOLD = """
import sys, threading
from fer_ray.runs import lease, storage, versioned
versioned.SETTLE_S = float(sys.argv[3])
with lease.acquire(storage.store(sys.argv[1]), float(sys.argv[2])) as mine:
    print("held", flush=True)
    try:
        while not threading.Event().wait(0.05):
            mine.check()
    except lease.LostError as error:
        print(error, flush=True)
"""


@contextmanager
def holder(run: Store, ttl_s: float = TTL_S) -> "Iterator[subprocess.Popen[str]]":
    """A process that holds the lease of ``run``."""
    process = subprocess.Popen(
        [sys.executable, "-c", HOLD, run.uri, str(ttl_s), str(versioned.SETTLE_S)],
        stdout=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "held\n"
        yield process
    finally:
        process.kill()
        process.communicate()


def terms(run: Store) -> lease.Terms:
    found = lease.read(run)
    assert found is not None
    return found
