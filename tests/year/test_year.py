"""Ticks of the schedule with faults, and that breaking one rule of the program is noticed.

Whole years are lived through by ``python -m tests.year``. Each runs in a process of its own, since
it replaces what takes a cluster (``seam``).
"""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def lived(*argv: str) -> tuple[int, list[dict[str, Any]]]:
    """Exit code of ``python -m tests.year``, and what it tells of each year."""
    done = subprocess.run(
        [sys.executable, "-m", "tests.year", *argv],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=300,
        check=False,
    )
    return done.returncode, [json.loads(line) for line in done.stdout.splitlines()]


@pytest.mark.parametrize(
    ("ticks", "where"), [(16, []), (3, ["--s3"])], ids=["on a disk", "in a bucket"]
)
def test_what_must_hold_holds_whatever_happens_to_a_schedule(ticks: int, where: list[str]) -> None:
    code, (year,) = lived("0", "--ticks", str(ticks), *where)
    assert (year["fault"], code) == (None, 0)
    assert year["ticks"] == ticks + 1
    counts = year["counts"]
    assert counts["trainings begun"] >= 2
    assert counts["checks"] > 2 * ticks
    assert any(what.startswith(("API: ", "pods: ", "head: ", "storage: ")) for what in counts)


@pytest.mark.parametrize(
    ("way", "fault"),
    [
        ("another-id", "was submitted as"),
        ("no-history", "the champion cannot be read"),
        ("silent", "was refused, and no document says so"),
        ("retried", "and was tried again"),
    ],
)
def test_a_rule_left_out_is_noticed(way: str, fault: str) -> None:
    code, (year,) = lived("1", "--ticks", "52", "--broken", way)
    assert code == 1
    assert year["fault"].startswith("ViolationError: ")
    assert fault in year["fault"]
