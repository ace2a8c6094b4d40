"""fer_ray.runs.doctor: what a run's folder holds, every damage named, and nothing changed."""

import io
import re
import zipfile
from collections.abc import Callable, Mapping
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_ray.cluster.progress import Best, Progress, best_of
from fer_ray.config import NamedRunConfig, TrainConfig
from fer_ray.evaluation import EvaluateJobConfig
from fer_ray.inspection import AuditJobConfig
from fer_ray.runs import checkpoint, doctor, findings, lease, metrics, record
from fer_ray.runs.faults import StorageError
from fer_ray.runs.findings import Diagnosis
from fer_ray.runs.storage import Store, store
from fer_ray.search import SweepConfig
from tests.s3_server import S3

FILES = {"weights.npz": b"w" * 1000, "optimizer.npz": b"o" * 500}
CHEAP = pytest.mark.parametrize("run", ["local", "s3"], indirect=True)  # swift takes seconds
NEWEST, BEST = "checkpoints/step-00000020", "checkpoints/step-00000010"


def about(step: int, best: int | None) -> Mapping[str, Any]:
    """What the loop says of its checkpoints."""
    return Progress(step=step, best=None if best is None else Best(1, best, 0.5)).asdict()


def begin(run: Store) -> None:
    """Three epochs of a run whose driver was killed; the second one's checkpoint is the best."""
    config = TrainConfig.model_validate({"data": {"uri": "demo:"}, "run": "one"})
    record.write_document(run, "data.json", {"dataset": "datasets/x"})
    record.write_config(run, config)
    record.write_document(run, "groups/attempt-0001-group-0001.json", {"workers": 2, "step": 0})
    for number, step, best in ((1, 5, None), (2, 10, 10), (3, 20, 10)):
        metrics.append(run, number, {"step": step})
        checkpoint.write(run, step, FILES, about(step, best))
    run.write_bytes("logs/attempt-0001-driver.log", b"said\n")


def finish(run: Store) -> None:
    """What the end of a run adds."""
    archive = io.BytesIO()
    with zipfile.ZipFile(archive, "w") as inside:
        inside.writestr("model.weights.h5", b"weights" * 100)
    run.write_bytes("model/model.keras", archive.getvalue())
    record.write_document(run, "model/model.json", {"step": 10})
    run.write_bytes("model/README.md", b"# A model")
    metrics.compose(run, 20)
    record.write_document(run, "run.json", {"status": "done"})


def examined(run: Store) -> Diagnosis:
    """The diagnosis, for which nothing may have been changed and which resuming must agree with."""
    before = {entry.key: run.read_bytes(entry.key) for entry in run.listing()}
    found = doctor.examine(run)
    assert {entry.key: run.read_bytes(entry.key) for entry in run.listing()} == before
    if not found.finished:
        assert found.resume_step == checkpoint.newest(run, best_of).step
    return found


def damaged(run: Store) -> dict[str, str]:
    """The reason of each damage, by key."""
    return {one.key: one.told for one in examined(run).damaged}


def left_over(run: Store) -> list[str]:
    return [one.key for one in examined(run).left_over]


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


def flip(content: bytes) -> bytes:
    return content[:400] + bytes([content[400] ^ 1]) + content[401:]


def cut(content: bytes) -> bytes:
    return content[:-1]


@CHEAP
@pytest.mark.parametrize(
    ("change", "reason"),
    [
        (flip, r"must have SHA-256 \w{64}, got \w{64}"),
        (cut, r"must have SHA-256 \w{64}, got \w{64}"),
        (None, "must be there, got nothing"),
    ],
)
def test_a_checkpoints_damaged_file_is_named_and_the_one_before_is_used(
    run: Store, change: Callable[[bytes], bytes] | None, reason: str
) -> None:
    begin(run)
    for name in FILES:  # each of them is told, not the first alone
        key = f"{NEWEST}/{name}"
        content = run.read_bytes(key)
        run.delete_file(key)
        if change:
            run.write_bytes(key, change(content))
    found = damaged(run)
    assert found.keys() == {f"{NEWEST}/{name}" for name in FILES}
    assert all(re.fullmatch(reason, told) for told in found.values()), found
    assert examined(run).resume_step == 10


@pytest.mark.parametrize(
    ("content", "reason"),
    [
        (b"", "must be JSON, got other content"),
        (b"[" * 100_000, "must be JSON, got other content"),
        (b"null", "must be a JSON object, got None"),
        (b'{"schema_version": 1}', r"must be a manifest, but step: Field required"),
        (b'{"schema_version": 2}', r"must be of schema_version 1, got 2: it takes the version of"),
        (b'{"step": 20}', r"must have a schema_version \(1\), got none"),
    ],
    ids=lambda value: repr(value[:40]),
)
def test_a_manifest_that_is_none_is_named(local_run: Store, content: bytes, reason: str) -> None:
    begin(local_run)
    local_run.write_bytes(f"{NEWEST}/manifest.json", content)
    found = damaged(local_run)
    assert list(found) == [f"{NEWEST}/manifest.json"]
    assert re.match(reason, found[f"{NEWEST}/manifest.json"])
    assert examined(local_run).resume_step == 10


@pytest.mark.parametrize("way", ["deleted", "flipped", "without a manifest"])
def test_a_checkpoint_whose_best_one_is_gone_is_not_resumed_from(
    local_run: Store, way: str
) -> None:
    begin(local_run)
    if way == "deleted":
        checkpoint.delete(local_run, 10)
    elif way == "flipped":
        local_run.write_bytes(f"{BEST}/weights.npz", flip(FILES["weights.npz"]))
    else:
        local_run.delete_file(f"{BEST}/manifest.json")
    told = damaged(local_run)
    assert told[NEWEST] == f"verified; needs {BEST}, which is not there or damaged"
    assert len(told) == 1 + (way == "flipped")
    assert examined(local_run).resume_step == 5


def test_a_checkpoint_that_does_not_say_its_best_is_damaged(local_run: Store) -> None:
    begin(local_run)
    checkpoint.write(local_run, 30, FILES, {"step": 30})
    told = {one.key: one.told for one in doctor.examine(local_run).damaged}
    assert told == {
        "checkpoints/step-00000030/manifest.json": "must say which checkpoint is the best,"
        " got {'step': 30}"
    }


@pytest.mark.parametrize(
    ("key", "content", "reason"),
    [
        (
            "config.yaml",
            b"# schema_version: 7\nseed: 1\n",
            "must be of schema_version 1, got 7: it",
        ),
        ("config.yaml", b"seed: 1\n", "must have a schema_version (1), got none"),
        ("config.yaml", b"# schema_version: 1\n{", "must be YAML, got other content"),
        ("config.yaml", b"\xff", "must have a schema_version (1), got none"),
        ("data.json", b'{"schema_version": "new"}', "must be of schema_version 1, got 'new': it"),
        ("data.json", b"\xff", "must be JSON, got other content"),
        ("lease.json", b'{"schema_version": 1}', "must be a lease, got other content"),
        ("lease.json", b'{"schema_version": 0}', "must be of schema_version 1, got 0: it takes"),
        ("run.json", b'{"status": "do', "must be JSON, got other content"),
        ("metrics/epoch-00002.json", b"[]", "must be a JSON object, got []"),
        ("groups/attempt-0001-group-0001.json", b"{}", "must have a schema_version (1), got none"),
    ],
)
def test_a_document_that_cannot_be_read_is_named_and_stops_a_resume(
    local_run: Store, key: str, content: bytes, reason: str
) -> None:
    begin(local_run)
    local_run.write_bytes(key, content)
    told = damaged(local_run)
    assert list(told) == [key]
    assert told[key].startswith(reason)
    assert examined(local_run).prospect == f"a resume would fail, because of {key}"


@pytest.mark.parametrize("key", ["data.json", "config.yaml", "metrics/epoch-00002.json"])
def test_what_a_run_must_have_by_now_is_missed(local_run: Store, key: str) -> None:
    begin(local_run)
    local_run.delete_file(key)
    assert damaged(local_run) == {key: "must be there, got nothing"}
    assert examined(local_run).resume_step == 20


@pytest.mark.parametrize("key", ["model/model.keras", "model/model.json", "metrics.jsonl"])
@pytest.mark.parametrize("change", [cut, lambda _: b"", None], ids=["cut", "empty", "gone"])
def test_what_a_finished_run_leaves_is_checked(
    local_run: Store, key: str, change: Callable[[bytes], bytes] | None
) -> None:
    begin(local_run)
    finish(local_run)
    content = local_run.read_bytes(key)
    local_run.delete_file(key)
    if change:
        local_run.write_bytes(key, change(content.rstrip()))
    assert list(damaged(local_run)) == [key]
    assert examined(local_run).prospect.startswith("the run is finished")


@settings(max_examples=60, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(at=st.integers(0, 10_000), bit=st.integers(0, 7))
def test_no_flipped_bit_of_any_file_of_a_run_ends_in_a_traceback(
    tmp_path_factory: pytest.TempPathFactory, at: int, bit: int
) -> None:
    run = store(str(tmp_path_factory.mktemp("run")))
    begin(run)
    finish(run)
    for entry in run.listing():
        content = bytearray(run.read_bytes(entry.key))
        content[at % len(content)] ^= 1 << bit
        run.write_bytes(entry.key, bytes(content))
    told = {one.key.rpartition("/")[0] for one in doctor.examine(run).damaged}
    assert {NEWEST, BEST, "checkpoints/step-00000005"} <= told


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
