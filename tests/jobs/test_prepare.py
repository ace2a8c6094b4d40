"""jobs/prepare.py as a process: one outcome line, the second run at once."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import numpy as np

from fer_ray.cluster.prepared import open_prepared
from tests.parquet_faces import noise, write_faces

ROOT = Path(__file__).parents[2]


def prepare(*argv: str) -> tuple[int, dict[str, Any]]:
    """Exit code and outcome of the job."""
    ended = subprocess.run(
        [sys.executable, "jobs/prepare.py", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=180,
        check=False,
    )
    lines = ended.stdout.splitlines()
    assert len(lines) == 1, ended.stdout + ended.stderr
    return ended.returncode, json.loads(lines[0])


def test_prepares_once_then_finds_it_done(tmp_path: Path) -> None:
    labels = np.repeat(range(7), 30).tolist()
    uri = write_faces(tmp_path / "faces.parquet", noise(210), labels)
    argv = ["--data.uri", uri, "--storage.uri", str(tmp_path / "runs")]
    code, outcome = prepare(*argv)
    assert (code, outcome["status"], outcome["job"]) == (0, "done", "prepare")
    prepared = open_prepared(outcome["uri"])
    assert outcome["counts"] == prepared.counts
    assert sum(sum(side.values()) for side in outcome["counts"].values()) == 210
    assert (outcome["refused_rows"], outcome["leaky"]) == (0, False)
    assert outcome["duplicates"]["groups"] == 0

    again_code, again = prepare(*argv)
    assert (again_code, again["status"], again["uri"]) == (0, "already_done", outcome["uri"])
    assert again["counts"] == outcome["counts"]
