"""Whole jobs on one live cluster, their worker or their driver killed at random moments."""

import os
import random
import signal
import time
from collections.abc import Mapping
from contextlib import suppress

from tests.drill.place import Place
from tests.drill.runs import Run, wait_for

SETTINGS = {
    "data.demo_faces": "1200",
    "training.epochs": "4",
    "training.checkpoint_every_steps": "5",
    "storage.lease_ttl_s": "2",
    "cluster.max_failures": "9",
}


def whole(place: Place, there: Mapping[str, str]) -> tuple[Run, float]:
    """A run that nothing happens to, and its seconds."""
    run = place.run("whole", **SETTINGS)
    began = time.monotonic()
    run.start(there)
    run.done()
    return run, time.monotonic() - began


def struck(
    place: Place, there: Mapping[str, str], seed: int, whole_s: float
) -> tuple[Run, list[str]]:
    """A run that is killed at moments drawn from ``seed``; the run, and what was killed when."""
    moments = random.Random(seed)
    run = place.run(f"struck-{seed}", **SETTINGS)
    run.start(there)
    did: list[str] = []
    for _ in range(moments.randint(1, 2)):
        after, victim = moments.uniform(0, whole_s), moments.choice(("worker", "driver"))
        ended = time.monotonic() + after
        with suppress(TimeoutError):
            wait_for(lambda: run.job.poll() is not None, "the end", ended - time.monotonic())
        if run.job.poll() is not None:
            break
        pids = place.workers() if victim == "worker" else [run.job.pid]
        for pid in pids:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        if pids:
            did.append(f"{victim} after {after:.2f} s")
        if victim == "driver":
            run.outcome()
            wait_for(lambda: not place.workers(), "the end of the killed job's worker")
            run.start(there)
    run.done()
    return run, did
