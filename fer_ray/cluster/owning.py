"""A run's folder and its one owner: what every job does that leaves a run behind."""

import logging
from collections.abc import Callable, Mapping
from typing import TypeVar

from fer_ray.cluster import session
from fer_ray.config import NamedRunConfig
from fer_ray.job import Outcome, outcome_of_error
from fer_ray.runs import layout, lease, logs, record, storage, uris
from fer_ray.runs.faults import StorageError
from fer_ray.runs.lease import HeldError, Lease, LostError

C = TypeVar("C", bound=NamedRunConfig)

logger = logging.getLogger(__name__)


def conducted(call: Callable[[C], Outcome], config: C, job: str) -> Outcome:
    """What ``call`` returns of the settings, under a name that is made up if they have none.

    Whatever stops it becomes an outcome that names the run, which can be resumed.
    """
    name = config.run or layout.made_up_name(job)
    uri = uris.join(config.storage.uri, name)
    try:
        return call(config.model_copy(update={"run": name}))
    except KeyboardInterrupt:
        again = f"interrupted; the same command with --run {name} resumes it"
        return Outcome(status="interrupted", run=name, uri=uri, error=again)
    except (HeldError, LostError) as error:
        return Outcome(status="held", run=name, uri=uri, error=str(error))
    except Exception as error:  # noqa: BLE001 whatever it is, the caller must know which run it was
        return outcome_of_error(error, run=name, uri=uri)


def owned(
    config: NamedRunConfig,
    work: Callable[[storage.Store, Lease], Outcome],
    reads: Mapping[str, str | None],
    room: Callable[[], None] | None = None,
    first: Callable[[], object] | None = None,
) -> Outcome:
    """What ``work`` makes of the run's folder, as its one owner; or what it came to before.

    Args:
        config: with the run's name.
        work: called on a cluster, with the folder and the hold on it.
        reads: places that it reads beside ``data.uri``, by the names of their settings.
        room: called before; returns once the cluster has room for the work.
        first: called before that, and before Ray is up, if the run is not finished.

    Raises:
        ValueError: an earlier run of the name had other settings, or a place is one that the job
            or the cluster would not find.
        HeldError: another process is at work on the run.
        LostError: another has taken the run over, since this process did not renew its lease.
    """
    places = {"data.uri": config.data.uri, "storage.uri": config.storage.uri, **reads}
    session.check_kept(places)
    run = storage.store(uris.join(config.storage.uri, str(config.run)))
    if done := _earlier(run, config):
        return done
    if first:
        first()
    logger.info("run %s in %s", config.run, run.uri)
    with session.session(config.verbose):
        session.check_shared(places)
        with (
            lease.acquire(run, config.storage.lease_ttl_s) as held,
            logs.kept_log(run, logging.getLogger("fer_ray"), layout.driver_log(held.guard.attempt)),
        ):
            if done := _earlier(run, config):  # by who held it until now
                return done
            if room:
                room()
            session.check_shared(places)  # once more: the cluster may have grown
            try:
                return work(run, held)
            except StorageError:
                raise
            except Exception:
                held.guard.check()  # a run that was lost explains whatever went wrong
                raise


def begun(run: storage.Store, config: NamedRunConfig) -> bool:
    """Whether the run of this name has begun.

    Raises:
        ValueError: it has other settings.
    """
    saved = record.read_config(run)
    if saved is None:
        return False
    if differ := record.differing(saved, config.model_dump(mode="json")):
        raise ValueError(
            f"run must name a run of the same settings, got {config.run}, which has other"
            f" {', '.join(differ)}; give this one another name"
        )
    return True


def _earlier(run: storage.Store, config: NamedRunConfig) -> Outcome | None:
    """The outcome of the run of this name, if it is finished; checks that its settings are ours.

    One that was refused stays so.
    """
    if not begun(run, config):
        return None
    outcome = record.read_document(run, layout.OUTCOME)
    if outcome is None:
        return None
    status = "refused" if outcome["status"] == "refused" else "already_done"
    return Outcome(**outcome | {"status": status})
