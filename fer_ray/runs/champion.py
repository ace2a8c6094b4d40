"""Which model production serves, and which it served before.

Under ``storage.uri`` there is one pointer, which holds the whole newest entry, and a history of
all entries by number. The pointer moves only from what was read, where the storage can see to that
(``fer_ray.runs.versioned``), so of two who change it at once one wins. An entry that was stored is
never written over: the pointer of number n moves on only when entry n is in the history, and until
then it holds that entry itself, so a writer killed at any moment loses nothing. The newest document
of the history is, to the byte, what a pointer that was lost or damaged must be.
"""

import json
import logging
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Annotated, Literal

from pydantic import AfterValidator, BaseModel, ConfigDict, Field, JsonValue, ValidationError

from fer_ray.runs.documents import document
from fer_ray.runs.faults import MissingError, StorageError
from fer_ray.runs.layout import CHAMPION, champion_history
from fer_ray.runs.promises import PLAIN_NAME, first_fault
from fer_ray.runs.storage import Store
from fer_ray.runs.uris import join
from fer_ray.runs.versioned import RULES, register, strongest

How = Literal["gate", "first", "promote", "rollback"]

logger = logging.getLogger(__name__)


class OvertakenError(Exception):
    """Someone else has changed the champion since it was read; the text says who it is now."""


def _finite(facts: dict[str, JsonValue]) -> dict[str, JsonValue]:
    json.dumps(facts, allow_nan=False)
    return facts


Facts = Annotated[dict[str, JsonValue], AfterValidator(_finite)]


class Entry(BaseModel):
    """One champion: what it is, and how it became that."""

    model_config = ConfigDict(frozen=True, extra="forbid", strict=True)

    schema_version: Literal[1] = 1
    number: int = Field(ge=1)  # of the first champion 1, of each further one more
    run: str = Field(pattern=f"^{PLAIN_NAME}$")
    uri: str = Field(min_length=1)  # of the run's folder
    model_sha256: str = Field(pattern="^[0-9a-f]{64}$")
    facts: Facts  # what later gates must know of the run
    how: How
    who: str = Field(min_length=1)
    why: str = Field(min_length=1)
    when: str = Field(pattern=r"^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$")  # UTC, by the writer's clock
    verdict: Facts | None  # the gate's, where there was one
    mark: str = Field(pattern="^[0-9a-f]{16}$")  # of this one change: no other writes the same


@dataclass(frozen=True)
class Standing:
    """The champion as it was read; none yet where both are ``None``."""

    entry: Entry | None
    content: bytes | None  # of the pointer: a change is refused when it holds anything else


def read(runs: Store) -> Standing:
    """The champion of ``runs``, the folder ``storage.uri``; nothing is written.

    Raises:
        ValueError: the pointer is damaged, or lost while there is a history.
    """
    content = _content(runs, CHAMPION)
    if content is None and runs.exists(champion_history(1)):
        content = _content(runs, CHAMPION)  # the first champion may have come between the two
        if content is None:
            raise _lost(runs, None, 1)
    return Standing(None if content is None else _parsed(runs, CHAMPION, content), content)


def change(
    runs: Store,
    standing: Standing,
    *,
    run: str,
    uri: str,
    model_sha256: str,
    facts: dict[str, JsonValue],
    how: How,
    who: str,
    why: str,
    verdict: dict[str, JsonValue] | None = None,
) -> Entry:
    """Make a run's model champion after ``standing``; gives its entry.

    Raises:
        OvertakenError: the champion is no longer what ``standing`` read; nothing was changed.
        ValueError: the pointer or an entry of the history is damaged; nothing was changed.
    """
    entry = Entry(
        number=standing.entry.number + 1 if standing.entry else 1,
        run=run,
        uri=uri,
        model_sha256=model_sha256,
        facts=facts,
        how=how,
        who=who,
        why=why,
        when=f"{datetime.now(UTC):%Y-%m-%dT%H:%M:%SZ}",
        verdict=verdict,
        mark=secrets.token_hex(8),
    )
    rule = strongest(runs, CHAMPION)
    place = register(runs, CHAMPION, rule)
    version = place.read()
    if (version.content if version else None) != standing.content:
        raise _overtaken(standing, read(runs))
    if standing.entry and standing.content:
        _keep(runs, standing.entry.number, standing.content)
    if runs.exists(champion_history(entry.number)):
        now = read(runs)
        if now == standing:
            raise _lost(runs, standing.entry, entry.number)
        raise _overtaken(standing, now)
    content = _text(entry)
    if place.write(content, version) is None:
        raise _overtaken(standing, read(runs))
    logger.info("%s is champion; %s", _named(entry), RULES[rule])
    try:
        _keep(runs, entry.number, content)
    except StorageError as error:  # the pointer holds the entry until the next change stores it
        logger.warning("the champion's entry was not stored in the history: %s", error)
    return entry


def history(runs: Store) -> list[Entry]:
    """Every champion there has been, oldest first, the one that is so now included.

    Raises:
        ValueError: an entry is missing, damaged, or not what the pointer says.
    """
    now = read(runs)
    if now.entry is None or now.content is None:
        return []
    number = now.entry.number
    if _content(runs, champion_history(number)) not in (None, now.content):
        raise _differing(runs, number)
    return [*(_stored(runs, earlier) for earlier in range(1, number)), now.entry]


def _keep(runs: Store, number: int, content: bytes) -> None:
    """Store an entry in the history, unless it is there; never over another."""
    key = champion_history(number)
    kept = _content(runs, key)
    if kept is None:
        runs.write_bytes(key, content)
    elif kept != content:
        raise _differing(runs, number)


def _stored(runs: Store, number: int) -> Entry:
    key = champion_history(number)
    content = _content(runs, key)
    if content is None:
        raise ValueError(
            f"{join(runs.uri, key)} must be there, as later champions are, got nothing"
        )
    entry = _parsed(runs, key, content)
    if entry.number != number:
        raise ValueError(
            f"{join(runs.uri, key)} must be of number {number}, got number {entry.number}"
        )
    return entry


def _content(runs: Store, key: str) -> bytes | None:
    try:
        return runs.read_bytes(key)
    except MissingError:
        return None


def _parsed(runs: Store, key: str, content: bytes) -> Entry:
    place = join(runs.uri, key)
    try:
        found = document(content)
    except ValueError as error:
        raise ValueError(f"{place} {error}") from error
    try:
        return Entry.model_validate(found)
    except ValidationError as error:
        raise ValueError(f"{place} must be a champion's entry, got {first_fault(error)}") from error


def _text(entry: Entry) -> bytes:
    return (json.dumps(entry.model_dump(), indent=1) + "\n").encode()


def _named(entry: Entry | None) -> str:
    return f"{entry.run} (number {entry.number})" if entry else "none"


def _overtaken(standing: Standing, now: Standing) -> OvertakenError:
    by = f", by {now.entry.who} at {now.entry.when}" if now.entry else ""
    return OvertakenError(
        f"the champion must still be {_named(standing.entry)}, got {_named(now.entry)}{by}"
    )


def _lost(runs: Store, entry: Entry | None, number: int) -> ValueError:
    got = f"number {entry.number}" if entry else "nothing"
    return ValueError(
        f"{join(runs.uri, CHAMPION)} must be of number {number} or later, as"
        f" {champion_history(number)} is there, got {got}"
    )


def _differing(runs: Store, number: int) -> ValueError:
    return ValueError(
        f"{join(runs.uri, champion_history(number))} must be what {CHAMPION} said at number"
        f" {number}, got other content"
    )
