"""jobs/prepare.py on every kind of input: accepted, refused by the row, or refused as a whole.

The jobs join one Ray cluster of their own, as a user's would: those that need an environment of
their own as processes of their own, all others one after another in one process.
"""

import json
import subprocess
import sys
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from PIL import Image

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.faces.rows import face_ids
from tests.encoded import encoded
from tests.jobs.drawn_inputs import (
    COUNT,
    FACES,
    csv_file,
    csv_lines,
    image_folders,
    image_name,
    parquet_table,
)
from tests.jobs.drivers import Driver, driver
from tests.ray_head import head
from tests.s3_server import S3

ROOT = Path(__file__).parents[2]


@dataclass(frozen=True)
class Ended:
    """How a job ended."""

    code: int
    outcome: dict[str, Any]
    stderr: str

    @property
    def uri(self) -> Path:
        return Path(self.outcome["uri"])

    @property
    def error(self) -> str:
        return str(self.outcome["error"])

    def refused(self) -> dict[str, str]:
        """Source and reason of every refused row."""
        columns = pq.read_table(self.uri / "refused.parquet").to_pydict()
        return dict(zip(columns["source"], columns["reason"], strict=True))

    def ids(self) -> set[str]:
        """The ids of all faces of the dataset."""
        parts = [pq.read_table(path) for path in self.uri.glob("*/*.parquet")]
        return set(pa.concat_tables(parts)["id"].to_pylist())


Prepare = Callable[..., Ended]


@pytest.fixture(scope="module")
def cluster(s3_server: S3) -> Iterator[dict[str, str]]:
    """The environment of a job that joins a Ray cluster which reaches the S3 server."""
    with head(
        s3_server.environment | {"PYTHONPATH": str(ROOT)}, "--include-dashboard=false"
    ) as joined:
        yield joined


@pytest.fixture(scope="module")
def joined(cluster: dict[str, str], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Driver]:
    """A process that has joined the cluster, and runs job after job."""
    with driver(cluster, tmp_path_factory.mktemp("said")) as process:
        yield process


@pytest.fixture
def prepare(cluster: dict[str, str], joined: Driver, tmp_path: Path) -> Prepare:
    """Runs the job with this test's own storage; in a process of its own if it has an ``env``."""

    def run(
        uri: object,
        *flags: str,
        storage: object = tmp_path / "runs",
        env: dict[str, str] | None = None,
    ) -> Ended:
        settings = ["--data.uri", str(uri), "--storage.uri", str(storage)]
        if "--split.protocol" not in flags:
            settings += ["--split.protocol", "official"]
        argv = [str(ROOT / "jobs" / "prepare.py"), *settings, *flags]
        if env is None:
            ended = joined.run(*argv)
        else:
            ended = subprocess.run(
                [sys.executable, *argv],
                env=cluster | env,
                capture_output=True,
                text=True,
                timeout=200,
                check=False,
            )
        lines = ended.stdout.splitlines()
        assert len(lines) == 1, (ended.stdout, ended.stderr)
        return Ended(ended.returncode, json.loads(lines[0]), ended.stderr)

    return run


def invalid(ended: Ended) -> str:
    """The one sentence of a job that refused its input."""
    assert (ended.code, ended.outcome["status"]) == (2, "invalid"), ended.stderr
    assert "\n" not in ended.error
    assert "Traceback" not in ended.stderr
    return ended.error


def check_whole(ended: Ended) -> None:
    """That all of FACES were kept, by emotion and side."""
    assert (ended.code, ended.outcome["status"]) == (0, "done"), ended.stderr
    counts = ended.outcome["counts"]
    assert counts["test"] == dict.fromkeys(EMOTIONS, 2)
    for name in EMOTIONS:
        assert counts["train"][name] + counts["validation"][name] == 12
    assert ended.ids() >= set(face_ids(FACES))


# Accepted.


def test_csv_with_a_mark_windows_line_ends_quotes_and_names(
    prepare: Prepare, tmp_path: Path
) -> None:
    lines = [line.replace(",", ',"', 1)[::-1].replace(",", ',"', 1)[::-1] for line in csv_lines()]
    lines[1:] = [
        f"{EMOTIONS[int(line[0])]}{line[1:]}" if n % 2 else line for n, line in enumerate(lines[1:])
    ]
    (tmp_path / "f.csv").write_bytes(("\ufeff" + "\r\n".join(lines) + "\r\n").encode())
    ended = prepare(tmp_path / "f.csv")
    check_whole(ended)
    assert ended.outcome["refused_rows"] == 0
    again = prepare(tmp_path / "f.csv")
    assert (again.code, again.outcome["status"]) == (0, "already_done")
    assert again.uri == ended.uri


def test_images_of_any_kind(prepare: Prepare, tmp_path: Path) -> None:
    grey, other = (Image.fromarray(255 - face) for face in FACES[:2])
    alpha = grey.convert("RGBA")
    alpha.putalpha(100)
    many = {
        "alpha__png": encoded(alpha),
        "deep__png": encoded(Image.fromarray(np.asarray(other, np.uint16) * 257)),
        "palette__png": encoded(grey.convert("RGB").quantize(16)),
        "colour__jpg": encoded(grey.convert("RGB"), "JPEG"),
        "small__JPEG": encoded(grey.resize((30, 20)), "JPEG"),
        "large__png": encoded(grey.resize((300, 200))),
    }
    ended = prepare(image_folders(tmp_path / "in", **many))
    assert (ended.code, ended.outcome["refused_rows"]) == (0, 0)
    happy = sum(ended.outcome["counts"][side]["happiness"] for side in ("train", "validation"))
    assert happy == 12 + len(many)
    assert ended.ids() >= set(face_ids(FACES))


def test_parquet(prepare: Prepare, tmp_path: Path) -> None:
    pq.write_table(parquet_table(), tmp_path / "f.parquet", row_group_size=40)
    check_whole(prepare(tmp_path / "f.parquet"))


def test_drawn_faces(prepare: Prepare) -> None:
    ended = prepare("demo:", "--data.demo_faces", "1000")
    assert ended.code == 0
    assert sum(sum(side.values()) for side in ended.outcome["counts"].values()) == 1000


def test_a_bucket_of_csv_images_or_parquet(prepare: Prepare, s3_server: S3, tmp_path: Path) -> None:
    bucket, client = s3_server.bucket(), s3_server.client()
    pq.write_table(parquet_table(), tmp_path / "f.parquet")
    client.upload_file(str(tmp_path / "f.parquet"), bucket, "parquet/f.parquet")
    client.upload_file(str(csv_file(tmp_path / "f.csv")), bucket, "f.csv")
    for number, face in enumerate(FACES):
        client.put_object(Bucket=bucket, Key=f"images/{image_name(number)}", Body=encoded(face))
    for name in ("f.csv", "images", "parquet"):
        check_whole(prepare(f"s3://{bucket}/{name}", storage=tmp_path / name.removesuffix(".csv")))


# Refused by the row.


def test_bad_rows_of_a_csv_are_listed(prepare: Prepare, tmp_path: Path) -> None:
    good = "7 " * 2303
    bad = {
        f"3,{good},Training": "a face must have 2304 pixels, got 2303",
        f"3,{good}256,Training": "a pixel must be a whole number from 0 to 255, got '256'",
        f"3,-1 {good},Training": "a pixel must be a whole number from 0 to 255, got '-1'",
        f"3,x {good},Training": "a pixel must be a whole number from 0 to 255, got 'x'",
        f"7,{good}7,Training": "an emotion must be one of",
        f"3,{good}7,Holdout": "usage must be one of Training, PublicTest, PrivateTest, got",
    }
    uri = csv_file(tmp_path / "f.csv", *bad)
    assert "data.max_refused must be at least" in invalid(prepare(uri))  # 6 of 104 is over 1%
    assert not list((tmp_path / "runs").rglob("*.parquet"))
    ended = prepare(uri, "--data.max_refused", "0.1")
    check_whole(ended)
    assert ended.outcome["refused_rows"] == len(bad)
    refused = ended.refused()
    assert list(refused) == sorted(f"f.csv:{COUNT + 2 + n}" for n in range(len(bad)))
    for number, reason in enumerate(bad.values()):
        assert refused[f"f.csv:{COUNT + 2 + number}"].startswith(reason)


def test_bad_files_among_images_are_listed(prepare: Prepare, tmp_path: Path) -> None:
    whole = encoded(FACES[0])
    bad = {
        "empty__png": b"",
        "cut__png": whole[:1000],
        "cut__jpg": encoded(FACES[0], "JPEG")[:1000],
        "damaged__png": whole[:100] + b"!" + whole[101:],
        "note__txt": b"not a face",
        "text__png": b"not a face",
        "heavy__png": whole + b"\0" * 50_000,
        "wide__png": encoded(np.zeros((101, 100), np.uint8)),
    }
    uri = image_folders(tmp_path / "in", **bad)
    limits = ["--data.max_image_bytes", "50000", "--data.max_image_pixels", "10000"]
    ended = prepare(uri, "--data.max_refused", "0.1", *limits)
    check_whole(ended)
    reasons = {
        "empty.png": "must not be empty",
        "cut.png": "truncated",
        "cut.jpg": "truncated",
        "damaged.png": "wrong checksum",
        "note.txt": "must be PNG or JPEG",
        "text.png": "must be PNG or JPEG",
        "heavy.png": "data.max_image_bytes",
        "wide.png": "data.max_image_pixels",
    }
    refused = ended.refused()
    assert refused.keys() == {f"train/happy/{name}" for name in reasons}
    for name, words in reasons.items():
        assert words in refused[f"train/happy/{name}"]


# Refused as a whole.


@pytest.mark.parametrize(
    ("name", "content", "words"),
    [
        ("f.csv", "a,b,c\n1,2,3\n", "data.uri must have a column of labels"),
        ("f.csv", "pixels\n7 7 7\n", "data.uri must have a column of labels"),
        ("f.csv", "", "data.uri must have a column of labels"),
        ("f.csv", "emotion,pixels,Usage\n", "data.uri must hold faces, got no rows"),
        ("train/contempt/1.png", "x", "folders named for one of anger, "),
        ("train/1.png", "x", "folders named for emotions, got none that is"),
        ("f.parquet", "x", "data.uri must be Parquet that can be read"),
        ("f.txt", "x", "got 1 other files"),
        ("", "", "got nothing"),
    ],
)
def test_a_wrong_input_is_told_in_one_sentence(
    prepare: Prepare, tmp_path: Path, name: str, content: str, words: str
) -> None:
    (tmp_path / "in").mkdir()
    if name:
        (tmp_path / "in" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "in" / name).write_text(content)
    assert words in invalid(prepare(tmp_path / "in"))
    assert not (tmp_path / "runs").exists()


def test_a_missing_input_is_told(prepare: Prepare, s3_server: S3, tmp_path: Path) -> None:
    for uri in (tmp_path / "none.csv", f"s3://{s3_server.bucket()}/none"):
        assert "data.uri must be an existing file or folder" in invalid(prepare(uri))
    assert not (tmp_path / "runs").exists()


def test_an_empty_class_is_told(prepare: Prepare, tmp_path: Path) -> None:
    lines = [line for line in csv_lines() if not line.startswith("1,")]
    (tmp_path / "f.csv").write_text("\n".join(lines))
    assert "got none of disgust" in invalid(prepare(tmp_path / "f.csv"))
    assert not list((tmp_path / "runs").rglob("*"))


def test_input_that_may_not_be_read_is_told(
    prepare: Prepare, s3_server: S3, tmp_path: Path
) -> None:
    bucket = s3_server.bucket()
    s3_server.client().put_object(Bucket=bucket, Key="f.csv", Body="\n".join(csv_lines()).encode())
    wrong = S3(s3_server.endpoint, s3_server.key, "not-the-secret")
    for who in (wrong, s3_server.stranger()):
        error = invalid(prepare(f"s3://{bucket}/f.csv", env=who.environment))
        assert error.startswith("data.uri must be readable, got s3://")
        assert who.secret not in error
    assert not (tmp_path / "runs").exists()


def test_storage_that_may_not_be_written_is_told(
    prepare: Prepare, s3_server: S3, tmp_path: Path
) -> None:
    bucket = s3_server.bucket()
    uri = csv_file(tmp_path / "f.csv")
    stranger = s3_server.stranger().environment
    error = invalid(prepare(uri, storage=f"s3://{bucket}/runs", env=stranger))
    assert error.startswith("storage.uri must be ")
    assert "Contents" not in s3_server.client().list_objects_v2(Bucket=bucket)
    (tmp_path / "file").write_text("in the way")
    assert "storage.uri must be" in invalid(prepare(uri, storage=tmp_path / "file" / "runs"))


@pytest.mark.parametrize("mounted", ["size=128k"], indirect=True)  # too small for the dataset
def test_storage_without_space_is_told(prepare: Prepare, mounted: Path, tmp_path: Path) -> None:
    error = invalid(prepare(csv_file(tmp_path / "f.csv"), storage=mounted / "runs"))
    assert error.startswith("storage.uri must be writable, got ")
    assert error.endswith(": no space left")
    assert not list(mounted.rglob("manifest.json"))
