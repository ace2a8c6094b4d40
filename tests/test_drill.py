"""The drill in short: one run that much happens to, on a real cluster and a real S3 server.

``python -m tests.drill`` strikes with one fault at a time, and with more of them.
"""

import os
import signal
from collections.abc import Iterator

import pytest

from fer_ray.runs import layout
from tests.drill.place import Place
from tests.drill.runs import Run, wait_for
from tests.flaky import Flaky
from tests.s3_server import S3

SMALL = {"data.demo_faces": "1200", "training.epochs": "4"}


@pytest.fixture
def place(s3: S3) -> Iterator[Place]:
    with Flaky(s3.endpoint) as relay:
        yield Place(s3, relay)


def reach(run: Run, ahead: int) -> int:
    """The newest checkpoint's step, once the run is ``ahead`` steps further."""
    return run.wait_for_step(run.saved() + ahead)


def test_a_run_that_much_happens_to_ends_as_an_undisturbed_one(place: Place, s3: S3) -> None:
    calm, run, second = (place.run(name, **SMALL) for name in ("calm", "struck", "struck"))
    with place.cluster() as there:
        calm.start(there)
        calm.done()

        run.start(there)
        reach(run, 10)
        second.start(there)
        (worker,) = place.workers()
        os.kill(worker, signal.SIGKILL)
        code, outcome = second.outcome()
        assert (code, outcome["status"]) == (4, "held")
        assert f"process {run.job.pid} on" in outcome["error"]
        reach(run, 10)

        run.job.terminate()
        code, outcome = run.outcome(timeout_s=10)
        assert (code, outcome["status"]) == (1, "interrupted")
        newest = run.saved()
        key = f"{layout.checkpoint_folder(newest)}/weights.npz"
        content = bytearray(run.folder.read_bytes(key))
        content[len(content) // 2] ^= 1
        run.folder.write_bytes(key, bytes(content))

        run.start(there)
        run.wait_for_step(newest + 10)
        assert f"passed over a checkpoint: {key} must have SHA-256" in run.errors()
        place.relay.trouble = "drops"
        wait_for(lambda: "trying again in" in run.errors(), "a word about the storage")
        place.relay.trouble = None
        outcome = run.done()

    assert run.digests() == calm.digests()
    assert run.batches() == calm.batches()
    assert len(outcome["worker_groups"]) >= 3
    assert {group["attempt"] for group in outcome["worker_groups"]} == {1, 2}
    everything = (
        run.errors()
        + second.errors()
        + "".join(
            run.folder.read_bytes(entry.key).decode(errors="replace")
            for entry in run.folder.listing()
        )
    )
    assert s3.secret not in everything
    assert "worker 0 of 1 begins at step" in run.logs()
