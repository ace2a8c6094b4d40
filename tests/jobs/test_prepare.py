"""jobs/prepare.py as a process: one outcome line, the second run at once."""

from pathlib import Path

import numpy as np

from fer_ray.cluster.prepared import open_prepared
from tests.parquet_faces import noise, write_faces
from tests.running import ended


def test_prepares_once_then_finds_it_done(tmp_path: Path) -> None:
    labels = np.repeat(range(7), 30).tolist()
    uri = write_faces(tmp_path / "faces.parquet", noise(210), labels)
    argv = ["--data.uri", uri, "--storage.uri", str(tmp_path / "runs")]
    code, outcome, _ = ended("prepare", *argv)
    assert (code, outcome["status"], outcome["job"]) == (0, "done", "prepare")
    prepared = open_prepared(outcome["uri"])
    assert outcome["counts"] == prepared.counts
    assert sum(sum(side.values()) for side in outcome["counts"].values()) == 210
    assert (outcome["refused_rows"], outcome["leaky"]) == (0, False)
    assert outcome["duplicates"]["groups"] == 0

    again_code, again, _ = ended("prepare", *argv)
    assert (again_code, again["status"], again["uri"]) == (0, "already_done", outcome["uri"])
    assert again["counts"] == outcome["counts"]
