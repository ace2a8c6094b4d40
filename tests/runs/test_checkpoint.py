"""fer_ray.runs.checkpoint: complete or not there, whatever was cut off or flipped."""

import json
import math
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from fer_ray.runs import checkpoint
from fer_ray.runs.checkpoint import DamagedError, Found, Loaded
from fer_ray.runs.faults import StorageError
from fer_ray.runs.storage import Store, store

FILES = {"weights.npz": b"w" * 1000, "loop.json": b"{}"}


def path(run: Store, step: int, name: str = "") -> Path:
    """Where a local checkpoint's file is."""
    return Path(run.path(f"checkpoints/step-{step:08d}/{name}"))


def test_what_is_written_is_found_and_read(run: Store) -> None:
    assert checkpoint.complete(run) == []
    assert checkpoint.newest(run) == Loaded(None, {}, {}, ())
    folder = checkpoint.write(run, 7, FILES, {"epoch": 1})
    checkpoint.write(run, 40, FILES | {"empty": b""}, {"epoch": 2})
    assert folder == "checkpoints/step-00000007"
    assert checkpoint.complete(run) == [Found(40, {"epoch": 2}), Found(7, {"epoch": 1})]
    assert checkpoint.read(run, 7) == (FILES, {"epoch": 1})
    assert checkpoint.newest(run) == Loaded(40, FILES | {"empty": b""}, {"epoch": 2}, ())


def test_the_manifest_says_what_is_there(local_run: Store) -> None:
    checkpoint.write(local_run, 3, {"a": b"abc"}, {"epoch": 0})
    assert json.loads(path(local_run, 3, "manifest.json").read_bytes()) == {
        "schema_version": 1,
        "step": 3,
        "files": {
            "a": {
                "size": 3,
                "sha256": "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad",
            }
        },
        "about": {"epoch": 0},
    }


def test_writing_a_step_again_replaces_all_of_it(run: Store) -> None:
    checkpoint.write(run, 7, FILES | {"extra": b"x"}, {"epoch": 1})
    checkpoint.write(run, 7, {"weights.npz": b"v"}, {"epoch": 2})
    assert checkpoint.read(run, 7) == ({"weights.npz": b"v"}, {"epoch": 2})
    assert len(run.listing()) == 2


json_values = st.recursive(
    st.none()
    | st.booleans()
    | st.integers()
    | st.text()
    | st.floats(allow_nan=False, allow_infinity=False),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=8,
)


@settings(max_examples=50)
@given(
    files=st.dictionaries(
        st.from_regex(r"[A-Za-z0-9_][A-Za-z0-9._-]{0,20}", fullmatch=True).filter(
            lambda name: name != "manifest.json"
        ),
        st.binary(max_size=50),
        max_size=4,
    ),
    about=st.dictionaries(st.text(), json_values, max_size=4),
)
def test_files_and_what_is_said_of_them_come_back_exactly(
    files: dict[str, bytes], about: dict[str, Any]
) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = store(folder)
        checkpoint.write(run, 1, files, about)
        assert checkpoint.newest(run) == Loaded(1, files, about, ())
        assert repr(checkpoint.complete(run)[0].about) == repr(about)  # 0.0 is not 0, nor -0.0


@pytest.mark.parametrize("name", ["", "a/b", "..", ".hidden", "manifest.json", "a b", "a\n", "é"])
def test_a_file_without_a_plain_name_is_refused(local_run: Store, name: str) -> None:
    with pytest.raises(ValueError, match=r"^a checkpoint's file must have a plain name, got "):
        checkpoint.write(local_run, 1, {name: b""}, {})
    assert local_run.listing() == []


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_a_number_that_is_not_finite_is_refused_before_anything_is_written(
    local_run: Store, value: float
) -> None:
    with pytest.raises(ValueError, match="not JSON compliant"):
        checkpoint.write(local_run, 1, FILES, {"best": value})
    assert local_run.listing() == []


def test_without_a_manifest_it_is_no_checkpoint(run: Store) -> None:
    checkpoint.write(run, 7, FILES, {})
    checkpoint.write(run, 8, FILES, {})
    run.delete_file("checkpoints/step-00000008/manifest.json")
    assert checkpoint.complete(run) == [Found(7, {})]
    assert checkpoint.newest(run).passed_over == (
        "checkpoints/step-00000008 has no manifest.json: it was not finished",
    )
    with pytest.raises(
        DamagedError, match=r"^checkpoints/step-00000008/manifest.json must be there"
    ):
        checkpoint.read(run, 8)


@pytest.mark.parametrize(
    ("content", "fault"),
    [
        (b"w" * 999, "must be of 1000 bytes, got 999"),
        (None, "must be of 1000 bytes, got nothing"),
    ],
)
def test_a_file_cut_off_or_missing_is_no_checkpoint(
    run: Store, content: bytes | None, fault: str
) -> None:
    checkpoint.write(run, 7, FILES, {"epoch": 1})
    checkpoint.write(run, 8, FILES, {"epoch": 2})
    key = "checkpoints/step-00000008/weights.npz"
    if content is None:
        run.delete_file(key)
    else:
        run.write_bytes(key, content)
    assert checkpoint.complete(run) == [Found(7, {"epoch": 1})]
    assert checkpoint.newest(run) == Loaded(7, FILES, {"epoch": 1}, (f"{key} {fault}",))
    with pytest.raises(DamagedError, match=rf"^{key} must "):
        checkpoint.read(run, 8)


@settings(max_examples=40)
@given(data=st.data())
def test_one_flipped_bit_anywhere_is_noticed_and_passed_over(data: st.DataObject) -> None:
    with tempfile.TemporaryDirectory() as folder:
        run = store(folder)
        checkpoint.write(run, 7, FILES, {"epoch": 1})
        checkpoint.write(run, 8, FILES, {"epoch": 2})
        file = path(run, 8, data.draw(st.sampled_from(sorted(FILES))))
        content = bytearray(file.read_bytes())
        content[data.draw(st.integers(0, len(content) - 1))] ^= 1 << data.draw(st.integers(0, 7))
        file.write_bytes(content)
        with pytest.raises(DamagedError, match=rf"{file.name} must have SHA-256 \w+, got \w+$"):
            checkpoint.read(run, 8)
        found = checkpoint.newest(run)
        assert (found.step, found.files) == (7, FILES)
        assert len(found.passed_over) == 1
        assert found.passed_over[0].startswith(f"checkpoints/step-00000008/{file.name} must have ")


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"{",
        b"\xff\xfe",
        b"[]",
        b"null",
        b"[" * 100_000,
        b"{}",
        b'{"schema_version": 2, "step": 8, "files": {}, "about": {}}',
        b'{"schema_version": 1, "step": 9, "files": {}, "about": {}}',
        b'{"schema_version": 1, "step": 8, "files": [], "about": {}}',
        b'{"schema_version": 1, "step": 8, "files": {"a": {"size": "big"}}, "about": {}}',
        b'{"schema_version": 1, "step": 8, "about": {},'
        b' "files": {"../../../../etc/hostname": {"size": 1, "sha256": ""}}}',
    ],
    ids=lambda content: repr(content[:50]),
)
def test_a_manifest_that_is_none_is_damage_whatever_it_holds(
    local_run: Store, content: bytes
) -> None:
    checkpoint.write(local_run, 7, FILES, {})
    checkpoint.write(local_run, 8, FILES, {})
    path(local_run, 8, "manifest.json").write_bytes(content)
    assert checkpoint.complete(local_run) == [Found(7, {})]
    found = checkpoint.newest(local_run)
    assert found.step == 7
    assert found.passed_over[0].startswith("checkpoints/step-00000008/manifest.json must be ")
    assert "\n" not in found.passed_over[0]


def test_storage_that_fails_is_not_taken_for_damage(
    s3: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    run = store(f"s3://{s3.bucket()}/one")
    checkpoint.write(run, 7, FILES, {})
    for name, value in s3.stranger().environment.items():
        monkeypatch.setenv(name, value)
    with pytest.raises(StorageError, match="access denied"):
        checkpoint.newest(store(run.uri))


@pytest.mark.parametrize("mounted", ["size=512k"], indirect=True)
def test_a_disk_that_fills_up_keeps_the_checkpoints_before(mounted: Path) -> None:
    run = store(str(mounted))
    checkpoint.write(run, 1, FILES, {})
    with pytest.raises(StorageError, match="no space left"):
        checkpoint.write(run, 2, {"a": b"1" * 2**18, "b": b"1" * 2**18}, {})
    assert checkpoint.newest(run).step == 1
