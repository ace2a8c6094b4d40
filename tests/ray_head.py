"""A Ray cluster of this machine for jobs in processes of their own, as ``ray start`` gives one.

Token authentication is on, as it is where people run this: a process without the cluster's
environment is refused.
"""

import os
import subprocess
import sys
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

ROOT = Path(__file__).parents[1]
RAY = (sys.executable, "-m", "ray.scripts.scripts")


@contextmanager
def head(environment: Mapping[str, str], *flags: str) -> Iterator[dict[str, str]]:
    """The environment of a job that joins a new cluster of two CPUs; it ends with the block.

    Args:
        environment: what the cluster's processes see besides this process's own, AWS's variables
            apart, which are these alone.
        flags: of ``ray start --head``.
    """
    ours = {name: value for name, value in os.environ.items() if not name.startswith("AWS_")}
    ours |= environment
    ours |= {"PATH": f"{Path(sys.executable).parent}{os.pathsep}{ours['PATH']}"}
    ours |= {"RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": uuid.uuid4().hex}
    ours |= {"RAY_GRACEFUL_SHUTDOWN_DRAIN_TIMEOUT_S": "0"}  # nothing runs any more when it ends
    start = [*RAY, "start", "--head", "--block", "--port=0", "--num-cpus=2", *flags]
    process = subprocess.Popen(
        start, env=ours, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    try:
        assert process.stdout is not None
        told: list[str] = []
        for line in process.stdout:
            told.append(line)
            if "--address='" in line:
                break
        else:
            raise RuntimeError(f"Ray must start, got: {''.join(told)}")
        yield ours | {"RAY_ADDRESS": told[-1].split("'")[1]}
    finally:
        process.terminate()
        process.communicate(timeout=60)
