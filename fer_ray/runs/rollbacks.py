"""What rollbacks make of the champions' history.

Champions are undone like steps of a drawing: each promotion of another run lies upon those before
it, a rollback takes the uppermost away and leads to the one beneath. So after A, B and C a rollback
leads to B, the next one to A, and then there is none left: two rollbacks never lead back to where
they began, and what was taken away comes back only by being promoted anew.
"""

from fer_ray.runs import champion
from fer_ray.runs.champion import Entry
from fer_ray.runs.storage import Store


def before(runs: Store) -> Entry | None:
    """The entry whose run a rollback makes champion again; ``None`` where there is none.

    Who then changes the champion reads its standing first, so that both are of one moment.
    """
    pile: list[Entry] = []
    for entry in champion.history(runs):
        if entry.how == "rollback":
            while pile and pile[-1].run != entry.run:
                pile.pop()
        if not pile or pile[-1].run != entry.run:
            pile.append(entry)
    return pile[-2] if len(pile) > 1 else None
