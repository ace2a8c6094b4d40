"""jobs/audit.py as a process: an outcome, an exit code, and a page."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

from fer_ray.runs import layout
from tests.parquet_faces import noise, write_faces

ROOT = Path(__file__).parents[2]


def audit(*argv: str) -> tuple[int, dict[str, Any]]:
    """Exit code and outcome of the job."""
    ended = subprocess.run(
        [sys.executable, "jobs/audit.py", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    lines = ended.stdout.splitlines()
    assert len(lines) == 1, ended.stdout + ended.stderr
    return ended.returncode, json.loads(lines[0])


def test_test_faces_in_training_are_refused_with_exit_code_3(tmp_path: Path) -> None:
    images = noise(210)
    images[200] = images[0]
    usages = ["Training"] * 180 + ["PublicTest"] * 30
    uri = write_faces(tmp_path / "faces.parquet", images, [n % 7 for n in range(210)], usages)
    argv = ["--data.uri", uri, "--storage.uri", str(tmp_path / "runs"), "--audit.strict"]
    argv += ["--split.protocol", "official", "--split.validation", "0.01"]
    code, outcome = audit(*argv, "--split.deduplicate", "false")
    assert (code, outcome["status"], outcome["job"]) == (3, "refused", "audit")
    assert "got 1 of 30 (1 byte for byte)" in outcome["error"]
    assert outcome["run"].startswith("audit-")
    folder = Path(outcome["uri"])
    assert folder == tmp_path / "runs" / outcome["run"]
    for key in (layout.AUDIT_PAGE, layout.AUDIT_DATA, layout.AUDIT_PAIRS, layout.OUTCOME):
        assert (folder / key).is_file()


def test_a_threshold_that_finds_everything_is_refused_at_once(tmp_path: Path) -> None:
    code, outcome = audit("--storage.uri", str(tmp_path), "--audit.near", "0.5")
    assert (code, outcome["status"]) == (2, "invalid")
    assert outcome["error"] == "audit.near must be at least 0.9, got 0.5"
    assert list(tmp_path.iterdir()) == []
