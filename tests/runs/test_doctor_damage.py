"""fer_ray.runs.doctor: damage is named, and the last whole checkpoint resumed from."""

import re
from collections.abc import Callable

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from fer_ray.runs import checkpoint, doctor
from fer_ray.runs.storage import Store, store
from tests.runs.examined import BEST, CHEAP, FILES, NEWEST, begin, damaged, examined, finish


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
