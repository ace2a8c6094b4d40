"""fer_ray.runs.storage and layout: what is written whole, and what a store refuses."""

import os
import pickle
import re
import subprocess
import sys
import threading
import traceback
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from fer_ray.runs import layout, storage
from fer_ray.runs.faults import BusyError, MissingError, StorageError
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


def refusal(uri: str, setting: str = "storage.uri") -> str:
    """The sentence with which writing to ``uri`` is refused."""
    with pytest.raises(StorageError) as caught:
        storage.check_writable(uri, setting)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_a_bucket_that_is_not_there_is_told_and_not_made(s3: S3) -> None:
    assert refusal("s3://fer-none/x") == (
        "storage.uri must be writable, got s3://fer-none/x: no such bucket"
    )
    assert "fer-none" not in {b["Name"] for b in s3.client().list_buckets()["Buckets"]}


@pytest.mark.parametrize(
    ("variable", "value", "reason"),
    [
        ("AWS_ACCESS_KEY_ID", "AKIANOBODY", "wrong credentials (unknown access key)"),
        (
            "AWS_SECRET_ACCESS_KEY",
            "mistyped-secret",
            "wrong credentials (the secret key does not fit the access key)",
        ),
        ("AWS_ENDPOINT_URL_S3", "http://127.0.0.1:9", "the server cannot be reached"),
    ],
)
def test_wrong_credentials_are_told_without_them(
    s3: S3, monkeypatch: pytest.MonkeyPatch, variable: str, value: str, reason: str
) -> None:
    uri = f"s3://{s3.bucket()}/x"
    monkeypatch.setenv(storage.PATIENCE, "1")
    monkeypatch.setenv(variable, value)
    with pytest.raises(StorageError) as caught:
        storage.check_writable(uri)
    assert str(caught.value) == f"storage.uri must be writable, got {uri}: {reason}"
    everything = "".join(traceback.format_exception(caught.value))
    assert s3.secret not in everything
    assert "mistyped-secret" not in everything


def test_a_server_of_another_kind_is_told_of_in_the_same_words(
    swift: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"s3://{swift.bucket()}/x"
    assert refusal("s3://fer-none/x").endswith(": no such bucket")
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "mistyped-secret")
    sentence = "wrong credentials (the secret key does not fit the access key)"
    assert refusal(uri) == f"storage.uri must be writable, got {uri}: {sentence}"


def test_a_user_who_may_nothing_is_denied(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    uri = f"s3://{s3.bucket()}/x"
    for name, value in s3.stranger().environment.items():
        monkeypatch.setenv(name, value)
    assert refusal(uri) == f"storage.uri must be writable, got {uri}: access denied"
    denied = re.escape(f"data.uri must be readable, got {uri}: access denied")
    with pytest.raises(StorageError, match=f"^{denied}$"):
        store(uri, "data.uri").listing()
    with pytest.raises(StorageError, match=f"^{denied}$"):
        store(uri, "data.uri").read_bytes("x")
    with pytest.raises(StorageError, match=f"^{denied}$"):
        store(uri, "data.uri").exists("x")


@pytest.mark.parametrize(
    "uri",
    [
        "s3://AKIA1:hush@b/x",
        "s3://AKIA1@b/x",
        "gs://me:hush@b/x",
        "s3://b/x?endpoint_override=u:hush@h",
    ],
)
def test_credentials_in_a_uri_are_refused_unrepeated(uri: str) -> None:
    sentence = refusal(uri)
    assert sentence == (
        "storage.uri must hold no credentials (they belong in the environment),"
        f" got some for {uri[:5]}b"
    )


@pytest.mark.parametrize("uri", ["http://h/x", "s3://", "s3:/b/x", "hdfs://a:hush@h/x"])
def test_unknown_kinds_of_storage_are_refused(uri: str) -> None:
    sentence = refusal(uri, "data.uri")
    assert sentence.startswith(
        "data.uri must be a path, file:///FOLDER, s3://BUCKET/FOLDER or gs://BUCKET/FOLDER, got "
    )
    assert "hush" not in sentence


@pytest.mark.parametrize("option", ["endpoint", "secret_key"])
def test_an_option_of_a_uri_that_is_unknown_or_secret_is_named_without_its_value(
    option: str,
) -> None:
    assert refusal(f"s3://b/x?{option}=hush") == (
        f"storage.uri must have no options but endpoint_override, region, scheme, got {option}"
    )


def test_a_path_under_a_file_is_refused(tmp_path: Path) -> None:
    (tmp_path / "file").touch()
    assert refusal(f"{tmp_path}/file/runs") == (
        f"storage.uri must be writable, got {tmp_path}/file/runs:"
        " a part of the path is a file, not a folder"
    )


@pytest.mark.skipif(not Path("/sys/kernel").exists(), reason="this system has no /sys")
def test_a_forbidden_folder_is_refused() -> None:
    assert refusal("/sys/fer") == "storage.uri must be writable, got /sys/fer: no permission"


@pytest.mark.skipif(not Path("/proc/self").exists(), reason="this system has no /proc")
def test_a_folder_that_cannot_be_made_is_refused() -> None:
    assert refusal("/proc/fer") == (
        "storage.uri must be writable, got /proc/fer: there is no such folder, and none can be made"
    )


@pytest.mark.parametrize("mounted", ["ro"], indirect=True)
def test_a_read_only_disk_is_refused(mounted: Path) -> None:
    assert refusal(f"{mounted}/runs").endswith(": it is read-only")


@pytest.mark.parametrize("mounted", ["size=64k"], indirect=True)
def test_a_full_disk_is_told_and_what_was_there_stays(mounted: Path) -> None:
    folder = store(str(mounted))
    folder.write_bytes("x", b"before")
    with pytest.raises(StorageError, match=r"must be writable, got .*/disk: no space left$"):
        folder.write_bytes("x", b"1" * 2**20)
    assert folder.read_bytes("x") == b"before"
    assert [path.name for path in mounted.iterdir()] == ["x"]  # and the half file does not fill it


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


@pytest.mark.parametrize("trouble", ["drops", "busy"])
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
