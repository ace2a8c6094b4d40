"""fer_ray.runs.logs: what a job said is in its run's folder, however it ended."""

import logging
import time
from pathlib import Path

import pytest

from fer_ray.runs import logs, storage


def text_of(folder: Path) -> str:
    (file,) = (folder / "logs").iterdir()
    return file.read_text()


def test_the_log_of_a_failed_job_is_kept(tmp_path: Path) -> None:
    logger = logging.getLogger("ours")

    (tmp_path / "config.yaml").touch()

    def job() -> None:
        with logs.kept_log(storage.store(str(tmp_path)), logger, "logs/a.log"):
            logger.warning("half way")
            raise OSError("gone")

    with pytest.raises(OSError, match="gone"):
        job()
    text = text_of(tmp_path)
    assert "WARNING ours half way" in text
    assert text.endswith("OSError: gone\n")
    assert logger.handlers == []


def test_a_log_is_bounded_and_says_so(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(logs, "MAX_CHARACTERS", 500)
    logger = logging.getLogger("ours")
    logger.setLevel(logging.INFO)
    (tmp_path / "config.yaml").touch()
    with logs.kept_log(storage.store(str(tmp_path)), logger, "logs/a.log"):
        for number in range(100):
            logger.info("line %d", number)
    text = text_of(tmp_path)
    assert text.endswith("the rest of this log was cut\n")
    assert 500 <= len(text) < 700


def test_a_run_that_never_began_leaves_no_log(tmp_path: Path) -> None:
    with logs.kept_log(storage.store(str(tmp_path)), logging.getLogger("ours"), "logs/a.log"):
        pass
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("every", "level"), [(0.05, "info"), (60.0, "warning")])
def test_a_log_is_written_while_the_job_goes_on_and_a_warning_at_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, every: float, level: str
) -> None:
    monkeypatch.setattr(logs, "WRITE_EVERY_S", every)
    logger = logging.getLogger("ours")
    logger.setLevel(logging.INFO)
    (tmp_path / "config.yaml").touch()
    with logs.kept_log(storage.store(str(tmp_path)), logger, "logs/a.log"):
        for said in ("first", "second"):
            getattr(logger, level)(said)
            deadline = time.monotonic() + 30
            kept = tmp_path / "logs/a.log"
            while not kept.exists() or said not in kept.read_text():
                assert time.monotonic() < deadline
