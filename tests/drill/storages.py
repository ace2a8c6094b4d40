"""Faults of storage: cut off, damaged, busy for a while, gone for good."""

import os
import signal
import time

from fer_ray.runs import layout
from tests.drill.place import Place
from tests.drill.rows import STRUCK, Fault, Reference, Row, again, row, same
from tests.drill.runs import wait_for


def cut_off_upload(place: Place, reference: Reference) -> Row:
    """SIGKILL to the worker while it sends a checkpoint's file."""
    run = place.run("cut-off-upload")
    key = f"/{layout.checkpoint_folder(100)}/optimizer.npz".encode()
    struck: list[int] = []

    def strike(sent: bytes) -> None:
        if not struck and sent.startswith(b"PUT") and key in sent:
            struck.extend(place.workers())
            os.kill(struck[0], signal.SIGKILL)

    with place.cluster() as there:
        place.relay.on_request = strike
        try:
            run.start(there)
            wait_for(lambda: bool(struck), "the upload")
            at = run.saved()
            seconds = wait_for(lambda: run.saved() > at, "a newer checkpoint")
            run.done()
        finally:
            place.relay.on_request = None
    assert at == 90, at
    return row(
        run, "an upload cut off", "Ray Train restarts the group", at, seconds, same(run, reference)
    )


def flipped_byte(place: Place, reference: Reference) -> Row:
    """One byte of the newest checkpoint changed while no job is at work."""
    run = place.run("flipped-byte")
    with place.cluster() as there:
        run.start(there)
        run.wait_for_step(STRUCK)
        run.job.terminate()
        run.outcome()
        at = run.saved()
        key = f"{layout.checkpoint_folder(at)}/weights.npz"
        content = bytearray(run.folder.read_bytes(key))
        content[len(content) // 2] ^= 1
        run.folder.write_bytes(key, bytes(content))
        seconds = again(run, there, at)
    assert f"passed over a checkpoint: {key} must have SHA-256" in run.told, run.told
    return row(
        run, "a byte of the newest checkpoint", "the one before", at, seconds, same(run, reference)
    )


def _outage(trouble: str, seconds: float) -> Fault:
    def fault(place: Place, reference: Reference) -> Row:
        run = place.run(f"storage-{trouble}")
        with place.cluster() as there:
            run.start(there)
            at = run.wait_for_step(STRUCK)
            began = time.monotonic()
            place.relay.trouble = "drops" if trouble == "drops" else "busy"
            try:
                time.sleep(seconds)  # the outage itself
            finally:
                place.relay.trouble = None
            at = run.saved()
            wait_for(lambda: run.saved() > at, "a newer checkpoint")
            recovered = time.monotonic() - began - seconds
            run.done()
        assert "trying again in" in run.logs()
        words = "drops connections" if trouble == "drops" else "answers 503"
        told = f"storage {words} for {seconds:.0f} s"
        alike = same(run, reference)
        return Row(told, "asked again until it answers", recovered, "0 steps", alike)

    return fault


def dropped(seconds: float) -> Fault:
    """Storage that drops connections for a while."""
    return _outage("drops", seconds)


def busy(seconds: float) -> Fault:
    """Storage that answers 503 for a while."""
    return _outage("busy", seconds)


def gone_storage(place: Place, reference: Reference) -> Row:
    """Storage that stays away: the job fails with a sentence, and the next one goes on."""
    run = place.run("gone-storage", **{"cluster.max_failures": "0"})
    with place.cluster(FER_RAY_STORAGE_PATIENCE_S="5") as there:
        run.start(there | {"FER_RAY_STORAGE_PATIENCE_S": "5"})
        run.wait_for_step(STRUCK)
        place.relay.trouble = "drops"
        try:
            code, outcome = run.outcome()
        finally:
            place.relay.trouble = None
        assert (code, outcome["status"]) == (1, "failed"), outcome
        assert outcome["error"].endswith("the server cannot be reached"), outcome["error"]
        at = run.saved()
        seconds = again(run, there, at)
    return row(
        run, "storage gone for good", "exit 1, later again", at, seconds, same(run, reference)
    )
