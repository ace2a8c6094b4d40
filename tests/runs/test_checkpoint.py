"""fer_ray.runs.checkpoint: complete or not there, whatever was killed, cut off or flipped."""

import io
import json
import math
import os
import random
import subprocess
import sys
import tempfile
import time
import zipfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import ml_dtypes
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

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


def test_only_the_newest_and_the_named_are_kept(run: Store) -> None:
    for step in (1, 2, 3, 4, 5):
        checkpoint.write(run, step, FILES, {})
    assert checkpoint.keep(run, 2, also={2}) == [3, 1]
    assert [found.step for found in checkpoint.complete(run)] == [5, 4, 2]
    assert {entry.key.split("/")[1] for entry in run.listing()} == {
        f"step-{step:08d}" for step in (2, 4, 5)
    }


def test_uploads_that_broke_off_go_once_a_newer_checkpoint_is_complete(run: Store) -> None:
    for step in (1, 2, 3):
        checkpoint.write(run, step, FILES, {})
    run.write_bytes("checkpoints/step-00000009/weights.npz", b"under way")
    run.delete_file("checkpoints/step-00000002/manifest.json")
    assert checkpoint.keep(run, 2) == [2]
    assert [found.step for found in checkpoint.complete(run)] == [3, 1]
    assert run.exists("checkpoints/step-00000009/weights.npz")


def test_nothing_is_deleted_while_nothing_is_complete(run: Store) -> None:
    run.write_bytes("checkpoints/step-00000001/weights.npz", b"under way")
    assert checkpoint.keep(run, 1) == []
    assert run.exists("checkpoints/step-00000001/weights.npz")


def test_damage_does_not_count_as_kept_and_stays_to_be_looked_at(local_run: Store) -> None:
    for step in (1, 2, 3):
        checkpoint.write(local_run, step, FILES, {})
    path(local_run, 3, "manifest.json").write_bytes(b"")
    assert checkpoint.keep(local_run, 2) == []
    assert path(local_run, 3, "weights.npz").exists()


def test_other_folders_and_stray_files_are_left_alone(local_run: Store) -> None:
    checkpoint.write(local_run, 1, FILES, {})
    for key in ("checkpoints/best/x", "checkpoints/note.txt", "checkpoints/step-00000000"):
        local_run.write_bytes(key, b"mine")
    assert checkpoint.keep(local_run, 1) == []
    assert [found.step for found in checkpoint.complete(local_run)] == [1]
    assert local_run.exists("checkpoints/best/x")


@pytest.mark.parametrize("mounted", ["size=1m"], indirect=True)
def test_a_deletion_that_cannot_end_leaves_no_checkpoint(mounted: Path, tmp_path: Path) -> None:
    run = store(f"{mounted}/one")
    for step in (1, 2):
        checkpoint.write(run, step, FILES, {})
    folder = path(run, 1)
    files = folder.rename(mounted / "files")
    # A memory disk lists by age: with a mount point at either end, deleting meets one first.
    busy = [folder / "first", folder / "last"]
    busy[0].mkdir(parents=True)
    for file in list(files.iterdir()):
        file.rename(folder / file.name)
    busy[1].mkdir()
    for point in busy:
        subprocess.run(["mount", "--bind", str(tmp_path), str(point)], check=True)
    try:
        with pytest.raises(StorageError, match="must be writable"):
            checkpoint.keep(run, 1)
    finally:
        for point in busy:
            subprocess.run(["umount", str(point)], check=True)
    assert (folder / "weights.npz").exists()
    assert [found.step for found in checkpoint.complete(run)] == [2]
    assert checkpoint.keep(run, 1) == [1]  # and the next one ends it
    assert not folder.exists()


@pytest.mark.parametrize("mounted", ["size=512k"], indirect=True)
def test_a_disk_that_fills_up_keeps_the_checkpoints_before(mounted: Path) -> None:
    run = store(str(mounted))
    checkpoint.write(run, 1, FILES, {})
    with pytest.raises(StorageError, match="no space left"):
        checkpoint.write(run, 2, {"a": b"1" * 2**18, "b": b"1" * 2**18}, {})
    assert checkpoint.newest(run).step == 1


WRITER = """
import sys
from fer_ray.runs import checkpoint
from fer_ray.runs.storage import store
run, step = store(sys.argv[1]), 0
while True:
    content = bytes([step % 256]) * 2 ** int(sys.argv[3])
    files = {f"part-{n}": content for n in range(int(sys.argv[2]))}
    step += 1
    checkpoint.write(run, step, files, {"epoch": step})
    checkpoint.keep(run, 2)
    print(step, flush=True)
"""


@contextmanager
def writer(run: Store, files: int, log_size: int) -> Iterator["subprocess.Popen[bytes]"]:
    """A process that writes checkpoints of ``files`` files for ever; its first one is done."""
    command = [sys.executable, "-c", WRITER, run.uri, str(files), str(log_size)]
    with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout is not None
            assert process.stdout.readline() == b"1\n"
            yield process
        finally:
            process.kill()


def test_a_writer_killed_in_the_middle_leaves_no_checkpoint(run: Store) -> None:
    with writer(run, files=200, log_size=16) as process:
        deadline = time.monotonic() + 60
        while time.monotonic() < deadline:
            newest = max(entry.key.split("/")[1] for entry in run.listing("checkpoints"))
            there = [entry.key for entry in run.listing(f"checkpoints/{newest}")]
            if 0 < len(there) < 100:
                process.kill()
                break
    step = int(newest.removeprefix("step-"))
    assert 0 < len(run.listing(f"checkpoints/{newest}")) < 200
    assert step > 1
    assert checkpoint.complete(run)[0].step == step - 1
    found = checkpoint.newest(run)
    assert (found.step, len(found.files)) == (step - 1, 200)
    assert found.passed_over == (f"checkpoints/{newest} has no manifest.json: it was not finished",)
    checkpoint.write(run, step, FILES, {})  # who goes on finds no obstacle there
    assert checkpoint.newest(run) == Loaded(step, FILES, {}, ())


@pytest.mark.parametrize("run", ["local"], indirect=True)
def test_a_writer_killed_at_any_moment_leaves_only_whole_checkpoints(run: Store) -> None:
    moments = random.Random(0)
    for _ in range(6):
        with writer(run, files=10, log_size=12) as process:
            time.sleep(moments.uniform(0, 0.2))
            process.kill()
        whole = checkpoint.complete(run)
        assert 1 <= len(whole) <= 3
        for found in whole:
            files, about = checkpoint.read(run, found.step)
            assert about == {"epoch": found.step}
            assert {len(set(data)) for data in files.values()} == {1}
            assert len({data[0] for data in files.values()}) == 1
        run.delete_folder("checkpoints")


arrays = hnp.arrays(
    st.sampled_from([np.float32, np.float64, np.uint8, np.int64, np.bool_]),
    hnp.array_shapes(min_dims=0, max_dims=4, min_side=0, max_side=4),
)
names = st.text("abcdefghijklmnopqrstuvwxyz0123456789_/.:", min_size=1, max_size=20)


@given(st.dictionaries(names, arrays, max_size=5))
def test_arrays_come_back_bit_for_bit(given_arrays: dict[str, np.ndarray]) -> None:
    back = checkpoint.unpack(checkpoint.pack(given_arrays))
    assert set(back) == set(given_arrays)
    for name, array in given_arrays.items():
        assert (back[name].dtype, back[name].shape) == (array.dtype, array.shape)
        assert back[name].tobytes() == array.tobytes()  # NaN and -0.0 too


@given(st.dictionaries(names, arrays, max_size=5))
def test_equal_arrays_pack_to_equal_bytes_in_any_order_and_layout(
    given_arrays: dict[str, np.ndarray],
) -> None:
    shuffled = {name: np.asfortranarray(given_arrays[name]) for name in reversed(given_arrays)}
    shuffled = {name: array.reshape(given_arrays[name].shape) for name, array in shuffled.items()}
    assert checkpoint.pack(shuffled) == checkpoint.pack(given_arrays)


def test_packing_knows_no_clock() -> None:
    packed = checkpoint.pack({"a": np.arange(3)})
    with zipfile.ZipFile(io.BytesIO(packed)) as archive:
        assert [info.date_time for info in archive.infolist()] == [(1980, 1, 1, 0, 0, 0)]


@pytest.mark.parametrize(
    ("array", "dtype"),
    [
        (np.array([print], dtype=object), "object"),
        (np.zeros(2, ml_dtypes.bfloat16), "bfloat16"),
        (np.array(["a"]), "<U1"),
    ],
)
def test_what_an_npz_would_pickle_or_forget_is_refused(array: np.ndarray, dtype: str) -> None:
    with pytest.raises(ValueError, match=f"^array w must hold numbers or booleans, got {dtype}$"):
        checkpoint.pack({"w": array})


def test_unpacking_runs_no_code(tmp_path: Path) -> None:
    class Bomb:
        def __reduce__(self) -> tuple[Any, ...]:
            return os.mkdir, (f"{tmp_path}/exploded",)

    np.savez(tmp_path / "bomb.npz", w=np.array([Bomb()], dtype=object))
    with pytest.raises(ValueError, match="allow_pickle=False"):
        checkpoint.unpack((tmp_path / "bomb.npz").read_bytes())
    assert not (tmp_path / "exploded").exists()
