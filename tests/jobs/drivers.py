"""A process that joins a cluster once and runs one job after another, each as ``python JOB`` does.

What takes a job its seconds is then there already: imports, and workers with what they imported.
"""

import json
import logging
import os
import runpy
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[2]


class Driver:
    """Such a process; ``run`` is as ``subprocess.run`` for a job of this repository."""

    def __init__(self, process: "subprocess.Popen[str]", folder: Path) -> None:
        self._process, self._folder = process, folder

    def run(self, *argv: str) -> "subprocess.CompletedProcess[str]":
        """How a job ended that was started with ``argv``, a script's path first."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        said = [self._folder / name for name in ("stdout", "stderr")]
        self._process.stdin.write(json.dumps([argv, [str(path) for path in said]]) + "\n")
        self._process.stdin.flush()
        code = int(self._process.stdout.readline())
        return subprocess.CompletedProcess(argv, code, *(path.read_text() for path in said))


@contextmanager
def driver(cluster: Mapping[str, str], folder: Path) -> Iterator[Driver]:
    """A process that sees the environment ``cluster``; ``folder`` takes what its jobs say."""
    with subprocess.Popen(
        [sys.executable, "-m", "tests.jobs.drivers"],
        cwd=ROOT,
        env=dict(cluster),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    ) as process:
        yield Driver(process, folder)
        process.communicate()  # closes its stdin, at which it ends


def main() -> None:
    """Run the jobs that stdin names, and answer each with its exit code."""
    import ray
    import ray.data

    answers = os.fdopen(os.dup(1), "w")
    ray.init(logging_level=logging.ERROR, log_to_driver=False)
    ray.data.DataContext.get_current().enable_progress_bars = False
    for line in sys.stdin:
        argv, said = json.loads(line)
        for number, path in enumerate(said, 1):
            with Path(path).open("w") as sink:
                os.dup2(sink.fileno(), number)
        answers.write(f"{_code_of(argv)}\n")
        answers.flush()
    ray.shutdown()


def _code_of(argv: list[str]) -> int:
    """The exit code of one job."""
    sys.argv = argv
    try:
        runpy.run_path(argv[0], run_name="__main__")
    except SystemExit as end:
        return int(end.code or 0)
    finally:
        logging.getLogger("fer_ray").handlers.clear()  # each job adds its own
        sys.stderr.flush()
    raise AssertionError(f"a job must end with an exit code, got none of {argv}")


if __name__ == "__main__":
    main()
