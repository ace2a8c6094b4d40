"""What rollbacks make of the champions' history.

Champions are undone like steps of a drawing: each promotion of another run lies upon those before
it, a rollback takes the uppermost away and leads to the one beneath. So after A, B and C a rollback
leads to B, the next one to A, and then there is none left: two rollbacks never lead back to where
they began, and what was taken away comes back only by being promoted anew.
"""

from collections.abc import Iterable

from fer_ray.runs import champion
from fer_ray.runs.champion import Entry
from fer_ray.runs.storage import Store


def before(runs: Store) -> Entry | None:
    """The entry whose run a rollback makes champion again; ``None`` where there is none.

    Who then changes the champion reads its standing first, so that both are of one moment.
    """
    pile, _ = _piled(champion.history(runs))
    return pile[-2] if len(pile) > 1 else None


def taken_away(runs: Store) -> list[tuple[Entry, Entry]]:
    """Each champion that was taken from upon the one there is now, and the rollback that did it.

    Not one that others only followed: it was good enough until there was a better one.
    """
    pile, taken = _piled(champion.history(runs))
    return [(gone, rollback) for gone, rollback in taken if gone.number > pile[-1].number]


def _piled(entries: Iterable[Entry]) -> tuple[list[Entry], list[tuple[Entry, Entry]]]:
    """The champions that lie upon each other, and each that was taken away, with its rollback."""
    pile: list[Entry] = []
    taken: list[tuple[Entry, Entry]] = []
    for entry in entries:
        if entry.how == "rollback":
            while pile and pile[-1].run != entry.run:
                taken.append((pile.pop(), entry))
        if not pile or pile[-1].run != entry.run:
            pile.append(entry)
    return pile, taken
