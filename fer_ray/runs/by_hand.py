"""The champion set by a person: a run promoted without the gate, or the one before brought back."""

import hashlib
from typing import Any, Literal

from fer_ray.job import Outcome
from fer_ray.promotion import RetrainConfig
from fer_ray.runs import champion, layout, record, rollbacks, storage, uris
from fer_ray.runs.champion import OvertakenError


def set_champion(config: RetrainConfig) -> Outcome:
    """The outcome of ``retrain.promote`` or ``retrain.rollback``: who is champion now.

    ``refused`` where another changed the champion at the same time.

    Raises:
        ValueError: there is no such run or it is not finished, its model is not what it was, or
            there is no champion to return to.
    """
    settings = config.retrain
    runs = storage.store(config.storage.uri)
    standing = champion.read(runs)
    if settings.promote is not None:
        how: Literal["promote", "rollback"] = "promote"
        wanted = _finished(settings.promote, config.storage.uri)
    else:
        how, wanted = "rollback", _before(runs)
    was = standing.entry
    try:
        entry = champion.change(
            runs, standing, **wanted, how=how, who=settings.signed, why=str(settings.why)
        )
    except OvertakenError as overtaken:
        return Outcome(status="refused", error=str(overtaken))
    return Outcome(
        status="done",
        run=entry.run,
        uri=entry.uri,
        champion={"number": entry.number, "run": entry.run, "uri": entry.uri},
        before=None if was is None else {"number": was.number, "run": was.run, "uri": was.uri},
    )


def _finished(name: str, uri: str) -> dict[str, Any]:
    """What the history keeps of a run."""
    run = storage.store(uris.join(uri, name))
    config, data = record.read_config(run), record.read_document(run, layout.DATA)
    model = record.read_document(run.folder(layout.MODEL), layout.MODEL_FACTS)
    outcome = record.read_document(run, layout.OUTCOME)
    if config is None or data is None or model is None or (outcome or {}).get("status") != "done":
        raise ValueError(
            f"retrain.promote must name a run of jobs/train.py that is finished, got {name!r}:"
            f" {run.uri} holds none"
        )
    _check_model(run, model["sha256"], "retrain.promote")
    return {
        "run": name,
        "uri": run.uri,
        "model_sha256": model["sha256"],
        "facts": {"content": data["content"], "split": config["split"]},
    }


def _before(runs: storage.Store) -> dict[str, Any]:
    """What the history keeps of the champion to return to."""
    entry = rollbacks.before(runs)
    if entry is None:
        raise ValueError("retrain.rollback must have a champion to return to, got none before")
    _check_model(storage.store(entry.uri), entry.model_sha256, "retrain.rollback")
    return entry.model_dump(include={"run", "uri", "model_sha256", "facts"})


def _check_model(run: storage.Store, sha256: str, setting: str) -> None:
    """Return if the run's model is there, and no other."""
    folder = run.folder(layout.MODEL)
    there = folder.exists(layout.MODEL_FILE)
    if not there or hashlib.sha256(folder.read_bytes(layout.MODEL_FILE)).hexdigest() != sha256:
        raise ValueError(
            f"{setting} must lead to the model that was exported (SHA-256 {sha256:.12}…), got"
            f" {'another' if there else 'none'} in {folder.uri}"
        )
