"""Which faces train, choose and test, and what becomes of those that stand there more than once.

A face's side follows from ``(split.seed, key)`` or from its own Usage, never from which other
faces there are: it keeps its side when more arrive. Only ``fates`` compares faces, and only
those with one id.
"""

import hashlib
from collections.abc import Collection, Mapping, Sequence

import numpy as np

from fer_ray.faces.formats import USAGES

SIDES = ("train", "validation", "test")  # weakest first
DUPLICATES = (
    "groups",
    "faces",
    "contradicting_groups",
    "test_also_in_train",
    "test_also_in_validation",
)
DROPS = ("stronger_side", "repeated", "contradicting")


def hash_points(keys: Sequence[str], seed: int) -> np.ndarray:
    """The place of each key on the unit interval, from a hash of ``(seed, key)``.

    Returns:
        ``(n,)`` float64 in [0, 1), uniform over keys.
    """
    salt = seed.to_bytes(8, "little")
    digests = b"".join(
        hashlib.blake2b(key.encode(), digest_size=8, key=salt, person=b"side").digest()
        for key in keys
    )
    # 53 bits, as many as a float64 holds: a 64-bit number could be rounded up to 1
    return (np.frombuffer(digests, "<u8") >> np.uint64(11)) / 2.0**53


def hashed_sides(
    keys: Sequence[str], fractions: tuple[float, float, float], seed: int
) -> np.ndarray:
    """The side of each key: ``(n,)`` names out of ``SIDES``, about ``fractions`` of them each."""
    thresholds = np.cumsum(fractions)[:2]
    return np.array(SIDES)[np.searchsorted(thresholds, hash_points(keys, seed), side="right")]


def official_roles(present: Collection[str]) -> dict[str, str]:
    """The side that each usage stands for, given the usages that the data has.

    PublicTest validates where there is a PrivateTest to be the test side; where there is only
    one of the two, it is the test side, and a share of Training is to validate.

    Raises:
        ValueError: some face has no usage, or all have the same.
    """
    if "" in present or not present:
        raise ValueError(
            "split.protocol must be 'hashed' or 'paper' for faces without a Usage"
            " (Training, PublicTest or PrivateTest), got 'official'"
        )
    tests = [usage for usage in USAGES[1:] if usage in present]
    if "Training" not in present or not tests:
        raise ValueError(
            "split.protocol must be 'hashed' or 'paper' for faces that are not both Training and"
            f" PublicTest or PrivateTest, got 'official' for {', '.join(sorted(present))} only"
        )
    return {"Training": "train"} | dict(zip(tests, SIDES[-len(tests) :], strict=True))


def official_sides(
    ids: Sequence[str],
    usages: Sequence[str],
    roles: Mapping[str, str],
    validation: float,
    seed: int,
) -> np.ndarray:
    """The side that each face's usage stands for.

    Args:
        ids: ``n`` of them.
        usages: of each face, a key of ``roles``.
        roles: from ``official_roles``.
        validation: share of the training faces that validates, where no usage stands for it.
        seed: of that share.

    Returns:
        ``(n,)`` names out of ``SIDES``.
    """
    sides = np.array([roles[usage] for usage in usages], dtype=np.array(SIDES).dtype)
    if "validation" not in roles.values():
        sides[(sides == "train") & (hash_points(ids, seed) < validation)] = "validation"
    return sides


def fates(ids: np.ndarray, labels: np.ndarray, sides: np.ndarray) -> np.ndarray:
    """What the duplicate rule does to each face: ``""`` keeps it, one of ``DROPS`` says why not.

    Of equal faces only the strongest side keeps any: test before validation before training.
    Training and validation keep the first of them, and none if their labels contradict (on
    whichever sides they stand). The test side stays whole.

    Args:
        ids: ``(n,)``, equal ones next to each other and there in order of source; all the faces
            of an id must be here.
        labels: ``(n,)`` integers.
        sides: ``(n,)`` names out of ``SIDES``.
    """
    starts, group = _groups(ids)
    strength = _strength(sides)
    strongest = np.maximum.reduceat(strength, starts)[group] if len(ids) else strength
    tested = sides == "test"
    first = np.zeros(len(ids), bool)
    # in training and validation, equal faces of the strongest side need not start the group
    winners = np.flatnonzero(strength == strongest)
    first[winners[np.unique(group[winners], return_index=True)[1]]] = True
    return np.select(
        [tested, _contradicts(labels, starts, group), strength < strongest, ~first],
        ["", "contradicting", "stronger_side", "repeated"],
        "",
    )


def duplicate_counts(ids: np.ndarray, labels: np.ndarray, sides: np.ndarray) -> dict[str, int]:
    """How many faces stand more than once, before any is dropped; same arguments as ``fates``.

    Returns:
        ``groups`` of equal faces and the ``faces`` in them, ``contradicting_groups`` of several
        labels, and the test faces that stand in training and in validation too.
    """
    starts, group = _groups(ids)
    sizes = np.bincount(group, minlength=len(starts))
    on_side = {side: np.bincount(group, sides == side, len(starts)) for side in SIDES}
    return {
        "groups": int((sizes > 1).sum()),
        "faces": int(sizes[sizes > 1].sum()),
        "contradicting_groups": int(_contradicts(labels, starts, group)[starts].sum()),
        "test_also_in_train": int(on_side["test"][on_side["train"] > 0].sum()),
        "test_also_in_validation": int(on_side["test"][on_side["validation"] > 0].sum()),
    }


def _groups(ids: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Where each run of equal ids starts, and the number of each face's run."""
    new = np.ones(len(ids), bool)
    new[1:] = ids[1:] != ids[:-1]
    return np.flatnonzero(new), np.cumsum(new) - 1


def _strength(sides: np.ndarray) -> np.ndarray:
    """The place of each side in ``SIDES``."""
    return np.asarray(np.select([sides == side for side in SIDES], range(len(SIDES))))


def _contradicts(labels: np.ndarray, starts: np.ndarray, group: np.ndarray) -> np.ndarray:
    """Whether each face stands in a run of several labels."""
    if not len(labels):
        return np.zeros(0, bool)
    lowest, highest = np.minimum.reduceat(labels, starts), np.maximum.reduceat(labels, starts)
    return np.asarray((lowest != highest)[group])
