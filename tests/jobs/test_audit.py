"""jobs/audit.py as a process, on a bucket: an outcome, an exit code, and a page."""

from pathlib import Path

from fer_ray.runs import layout
from fer_ray.runs.storage import store
from tests.parquet_faces import noise, write_faces
from tests.running import ended
from tests.s3_server import S3


def test_test_faces_in_training_are_refused_with_exit_code_3(tmp_path: Path, s3: S3) -> None:
    images = noise(210)
    images[200] = images[0]
    usages = ["Training"] * 180 + ["PublicTest"] * 30
    faces = write_faces(tmp_path / "faces.parquet", images, [n % 7 for n in range(210)], usages)
    bucket = s3.bucket()
    s3.client().upload_file(faces, bucket, "faces/faces.parquet")
    runs = f"s3://{bucket}/runs"
    argv = ["--data.uri", f"s3://{bucket}/faces", "--storage.uri", runs, "--audit.strict"]
    argv += ["--split.protocol", "official", "--split.validation", "0.01"]
    code, outcome, _ = ended("audit", *argv, "--split.deduplicate", "false")
    assert (code, outcome["status"], outcome["job"]) == (3, "refused", "audit")
    assert "got 1 of 30 (1 byte for byte)" in outcome["error"]
    assert outcome["run"].startswith("audit-")
    assert outcome["uri"] == f"{runs}/{outcome['run']}"
    for key in (layout.AUDIT_PAGE, layout.AUDIT_DATA, layout.AUDIT_PAIRS, layout.OUTCOME):
        assert store(outcome["uri"]).exists(key)


def test_a_threshold_that_finds_everything_is_refused_at_once(tmp_path: Path) -> None:
    code, outcome, _ = ended("audit", "--storage.uri", str(tmp_path), "--audit.near", "0.5")
    assert (code, outcome["status"]) == (2, "invalid")
    assert outcome["error"] == "audit.near must be at least 0.9, got 0.5"
    assert list(tmp_path.iterdir()) == []
