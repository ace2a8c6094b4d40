"""Checkpoints: complete folders of files, whatever these mean to who wrote them.

A checkpoint is believed because of its manifest, which is written after every file it names and
deleted before any of them. Nothing is ever pickled: a checkpoint from elsewhere can run no code.
"""

import hashlib
import json
import re
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Literal

from pydantic import JsonValue

from fer_ray.runs.faults import MissingError
from fer_ray.runs.layout import (
    CHECKPOINTS,
    MANIFEST,
    SCHEMA_VERSION,
    checkpoint_folder,
    checkpoint_step,
)
from fer_ray.runs.promises import PLAIN_NAME, FilePromise, Manifest, parsed
from fer_ray.runs.storage import Store


class DamagedError(ValueError):
    """A checkpoint is not what its manifest says; the text names the file."""


@dataclass(frozen=True)
class Found:
    """A complete checkpoint: its step, and what its writer said about it."""

    step: int
    about: Mapping[str, JsonValue]


@dataclass(frozen=True)
class Seen:
    """A folder under ``checkpoints/`` as far as its listing and its manifest tell.

    ``incomplete``: there is no manifest, as while it is written; ``damaged``: the manifest is none,
    or the files' sizes are not as it says; ``fault`` is that in a sentence. The content of a
    ``complete`` one is for ``read`` to verify.
    """

    step: int
    state: Literal["complete", "incomplete", "damaged"]
    about: Mapping[str, JsonValue]
    fault: str = ""


@dataclass(frozen=True)
class Loaded:
    """What ``newest`` found, if anything, and a sentence for each newer folder it passed over."""

    step: int | None
    files: Mapping[str, bytes]
    about: Mapping[str, JsonValue]
    passed_over: tuple[str, ...]


Needs = Callable[[Mapping[str, JsonValue]], Iterable[int]]


def nothing(_about: Mapping[str, JsonValue]) -> Iterable[int]:
    """The ``Needs`` of checkpoints that stand alone."""
    return ()


def write(
    run: Store,
    step: int,
    files: Mapping[str, bytes],
    about: Mapping[str, JsonValue],
    may: Callable[[], None] = lambda: None,
) -> str:
    """Writes a checkpoint of ``files`` and, last, its manifest; returns the key of its folder.

    What an earlier attempt left in that folder is deleted first.

    Args:
        run: the run's folder.
        step: steps taken when it was made.
        files: content by name; letters, digits, dots, dashes and underscores, no folders.
        about: JSON that ``complete`` shows without reading any file; finite numbers only.
        may: raises if the writer may not write (any more); asked before the folder is touched, and
            before the manifest makes it a checkpoint.

    Raises:
        ValueError: a name or a number that cannot be kept; nothing was written.
        StorageError: the storage refuses.
    """
    for name in files:
        if not re.fullmatch(PLAIN_NAME, name) or name == MANIFEST:
            raise ValueError(f"a checkpoint's file must have a plain name, got {name!r}")
    promises = {
        name: {"size": len(data), "sha256": hashlib.sha256(data).hexdigest()}
        for name, data in files.items()
    }
    said = {"schema_version": SCHEMA_VERSION, "step": step, "files": promises, "about": dict(about)}
    text = json.dumps(said, indent=1, allow_nan=False)
    folder = checkpoint_folder(step)
    may()
    delete(run, step)
    for name, data in files.items():
        run.write_bytes(f"{folder}/{name}", data)
    may()
    run.write_bytes(f"{folder}/{MANIFEST}", text.encode())
    return folder


def survey(run: Store) -> list[Seen]:
    """Every folder of a checkpoint, whole or not, newest first, by names, sizes and manifests."""
    sizes: dict[int, dict[str, int]] = {}
    for entry in run.listing(CHECKPOINTS):
        folder, _, name = entry.key.removeprefix(f"{CHECKPOINTS}/").partition("/")
        step = checkpoint_step(folder)
        if step is not None and name:
            sizes.setdefault(step, {})[name] = entry.size
    return [_seen(run, step, sizes[step]) for step in sorted(sizes, reverse=True)]


def complete(run: Store) -> list[Found]:
    """Every complete checkpoint, newest first; its content is for ``read`` to verify."""
    return [Found(seen.step, seen.about) for seen in survey(run) if seen.state == "complete"]


def read(run: Store, step: int) -> tuple[dict[str, bytes], Mapping[str, JsonValue]]:
    """The files and ``about`` of one checkpoint, every hash verified.

    Raises:
        DamagedError: there is no readable manifest, or a file is not what it says.
    """
    promised = manifest(run, step)
    files = {name: content(run, step, name, one) for name, one in promised.files.items()}
    return files, promised.about


def newest(run: Store, needs: Needs = nothing) -> Loaded:
    """The newest checkpoint that verifies with all it needs, and why newer ones were passed over.

    Args:
        run: the run's folder.
        needs: the steps of the checkpoints without which one is worth nothing, by its ``about``.
    """
    passed: list[str] = []
    faults: dict[int, str] = {}  # of checkpoints that others need; "" where there is none

    def fault(step: int) -> str:
        if step not in faults:
            try:
                read(run, step)
                faults[step] = ""
            except DamagedError as error:
                faults[step] = str(error)
        return faults[step]

    for seen in survey(run):
        if seen.state != "complete":
            passed.append(seen.fault)
            continue
        try:
            files, about = read(run, seen.step)
        except DamagedError as error:
            passed.append(str(error))
            continue
        missed = [fault(step) for step in needs(about) if step != seen.step and fault(step)]
        if missed:
            passed.append(f"{checkpoint_folder(seen.step)} needs another: {missed[0]}")
            continue
        return Loaded(seen.step, files, about, tuple(passed))
    return Loaded(None, {}, {}, tuple(passed))


def delete(run: Store, step: int) -> None:
    """Deletes a checkpoint, its manifest first: what a kill leaves of it is none."""
    folder = checkpoint_folder(step)
    run.delete_file(f"{folder}/{MANIFEST}")
    run.delete_folder(folder)


def _seen(run: Store, step: int, sizes: Mapping[str, int]) -> Seen:
    """What the ``sizes`` of a folder's files tell of it."""
    folder = checkpoint_folder(step)
    if MANIFEST not in sizes:
        return Seen(step, "incomplete", {}, f"{folder} has no {MANIFEST}: it was not finished")
    try:
        said = manifest(run, step)
    except DamagedError as error:
        return Seen(step, "damaged", {}, str(error))
    for name, promised in said.files.items():
        if sizes.get(name) != promised.size:
            got = f"{sizes[name]}" if name in sizes else "nothing"
            fault = f"{folder}/{name} must be of {promised.size} bytes, got {got}"
            return Seen(step, "damaged", said.about, fault)
    return Seen(step, "complete", said.about)


def manifest(run: Store, step: int) -> Manifest:
    """The manifest of one checkpoint; raises as ``read``."""
    key = f"{checkpoint_folder(step)}/{MANIFEST}"
    text = _content(run, key)
    try:
        found = parsed(text)
    except ValueError as error:
        raise DamagedError(f"{key} must be a manifest, but {error}") from error
    if found.step != step:
        raise DamagedError(f"{key} must be of step {step}, got {found.step}")
    return found


def content(run: Store, step: int, name: str, promised: FilePromise) -> bytes:
    """One file of a checkpoint, its hash verified; raises as ``read``."""
    key = f"{checkpoint_folder(step)}/{name}"
    data = _content(run, key)
    digest = hashlib.sha256(data).hexdigest()
    if digest != promised.sha256:
        raise DamagedError(f"{key} must have SHA-256 {promised.sha256}, got {digest}")
    return data


def _content(run: Store, key: str) -> bytes:
    """The content of a file that a checkpoint must have."""
    try:
        return run.read_bytes(key)
    except MissingError as error:
        raise DamagedError(f"{key} must be there, got nothing") from error
