"""The Dockerfile as instructions, and the files that a build of it is given."""

import re
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

ROOT = Path(__file__).parents[2]
DOCKERFILE = ROOT / "Dockerfile"
DEVICES = ("cpu", "gpu")


@dataclass(frozen=True)
class Instruction:
    """``RUN`` and what it runs, ``COPY`` and what it copies."""

    keyword: str
    text: str


def instructions(text: str) -> Iterator[Instruction]:
    """Each instruction on one line, without comments."""
    told = "\n".join(line for line in text.splitlines() if not line.startswith("#"))
    for line in re.sub(r"\s*\\\n\s*", " ", told).splitlines():
        if line.strip():
            keyword, _, rest = line.partition(" ")
            yield Instruction(keyword, rest.strip())


def road(device: str) -> tuple[str, list[Instruction]]:
    """The image that a build for ``device`` starts from, and its instructions in order.

    Raises:
        ValueError: the Dockerfile has no stage for it.
    """
    stages: dict[str, list[Instruction]] = {}
    for one in instructions(DOCKERFILE.read_text(encoding="utf-8")):
        if one.keyword == "FROM":
            _, _, name = one.text.partition(" AS ")
            stages[name] = []
        if stages:
            stages[name].append(one)
    start, *steps = stages[name]
    while (base := start.text.partition(" ")[0].replace("${DEVICE}", device)) in stages:
        start, *before = stages[base]
        steps = before + steps
    if ":" not in base:
        raise ValueError(f"DEVICE must name a stage of the Dockerfile, for-DEVICE, got {base}")
    return base, steps


def copied(one: Instruction) -> tuple[list[str], str]:
    """What a ``COPY`` copies, and where to."""
    *sources, target = one.text.split()
    return sources, target


def context() -> list[PurePosixPath]:
    """The files of a fresh checkout that ``.dockerignore`` lets in."""
    listed = subprocess.run(
        ["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True
    ).stdout
    return [path for name in listed.split("\0")[:-1] if _let_in(path := PurePosixPath(name))]


def _let_in(path: PurePosixPath) -> bool:
    """Whether the last line of ``.dockerignore`` that speaks of ``path`` begins with ``!``."""
    inside = True
    for line in (ROOT / ".dockerignore").read_text(encoding="utf-8").splitlines():
        pattern = line.removeprefix("!").removeprefix("**/")
        if not line.startswith("#") and any(
            fnmatch(str(part), pattern) for part in (path, *path.parents[:-1])
        ):
            inside = line.startswith("!")
    return inside
