"""fer_ray.runs.retention: the newest checkpoints and what they need stay, nothing else does."""

import subprocess
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import pytest

from fer_ray.runs import checkpoint, retention
from fer_ray.runs.faults import StorageError
from fer_ray.runs.storage import Store, store

FILES = {"weights.npz": b"w" * 1000, "loop.json": b"{}"}


def path(run: Store, step: int, name: str = "") -> Path:
    """Where a local checkpoint's file is."""
    return Path(run.path(f"checkpoints/step-{step:08d}/{name}"))


def test_only_the_newest_and_the_named_are_kept(run: Store) -> None:
    for step in (1, 2, 3, 4, 5):
        checkpoint.write(run, step, FILES, {})
    assert retention.keep(run, 2, always=2) == [3, 1]
    assert [found.step for found in checkpoint.complete(run)] == [5, 4, 2]
    assert {entry.key.split("/")[1] for entry in run.listing()} == {
        f"step-{step:08d}" for step in (2, 4, 5)
    }


def test_uploads_that_broke_off_go_once_a_newer_checkpoint_is_complete(run: Store) -> None:
    for step in (1, 2, 3):
        checkpoint.write(run, step, FILES, {})
    run.write_bytes("checkpoints/step-00000009/weights.npz", b"under way")
    run.delete_file("checkpoints/step-00000002/manifest.json")
    assert retention.keep(run, 2) == [2]
    assert [found.step for found in checkpoint.complete(run)] == [3, 1]
    assert run.exists("checkpoints/step-00000009/weights.npz")


def test_nothing_is_deleted_while_nothing_is_complete(run: Store) -> None:
    run.write_bytes("checkpoints/step-00000001/weights.npz", b"under way")
    assert retention.keep(run, 1) == []
    assert run.exists("checkpoints/step-00000001/weights.npz")


def test_damage_does_not_count_as_kept_and_stays_to_be_looked_at(local_run: Store) -> None:
    for step in (1, 2, 3):
        checkpoint.write(local_run, step, FILES, {})
    path(local_run, 3, "manifest.json").write_bytes(b"")
    assert retention.keep(local_run, 2) == []
    assert path(local_run, 3, "weights.npz").exists()


def test_other_folders_and_stray_files_are_left_alone(local_run: Store) -> None:
    checkpoint.write(local_run, 1, FILES, {})
    for key in ("checkpoints/best/x", "checkpoints/note.txt", "checkpoints/step-00000000"):
        local_run.write_bytes(key, b"mine")
    assert retention.keep(local_run, 1) == []
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
            retention.keep(run, 1)
    finally:
        for point in busy:
            subprocess.run(["umount", str(point)], check=True)
    assert (folder / "weights.npz").exists()
    assert [found.step for found in checkpoint.complete(run)] == [2]
    assert retention.keep(run, 1) == [1]  # and the next one ends it
    assert not folder.exists()


def test_what_a_kept_one_needs_is_kept_and_looked_at(run: Store) -> None:
    for step, its_best in ((1, 1), (2, 2), (3, 2), (4, 2)):
        checkpoint.write(run, step, FILES, {"best": its_best})
    assert retention.keep(run, 2, needs=best) == [1]
    assert checkpoint.newest(run, best).step == 4
    run.write_bytes("checkpoints/step-00000002/weights.npz", b"W" * 1000)
    found = checkpoint.newest(run, best)
    assert found.step is None
    assert found.passed_over[0].startswith(
        "checkpoints/step-00000004 needs another: checkpoints/step-00000002/weights.npz must have"
    )


def best(about: Mapping[str, Any]) -> tuple[int, ...]:
    return (about["best"],)
