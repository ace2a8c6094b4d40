"""A retraining: a challenger trained where there are new faces, and judged against the champion.

Both are scored on the same test faces, those that neither was trained on. Under the hashed split a
face keeps its side as others join, so that what tests now was never trained on before.
"""

from collections.abc import Callable
from functools import partial

from fer_ray.cluster import dataset, judging, models, novelty, session, training
from fer_ray.cluster.owning import begun, conducted
from fer_ray.config import TrainConfig
from fer_ray.job import Outcome
from fer_ray.promotion import RetrainConfig
from fer_ray.runs import champion, layout, lease, record, storage, uris
from fer_ray.runs.champion import Standing


def retrain(config: RetrainConfig) -> Outcome:
    """The outcome of a retraining, or of what stopped it, with the name under which it goes on.

    ``skipped`` where the champion was made of these very faces, ``refused`` where the gate held.
    """
    return conducted(_retrain, config, "retrain")


def _retrain(config: RetrainConfig) -> Outcome:
    """The retraining of a name; what it came to before, if it did."""
    places = {
        "data.uri": config.data.uri,
        "storage.uri": config.storage.uri,
        "model.pretrained": config.model.pretrained,
    }
    session.check_kept(places)
    run = storage.store(uris.join(config.storage.uri, str(config.run)))
    standing = champion.read(storage.store(config.storage.uri))
    _check_same_split(config, standing)
    challenger = _challenger(config, run, standing)
    goes_on = begun(run, challenger)
    entry = standing.entry
    if done := _ended(config, run, standing):
        return done
    data = dataset.finished(config)
    if data and not goes_on and (done := novelty.nothing_new(config, entry, challenger, data)):
        return done
    with session.session(config.verbose):
        session.check_shared(places)
        if data is None:
            data = dataset.prepare(config)
            if not goes_on and (done := novelty.nothing_new(config, entry, challenger, data)):
                return done
        if entry is not None:
            judging.opened(entry, config)  # else it would be missed after a training
        trained = training.fit(challenger)
        if trained.status not in ("done", "already_done"):
            return trained
        with lease.acquire(run, config.storage.lease_ttl_s) as held:
            earlier = partial(_earlier, config, run, may=held.guard.check)
            if done := earlier(champion.read(storage.store(config.storage.uri))):
                return done
            return judging.judged(config, run, challenger, data, held.guard.check, earlier)


def _check_same_split(config: RetrainConfig, standing: Standing) -> None:
    """Return if faces keep the sides that they had when the champion was made."""
    if standing.entry is None:
        return
    before = {"split": standing.entry.facts["split"]}
    if moved := record.differing(before, {"split": config.split.model_dump(mode="json")}):
        raise ValueError(
            f"split must be that of the champion, run {standing.entry.run}, whose training would"
            f" else hold faces that test now, got another {', '.join(moved)}"
        )


def _ended(config: RetrainConfig, run: storage.Store, standing: Standing) -> Outcome | None:
    """The outcome of the retraining of this name, if it has ended and said so."""
    if (told := record.read_document(run, layout.GATE)) is not None:
        status = "already_done" if told["status"] == "done" else told["status"]
        return Outcome(**told | {"status": status})
    entry = standing.entry
    if entry is not None and entry.run == config.run and entry.verdict is None:  # by hand
        now = novelty.named(entry)
        return Outcome(status="already_done", run=config.run, uri=run.uri, champion=now)
    return None


def _earlier(
    config: RetrainConfig, run: storage.Store, standing: Standing, may: Callable[[], None]
) -> Outcome | None:
    """The outcome of the retraining of this name, if it has ended, perhaps before it said so."""
    if done := _ended(config, run, standing):
        return done
    for entry in champion.history(storage.store(config.storage.uri)):
        if entry.run == config.run and entry.verdict is not None:
            done = Outcome(status="done", verdict=entry.verdict)
            return judging.told(config, run, standing.entry, done, may)
    return None


def _challenger(config: RetrainConfig, run: storage.Store, standing: Standing) -> TrainConfig:
    """The settings of the challenger's run; one that has begun keeps what it began from."""
    settings = config.model_dump(mode="json", exclude={"gate", "retrain"})
    if config.retrain.warm_start:
        saved = record.read_config(run)
        if saved is not None:
            settings["model"]["pretrained"] = saved["model"]["pretrained"]
        elif standing.entry is not None:
            place = models.locate(standing.entry.uri, config.storage.uri, "the champion")
            settings["model"]["pretrained"] = place.uri
    return TrainConfig.model_validate(settings)
