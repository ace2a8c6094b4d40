"""jobs/doctor.py as a process: a table for the person, an outcome for the program."""

import os
from pathlib import Path
from typing import Any

from fer_ray.config import TrainConfig
from fer_ray.runs import checkpoint, lease, record
from fer_ray.runs.storage import Store, store
from tests.running import ROOT, ended
from tests.s3_server import S3


def doctor(*argv: str, before: str = "") -> tuple[int, dict[str, Any], str]:
    """Exit code, outcome and stderr of the job."""
    told = ended("doctor", *argv, timeout_s=60, env={"PYTHONPATH": before} if before else None)
    assert "Traceback" not in told[2]
    return told


def begun(run: Store) -> None:
    """A run of two checkpoints, whose job has been stopped."""
    config = TrainConfig.model_validate({"data": {"uri": "demo:"}, "run": "one"})
    with lease.acquire(run, 30):
        record.write_document(run, "data.json", {"dataset": "datasets/x"})
        record.write_config(run, config)
        for step in (10, 20):
            checkpoint.write(run, step, {"weights.npz": b"w" * 100}, {"best": {"step": 10}})


def test_a_whole_run_is_done_and_tells_where_a_resume_begins(tmp_path: Path) -> None:
    begun(store(f"{tmp_path}/one"))
    for library in ("ray", "tensorflow", "keras"):  # that none is loaded: here each would fail
        (tmp_path / "path" / library).mkdir(parents=True)
        (tmp_path / "path" / library / "__init__.py").write_text("raise SystemExit(9)")
    before = f"{tmp_path / 'path'}{os.pathsep}{ROOT}"
    code, outcome, errors = doctor("--storage.uri", str(tmp_path), "--run", "one", before=before)
    assert code == 0, errors
    outcome.pop("seconds")
    assert outcome == {
        "status": "done",
        "job": "doctor",
        "run": "one",
        "uri": f"{tmp_path}/one",
        "finished": False,
        "resume_step": 20,
        "damaged": [],
        "left_over": [],
    }
    assert "\ncheckpoints/step-00000020  whole  verified; needs checkpoints/step-0" in errors
    assert errors.endswith("\na resume would go on from step 20\n")


def test_damage_is_refused_and_what_was_left_over_is_told(s3: S3) -> None:
    uri = f"s3://{s3.bucket()}/runs"
    run = store(f"{uri}/one")
    begun(run)
    run.write_bytes("checkpoints/step-00000020/weights.npz", b"v" * 100)
    run.write_bytes("checkpoints/step-00000030/weights.npz", b"half")
    code, outcome, errors = doctor("--storage.uri", uri, "--run", "one")
    assert (code, outcome["status"]) == (3, "refused"), errors
    assert [one["key"] for one in outcome["damaged"]] == ["checkpoints/step-00000020/weights.npz"]
    assert outcome["damaged"][0]["reason"].startswith("must have SHA-256 ")
    assert outcome["left_over"] == ["checkpoints/step-00000030"]
    assert outcome["resume_step"] == 10
    assert outcome["error"] == "1 damaged or missing; a resume would go on from step 10"


def test_a_finished_run_has_no_step_to_resume_from(tmp_path: Path) -> None:
    run = store(f"{tmp_path}/one")
    begun(run)
    record.write_document(run, "run.json", {"status": "done"})
    code, outcome, _ = doctor("--storage.uri", str(tmp_path), "--run", "one")
    assert (code, outcome["finished"], "resume_step" in outcome) == (3, True, False)
    assert [one["key"] for one in outcome["damaged"]] == [
        "metrics.jsonl",
        "model/model.keras",
        "model/model.json",
    ]


def test_a_run_that_is_not_there_is_invalid(tmp_path: Path) -> None:
    code, outcome, _ = doctor("--storage.uri", str(tmp_path), "--run", "none")
    assert (code, outcome["status"]) == (2, "invalid")
    assert outcome["error"] == (
        f"run must name a run in storage.uri, got nothing in {tmp_path}/none"
    )
    assert list(tmp_path.iterdir()) == []
    code, outcome, _ = doctor("--storage.uri", str(tmp_path))
    assert (code, outcome["error"]) == (2, "run must name the run to look at, got none")
