"""Rank 0's writing, beside training: epochs' metrics and checkpoints; and reading one back."""

import logging
import time
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import replace
from typing import Any

from fer_ray.cluster.progress import Progress, best_of
from fer_ray.cluster.steps import Captured, State
from fer_ray.cluster.work import Work
from fer_ray.runs import arrays, checkpoint, metrics, retention, storage

_ENDING = ".npz"

logger = logging.getLogger(__name__)


def restore(run: storage.Store, step: int, state: State) -> Mapping[str, Any]:
    """Sets ``state`` to the checkpoint of ``step``, every hash verified; what it says of itself."""
    files, about = checkpoint.read(run, step)
    state.restore({name.removesuffix(_ENDING): arrays.unpack(data) for name, data in files.items()})
    return about


class Saver:
    """Copies states at once and uploads them beside training, in order; reads change nothing.

    Before anything that others will believe it asks whether the run is still its ``group``'s, and
    fails with ``LostError`` where it is not. Where one writing failed, none after it is begun: a
    checkpoint says that the epochs before it are kept.
    """

    def __init__(self, work: Work, state: State, group: int) -> None:
        self._state = state
        self._captured = state.capture()
        self._guard = replace(work.guard, group=group)
        self._store = storage.store(work.run_uri).guarded(self._guard.check)
        self._keep = work.config.training.keep_checkpoints
        self._uploads = ThreadPoolExecutor(1)
        self._pending: list[Future[None]] = []
        self._checkpoint: Future[None] | None = None
        self._waited_s = 0.0

    def keep_epoch(self, record: dict[str, Any]) -> None:
        """Write one epoch's metrics."""
        self._submit(self._write_epoch, record)

    def save(self, progress: Progress) -> None:
        """Write a checkpoint of the state as it is now; waits for the one before."""
        began = time.monotonic()
        if self._checkpoint:
            self._checkpoint.result()
        self._captured = self._state.capture(self._captured)
        self._checkpoint = self._submit(self._write, self._captured, progress)
        self._waited_s += time.monotonic() - began

    def waited(self) -> float:
        """Seconds that steps have waited for checkpoints since this was last asked."""
        waited, self._waited_s = self._waited_s, 0.0
        return waited

    def close(self) -> None:
        """Wait until all is written."""
        self._uploads.shutdown()
        for upload in self._pending:
            upload.result()

    def _write_epoch(self, record: dict[str, Any]) -> None:
        self._guard.check()
        metrics.append(self._store, record["epoch"], record)

    def _write(self, captured: Captured, progress: Progress) -> None:
        files = {f"{part}{_ENDING}": arrays.pack(content) for part, content in captured.items()}
        checkpoint.write(
            self._store, progress.step, files, progress.asdict(), may=self._guard.check
        )
        logger.info("the checkpoint of step %d is complete", progress.step)
        self._guard.check()
        retention.keep(self._store, self._keep, progress.step, best_of)

    def _submit(self, call: Callable[..., None], *args: Any) -> Future[None]:
        """Have ``call`` done after all before it; one of them that failed fails the run here."""
        for upload in [one for one in self._pending if one.done()]:
            self._pending.remove(upload)
            upload.result()
        self._pending.append(self._uploads.submit(_after, tuple(self._pending), call, *args))
        return self._pending[-1]


def _after(before: Sequence[Future[None]], call: Callable[..., None], *args: Any) -> None:
    """Call, unless one of those ``before``, all of which have ended, failed."""
    for upload in before:
        upload.result()
    call(*args)
