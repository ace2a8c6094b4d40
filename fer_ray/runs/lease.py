"""One owner per run: a lease in its folder, renewed while the owner lives.

Nobody's clock is compared with another's: who waits for a lease to run out watches whether its
``beat`` changes, by a clock of its own. A lease knows which *attempt* at the run holds it, and
which *group* of workers of that attempt may write; whoever is about to write what others will
believe asks ``Guard.check`` first, so that a process which was paused and comes back does not.
"""

import json
import logging
import os
import secrets
import socket
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Literal, Self

from pydantic import BaseModel, ConfigDict, ValidationError

from fer_ray.runs import versioned
from fer_ray.runs.faults import MissingError, StorageError
from fer_ray.runs.layout import LEASE
from fer_ray.runs.storage import Store, store
from fer_ray.runs.versioned import RULES, Rule, Version, register, strongest

RENEWALS_A_TTL = 3  # a renewal may fail twice in a row before the lease runs out

logger = logging.getLogger(__name__)


class HeldError(Exception):
    """Someone else has the run; the text says who."""


class LostError(Exception):
    """The lease went to someone else while this process thought to have it."""


class Terms(BaseModel):
    """What ``lease.json`` says."""

    model_config = ConfigDict(frozen=True)

    schema_version: Literal[1] = 1
    owner: str  # of one process' one hold; nobody else has the same
    attempt: int  # how many have held it, this one included
    group: int = 0  # of this attempt's worker groups, the one that may write
    beat: int = 0  # grows with each renewal
    ttl_s: float
    released: bool = False
    rule: Rule
    host: str
    pid: int

    def who(self) -> str:
        """The holder in words."""
        return f"process {self.pid} on {self.host} (attempt {self.attempt})"


@dataclass(frozen=True)
class Guard:
    """What a writer shows to write: its attempt at the run, and its worker group if of one."""

    run_uri: str
    owner: str
    attempt: int
    rule: Rule
    group: int | None = None

    def check(self) -> None:
        """Return if the run is still this writer's.

        Raises:
            LostError: it is another's.
        """
        self._check(read(store(self.run_uri)))

    def next_group(self) -> "Guard":
        """The guard of a new worker group of this attempt; those of earlier ones hold no longer.

        Raises:
            LostError: the attempt has lost the run.
        """
        changed = _change(store(self.run_uri), self, lambda terms: {"group": terms.group + 1})
        return replace(self, group=changed.group)

    def _check(self, terms: Terms | None) -> Terms:
        if terms is None or terms.owner != self.owner:
            holder = "nobody" if terms is None else terms.who()
            raise LostError(f"attempt {self.attempt} lost the run: {holder} has it")
        if self.group not in (None, terms.group):
            raise LostError(f"worker group {self.group} lost the run to group {terms.group}")
        return terms


class Lease:
    """A held lease, renewed by a thread while it is entered, and then released unless lost."""

    def __init__(self, guard: Guard, ttl_s: float) -> None:
        self.guard = guard  # of what this attempt writes outside its worker groups
        self._run = store(guard.run_uri).hasty()  # is renewed again anyway, and who ends won't wait
        self._ttl_s = ttl_s
        self._done = threading.Event()
        self._lost: LostError | None = None
        self._thread = threading.Thread(target=self._renew, daemon=True)

    def check(self) -> None:
        """Return if no renewal has found the lease lost; asks no storage.

        Raises:
            LostError: one has.
        """
        if self._lost:
            raise self._lost

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._done.set()
        self._thread.join()
        try:
            _change(self._run, self.guard, lambda _: {"released": True})
        except (LostError, StorageError) as error:  # all that counts was written under its guard
            logger.warning("the run's lease was not released: %s", error)

    def _renew(self) -> None:
        """Renew until released; what storage refuses for a while is tried again."""
        while not self._done.wait(self._ttl_s / RENEWALS_A_TTL):
            try:
                _change(self._run, self.guard, lambda terms: {"beat": terms.beat + 1})
            except StorageError as error:
                logger.warning("the run's lease was not renewed: %s", error)
            except LostError as error:
                self._lost = error
                return


def acquire(run: Store, ttl_s: float) -> Lease:
    """The lease of ``run``, to be entered.

    Waits for another holder to release it, or to be silent for its time to live and a third more
    (and for as long as a renewal takes).

    Args:
        run: the run's folder.
        ttl_s: seconds without renewal after which others may take it.

    Raises:
        HeldError: the holder is at work.
    """
    seen = read(run)
    rule = seen.rule if seen else strongest(run, LEASE)
    place = register(run, LEASE, rule)
    if seen and not seen.released:
        _wait_for(run, seen)
    version = place.read()
    before = _parsed(run, version)
    if before and not before.released and before != seen:
        raise HeldError(f"the run is held by {before.who()}, which is at work")
    mine = Terms(
        owner=secrets.token_hex(8),
        attempt=before.attempt + 1 if before else 1,
        ttl_s=ttl_s,
        rule=rule,
        host=socket.gethostname(),
        pid=os.getpid(),
    )
    if place.write(_text(mine), version) is None:
        return acquire(run, ttl_s)  # someone was quicker: now it is theirs, and may be waited for
    logger.info("attempt %d holds the run; %s", mine.attempt, RULES[rule])
    return Lease(Guard(run.uri, mine.owner, mine.attempt, rule), ttl_s)


def acquire_patiently(run: Store, ttl_s: float) -> Lease:
    """As ``acquire``, but waits for a holder at work until it has released the lease."""
    while True:
        try:
            return acquire(run, ttl_s)
        except HeldError as error:
            logger.info("%s; waiting for it to end", error)


def read(run: Store) -> Terms | None:
    """The terms of the run's lease; ``None`` if nobody ever held it.

    Raises:
        ValueError: they cannot be read.
    """
    try:
        return _parsed(run, Version(run.read_bytes(LEASE), ""))
    except MissingError:
        return None


def _wait_for(run: Store, seen: Terms) -> None:
    """Return when ``seen``'s holder has released the run or is silent for long enough.

    Raises:
        HeldError: it renewed.
    """
    renewing_s = versioned.SETTLE_S if seen.rule == "last" else 0.0
    patience = seen.ttl_s * (1 + 1 / RENEWALS_A_TTL) + renewing_s
    logger.info("the run is held by %s; waiting %.0f s at most", seen.who(), patience)
    until = time.monotonic() + patience
    while time.monotonic() < until:
        time.sleep(min(1.0, seen.ttl_s / 10))
        asked = time.monotonic()
        now = read(run)
        if time.monotonic() - asked > seen.ttl_s / RENEWALS_A_TTL:
            until = time.monotonic() + patience  # storage was away for its holder, too
        if now is None or now.released:
            return
        if now != seen:
            raise HeldError(f"the run is held by {now.who()}, which is at work")
    logger.warning("taking the run over from %s, which is silent", seen.who())


def _change(run: Store, guard: Guard, fields: Callable[[Terms], dict[str, object]]) -> Terms:
    """Write the terms with other ``fields``, over whatever the guard's side wrote meanwhile."""
    place = register(run, LEASE, guard.rule)
    wanted: dict[str, object] = {}
    while True:
        version = place.read()
        terms = guard._check(_parsed(run, version))  # noqa: SLF001 of this room
        # Driver and worker groups change one lease. Where the last to write is believed, who wrote
        # after this side has read what it wrote: to write again would go on for ever.
        if wanted and guard.rule == "last" and wanted.items() <= terms.model_dump().items():
            return terms
        wanted = fields(terms)
        changed = terms.model_copy(update=wanted)
        if place.write(_text(changed), version):
            return changed


def _parsed(run: Store, version: Version | None) -> Terms | None:
    if version is None:
        return None
    try:
        return Terms.model_validate_json(version.content)
    except ValidationError as error:
        raise ValueError(f"{LEASE} must be a lease, got other content in {run.uri}") from error


def _text(terms: Terms) -> bytes:
    return (json.dumps(terms.model_dump(), indent=1) + "\n").encode()
