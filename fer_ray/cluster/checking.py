"""Preflight: what a run needs, tried before the run, each with what mends it."""

import logging
from collections.abc import Mapping
from dataclasses import dataclass

import ray.exceptions

from fer_ray.cluster import capacity, inputs, nodes, rehearsal, session
from fer_ray.cluster.rehearsal import Rehearsed
from fer_ray.cluster.watching import duration
from fer_ray.config import ClusterConfig
from fer_ray.preflight import PreflightConfig
from fer_ray.runs.checks import Check, failed, sentence, tried

BUSY_S = 3.0  # an idle cluster places a worker group within 1

_ERRORS = (ValueError, ArithmeticError, RuntimeError, ray.exceptions.RayError)

logger = logging.getLogger(__name__)


@dataclass(frozen=True)
class Estimate:
    """What the run is expected to take: training alone, at the speed that was rehearsed."""

    seconds: float
    images_per_s: float
    epoch_faces: int
    cost: float | None  # in the currency of preflight.worker_price


@dataclass(frozen=True)
class Examined:
    """All checks, and the estimate where there is one."""

    checks: list[Check]
    estimate: Estimate | None


def examine(config: PreflightConfig) -> Examined:
    """What preflight finds on the cluster at hand; with workers only where nothing failed."""
    with session.session(config.verbose):
        checks = [_places(config)]
        logger.info("asking every node")
        told, said = nodes.ask(config.storage.uri)
        checks += [*told, *nodes.rights_of_all(said)]
        logger.info("looking at the data")
        data, faces = inputs.look(config)
        checks += [data, _room(config.cluster)]
        rehearsed = None
        if config.preflight.rehearses:
            if wrong := failed(checks):
                checks.append(Check("rehearsal", "not tried", f"first mend {', '.join(wrong)}"))
            else:
                told, rehearsed = _with_workers(config)
                checks += told
        estimate = _estimate(config, faces, rehearsed)
        return Examined([*checks, _of_estimate(config, faces, rehearsed, estimate)], estimate)


def _places(config: PreflightConfig) -> Check:
    """Whether what is named is where every node finds it."""
    places: Mapping[str, str | None] = {
        "data.uri": config.data.uri,
        "storage.uri": config.storage.uri,
        "model.pretrained": config.model.pretrained,
    }

    def look() -> str:
        session.check_kept(places)
        session.check_shared(places)
        return "every node finds what is named"

    return tried("places", "name object storage that every node reaches", look, (ValueError,))


def _room(settings: ClusterConfig) -> Check:
    """Whether the workers fit the cluster, and whether there is room for them now.

    How far an autoscaler may grow a cluster Ray tells nobody before it is asked for something.
    """
    name = "workers fit"
    try:
        capacity.check_totals(settings)
    except ValueError as error:
        told = str(error)
        if not session.joins():
            return Check(name, "failed", told, "ask for less in cluster.*, or for more machines")
        mend = "an autoscaler may bring them: --preflight.rehearse true asks it, as the run will"
        return Check(name, "warned", told, mend)
    try:
        hasty = settings.model_copy(update={"resource_timeout_s": BUSY_S})
        capacity.check_resources(hasty)
    except ValueError as error:
        mend = "wait for what runs there now; where nothing does, no node is large enough"
        return Check(name, "warned", str(error), mend)
    each = " and ".join(f"{n:g} {one}" for one, n in capacity.worker_resources(settings).items())
    told = f"{settings.fewest_workers} of {each} beside {capacity.DATA_CPUS} CPU for data"
    return Check(name, "passed", told)


def _with_workers(config: PreflightConfig) -> tuple[list[Check], Rehearsed | None]:
    """What takes workers: a GPU that computes, then the rehearsal and what it showed."""
    checks: list[Check] = []
    try:
        logger.info("waiting for room for the workers")
        capacity.check_resources(config.cluster)
    except ValueError as error:
        mend = "see what the autoscaler or the operator says of the pods that are pending"
        return [Check("workers come", "failed", str(error), mend)], None
    if config.preflight.gpu:
        mend = "use the GPU image, and see that the device plugin and the driver are there"
        checks.append(tried("GPU", mend, rehearsal.gpu_at_work, _ERRORS))
        if failed(checks):
            return checks, None
    logger.info("rehearsing with %s worker(s)", config.cluster.num_workers)
    try:
        seen = rehearsal.rehearse(config)
    except _ERRORS as error:
        mend = "out of memory: a smaller training.batch_size, or more workers; else see the log"
        return [*checks, Check("rehearsal", "failed", sentence(error), mend)], None
    return [*checks, *_shown(config, seen)], seen


def _shown(config: PreflightConfig, seen: Rehearsed) -> list[Check]:
    """What a rehearsal that came to its end has shown."""
    steps = Check(
        "steps",
        "passed",
        f"of {config.training.batch_size} faces on {seen.workers} worker(s),"
        f" {seen.images_per_s:.0f} images/s",
    )
    alike = (
        Check("workers agree", "passed", f"all {seen.workers} hold the same weights")
        if seen.workers > 1
        else Check("workers agree", "not tried", "there is one: nothing is reduced over workers")
    )
    told = f"from step {seen.resumed_at} to {seen.last_step}"
    if not 0 < seen.resumed_at < seen.last_step:
        mend = "see the log: the checkpoint in storage.uri could not be used"
        return [steps, alike, Check("resume", "failed", told, mend)]
    if seen.same_bits:
        return [steps, alike, Check("resume", "passed", f"{told}, to the same bits")]
    mend = "training.deterministic must be true for that, and the workers of one kind"
    return [steps, alike, Check("resume", "warned", f"{told}, to other bits", mend)]


def _estimate(
    config: PreflightConfig, faces: int | None, seen: Rehearsed | None
) -> Estimate | None:
    if faces is None or seen is None:
        return None
    seconds = config.training.epochs * faces / seen.images_per_s
    price = config.preflight.worker_price
    cost = None if price is None else seconds / 3600 * seen.workers * price
    return Estimate(seconds, seen.images_per_s, faces, cost)


def _of_estimate(
    config: PreflightConfig, faces: int | None, seen: Rehearsed | None, estimate: Estimate | None
) -> Check:
    """The estimate in words, or why there is none."""
    name = "time"
    if estimate is None:
        missing = [] if seen else ["a rehearsal (--preflight.rehearse true)"]
        missing += [] if faces else ["a prepared dataset as data.uri (jobs/prepare.py)"]
        return Check(name, "not tried", f"to tell it takes {' and '.join(missing)}")
    told = (
        f"{config.training.epochs} epochs of {estimate.epoch_faces:,} faces: about"
        f" {duration(estimate.seconds)} of steps, validation and saving apart"
    )
    price = "" if estimate.cost is None else f"; costs {estimate.cost:.2f}"
    return Check(name, "passed", told + price)
