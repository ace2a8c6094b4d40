"""A training as a process that joins a cluster, watched from outside through its run's folder."""

import json
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any

from fer_ray.runs import layout, record
from fer_ray.runs.storage import Store, store
from tests.bits import digests
from tests.ray_head import ROOT

EVERY = 10  # steps between two checkpoints
SETTINGS = {
    "--data.demo_faces": "2400",
    "--balance.target": "none",
    "--model.width": "0.1",
    "--optimizer.learning_rate": "0.005",
    "--training.epochs": "8",
    "--training.batch_size": "45",  # an odd one: two workers have uneven shards
    "--training.checkpoint_every_steps": str(EVERY),
    "--cluster.cpus_per_worker": "0.5",
    "--storage.lease_ttl_s": "3",
}
PATIENCE_S = 300.0


def wait_for(condition: Callable[[], bool], what: str, timeout_s: float = PATIENCE_S) -> float:
    """Return once ``condition`` holds: the seconds that it took."""
    began = time.monotonic()
    while not condition():
        if time.monotonic() - began > timeout_s:
            raise TimeoutError(f"{what} must come within {timeout_s:.0f} s")
        time.sleep(0.05)
    return time.monotonic() - began


class Run:
    """One run: its folder, and the job that is at work on it."""

    def __init__(self, storage: str, name: str, **settings: str) -> None:
        self._storage, self._name = storage, name
        self._settings = SETTINGS | {f"--{key}": value for key, value in settings.items()}
        self.folder: Store = store(f"{storage}/{name}")
        self.told = ""

    def start(self, environment: Mapping[str, str], **settings: str) -> None:
        """Start a job for this run on the cluster of ``environment``."""
        flags = self.flags(**settings)
        self._log = Path(tempfile.mkdtemp(prefix="fer-drill-")) / "stderr"
        with self._log.open("w") as errors:
            self.job = subprocess.Popen(
                [sys.executable, str(ROOT / "jobs/train.py"), *flags],
                env=dict(environment),
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )

    def flags(self, **settings: str) -> list[str]:
        """What ``train`` is told for this run."""
        flags = self._settings | {f"--{key}": value for key, value in settings.items()}
        words = [word for flag in flags.items() for word in flag]
        return [*words, "--run", self._name, "--storage.uri", self._storage]

    def outcome(self, timeout_s: float = PATIENCE_S) -> tuple[int, dict[str, Any]]:
        """Exit code and outcome of the job, once it has ended; ``told`` is its stderr then."""
        out, _ = self.job.communicate(timeout=timeout_s)
        self.told += self._log.read_text()
        lines = out.splitlines()
        return self.job.returncode, json.loads(lines[-1]) if lines else {}

    def errors(self) -> str:
        """What its jobs have written to stderr so far."""
        running = self._log.read_text() if self.job.poll() is None else ""
        return self.told + running

    def done(self) -> dict[str, Any]:
        """The outcome of a job that must end well."""
        code, outcome = self.outcome()
        if code:
            raise RuntimeError(f"the job must end well, got {code}, {outcome}: {self.told}")
        return outcome

    def saved(self) -> int:
        """The step of the newest checkpoint that has a manifest; 0 where there is none."""
        keys = [entry.key.split("/") for entry in self.folder.listing(layout.CHECKPOINTS)]
        steps = [layout.checkpoint_step(key[1]) for key in keys if key[-1] == layout.MANIFEST]
        return max((step for step in steps if step is not None), default=0)

    def at_an_epochs_end(self) -> bool:
        """Whether the newest checkpoint is of the last step of an epoch."""
        counts = record.read_document(self.folder, layout.DATA)
        assert counts is not None
        faces = sum(counts["balanced"].values())
        batch_size = int(self._settings["--training.batch_size"])
        return self.saved() * batch_size % faces < batch_size

    def wait_for_step(self, step: int) -> int:
        """The newest checkpoint's step, once that is ``step`` or later."""

        def there() -> bool:
            if self.job.poll() is not None:
                raise RuntimeError(f"the job ended before step {step}: {self.outcome()}")
            return self.saved() >= step

        wait_for(there, f"a checkpoint of step {step}")
        return self.saved()

    def groups(self) -> list[dict[str, Any]]:
        """What the run tells of its worker groups."""
        return record.read_groups(self.folder)

    def digests(self) -> dict[str, str]:
        """What its last checkpoint's files hash to."""
        return digests(self.folder, self.saved())

    def epochs(self) -> list[dict[str, Any]]:
        """The figures of its epochs."""
        lines = self.folder.read_bytes(layout.METRICS).decode().splitlines()
        return [json.loads(line) for line in lines]

    def batches(self) -> list[str]:
        """The tallies of its epochs' global batches."""
        return [epoch["batches"] for epoch in self.epochs()]

    def logs(self) -> str:
        """All logs in its folder."""
        keys = [entry.key for entry in self.folder.listing(layout.LOGS)]
        return "".join(self.folder.read_bytes(key).decode() for key in keys)
