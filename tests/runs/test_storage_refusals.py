"""fer_ray.runs.storage: what a store refuses, in one sentence that holds no secret."""

import re
import traceback
from pathlib import Path

import pytest

from fer_ray.config import TrainConfig
from fer_ray.runs import storage
from fer_ray.runs.faults import StorageError
from fer_ray.runs.storage import store
from fer_ray.runs.uris import refuse_credentials
from fer_ray.settings import SettingsError, parse
from tests.s3_server import S3


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
    monkeypatch.setenv("FER_RAY_STORAGE_PATIENCE_S", "1")
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
        "gs://anonymous@me:hush@b/x",
        "s3://AKIA1:hu/sh@b/x",
        "s3://AKIA1:hu?region=sh@b/x",
        "s3://AKIA1:hu#sh@b/x",
        "s3://AKIA1%3Ahush%40b/x",
        "s3://b:hush/x",
    ],
)
def test_credentials_in_a_uri_are_refused_unrepeated(uri: str) -> None:
    assert refusal(uri) == (
        "storage.uri must hold no credentials (they belong in the environment),"
        f" got some after {uri[:5]}"
    )


@pytest.mark.parametrize(
    "uri",
    [
        "s3://b/x?endpoint_override=u:hush@h",
        "s3://b/x?endpoint_override=u%3Ahush%40h",
        "s3://b/x#1?endpoint_override=u:hush@h",
        "s3://b/x?region=eu#&endpoint_override=u:hush@h",
        "s3://AKIA1?hu=sh@b/x",
        "s3://b/x?AKIA1:hush@h",
    ],
)
def test_credentials_among_the_options_of_a_uri_are_refused_unrepeated(uri: str) -> None:
    assert refusal(uri) == (
        "storage.uri must hold no credentials (they belong in the environment),"
        " got some among its options"
    )


@pytest.mark.parametrize(
    ("data", "runs", "blamed"),
    [
        ("s3://AKIA1:hush@b", "s3://AKIA1:hush@b/runs", "data.uri"),
        ("s3://b?endpoint_override=AKIA1:hush@h", "s3://b/runs", "data.uri"),
        ("s3://b", "s3://b/runs?endpoint_override=AKIA1:hush@h", "storage.uri"),
    ],
)
def test_settings_that_are_refused_for_more_repeat_no_credentials_either(
    data: str, runs: str, blamed: str
) -> None:
    with pytest.raises(SettingsError) as caught:
        parse(["--data.uri", data, "--storage.uri", runs], TrainConfig, "Trains.", "train")
    sentence = str(caught.value)
    assert sentence.startswith(f"{blamed} must hold no credentials")
    assert "AKIA1" not in sentence
    assert "hush" not in sentence


@pytest.mark.parametrize("bucket", ["[bucket]", "a bucket", "bückét"])
def test_a_bucket_of_other_signs_is_refused_at_once(bucket: str) -> None:
    assert refusal(f"s3://{bucket}/x") == (
        "storage.uri must name a bucket, of letters, digits, dots, dashes and underscores,"
        f" got s3://{bucket}/x"
    )


def test_a_path_on_this_machine_holds_no_credentials(tmp_path: Path) -> None:
    refuse_credentials(f"{tmp_path}/who@where:me?x=1@2", "storage.uri")


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
