"""Nodes of a Ray cluster on this machine, each as ``ray start --block`` makes one, to be killed.

Token authentication is on, as it is where people run this: a process without the cluster's
environment is refused.
"""

import os
import signal
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from pathlib import Path

from ray._private.utils import get_ray_address_file

ROOT = Path(__file__).parents[1]
RAY = (sys.executable, "-m", "ray.scripts.scripts")


class Node:
    """A running node; ``environment`` is what a process sees that uses its cluster."""

    def __init__(self, environment: Mapping[str, str], *flags: str) -> None:
        """Start it, and return once it runs.

        Args:
            environment: of its processes.
            flags: of ``ray start --block``.
        """
        self._process = subprocess.Popen(
            [*RAY, "start", "--block", *flags],
            cwd=ROOT,  # where submitted jobs run that bring no folder, as in the image
            env=dict(environment),
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )
        assert self._process.stdout is not None
        told: list[str] = []
        address = environment.get("RAY_ADDRESS", "")
        for line in self._process.stdout:
            told.append(line)
            if "--address='" in line:
                address = line.split("'")[1]
            if "--block" in line:  # the last of what it says: it is up
                break
        else:
            raise RuntimeError(f"Ray must start, got: {''.join(told)}")
        self.environment = {**environment, "RAY_ADDRESS": address}

    def processes(self, named: str = "") -> list[int]:
        """The processes of this node whose command line has ``named`` in it."""
        return processes(self._process.pid, named)

    def kill(self) -> None:
        """End it as a machine ends that loses its power."""
        doomed = [*self.processes(), self._process.pid]
        for pid in doomed:
            with suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.wait()

    def ask_to_stop(self) -> None:
        """Send what Kubernetes sends to a pod: SIGTERM; the node drains before it ends."""
        self._process.terminate()

    def wait(self, timeout_s: float = 60) -> None:
        """Return once it has ended; what it left on the disk to be found by is gone then.

        Ray on this machine would look for a cluster there that is no more: 11 s in each training.
        """
        self._process.communicate(timeout=timeout_s)
        found_by = Path(get_ray_address_file(None))
        with suppress(FileNotFoundError):
            if found_by.read_text().strip() == self.environment["RAY_ADDRESS"]:
                found_by.unlink()

    @property
    def alive(self) -> bool:
        """Whether it runs."""
        return self._process.poll() is None


def processes(pid: int, named: str = "") -> list[int]:
    """The processes that ``pid`` and its own started, with ``named`` in their command lines."""
    return [one for one in _under(pid) if named in _command(one)]


def told_of(pid: int, named: str, kept: str, word: str) -> set[bool]:
    """Whether ``word`` is in what the machine keeps of each of ``processes(pid, named)``.

    Args:
        pid: whose processes are looked at.
        named: what is in their command lines.
        kept: the file of ``/proc`` about a process, such as ``maps``.
        word: that is looked for.
    """
    found = set()
    for process in processes(pid, named):
        with suppress(OSError):  # it has ended
            found.add(word in Path(f"/proc/{process}/{kept}").read_text())
    return found


def free_port() -> int:
    """A port of this machine that nothing listens on."""
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return int(one.getsockname()[1])


def environment(ours: Mapping[str, str]) -> dict[str, str]:
    """What the processes of a new cluster see: this process's own, and of AWS's ``ours`` alone."""
    seen = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    seen |= ours
    seen |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{seen['PATH']}"}
    return seen | {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}


@contextmanager
def head(ours: Mapping[str, str], *flags: str) -> Iterator[dict[str, str]]:
    """The environment of a job that joins a new cluster of two CPUs; it ends with the block.

    Args:
        ours: what the cluster's processes see besides this process's own environment.
        flags: of ``ray start --head``.
    """
    quick = {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}  # nothing runs any more when it ends
    node = Node(environment(ours) | quick, "--head", "--port=0", "--num-cpus=2", *flags)
    try:
        yield node.environment
    finally:
        node.ask_to_stop()
        node.wait()


def _under(pid: int) -> Iterator[int]:
    """The processes that a process started, and those that they did."""
    with suppress(OSError):
        for task in Path(f"/proc/{pid}/task").iterdir():
            for child in (task / "children").read_text().split():
                yield int(child)
                yield from _under(int(child))


def _command(pid: int) -> str:
    try:
        return Path(f"/proc/{pid}/cmdline").read_text()
    except OSError:
        return ""
