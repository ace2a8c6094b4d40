"""What happened in the processes of a year, told by themselves: lines that a kill does not take."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any


@dataclass
class Book:
    """A file of lines of JSON that many processes write."""

    path: Path
    _read: int = 0

    def write(self, what: str, **about: Any) -> None:
        """Add a line, in one write."""
        line = json.dumps({"what": what, "pid": os.getpid()} | about) + "\n"
        sink = os.open(self.path, os.O_WRONLY | os.O_CREAT | os.O_APPEND)
        try:
            os.write(sink, line.encode())
        finally:
            os.close(sink)

    def news(self) -> Iterator[dict[str, Any]]:
        """The lines since the last time."""
        if not self.path.exists():
            return
        text = self.path.read_bytes()[self._read :]
        whole = text[: text.rfind(b"\n") + 1]
        self._read += len(whole)
        yield from map(json.loads, whole.decode().splitlines())
