"""Whether a challenger would be anything new: what is champion, was refused or was rolled back."""

from collections.abc import Mapping
from importlib.metadata import PackageNotFoundError, version
from typing import Any

from fer_ray.cluster.prepared import Prepared
from fer_ray.config import TrainConfig
from fer_ray.job import Outcome
from fer_ray.promotion import RetrainConfig
from fer_ray.runs import layout, record, rollbacks, storage
from fer_ray.runs.champion import Entry


def nothing_new(
    config: RetrainConfig, entry: Entry | None, challenger: TrainConfig, data: Prepared
) -> Outcome | None:
    """The outcome where a challenger would only repeat what there was before.

    ``skipped`` where the champion was made of these faces, ``refused`` where the same challenger
    was refused before, or was rolled back by hand.

    Args:
        config: with the run's name.
        entry: the champion's.
        challenger: the settings that it would have.
        data: the faces there are now.
    """
    content = data.manifest["content"]
    if entry is not None and entry.facts["content"] == content:
        reason = f"no face is new since the champion, run {entry.run}, was made"
        return Outcome(status="skipped", run=config.run, champion=named(entry), reason=reason)
    runs = storage.store(config.storage.uri)
    fault = _refused(runs, config, entry, content, challenger)
    if fault is None and entry is not None and entry.how == "rollback":
        fault = _rolled_back(runs, content, challenger)
    if fault is None:
        return None
    return Outcome(status="refused", run=config.run, champion=named(entry), error=fault)


def remember(
    runs: storage.Store,
    config: RetrainConfig,
    entry: Entry | None,
    content: str,
    challenger: TrainConfig,
    fault: str,
) -> None:
    """Keep that a challenger was refused, which need not be trained again.

    Under what it was made of: a job that was cut off, and comes back late to what an older tick
    began, does not write over what was told since.
    """
    made_of = _made_of(config, entry, content, challenger)
    told = {"run": config.run, "error": fault, "made_of": made_of}
    record.write_document(runs, _key(entry, content), told)


def named(entry: Entry | None) -> Mapping[str, Any] | None:
    """Which champion it is."""
    return None if entry is None else {"number": entry.number, "run": entry.run, "uri": entry.uri}


def _refused(
    runs: storage.Store,
    config: RetrainConfig,
    entry: Entry | None,
    content: str,
    challenger: TrainConfig,
) -> str | None:
    before = record.read_document(runs, _key(entry, content))
    if before is None:
        return None
    was, now = before["made_of"], _made_of(config, entry, content, challenger)
    settings = [one.pop("settings") for one in (was, now)]
    if was != now or record.differing(settings[0], settings[1]):
        return None
    return f"nothing has changed since run {before['run']} was refused: {before['error']}"


def _key(entry: Entry | None, content: str) -> str:
    return layout.refusal(content, entry.number if entry else 0)


def _rolled_back(runs: storage.Store, content: str, challenger: TrainConfig) -> str | None:
    settings = challenger.model_dump(mode="json")
    for gone, rollback in rollbacks.taken_away(runs):
        if gone.facts["content"] != content:
            continue
        saved = record.read_config(storage.store(gone.uri))
        if saved is not None and not record.differing(saved, settings):
            return (
                f"nothing has changed since run {gone.run}, made of the same faces, was rolled back"
                f" by {rollback.who}: {rollback.why}"
            )
    return None


def _made_of(
    config: RetrainConfig, entry: Entry | None, content: str, challenger: TrainConfig
) -> dict[str, Any]:
    """All that decides what a challenger is, and what it meets."""
    settings = challenger.model_dump(mode="json") | {"gate": config.gate.model_dump(mode="json")}
    return {
        "content": content,
        "champion": entry and entry.number,
        "version": _version(),
        "settings": settings,
    }


def _version() -> str | None:
    """This software's; none where it runs from a submitted folder, uninstalled."""
    try:
        return version("fer_ray")
    except PackageNotFoundError:
        return None
