"""What this project claims of its sweeps, measured beside the alternative in one run.

    python jobs/benchmark_tune.py overhead   # a trial's training against the same run by train
    python jobs/benchmark_tune.py asha       # twelve trials ended early by ASHA against all in full

Prints one line of JSON. Run it on a machine that does nothing else.
"""

import argparse
import csv
import json
import subprocess
import sys
import tempfile
import time
from pathlib import Path
from typing import Any

ROOT = Path(__file__).parents[1]


def overhead(width: float = 0.25, faces: int = 4_200, epochs: int = 3) -> dict[str, Any]:
    """Seconds of training of one run by ``train`` and of two trials of its settings, in turn.

    The seconds are those of a run's epochs, validation and saving included, start-up apart.
    """
    flags = f"""
        --data.demo_faces {faces} --balance.target none --model.width {width}
        --training.epochs {epochs}
    """.split()
    twice = [
        "--tune.searcher",
        "grid",
        "--tune.scheduler",
        "none",
        "--tune.seeds",
        "2",
        "--tune.at_once",
        "1",
    ]
    point = ["--tune.search", "{training.batch_size: {choice: [48]}}"]
    with tempfile.TemporaryDirectory() as folder:
        began = time.perf_counter()
        _job("train", [*flags, "--training.batch_size", "48", "--run", "alone"], folder)
        alone_s = time.perf_counter() - began
        _job("tune", [*flags, *twice, *point, "--run", "swept"], folder)
        alone = _training_s(Path(folder) / "alone")
        trials = [_training_s(Path(folder) / "swept" / "trials" / f"{n:04d}") for n in range(2)]
    return {
        "width": width,
        "train_s": round(alone, 1),
        "whole_train_job_s": round(alone_s, 1),
        "trials_s": [round(one, 1) for one in trials],
        "ratios": [round(one / alone, 3) for one in trials],
    }


def asha(width: float = 0.125, faces: int = 4_200, epochs: int = 9) -> dict[str, Any]:
    """Seconds and winners of one random search of twelve trials, with ASHA and in full."""
    flags = f"""
        --data.demo_faces {faces} --model.width {width} --training.epochs {epochs}
        --cluster.cpus_per_worker 0.5 --tune.trials 12
    """.split()
    told: dict[str, Any] = {"width": width}
    with tempfile.TemporaryDirectory() as folder:
        for scheduler in ("asha", "none"):
            began = time.perf_counter()
            outcome = _job(
                "tune", [*flags, "--tune.scheduler", scheduler, "--run", scheduler], folder
            )
            with (Path(folder) / scheduler / "sweep" / "results.csv").open() as table:
                rows = list(csv.DictReader(table))
            told[scheduler] = {
                "seconds": round(time.perf_counter() - began, 1),
                "epochs": sum(int(row["epochs"]) for row in rows),
                "winner": outcome["winner"],
                "second": outcome.get("second"),
            }
    told["ratio"] = round(told["asha"]["seconds"] / told["none"]["seconds"], 3)
    return told


def _job(name: str, flags: list[str], folder: str) -> dict[str, Any]:
    """The outcome of a job."""
    command = [sys.executable, str(ROOT / "jobs" / f"{name}.py"), *flags, "--storage.uri", folder]
    done = subprocess.run(command, check=True, stdout=subprocess.PIPE, text=True)
    outcome: dict[str, Any] = json.loads(done.stdout)
    return outcome


def _training_s(run: Path) -> float:
    """Seconds of all epochs of a run."""
    lines = (run / "metrics.jsonl").read_text(encoding="utf-8").splitlines()
    return sum(float(json.loads(line)["seconds"]) for line in lines)


def main() -> None:
    """Measure what argv names and print it."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("what", choices=("overhead", "asha"))
    what = parser.parse_args().what
    sys.stdout.write(json.dumps({"overhead": overhead, "asha": asha}[what]()) + "\n")


if __name__ == "__main__":
    main()
