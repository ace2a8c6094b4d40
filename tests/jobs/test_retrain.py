"""jobs/retrain.py as a process: what it refuses before Ray is up, and the champion set by hand."""

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]


def retrain(storage: Path, *flags: str) -> tuple[int, dict[str, Any], str]:
    """Exit code, outcome and stderr of the job."""
    done = subprocess.run(
        [sys.executable, str(ROOT / "jobs" / "retrain.py"), "--storage.uri", str(storage), *flags],
        cwd=storage,
        capture_output=True,
        text=True,
        check=False,
    )
    (line,) = done.stdout.splitlines()
    return done.returncode, json.loads(line), done.stderr


@pytest.mark.parametrize(
    ("flags", "told"),
    [
        (["--retrain.rollback", "true"], "retrain.why must say why"),
        (["--retrain.promote", "it"], "retrain.why must say why"),
        (["--split.protocol", "official"], "split.protocol must be 'hashed'"),
        (["--config", "paper", "--data.uri", "demo:"], "split.protocol must be 'hashed'"),
        (["--gate.confidence", "1.5"], "gate.confidence"),
        (["--gate.min_loss", "1"], "gate.min_loss"),
        (["--retrain.rollback", "true", "--retrain.why", "x"], "got none before"),
        (["--retrain.promote", "it", "--retrain.why", "x"], "that is finished, got 'it'"),
        (["--config", "best", "--retrain.promote", "it", "--retrain.why", "x"], "got 'it'"),
        (
            ["--retrain.promote", "sweep/winner", "--retrain.why", "x"],
            "retrain.promote must be up to 100 letters, digits, dots, dashes or underscores",
        ),
        (["--run", "champion"], "champion"),
    ],
)
def test_what_is_wrong_is_told_before_ray_is_up(
    flags: list[str], told: str, tmp_path: Path
) -> None:
    code, outcome, errors = retrain(tmp_path, *flags)
    assert (code, outcome["status"]) == (2, "invalid"), (outcome, errors)
    assert told in outcome["error"]
    assert "starting Ray" not in errors
    assert list(tmp_path.iterdir()) == []


def test_a_damaged_pointer_is_one_sentence_and_stays(tmp_path: Path) -> None:
    pointer = tmp_path / "champion" / "champion.json"
    pointer.parent.mkdir()
    pointer.write_text('{"schema_version": 1, "run": ')
    code, outcome, errors = retrain(tmp_path, "--run", "it")
    assert (code, outcome["status"]) == (2, "invalid"), (outcome, errors)
    assert "champion/champion.json" in outcome["error"]
    assert "Traceback" not in errors
    assert pointer.read_text() == '{"schema_version": 1, "run": '
