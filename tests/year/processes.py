"""Processes forked from one that has loaded what they need, so that a job starts in 20 ms."""

import os
import runpy
import signal
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from multiprocessing import get_context
from multiprocessing.connection import Connection
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[2]
_FORK = get_context("fork")
PATIENCE_S = 60.0  # what takes longer hangs


@dataclass(frozen=True)
class Dilated:
    """Python's ``time`` for a module whose seconds pass ``factor`` times as fast."""

    factor: float

    def monotonic(self) -> float:
        return time.monotonic() * self.factor

    def sleep(self, seconds: float) -> None:
        time.sleep(seconds / self.factor)


class Script:
    """A script of this repository at work."""

    def __init__(
        self, argv: Sequence[str], out: Path, errors: Path, first: Callable[[Connection], None]
    ) -> None:
        """Start it.

        Args:
            argv: the script's path in the repository, and its flags.
            out: where its stdout goes.
            errors: where its stderr goes.
            first: called before it with a line to this process.
        """
        self.argv, self.out = argv, out
        self.line, there = _FORK.Pipe()
        self._process = _FORK.Process(target=_run, args=(argv, out, errors, first, there))
        self._process.start()
        there.close()

    @property
    def sentinel(self) -> int:
        """Ready when it has ended."""
        return self._process.sentinel

    @property
    def code(self) -> int | None:
        """How it ended: an exit code, or a signal's number below zero; ``None`` while it runs."""
        return self._process.exitcode

    def signal(self, number: signal.Signals) -> None:
        """Send a signal, unless it has ended."""
        assert self._process.pid is not None
        with suppress(ProcessLookupError):
            if self.code is None:
                os.kill(self._process.pid, number)

    def say(self, word: str) -> None:
        """Send a word, unless it has ended."""
        with suppress(OSError):
            self.line.send(word)

    def goes_on(self) -> bool:
        """Whether it was paused, and now goes on."""
        with suppress(EOFError, OSError):
            if self.line.poll():
                self.line.recv()
                self.say("go on")
                return True
        return False

    def ended(self, timeout_s: float = PATIENCE_S) -> int | None:
        """How it ended, once it has; ``None`` if it has not in time."""
        self._process.join(timeout_s)
        return self.code


def _run(
    argv: Sequence[str],
    out: Path,
    errors: Path,
    first: Callable[[Connection], None],
    line: Connection,
) -> None:
    for number, path in ((1, out), (2, errors)):
        sink = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        os.dup2(sink, number)
    code = 70
    try:
        first(line)
        sys.argv = list(argv)
        runpy.run_path(str(ROOT / argv[0]), run_name="__main__")
    except SystemExit as end:
        code = int(end.code or 0)
    except BaseException:  # noqa: BLE001 forked: nobody above would tell
        traceback.print_exc()
    finally:
        sys.stderr.flush()
        os._exit(code)


class Outsider:
    """A process that calls functions of ours as it is told, away from every fault."""

    def __init__(self) -> None:
        self._line, there = _FORK.Pipe()
        self._process = _FORK.Process(target=_serve, args=(there,), daemon=True)
        self._process.start()

    def call(self, function: Callable[..., Any], *args: Any) -> Any:
        """What the function gives there."""
        self._line.send((function, args))
        if not self._line.poll(PATIENCE_S):
            raise TimeoutError(f"{function.__name__} must end within {PATIENCE_S:.0f} s")
        fault, given = self._line.recv()
        if fault:
            raise RuntimeError(fault)
        return given

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()


def _serve(line: Connection) -> None:
    while True:
        function, args = line.recv()
        try:
            line.send((None, function(*args)))
        except Exception:  # noqa: BLE001 told at the other end
            line.send((traceback.format_exc(), None))


class Server:
    """A process that serves, and answers what it is told."""

    def __init__(self, serve: Callable[..., None], *args: Any) -> None:
        self.line, there = _FORK.Pipe()
        self._process = _FORK.Process(target=serve, args=(there, *args), daemon=True)
        self._process.start()
        self.address: str = self.line.recv()
        self._waiting: list[Any] = []

    def tell(self, *message: Any) -> None:
        """Return once it has done as it is told."""
        self.line.send(message)
        while (answer := self.line.recv()) != "so it is":
            self._waiting.append(answer)

    def heard(self) -> list[Any]:
        """What it has said by itself."""
        said, self._waiting = self._waiting, []
        while self.line.poll():
            said.append(self.line.recv())
        return said

    def end(self) -> None:
        """End it."""
        self._process.kill()
        self._process.join()
