"""What may be done in a folder of storage, found by doing it to files that are then deleted."""

import secrets
from collections.abc import Callable

from fer_ray.runs.checks import Check, tried
from fer_ray.runs.faults import StorageError
from fer_ray.runs.storage import Store
from fer_ray.runs.versioned import RULES, strongest

_MEND = "give the job's identity the right to {} there ({} on S3), and try again"


def checks(folder: Store) -> list[Check]:
    """Whether ``folder`` can be written, read, listed and deleted in, and how a race is decided.

    What follows from what failed is not tried. Storage that does not answer is not waited for.
    """
    hasty, place = folder.hasty(), f".preflight-{secrets.token_hex(8)}"
    key = f"{place}/probe"
    content = secrets.token_bytes(64)

    def write() -> str:
        hasty.write_bytes(key, content)
        return f"a file was written to {folder.uri.partition('?')[0]}"

    def read() -> str:
        got = hasty.read_bytes(key)
        if got != content:
            raise StorageError(f"a file must be read as it was written, got other {len(got)} bytes")
        return "it reads as it was written"

    def listed() -> str:
        if key not in {entry.key for entry in hasty.listing(place)}:
            raise StorageError("a file that was written must be listed, got a listing without it")
        return "it is listed"

    def delete() -> str:
        hasty.delete_file(key)
        if hasty.exists(key):
            raise StorageError("a file that was deleted must be gone, got it")
        if hasty.local:
            hasty.delete_folder(place)
        return "it is gone once deleted"

    steps: list[tuple[str, str, Callable[[], str]]] = [
        ("write", "s3:PutObject", write),
        ("read", "s3:GetObject", read),
        ("list", "s3:ListBucket", listed),
        ("delete", "s3:DeleteObject", delete),
    ]
    told: list[Check] = []
    for right, action, step in steps:
        name, mend = f"storage: {right}", _MEND.format(right, action)
        if told and told[0].state == "failed":
            told.append(Check(name, "not tried", "nothing could be written"))
        else:
            told.append(tried(name, mend, step, (StorageError,)))
    return [*told, _race(hasty, written=told[0].state == "passed")]


def _race(folder: Store, *, written: bool) -> Check:
    """Who wins where two jobs want one run, or to set one champion."""
    name = "storage: races"
    if not written:
        return Check(name, "not tried", "nothing could be written")
    try:
        rule = strongest(folder, "preflight")
    except StorageError as error:
        return Check(name, "failed", str(error), _MEND.format("write", "s3:PutObject"))
    if rule == "last":
        mend = "let one job at a time be at work on a run, and one set the champion"
        return Check(name, "warned", RULES[rule], mend)
    return Check(name, "passed", RULES[rule])
