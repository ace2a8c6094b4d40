"""fer_ray.runs.doctor: what a run's folder holds and what was left there; nothing is changed."""

import re
from collections.abc import Mapping
from typing import Any

import pytest

from fer_ray.config import NamedRunConfig, TrainConfig
from fer_ray.evaluation import EvaluateJobConfig
from fer_ray.inspection import AuditJobConfig
from fer_ray.runs import doctor, findings, lease, record
from fer_ray.runs.faults import StorageError
from fer_ray.runs.storage import Store, store
from fer_ray.search import SweepConfig
from tests.runs.examined import BEST, CHEAP, NEWEST, begin, damaged, examined, finish, left_over
from tests.s3_server import S3


@CHEAP
def test_a_whole_run_that_goes_on(run: Store) -> None:
    begin(run)
    with lease.acquire(run, 30):
        found = examined(run)
    assert (found.damaged, found.left_over, found.resume_step) == ((), (), 20)
    assert found.prospect == "a resume would go on from step 20"
    told = {one.key: one.told for one in found.findings}
    assert re.fullmatch(
        r"held by process \d+ on \S+ \(attempt 1\), if that still lives", told.pop("lease.json")
    )
    assert told == {
        "config.yaml": f"{len(TrainConfig.model_fields)} settings and sections",
        "data.json": "of datasets/x",
        "groups/attempt-0001-group-0001.json": "2 workers from step 0",
        NEWEST: f"verified; needs {BEST}",
        BEST: f"verified; needs {BEST}",
        "checkpoints/step-00000005": "verified",
        "metrics": "3 epochs",
        "logs": "what the job and its workers said; files: 1, bytes: 5",
    }


@CHEAP
def test_a_finished_run(run: Store) -> None:
    begin(run)
    with lease.acquire(run, 30):
        finish(run)
    found = examined(run)
    assert (found.damaged, found.left_over) == ((), ())
    assert (found.finished, found.resume_step) == (True, None)
    assert found.prospect == "the run is finished: there is nothing to resume"
    table = findings.table(found)
    assert re.search(r"^lease.json +whole +free; held last by process \d+ on ", table, re.MULTILINE)
    assert re.search(r"^model/model.keras +whole +[\d,]+ bytes$", table, re.MULTILINE)
    assert table.endswith(f"\n{found.prospect}\n")


def test_a_run_that_has_no_checkpoint_yet_begins_anew(local_run: Store) -> None:
    with lease.acquire(local_run, 30):
        pass
    found = examined(local_run)
    assert (found.damaged, found.left_over, found.resume_step) == ((), (), None)
    assert found.prospect == "a resume would begin at step 0: no checkpoint is complete"


@CHEAP
def test_an_unknown_run_is_told(run: Store) -> None:
    sentence = f"^run must name a run in storage.uri, got nothing in {re.escape(run.uri)}$"
    with pytest.raises(ValueError, match=sentence):
        doctor.examine(run)


def test_what_killed_processes_left_is_told(local_run: Store) -> None:
    begin(local_run)
    finish(local_run)
    parts = [".config.yaml.0123456789abcdef.part", "model/.model.keras.00ff00ff00ff00ff.part"]
    for key in (*parts, "ray/one-1/state.json", "ray/one-2/state.json"):
        local_run.write_bytes(key, b"half")
    local_run.write_bytes("lease.json-probe-0123456789abcdef", b"")
    local_run.delete_file("checkpoints/step-00000005/manifest.json")
    assert sorted(left_over(local_run)) == sorted(
        [*parts, "ray", "lease.json-probe-0123456789abcdef", "checkpoints/step-00000005"]
    )
    assert damaged(local_run) == {}


@CHEAP
def test_an_upload_that_broke_off_is_no_damage(run: Store) -> None:
    begin(run)
    run.write_bytes("checkpoints/step-00000030/weights.npz", b"half")
    run.write_bytes("ray/one-1/state.json", b"{}")  # may be in use: this run is not finished
    assert left_over(run) == ["checkpoints/step-00000030"]
    assert damaged(run) == {}
    assert examined(run).resume_step == 20


def test_files_that_no_run_writes_are_told_and_judged_neither_way(local_run: Store) -> None:
    begin(local_run)
    strange = ["checkpoints/best/x", "model/notes.txt", "notes.txt"]
    for key in strange:
        local_run.write_bytes(key, b"mine")
    found = examined(local_run)
    assert [one.key for one in found.findings if one.state == "unknown"] == strange
    assert (found.damaged, found.left_over) == ((), ())


@pytest.mark.parametrize("allowed", [[], ["s3:ListBucket"]])
def test_storage_that_refuses_is_not_taken_for_damage(
    s3: S3, monkeypatch: pytest.MonkeyPatch, allowed: list[str]
) -> None:
    run = store(f"s3://{s3.bucket()}/one")
    record.write_document(run, "data.json", {})
    for name, value in s3.stranger(*allowed).environment.items():
        monkeypatch.setenv(name, value)
    denied = store(run.uri)
    assert not allowed or denied.listing()
    with pytest.raises(StorageError, match="access denied"):
        doctor.examine(denied)


OTHER_KINDS: Mapping[str, tuple[type[NamedRunConfig], dict[str, Any], tuple[str, ...]]] = {
    "an evaluation": (
        EvaluateJobConfig,
        {"evaluate": {"model": "it"}},
        ("report/index.html", "report/predictions.parquet"),
    ),
    "an audit": (
        AuditJobConfig,
        {},
        ("audit/index.html", "audit/audit.json", "audit/pairs.parquet"),
    ),
    "a sweep": (
        SweepConfig,
        {},
        ("data.json", "sweep/results.parquet", "sweep/winner.yaml", "sweep/index.html"),
    ),
}


@pytest.mark.parametrize("kind", OTHER_KINDS)
def test_a_run_of_another_kind_is_whole_with_what_its_kind_leaves(
    local_run: Store, kind: str
) -> None:
    settings, given, files = OTHER_KINDS[kind]
    config = settings.model_validate({"data": {"uri": "demo:"}, "run": "one"} | given)
    record.write_config(local_run, config)
    for key in files:
        record.write_document(local_run, key, {})
    record.write_document(local_run, "run.json", {"status": "done"})
    found = doctor.examine(local_run)
    assert {one.state for one in found.findings} == {"whole"}
    for key in files:
        local_run.delete_file(key)
        missing = [one.key for one in doctor.examine(local_run).findings if one.state == "missing"]
        assert missing == [key]
        record.write_document(local_run, key, {})
