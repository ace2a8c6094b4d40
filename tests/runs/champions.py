"""Champions made and read by the tests."""

from typing import Any

from fer_ray.runs import champion, layout, rollbacks
from fer_ray.runs.champion import Entry, How, Standing
from fer_ray.runs.storage import Store


def crown(
    runs: Store, run: str, how: How = "promote", standing: Standing | None = None, **fields: Any
) -> Entry:
    about: dict[str, Any] = {
        "uri": runs.folder(run).uri,
        "model_sha256": "0" * 64,
        "facts": {"content": "ab", "split": {"seed": 7, "fractions": [0.8, 0.1, 0.1]}},
        "who": "somebody",
        "why": "it is better",
    }
    standing = standing or champion.read(runs)
    return champion.change(runs, standing, run=run, how=how, **(about | fields))


def roll_back(runs: Store) -> str:
    standing = champion.read(runs)
    entry = rollbacks.before(runs)
    assert entry is not None
    return crown(runs, entry.run, "rollback", standing).run


def stored(runs: Store) -> dict[str, bytes]:
    entries = runs.listing(layout.CHAMPION_HISTORY)
    return {entry.key.rpartition("/")[2]: runs.read_bytes(entry.key) for entry in entries}
