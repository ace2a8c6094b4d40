"""fer_ray.runs.uris: what a URI means wherever it is read."""

from pathlib import Path

import pytest

from fer_ray.names import absolute
from fer_ray.runs.uris import is_local, is_relative, join


def test_relative_paths_are_made_absolute_from_the_current_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    assert absolute("runs") == f"{tmp_path}/runs"
    assert absolute("./a/../runs/") == f"{tmp_path}/runs"
    assert absolute("~/runs") == f"{Path.home()}/runs"


def test_file_uris_are_paths() -> None:
    assert absolute("file:///data/faces.csv") == "/data/faces.csv"


@pytest.mark.parametrize(
    "uri", ["s3://b/x", "s3://b/x?endpoint_override=http://h:9000", "gs://b/x", "demo:"]
)
def test_uris_of_other_schemes_are_left_as_they_are(uri: str) -> None:
    assert absolute(uri) == uri
    assert not is_local(uri)
    assert not is_relative(uri)


@pytest.mark.parametrize(
    ("uri", "relative"), [("runs", True), ("./s3:/x", True), ("/runs", False), ("~/runs", False)]
)
def test_plain_paths_are_local_and_may_be_relative(uri: str, relative: bool) -> None:
    assert is_local(uri)
    assert is_relative(uri) is relative


@pytest.mark.parametrize(
    ("uri", "joined"),
    [
        ("/runs", "/runs/one/model"),
        ("/runs/", "/runs/one/model"),
        ("/who?/runs", "/who?/runs/one/model"),
        ("s3://b", "s3://b/one/model"),
        (
            "s3://b/x/?endpoint_override=http://h:1",
            "s3://b/x/one/model?endpoint_override=http://h:1",
        ),
    ],
)
def test_joining_keeps_the_query_at_the_end(uri: str, joined: str) -> None:
    assert join(uri, "one", "model") == joined
