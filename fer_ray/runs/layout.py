"""Where everything is kept: every key that is written, spelled here and in no other room."""

import re
import secrets
from datetime import UTC, datetime
from typing import Final

SCHEMA_VERSION: Final = 1  # of every document that is written

# In a run's folder.
CONFIG = "config.yaml"
DATA = "data.json"
CHECKPOINTS = "checkpoints"
EPOCHS = "metrics"
METRICS = "metrics.jsonl"
LOGS = "logs"
REPORT = "report"
REPORT_PAGE = f"{REPORT}/index.html"
REPORT_DATA = f"{REPORT}/report.json"
TENSORBOARD = "tensorboard"
MODEL = "model"
MODEL_FILE = "model.keras"
MODEL_FACTS = "model.json"
MODEL_CARD = "README.md"
RAY = "ray"  # what Ray Train itself keeps while it runs
LEASE = "lease.json"
GROUPS = "groups"  # a document for each worker group that was started
OUTCOME = "run.json"
GATE_FOLDER = "gate"
GATE = f"{GATE_FOLDER}/gate.json"  # what a retraining came to: champion, or why not
GATE_PAGE = f"{GATE_FOLDER}/index.html"

# In a sweep's folder, beside CONFIG, LEASE, LOGS and OUTCOME.
TRIALS = "trials"  # each trial's document, and the folder of its run
RESULTS = "sweep/results"  # .parquet and .csv
WINNER = "sweep/winner.yaml"
SWEEP_PAGE = "sweep/index.html"
RETRAINED = "winner"  # the run of the winner's settings, where it was trained anew

# In an audit's folder, beside CONFIG, LEASE, LOGS and OUTCOME.
AUDIT = "audit"
AUDIT_PAGE = f"{AUDIT}/index.html"
AUDIT_DATA = f"{AUDIT}/audit.json"
AUDIT_PAIRS = f"{AUDIT}/pairs.parquet"

# In a prepared dataset's folder; MANIFEST also ends a checkpoint.
SIDES = ("train", "validation", "test")
REFUSED = "refused.parquet"
MANIFEST = "manifest.json"

DATASETS = "datasets"  # beside the runs, so no run may bear this name

# Which model production serves: beside the runs too, and no run's name either.
CHAMPIONS = "champion"
CHAMPION = f"{CHAMPIONS}/champion.json"
REFUSALS = f"{CHAMPIONS}/refused"  # a document for each kind of challenger that was refused
CHAMPION_HISTORY = f"{CHAMPIONS}/history"  # a document for each champion there has been


def checkpoint_folder(step: int) -> str:
    """The key of the checkpoint taken after ``step`` steps."""
    return f"{CHECKPOINTS}/step-{step:08d}"


def checkpoint_step(folder: str) -> int | None:
    """The step of a folder's name under ``checkpoints/``; ``None`` if it is not a checkpoint's."""
    found = re.fullmatch(r"step-(\d{8,})", folder)
    return int(found[1]) if found else None


def epoch_metrics(epoch: int) -> str:
    """The key of one epoch's metrics."""
    return f"{EPOCHS}/epoch-{epoch:05d}.json"


def metrics_epoch(key: str) -> int | None:
    """The epoch whose metrics ``key`` holds; ``None`` if it is not an epoch's."""
    found = re.fullmatch(rf"{EPOCHS}/epoch-(\d{{5,}})\.json", key)
    return int(found[1]) if found else None


def worker_group(attempt: int, group: int) -> str:
    """The key of what is told of a worker group of an attempt at the run; keys sort by time."""
    return f"{GROUPS}/attempt-{attempt:04d}-group-{group:04d}.json"


def driver_log(attempt: int) -> str:
    """The key of what the driver of an attempt at the run said."""
    return f"{LOGS}/attempt-{attempt:04d}-driver.log"


def worker_log(attempt: int, group: int, rank: int) -> str:
    """The key of what one worker of a group said."""
    return f"{LOGS}/attempt-{attempt:04d}-group-{group:04d}-rank-{rank:04d}.log"


def report_picture(name: str) -> str:
    """The key of one of a report's plots as PNG."""
    return f"{REPORT}/{name}.png"


def predictions(*, flips: bool) -> str:
    """The key of what the model says of each face that the report is about."""
    return f"{REPORT}/predictions{'-flips' if flips else ''}.parquet"


def trial_name(number: int) -> str:
    """The name of a trial's run, whose folder is under ``trials/``."""
    return f"{number:04d}"


def trial_document(number: int) -> str:
    """The key of what a sweep tells of one trial."""
    return f"{TRIALS}/{trial_name(number)}.json"


def dataset_folder(key: str) -> str:
    """The folder of a prepared dataset under ``storage.uri``."""
    return f"{DATASETS}/{key}"


def dataset_part(side: str, number: int) -> str:
    """The key of one Parquet file of a side, within its dataset's folder."""
    return f"{side}/part-{number:05d}.parquet"


def champion_history(number: int) -> str:
    """The key of one entry of the champions' history; keys sort by time."""
    return f"{CHAMPION_HISTORY}/{number:06d}.json"


def made_up_name(job: str) -> str:
    """A new name for a run, such as ``train-20261123-081500-x7k2``: names sort by time (UTC)."""
    salt = "".join(secrets.choice("abcdefghijkmnpqrstuvwxyz23456789") for _ in range(4))
    return f"{job}-{datetime.now(UTC):%Y%m%d-%H%M%S}-{salt}"


def refusal(content: str, number: int) -> str:
    """The document of a challenger made of ``content`` that champion ``number`` (0: none) met."""
    return f"{REFUSALS}/{content}-{number:06d}.json"
