"""``python -m tests.image [cpu] [gpu]``: install as the Dockerfile does, and try what came of it.

No container engine is needed: what the Dockerfile copies and what it does with pip is carried out
in a clean virtual environment, from the files that its build would be given. Debian's part
(apt-get, useradd, USER) is left out. A row for each step; exit 1 if any failed. Takes 3 minutes or
more and, where temporary files are kept, 5 GB for the CPU and 10 GB for the GPU (none is needed).
"""

import os
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from tempfile import TemporaryDirectory
from textwrap import shorten

from tests.image.dockerfile import DEVICES, ROOT, Instruction, context, copied, road

HOME = "import pathlib, fer_ray; print(pathlib.Path(fer_ray.__file__).parents[1])"
TINY = "--data.demo_faces 700 --model.width 0.03 --training.epochs 2 --storage.uri"

# What TensorFlow does when it has seen a GPU, here without one: its own C++ function opens CUDA's
# libraries, and returns an absl::Status, which is 1 for OK.
CUDA = """
import ctypes, pathlib, tensorflow
package = pathlib.Path(tensorflow.__file__).parent
loader = ctypes.CDLL(str(package / "libtensorflow_framework.so.2"))
status = ctypes.c_void_p()
loader._ZN3tsl8internal9DsoLoader22TryDlopenCUDALibrariesEv(ctypes.byref(status))
assert status.value == 1, "TensorFlow must find CUDA's libraries"
assert (package / "../nvidia/cuda_nvcc/bin/ptxas").exists()
assert (package / "../nvidia/cuda_nvcc/nvvm/libdevice/libdevice.10.bc").exists()
"""


@dataclass(frozen=True)
class Place:
    """A folder that stands for the image's file system, and Python's part of it."""

    root: Path
    venv: Path

    def inside(self, path: str) -> Path:
        """Where an absolute path of the image is here."""
        return self.root / path.lstrip("/")

    def files(self) -> set[tuple[Path, int]]:
        """Every file outside ``/tmp``, with the time of its last change."""
        found = (path for path in self.root.rglob("*") if path.is_file())
        inside = self.inside("/tmp")
        return {(path, path.stat().st_mtime_ns) for path in found if inside not in path.parents}

    def megabytes(self) -> float:
        """How much there is."""
        done = subprocess.run(["du", "-sk", self.root], capture_output=True, text=True, check=True)
        return int(done.stdout.split()[0]) / 1024


def main() -> int:
    """Build and try the image of each device that argv names, or of all."""
    for device in sys.argv[1:] or DEVICES:
        _say(f"| {device} | s | MB more |")
        _say("|---|---|---|")
        with TemporaryDirectory() as here:
            place = Place(Path(here), Path(here) / "usr" / "local")
            try:
                for row in build(device, place):
                    _say(row)
            except subprocess.CalledProcessError as error:
                _say(f"| failed with {error.returncode}: {error.cmd} | | |\n{error.output}")
                return 1
    return 0


def build(device: str, place: Place) -> Iterator[str]:
    """Carry the Dockerfile out in ``place``, then try what it made; a row for each step."""
    base, steps = road(device)
    version = f"python:{sys.version_info.major}.{sys.version_info.minor}."
    assert base.startswith(version), f"{base} must be of the Python that runs this, got {version}"
    environment = {key: told for key, told in os.environ.items() if not key.startswith("PYTHON")}
    environment["PATH"] = f"{place.venv / 'bin'}{os.pathsep}/usr/bin{os.pathsep}/bin"
    subprocess.run([sys.executable, "-m", "venv", place.venv], check=True)
    folder = place.root
    for one in steps:
        before, began = place.megabytes(), time.monotonic()
        match one.keyword:
            case "WORKDIR":
                folder = place.inside(one.text)
                folder.mkdir(parents=True, exist_ok=True)
            case "ENV":
                name, _, value = one.text.partition("=")
                environment[name] = str(place.inside(value)) if value.startswith("/") else value
            case "COPY":
                copy(one, folder)
            case "RUN" if one.text.startswith("pip "):
                _run(["/bin/sh", "-c", one.text], folder, environment)
            case _:
                yield f"| left out: {_told(one)} | | |"
                continue
        took, more = time.monotonic() - began, place.megabytes() - before
        yield f"| {_told(one)} | {took:.0f} | {more:.0f} |"
    left = {path.name for path in folder.iterdir()}
    assert left == {"jobs"}, f"the image must hold the jobs beside its packages, got {left}"
    environment["HOME"] = str(place.inside("/tmp/home"))  # as k8s/ has it
    before = place.files()
    for shown, words in trials(device, place, folder):
        began = time.monotonic()
        said = _run(words, folder, environment)
        yield f"| {shown}: {said} | {time.monotonic() - began:.0f} | |"
    written = place.files() ^ before
    assert not written, f"a read-only file system must do, got {sorted(written)}"
    yield "| nothing written outside /tmp | | |"


def copy(one: Instruction, folder: Path) -> None:
    """What a ``COPY`` does; fails where the build would have no such file."""
    sources, target = copied(one)
    for source in sources:
        found = [path for path in context() if path.is_relative_to(source)]
        assert found, f"COPY must name what the build is given, got {source}"
        for path in found:
            into = folder / target / path.relative_to(source)
            into = folder / target / path.name if str(path) == source else into
            into.parent.mkdir(parents=True, exist_ok=True)
            shutil.copyfile(ROOT / path, into)


def trials(device: str, place: Place, folder: Path) -> Iterator[tuple[str, list[str]]]:
    """What shows that an image is good: in words, and as a command line."""
    yield "`ray --version`", ["ray", "--version"]
    yield "`import fer_ray` finds it in", ["python", "-c", HOME]
    for job in sorted((folder / "jobs").glob("*.py")):
        line = f"python jobs/{job.name} --help"
        yield f"`{line}`", line.split()
    if device == "gpu":
        yield (
            "TensorFlow opens CUDA's libraries, ptxas and libdevice beside it",
            ["python", "-c", CUDA],
        )
    line = f"python jobs/train.py {TINY} {place.inside('/tmp/runs')}"
    yield f"`python jobs/train.py {TINY} /tmp/runs`", line.split()


def _run(words: list[str], folder: Path, environment: Mapping[str, str]) -> str:
    """The first line of what a program says.

    Raises:
        CalledProcessError: it failed; ``output`` is all that it told.
    """
    done = subprocess.run(
        words, cwd=folder, env=environment, capture_output=True, text=True, check=False
    )
    if done.returncode:
        raise subprocess.CalledProcessError(done.returncode, words, done.stdout + done.stderr)
    return next(iter(done.stdout.splitlines()), "")


def _told(one: Instruction) -> str:
    return f"`{one.keyword} {shorten(one.text, 100, placeholder=' …')}`"


def _say(line: str) -> None:
    sys.stdout.write(f"{line}\n")
    sys.stdout.flush()


if __name__ == "__main__":
    sys.exit(main())
