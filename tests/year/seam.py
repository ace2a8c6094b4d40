"""What of a retraining takes a cluster, and what stands in its place: no decision is among it.

Every function that is replaced does nothing but lay work over Ray. The bodies of its tasks run
where they are called, but for training, which is a draw.
"""

import hashlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from itertools import accumulate
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from fer_ray.cluster import (
    acquaintance,
    balancing,
    capacity,
    dataset,
    export,
    inference,
    models,
    prepared,
    reading,
    reporting,
    scoring,
    session,
    source,
    workers,
)
from fer_ray.cluster.progress import Progress, best_of, epochs_after
from fer_ray.cluster.stream import Faces
from fer_ray.cluster.work import Work
from fer_ray.config import PrepareConfig
from fer_ray.faces import order, sides
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import arrays, checkpoint, layout, metrics, retention, scores, storage
from fer_ray.runs import predictions as kept
from fer_ray.runs.lease import Lease
from fer_ray.runs.predictions import Predictions
from tests.year import drawn
from tests.year.book import Book


def lay(book: Book, talent: Path) -> None:
    """Replace it all, in this process and those forked from it.

    Args:
        book: where trainings are told.
        talent: a file with the recall that a model trained now has.
    """
    session.session = _session
    session.alive_nodes = lambda: [{}]
    capacity.check_resources = lambda _: None
    dataset._read = _read
    dataset._written = _written
    balancing.training_blocks = _training_blocks
    prepared.side_blocks = _side_blocks
    acquaintance.families_of = _families_of
    acquaintance._found = _found
    models.opened = _opened
    inference.predict = _predict
    scoring.worth = _worth
    reporting.report_on = _report_on
    workers.progress_of = _progress_of
    workers.run_to_end = _Training(book)
    export.exported = _Exporting(talent)


@contextmanager
def _session(verbose: bool) -> Iterator[None]:
    assert not verbose
    yield


def _read(config: PrepareConfig, found: "source.Source | None") -> "dataset._Read":
    assert found is not None
    uri = str(config.data.uri)
    tables = []
    for file in found.files:
        counts = source.parquet_groups(found.store, file)
        firsts = accumulate(counts, initial=0)
        for group, first in zip(range(len(counts)), firsts, strict=False):
            place = {"path": file.path, "name": file.name, "usage": "", "group": group}
            piece = pa.Table.from_pylist([place | {"first": first}])
            tables += reading._read_parquet(piece, uri, config.data)
    raw = pa.concat_tables(tables)
    census, refused = dataset._told._function(raw)
    census.check(config.data)
    rows = sides.accepted(raw).sort_by([("id", "ascending"), ("source", "ascending")])
    faces, summary = dataset._resolved._function(rows, config.split, {})
    summary.check()
    return dataset._Read(census, summary, [faces], [refused])


def _written(folder: str, read: "dataset._Read") -> list[dict[str, Any]]:
    files = [
        file
        for number, faces in enumerate(read.resolved)
        for file in dataset._write._function(folder, number, faces)
    ]
    files += dataset._write_refused._function(folder, *read.refused)
    return sorted(files, key=lambda file: str(file["name"]))


def _training_blocks(data: prepared.Prepared, *_: Any) -> balancing.TrainingFaces:
    counts = dict(data.counts["train"])
    faces = Faces((), (sum(counts.values()),))
    return balancing.TrainingFaces(faces, counts, counts, 100.0, 50.0, None)


def _side_blocks(data: prepared.Prepared, side: str) -> Faces:
    files = [file for file in data.manifest["files"] if file["name"].startswith(f"{side}/")]
    read = prepared._read_part._function
    blocks = [read(data.uri, data.setting, file) for file in files]
    return Faces(blocks, [file["rows"] for file in files])


def _families_of(faces: Faces) -> list[acquaintance.Family]:
    return [row for block in faces.blocks for row in acquaintance._family._function(block)]


def _found(data: prepared.Prepared, side: str, wanted: pa.Array) -> tuple[set[str], set[str]]:
    blocks = _side_blocks(data, side).blocks
    parts = [acquaintance._among._function(block, wanted) for block in blocks]
    return set().union(*(ids for ids, _ in parts)), set().union(*(kin for _, kin in parts))


def _opened(place: models.Place) -> models.Model:
    content = models._read._function(place)
    assert drawn.known(content), place.uri
    return models.Model(place, content, hashlib.sha256(content).hexdigest())


def _predict(model: bytes, faces: Faces, *, flips: bool) -> tuple[Predictions, ...]:
    assert not flips
    return (drawn.predictions(model, pa.concat_tables(faces.blocks)),)


def _worth(told: Predictions) -> dict[str, Any]:
    return scores.of_predictions(told.labels, told.probabilities)


def _report_on(run: storage.Store, shown: Any, _: Any, told: Any, __: Any = None) -> None:
    kept.write(run, layout.predictions(flips=False), told[shown.side])


def _progress_of(run_uri: str) -> Progress:
    about, _ = workers._newest._function(run_uri)
    return Progress.of(about) if about else Progress()


class _Training:
    """A worker group that writes what one writes, and learns nothing."""

    def __init__(self, book: Book) -> None:
        self._book = book

    def __call__(self, work: Work, _: Any, __: Any, held: Lease) -> None:
        run, training = storage.store(work.run_uri), work.config.training
        start = workers.begin(work.guard, 1)
        progress = _progress_of(work.run_uri)
        began = {"run": work.config.run, "step": start.step, "group": start.group}
        self._book.write("training", **began, attempt=work.guard.attempt)
        guard = replace(work.guard, group=start.group)
        done = epochs_after(progress.step, work.count, training.batch_size)
        for epoch in range(done + 1, training.epochs + 1):
            held.check()
            step = order.steps_through(epoch, work.count, training.batch_size)
            told = _epoch(epoch, step, work)
            guard.check()
            metrics.append(run, epoch, told)
            after = replace(progress, step=step)
            progress = after.after_epoch(epoch, told["validation"], training, work.config.optimizer)
            weights = {"weights.npz": arrays.pack({"w": np.full(8, step)})}
            checkpoint.write(run, step, weights, progress.asdict(), may=guard.check)
            guard.check()
            retention.keep(run, training.keep_checkpoints, step, best_of)
            if progress.ended:
                return


def _epoch(epoch: int, step: int, work: Work) -> dict[str, Any]:
    """What rank 0 tells of an epoch."""
    confusion = np.full((len(EMOTIONS), len(EMOTIONS)), 1) + epoch * np.eye(
        len(EMOTIONS), dtype=int
    )
    return {
        "epoch": epoch,
        "step": step,
        "learning_rate": 0.001,
        "train": {"loss": 1.0 / epoch, "accuracy": 0.5},
        "batches": f"{step:08x}",
        "validation": {"loss": 1.0 / epoch} | metrics.from_confusion(confusion),
        "workers": 1,
        "leaky": work.leaky,
        **dict.fromkeys(("seconds", "images_per_s", "wait_s", "save_wait_s"), 1.0),
    }


class _Exporting:
    """A model as good as the times are."""

    def __init__(self, talent: Path) -> None:
        self._talent = talent

    def __call__(self, work: Work, step: int, about: Mapping[str, Any]) -> bytes:
        content = drawn.file_of(str(work.config.run), float(self._talent.read_text()))
        export.keep(work, content, step, about)
        return content
