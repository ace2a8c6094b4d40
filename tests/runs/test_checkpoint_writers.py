"""fer_ray.runs.checkpoint: who is killed while writing, or may no longer, leaves no half of one."""

import random
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from fer_ray.runs import checkpoint
from fer_ray.runs.checkpoint import Loaded
from fer_ray.runs.storage import Store

FILES = {"weights.npz": b"w" * 1000, "loop.json": b"{}"}
WRITER = """
import sys
from fer_ray.runs import checkpoint, retention
from fer_ray.runs.storage import store
run, step = store(sys.argv[1]), 0
while True:
    content = bytes([step % 256]) * 2 ** int(sys.argv[3])
    files = {f"part-{n}": content for n in range(int(sys.argv[2]))}
    step += 1
    checkpoint.write(run, step, files, {"epoch": step})
    retention.keep(run, 2)
    print(step, flush=True)
"""


@contextmanager
def writer(run: Store, files: int, log_size: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that writes checkpoints of ``files`` files for ever; its first one is done."""
    command = [sys.executable, "-c", WRITER, run.uri, str(files), str(log_size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"1\n"
            yield process
        finally:
            process.kill()


def test_a_writer_killed_in_the_middle_leaves_no_checkpoint(run: Store) -> None:
    with writer(run, files=60, log_size=16) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            newest = max(entry.key.split("/")[1] for entry in run.listing("checkpoints"))
            there = [entry.key for entry in run.listing(f"checkpoints/{newest}")]
            if 0 < len(there) < 30:
                process.kill()
                break
    step = int(newest.removeprefix("step-"))
    assert 0 < len(run.listing(f"checkpoints/{newest}")) < 60
    assert step > 1
    assert checkpoint.complete(run)[0].step == step - 1
    found = checkpoint.newest(run)
    assert (found.step, len(found.files)) == (step - 1, 60)
    assert found.passed_over == (f"checkpoints/{newest} has no manifest.json: it was not finished",)
    checkpoint.write(run, step, FILES, {})  # who goes on finds no obstacle there
    assert checkpoint.newest(run) == Loaded(step, FILES, {}, ())


@pytest.mark.parametrize("run", ["local"], indirect=True)
def test_a_writer_killed_at_any_moment_leaves_only_whole_checkpoints(run: Store) -> None:
    moments = random.Random(0)
    for _ in range(6):
        with writer(run, files=10, log_size=12) as process:
            time.sleep(moments.uniform(0, 0.2))
            process.kill()
        whole = checkpoint.complete(run)
        assert 1 <= len(whole) <= 3
        for found in whole:
            files, about = checkpoint.read(run, found.step)
            assert about == {"epoch": found.step}
            assert {len(set(data)) for data in files.values()} == {1}
            assert len({data[0] for data in files.values()}) == 1
        run.delete_folder("checkpoints")


def test_a_writer_that_may_no_longer_makes_no_checkpoint(run: Store) -> None:
    allowed = iter((True, False))

    def may() -> None:
        if not next(allowed):
            raise PermissionError("fenced")

    with pytest.raises(PermissionError):
        checkpoint.write(run, 7, FILES, {}, may)
    assert next(allowed, None) is None
    assert checkpoint.complete(run) == []
    checkpoint.write(run, 7, FILES, {})
    with pytest.raises(PermissionError):
        checkpoint.write(run, 7, FILES, {}, may_not)
    assert checkpoint.newest(run).step == 7


def may_not() -> None:
    raise PermissionError("fenced")
