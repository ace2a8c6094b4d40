"""fer_ray.runs.lease where the storage fails for a while, or a process stands still."""

import errno
import fcntl
import os
import signal
import threading
import time
from pathlib import Path

import pytest

from fer_ray.runs import lease, versioned
from fer_ray.runs.faults import BusyError, StorageError
from fer_ray.runs.storage import Store, store
from tests.drill.runs import wait_for
from tests.flaky import Flaky
from tests.runs.holders import TTL_S, holder, terms
from tests.s3_server import S3


def test_a_disk_that_fails_for_a_while_costs_renewals_and_not_the_lease(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    run = store(str(tmp_path))
    with lease.acquire(run, 0.3):

        def full(path: Path, _: bytes) -> None:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))

        with monkeypatch.context() as patches:
            patches.setattr(versioned, "write_beside", full)
            wait_for(lambda: caplog.text.count("was not renewed") >= 2, "failing renewals", 30)
        assert f"must be readable and writable, got {tmp_path}: no space left" in caplog.text
        before = terms(run).beat
        wait_for(lambda: terms(run).beat > before, "a renewal", 30)
    assert terms(run).released


def test_a_lease_that_cannot_be_written_is_told_in_a_sentence(tmp_path: Path) -> None:
    (tmp_path / ".lease.json.lock").mkdir()
    told = (
        f"^storage.uri must be readable and writable, got {tmp_path}: it is a folder, not a file$"
    )
    with pytest.raises(StorageError, match=told):
        lease.acquire(store(str(tmp_path)), 30)


def test_a_process_that_stands_still_under_the_lock_stops_nobody_for_ever(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store(str(tmp_path))
    with lease.acquire(run, 30):
        pass
    monkeypatch.setattr(versioned, "LOCK_S", 0.2)
    with (tmp_path / ".lease.json.lock").open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        with pytest.raises(BusyError, match=r"lease.json must be free to be written, a pro"):
            lease.acquire(run, 30)
    with lease.acquire(run, 30) as held:
        assert held.guard.attempt == 2


def test_storage_that_was_away_is_not_taken_for_a_holders_silence(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store(str(tmp_path))
    looks = []
    look = lease.read

    def late(there: Store) -> lease.Terms | None:
        looks.append(look(there))
        if len(looks) == 2:  # the first look of who waits: the storage is away for both
            time.sleep(2 * TTL_S)
            process.send_signal(signal.SIGCONT)
        return looks[-1]

    with holder(run) as process:
        process.send_signal(signal.SIGSTOP)
        monkeypatch.setattr(lease, "read", late)
        with pytest.raises(lease.HeldError, match="is at work"):
            lease.acquire(run, TTL_S)


def test_a_lease_on_storage_that_is_busy_is_asked_for_again(
    flaky: Flaky, s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    run = store(f"s3://{s3.bucket()}/runs/one")
    with lease.acquire(run, 30) as first:
        flaky.trouble = "drops"
        groups: list[lease.Guard] = []
        patient = threading.Thread(target=lambda: groups.append(first.guard.next_group()))
        patient.start()
        wait_for(lambda: "trying again in" in caplog.text, "a word about the storage", 60)
        flaky.trouble = None
        patient.join(60)
        assert [guard.group for guard in groups] == [1]
