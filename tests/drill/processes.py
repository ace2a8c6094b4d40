"""Faults of processes: a worker or a driver killed, stopped, paused, or started twice."""

import os
import signal
import time

from tests.drill.place import Place
from tests.drill.rows import STRUCK, Reference, Row, again, row, same
from tests.drill.runs import wait_for


def killed_worker(place: Place, reference: Reference) -> Row:
    """SIGKILL to the training worker."""
    run = place.run("killed-worker")
    with place.cluster() as there:
        run.start(there)
        at = run.wait_for_step(STRUCK)
        (worker,) = place.workers()
        os.kill(worker, signal.SIGKILL)
        seconds = wait_for(lambda: run.saved() > at, "a newer checkpoint")
        run.done()
    return row(
        run, "kill -9 of a worker", "Ray Train starts anew", at, seconds, same(run, reference)
    )


def killed_driver(place: Place, reference: Reference) -> Row:
    """SIGKILL to the driver, and the same command again."""
    run = place.run("killed-driver")
    with place.cluster() as there:
        run.start(there)
        at = run.wait_for_step(STRUCK)
        run.job.kill()
        run.outcome()
        wait_for(lambda: not place.workers(), "the end of the killed job's worker")
        at = run.saved()
        seconds = again(run, there, at)
    return row(run, "kill -9 of the driver", "the same command", at, seconds, same(run, reference))


def stopped_driver(place: Place, reference: Reference) -> Row:
    """SIGTERM to the driver, and the same command again."""
    run = place.run("stopped-driver")
    with place.cluster() as there:
        run.start(there)
        run.wait_for_step(STRUCK)
        run.job.terminate()
        code, outcome = run.outcome(timeout_s=30)
        assert (code, outcome["status"]) == (1, "interrupted"), outcome
        at = run.saved()
        seconds = again(run, there, at)
    return row(run, "SIGTERM to the driver", "the same command", at, seconds, same(run, reference))


def paused_owner(place: Place, reference: Reference) -> Row:
    """SIGSTOP to driver and worker; another job takes over; they come back, and may not write."""
    run, other = place.run("paused-owner"), place.run("paused-owner")
    with place.cluster(nodes=2) as there:
        run.start(there)
        run.wait_for_step(STRUCK)
        paused = [run.job.pid, *place.workers()]
        for pid in paused:
            os.kill(pid, signal.SIGSTOP)
        at, began = run.saved(), time.monotonic()
        other.start(there)
        wait_for(lambda: other.saved() > at, "a newer checkpoint")
        seconds = time.monotonic() - began
        for pid in paused:
            os.kill(pid, signal.SIGCONT)
        code, outcome = run.outcome()
        assert (code, outcome["status"]) == (4, "held"), (outcome, run.told)
        other.done()
    return row(
        other, "a paused owner comes back", "exit 4: it lost it", at, seconds, same(run, reference)
    )


def second_job(place: Place, reference: Reference) -> Row:
    """A second job of the same name while the first is at work."""
    run, other = place.run("second-job"), place.run("second-job")
    with place.cluster(nodes=2) as there:
        run.start(there)
        at = run.wait_for_step(30)
        other.start(there)
        code, outcome = other.outcome()
        assert (code, outcome["status"]) == (4, "held"), outcome
        assert f"process {run.job.pid} on" in outcome["error"], outcome
        run.done()
    return Row(
        "a second job of the name", "exit 4", 0.0, "0 steps", same(run, reference) and at > 0
    )
