"""What is in a run's folder, and whether it is whole: looked at, never changed.

Every file of every checkpoint is read and hashed, one at a time. A job may be at work on the run
meanwhile: what it deletes while it is looked at is no damage.
"""

import re
from collections.abc import Iterator, Mapping

from fer_ray.runs import checkpoint
from fer_ray.runs.checkpoint import DamagedError, Seen
from fer_ray.runs.documents import JUDGES, Judge, document, epoch, group
from fer_ray.runs.faults import MissingError, StorageError
from fer_ray.runs.findings import Diagnosis, Finding
from fer_ray.runs.layout import (
    AUDIT,
    AUDIT_DATA,
    AUDIT_PAGE,
    AUDIT_PAIRS,
    CHECKPOINTS,
    CONFIG,
    DATA,
    EPOCHS,
    GATE_FOLDER,
    GROUPS,
    LEASE,
    LOGS,
    MANIFEST,
    METRICS,
    MODEL,
    MODEL_FACTS,
    MODEL_FILE,
    OUTCOME,
    RAY,
    REPORT,
    REPORT_PAGE,
    RESULTS,
    RETRAINED,
    SWEEP_PAGE,
    TENSORBOARD,
    TRIALS,
    WINNER,
    checkpoint_folder,
    checkpoint_step,
    epoch_metrics,
    metrics_epoch,
    predictions,
)
from fer_ray.runs.record import read_config
from fer_ray.runs.storage import Store

_LOCK = f".{LEASE}.lock"  # lies beside a lease on a disk, whoever holds it
_PROBE = re.compile(rf"{re.escape(LEASE)}-probe-[0-9a-f]{{16}}")
_FINISHED = {  # by the section of settings that one kind of run alone has
    "audit": (AUDIT_PAGE, AUDIT_DATA, AUDIT_PAIRS),
    "tune": (DATA, f"{RESULTS}.parquet", WINNER, SWEEP_PAGE),
    "training": (DATA, METRICS, f"{MODEL}/{MODEL_FILE}", f"{MODEL}/{MODEL_FACTS}"),
    "evaluate": (REPORT_PAGE, predictions(flips=False)),
}
_FOLDERS = {
    AUDIT: "what an audit found",
    TRIALS: "a sweep's trials, each a run of its own",
    RETRAINED: "the winner's run",
    SWEEP_PAGE.partition("/")[0]: "what a sweep found",
    LOGS: "what the job and its workers said",
    REPORT: "the report",
    GATE_FOLDER: "what the gate said of it",
    TENSORBOARD: "event files",
    RAY: "what Ray Train keeps while it is at work",
}


def examine(run: Store) -> Diagnosis:
    """The diagnosis of ``run``; nothing is written, and every byte of its checkpoints is read.

    Raises:
        ValueError: there is no such run.
        StorageError: the storage refuses.
    """
    sizes = {entry.key: entry.size for entry in run.listing()}
    parts = run.unfinished()
    if not sizes and not parts:
        raise ValueError(f"run must name a run in storage.uri, got nothing in {run.uri}")
    found = [one for key, judge in JUDGES.items() if key in sizes for one in _told(run, key, judge)]
    finished = any((one.key, one.state) == (OUTCOME, "whole") for one in found)
    groups = (key for key in sizes if key.startswith(f"{GROUPS}/"))
    found += [one for key in groups for one in _told(run, key, group)]
    checkpoints, step = _checkpoints(run)
    found += checkpoints
    found += _epochs(run, sizes)
    found += _lost(sizes, finished, _sections(run) if CONFIG in sizes else set())
    found += _others(sizes, finished)
    found += [Finding(key, "left over", "of a write that was killed") for key in parts]
    return Diagnosis(tuple(found), finished, None if finished else step)


def _told(run: Store, key: str, judge: Judge) -> Iterator[Finding]:
    """The finding of one file: what ``judge`` tells of its content, or the fault that it raises."""
    try:
        yield Finding(key, "whole", judge(run.read_bytes(key)))
    except MissingError:
        return  # deleted since it was listed
    except StorageError:
        raise
    except ValueError as error:
        yield Finding(key, "damaged", str(error).removeprefix(f"{key} "))


def _checkpoints(run: Store) -> tuple[list[Finding], int | None]:
    """What is told of every checkpoint, newest first; the step that a resume would go on from.

    The same as ``checkpoint.newest`` finds, which has all files of one in memory.
    """
    found: list[Finding] = []
    needs: dict[int, int | None] = {}  # of each whose files verify
    for seen in checkpoint.survey(run):
        folder = checkpoint_folder(seen.step)
        if seen.state == "incomplete":
            told = f"has no {MANIFEST}: its upload broke off, or is under way"
            found.append(Finding(folder, "left over", told))
        elif faults := list(_faults(run, seen)):
            if run.exists(f"{folder}/{MANIFEST}"):  # else it was deleted meanwhile
                found += faults
        else:
            needs[seen.step] = _best(seen.about)
    usable = [step for step, best in needs.items() if best is None or best in needs]
    for step, best in needs.items():
        told = f"verified; needs {checkpoint_folder(best)}" if best is not None else "verified"
        lacks = "" if step in usable else ", which is not there or damaged"
        found.append(
            Finding(checkpoint_folder(step), "damaged" if lacks else "whole", told + lacks)
        )
    return sorted(found, key=lambda one: one.key, reverse=True), max(usable, default=None)


def _faults(run: Store, seen: Seen) -> Iterator[Finding]:
    """Every file of a checkpoint that is not what its manifest says, or the manifest itself."""
    folder = checkpoint_folder(seen.step)
    key = f"{folder}/{MANIFEST}"
    try:
        document(run.read_bytes(key))
        promised = checkpoint.manifest(run, seen.step).files
        _best(seen.about)
    except MissingError as error:
        yield Finding(key, "damaged", str(error))
        return
    except StorageError:
        raise
    except ValueError as error:
        yield Finding(key, "damaged", str(error).removeprefix(f"{key} "))
        return
    for name, promise in promised.items():
        file = f"{folder}/{name}"
        try:
            checkpoint.content(run, seen.step, name, promise)
        except DamagedError as error:
            yield Finding(file, "damaged", str(error).removeprefix(f"{file} "))


def _best(about: Mapping[str, object]) -> int | None:
    """The step of the best checkpoint so far, which the one that says ``about`` needs.

    Raises:
        ValueError: it does not say.
    """
    best = about.get("best", ...)
    if best is None:
        return None
    if isinstance(best, Mapping) and isinstance(best.get("step"), int):
        return int(best["step"])
    raise ValueError(f"must say which checkpoint is the best, got {dict(about)!r:.60}")


def _epochs(run: Store, sizes: Mapping[str, int]) -> Iterator[Finding]:
    """What is told of the epochs' metrics together, and each that is damaged or missing."""
    keys = [key for key in sizes if key.startswith(f"{EPOCHS}/")]
    judged = [one for key in keys for one in _told(run, key, epoch)]
    faults = [one for one in judged if one.state == "damaged"]
    if len(judged) > len(faults):
        yield Finding(EPOCHS, "whole", f"{len(judged) - len(faults)} epochs")
    yield from faults
    numbers = {number for key in keys if (number := metrics_epoch(key)) is not None}
    last = max(numbers, default=0)
    yield from (_missing(epoch_metrics(one)) for one in range(1, last) if one not in numbers)


def _sections(run: Store) -> set[str]:
    """The names of a run's settings; none where they cannot be read."""
    try:
        return set(read_config(run) or ())
    except StorageError:
        raise
    except ValueError:  # found damaged
        return set()


def _lost(sizes: Mapping[str, int], finished: bool, sections: set[str]) -> Iterator[Finding]:
    """What a run of its kind that has come so far must have, and has not."""
    begun = finished or any(key.startswith((f"{CHECKPOINTS}/", f"{EPOCHS}/")) for key in sizes)
    kind = next((one for one in _FINISHED if one in sections), "training")
    wanted = dict.fromkeys((CONFIG,) * begun + (DATA,) * (begun and kind == "training"))
    wanted |= dict.fromkeys(_FINISHED[kind] * finished)
    return (_missing(key) for key in wanted if key not in sizes)


def _missing(key: str) -> Finding:
    return Finding(key, "missing", "must be there, got nothing")


def _others(sizes: Mapping[str, int], finished: bool) -> Iterator[Finding]:
    """What is told of folders whose files nobody checks, and of keys that no run writes."""
    for folder, what in _FOLDERS.items():
        inside = [size for key, size in sizes.items() if key.startswith(f"{folder}/")]
        if inside:
            gone = folder == RAY and finished
            told = f"{what}; files: {len(inside)}, bytes: {sum(inside):,}"
            yield Finding(folder, "left over" if gone else "whole", told)
    for key in sizes:
        folder, _, rest = key.partition("/")
        strange = folder not in {EPOCHS, GROUPS, *_FOLDERS} and key not in {*JUDGES, _LOCK}
        if folder == CHECKPOINTS:
            strange = checkpoint_step(rest.partition("/")[0]) is None
        if _PROBE.fullmatch(key):
            yield Finding(key, "left over", "of a look at what the storage can")
        elif strange:
            yield Finding(key, "unknown", "no run writes this")
