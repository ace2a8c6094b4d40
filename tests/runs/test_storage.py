"""fer_ray.runs.storage and layout: what is written whole, and asked for again in trouble."""

import os
import pickle
import re
import subprocess
import sys
import threading
from collections.abc import Callable
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.runs import layout, storage
from fer_ray.runs.faults import BusyError, MissingError
from fer_ray.runs.storage import Entry, Store, store
from tests.drill.runs import wait_for
from tests.flaky import Flaky, Trouble
from tests.s3_server import S3


@given(st.integers(0, 10**9))
def test_a_checkpoints_folder_tells_its_step(step: int) -> None:
    assert layout.checkpoint_step(layout.checkpoint_folder(step).rpartition("/")[2]) == step


@pytest.mark.parametrize("folder", ["step-1", "step-0000001x", "best", "step-", "xstep-00000001"])
def test_other_folders_are_no_checkpoints(folder: str) -> None:
    assert layout.checkpoint_step(folder) is None


def test_keys_sort_as_the_numbers_in_them() -> None:
    assert layout.checkpoint_folder(4200) == "checkpoints/step-00004200"
    assert layout.epoch_metrics(9) < layout.epoch_metrics(10) == "metrics/epoch-00010.json"
    assert layout.dataset_part("train", 3) == "train/part-00003.parquet"


def test_made_up_names_sort_by_time_and_differ() -> None:
    names = [layout.made_up_name("train") for _ in range(50)]
    assert len(set(names)) > 48  # four letters of 32 may coincide, once in a great while
    assert all(re.fullmatch(r"train-\d{8}-\d{6}-[a-z2-9]{4}", name) for name in names)
    assert [name[:21] for name in names] == sorted(name[:21] for name in names)


def test_what_is_written_is_read_listed_and_deleted(run: Store) -> None:
    assert run.listing() == []
    run.write_bytes("a/one", b"1")
    run.write_bytes("a/b/two", b"22")
    run.write_bytes("ab", b"")
    assert run.listing() == [Entry("a/b/two", 2), Entry("a/one", 1), Entry("ab", 0)]
    assert run.listing("a") == [Entry("a/b/two", 2), Entry("a/one", 1)]
    assert run.folder("a").listing("b") == [Entry("b/two", 2)]
    assert run.read_bytes("a/b/two") == b"22"
    run.write_bytes("a/one", b"again")
    assert run.read_bytes("a/one") == b"again"
    assert (run.exists("ab"), run.exists("a"), run.exists("abc")) == (True, False, False)
    run.delete_folder("a")
    run.delete_file("ab")
    assert run.listing() == []


def test_deleting_what_is_not_there_is_no_fault(run: Store) -> None:
    run.delete_file("nothing")
    run.delete_folder("nothing")


def test_a_missing_key_is_told_by_its_uri(run: Store) -> None:
    with pytest.raises(MissingError, match=f"^{run.uri}/a/b must be there, got nothing$"):
        run.read_bytes("a/b")


def test_a_store_travels_to_other_processes_without_credentials(run: Store) -> None:
    carried = pickle.dumps(run)
    credentials = ("AWS_ACCESS_KEY_ID", "AWS_SECRET_ACCESS_KEY")
    known = [os.environ[name] for name in credentials if name in os.environ]
    assert run.local or len(known) == 2
    assert [value for value in known if value.encode() in carried] == []
    pickle.loads(carried).write_bytes("x", b"1")
    assert run.read_bytes("x") == b"1"


def test_keys_may_hold_what_a_uri_may_not(s3: S3) -> None:
    folder = store(f"s3://{s3.bucket()}/my faces/é#1+%20")
    folder.write_bytes("x", b"1")
    assert folder.listing() == [Entry("x", 1)]
    assert store(folder.uri).read_bytes("x") == b"1"


def test_a_small_object_is_one_request(s3: S3) -> None:
    name = s3.bucket()
    store(f"s3://{name}/runs").write_bytes("x", b"1")
    tag = s3.client().head_object(Bucket=name, Key="runs/x")["ETag"]
    assert "-" not in tag  # an object of several parts says how many after a dash


@pytest.mark.parametrize("server", ["s3", "swift"])
def test_a_large_object_arrives_whole(request: pytest.FixtureRequest, server: str) -> None:
    bucket = request.getfixturevalue(server).bucket()
    folder, data = store(f"s3://{bucket}/runs"), os.urandom(23 * 2**20)
    folder.write_bytes("x", data)
    assert folder.read_bytes("x") == data


def test_an_endpoint_may_be_in_the_uri(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    name = s3.bucket()
    monkeypatch.delenv("AWS_ENDPOINT_URL_S3")
    storage.check_writable(f"s3://{name}/runs?endpoint_override={s3.endpoint}")


def test_the_writing_probe_leaves_nothing(run: Store) -> None:
    storage.check_writable(run.uri)
    assert run.listing() == []


def test_what_a_killed_local_write_left_is_not_listed(local_run: Store) -> None:
    local_run.write_bytes("a/x", b"1")
    (Path(local_run.path("a")) / ".y.0123456789abcdef.part").write_bytes(b"half")
    assert local_run.listing() == [Entry("a/x", 1)]


WRITER = """
import os, sys
from fer_ray.runs.storage import store
folder, pages = store(sys.argv[1]), [bytes([n]) * 500_000 for n in range(8)]
print("ready", flush=True)
while True:
    for page in pages:
        folder.write_bytes("x", page)
"""


@pytest.mark.parametrize("run", ["local"], indirect=True)
def test_a_reader_never_sees_half_a_file(run: Store) -> None:
    command = [sys.executable, "-c", WRITER, run.uri]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as writer:
        assert writer.stdout is not None
        writer.stdout.readline()
        while not run.exists("x"):
            pass
        seen = [run.read_bytes("x")]
        while len(seen) < 60 or seen[-1] == seen[0]:  # until it has been replaced meanwhile
            seen.append(run.read_bytes("x"))
        writer.kill()
    seen.append(run.read_bytes("x"))
    assert {len(page) for page in seen} == {500_000}
    assert all(len(set(page)) == 1 for page in seen)


@pytest.mark.parametrize("trouble", ["drops", "busy", "faulty"])
def test_storage_that_is_busy_for_a_while_is_asked_again_and_the_log_says_so(
    flaky: Flaky, s3: S3, trouble: Trouble, caplog: pytest.LogCaptureFixture
) -> None:
    run = store(f"s3://{s3.bucket()}/runs/one")
    flaky.trouble = trouble
    patient = threading.Thread(target=run.write_bytes, args=("a", b"1"))
    patient.start()
    wait_for(lambda: "trying again in" in caplog.text, "a word about the storage", 60)
    assert flaky.refused > 0
    flaky.trouble = None
    patient.join(60)
    assert run.read_bytes("a") == b"1"
    assert re.search(r"storage.uri must be writable, got s3://.*/one: the server ", caplog.text)


def test_storage_that_stays_away_is_given_up(
    flaky: Flaky, s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store(f"s3://{s3.bucket()}/runs/one")
    monkeypatch.setenv("FER_RAY_STORAGE_PATIENCE_S", "1")
    flaky.trouble = "drops"
    with pytest.raises(BusyError, match=r"^storage.uri must be readable, got s3://.* be reached$"):
        run.read_bytes("a")


def test_who_lost_a_run_while_storage_was_busy_writes_and_deletes_nothing_when_it_is_back(
    flaky: Flaky, s3: S3, caplog: pytest.LogCaptureFixture
) -> None:
    run = store(f"s3://{s3.bucket()}/runs/one")
    run.write_bytes("b", b"theirs")
    told: list[Exception] = []

    def lost() -> None:
        raise PermissionError("another has the run")

    def patiently(act: Callable[[], None]) -> None:
        try:
            act()
        except PermissionError as error:
            told.append(error)

    ours = run.guarded(lost)
    ours.write_bytes("c", b"1")  # storage that is not busy asks nobody
    flaky.trouble = "drops"
    acts = (lambda: ours.write_bytes("a", b"1"), lambda: ours.delete_file("b"))
    waiting = [threading.Thread(target=patiently, args=(act,)) for act in acts]
    for one in waiting:
        one.start()
    wait_for(lambda: caplog.text.count("trying again in") >= 2, "words about the storage", 60)
    flaky.trouble = None
    for one in waiting:
        one.join(60)
    assert len(told) == 2
    assert [entry.key for entry in run.listing()] == ["b", "c"]
