"""fer_ray.job: one outcome line, quiet output, the right exit code, however a job ends."""

import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[1]
HEAD = """
import os, signal, sys, time
from fer_ray.config import PrepareConfig
from fer_ray.job import Outcome, run

def main(config):
    print("a library's chatter")
    os.system('echo chatter of a child')
    {body}

run(main, PrepareConfig, about="Does.")
"""


def job(tmp_path: Path, body: str, *flags: str) -> tuple[int, list[str], str]:
    """Exit code, lines of stdout and text of stderr of a job whose main has this body."""
    script = tmp_path / "something.py"
    script.write_text(HEAD.format(body=body))
    done = subprocess.run(
        [sys.executable, str(script), *flags],
        capture_output=True,
        text=True,
        env=os.environ | {"PYTHONPATH": str(ROOT)},
        check=False,
    )
    return done.returncode, done.stdout.splitlines(), done.stderr


def outcome(lines: list[str]) -> dict[str, Any]:
    (line,) = lines
    return dict(json.loads(line))


def test_stdout_holds_the_outcome_alone(tmp_path: Path) -> None:
    code, lines, errors = job(tmp_path, "return Outcome(status='done', uri='x', more=3)")
    told = outcome(lines)
    assert code == 0
    assert (told["status"], told["job"], told["uri"], told["more"]) == (
        "done",
        "something",
        "x",
        3,
    )
    assert told["seconds"] >= 0
    assert "error" not in told
    assert "a library's chatter" in errors
    assert "chatter of a child" in errors


@pytest.mark.parametrize(
    ("status", "code"),
    [("already_done", 0), ("skipped", 0), ("failed", 1), ("refused", 3), ("held", 4)],
)
def test_each_status_has_its_exit_code(status: str, code: int, tmp_path: Path) -> None:
    assert job(tmp_path, f"return Outcome(status='{status}')")[0] == code


def test_a_value_error_of_this_package_is_a_sentence_without_traceback(tmp_path: Path) -> None:
    body = "from fer_ray.faces import emotions; emotions.label_of('bored')"
    code, lines, errors = job(tmp_path, body)
    assert code == 2
    assert outcome(lines)["status"] == "invalid"
    assert outcome(lines)["error"].endswith("or 0 to 6, got 'bored'")
    assert "Traceback" not in errors


@pytest.mark.parametrize("body", ["int('x')", "1 / 0"], ids=["value", "division"])
def test_any_other_error_failed_and_shows_its_traceback(body: str, tmp_path: Path) -> None:
    code, lines, errors = job(tmp_path, body)
    assert code == 1
    assert outcome(lines)["status"] == "failed"
    assert "Traceback" in errors


@pytest.mark.parametrize("number", ["SIGINT", "SIGTERM"])
def test_a_signal_interrupts(number: str, tmp_path: Path) -> None:
    body = f"os.kill(os.getpid(), signal.{number}); time.sleep(60)"
    code, lines, _ = job(tmp_path, body)
    assert code == 1
    assert outcome(lines)["status"] == "interrupted"


def test_a_wrong_setting_ends_within_five_seconds_before_anything_heavy(tmp_path: Path) -> None:
    began = time.monotonic()
    code, lines, errors = job(tmp_path, "return 1", "--split.seed", "-1")
    assert time.monotonic() - began < 5
    assert code == 2
    assert outcome(lines)["error"] == "split.seed must be at least 0, got -1"
    assert "chatter" not in errors
