"""Whether a challenger may take the champion's place, by what both say of the same test faces.

Each rule is asked and told, whatever the others found. The gain is judged by the lower end of its
one-sided paired bootstrap interval (Efron 1979), drawn as counts of (truth, challenger's answer,
champion's answer): what both get right or wrong alike says nothing about which is better.
"""

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.promotion import GateConfig
from fer_ray.runs.intervals import drawn, figures
from fer_ray.runs.predictions import Predictions
from fer_ray.runs.scores import calibration


@dataclass(frozen=True)
class Rule:
    """One rule of the gate, and what it found."""

    name: str  # "faces", "gain", "recall", "calibration" or "floor"
    passed: bool
    value: float | None  # none where there was nothing to judge
    limit: float
    told: str  # for people: what was found, what was asked


@dataclass(frozen=True)
class Verdict:
    """What the gate says of a challenger."""

    rules: tuple[Rule, ...]
    details: Mapping[str, Any]

    @property
    def passed(self) -> bool:
        """Whether every rule did."""
        return all(rule.passed for rule in self.rules)

    @property
    def refusal(self) -> str | None:
        """What the rules that failed say; nothing where all passed."""
        failed = [rule.told for rule in self.rules if not rule.passed]
        return "; ".join(failed) if failed else None

    def document(self) -> dict[str, Any]:
        """All of it, ready for JSON."""
        rules = [asdict(rule) for rule in self.rules]
        return {"passed": self.passed, "rules": rules, "details": dict(self.details)}


def judge(
    challenger: Predictions, champion: Predictions, settings: GateConfig, seed: int = 0
) -> Verdict:
    """The verdict on a challenger where there is a champion.

    Args:
        challenger: of the test faces.
        champion: of the same faces, in the same order.
        settings: the gate's.
        seed: of the bootstrap's draws.

    Raises:
        ValueError: the two are of other faces, or give no probabilities.
    """
    labels = challenger.labels
    same = list(challenger.ids) == list(champion.ids)
    if not same or not np.array_equal(labels, champion.labels):
        raise ValueError(
            f"challenger and champion must be scored on the same faces, got {len(labels)} and"
            f" {len(champion.labels)} that differ"
        )
    _check_numbers(challenger, champion)
    faces = _faces(len(labels), settings)
    if not len(labels):
        return Verdict((faces,), {"recall_by_class": _recalls(None, None, settings)})
    classes = len(EMOTIONS)
    cells = np.zeros((classes, classes, classes), np.int64)
    np.add.at(cells, (labels, challenger.named, champion.named), 1)
    draws = drawn(cells, seed)
    gains = figures(draws.sum(axis=3))["macro_f1"] - figures(draws.sum(axis=2))["macro_f1"]
    lower = float(np.quantile(gains, 1 - settings.confidence))
    ours, theirs = cells.sum(axis=2), cells.sum(axis=1)
    found = [float(figures(one[None])["macro_f1"][0]) for one in (ours, theirs)]
    recalls = _recalls(ours, theirs, settings)
    errors = [_calibration_error(one) for one in (challenger, champion)]
    rules = (
        faces,
        _gain(found[0] - found[1], lower, settings),
        _recall(recalls, settings),
        _calibration(errors[0], errors[1], settings),
    )
    details = {
        "faces": len(labels),
        "macro_f1": {"challenger": found[0], "champion": found[1]},
        "gain": found[0] - found[1],
        "lower_end": lower,
        "recall_by_class": recalls,
        "calibration_error": {"challenger": errors[0], "champion": errors[1]},
    }
    return Verdict(rules, details)


def judge_first(challenger: Predictions, settings: GateConfig, seed: int = 0) -> Verdict:
    """The verdict on a challenger where there is no champion: it must beat the commonest emotion.

    Args:
        challenger: of the test faces.
        settings: the gate's.
        seed: of the bootstrap's draws.
    """
    labels = challenger.labels
    _check_numbers(challenger)
    faces = _faces(len(labels), settings)
    if not len(labels):
        return Verdict((faces,), {"recall_by_class": _recalls(None, None, settings)})
    classes = len(EMOTIONS)
    cells = np.zeros((classes, classes), np.int64)
    np.add.at(cells, (labels, challenger.named), 1)
    draws = figures(drawn(cells, seed))["macro_f1"]
    lower = float(np.quantile(draws, 1 - settings.confidence))
    commonest = np.full(len(labels), np.bincount(labels, minlength=classes).argmax())
    from sklearn.metrics import f1_score  # a second, and few processes judge

    floor = float(
        f1_score(labels, commonest, labels=range(classes), average="macro", zero_division=0)
    )
    found = float(figures(cells[None])["macro_f1"][0])
    told = (
        f"the macro-F1 is {found:.3f}, at least {lower:.3f} with a confidence of"
        f" {settings.confidence:g}; naming the most frequent emotion always has {floor:.3f}"
    )
    details = {
        "faces": len(labels),
        "macro_f1": {"challenger": found},
        "lower_end": lower,
        "recall_by_class": _recalls(cells, None, settings),
        "calibration_error": {"challenger": _calibration_error(challenger)},
    }
    return Verdict((faces, _ruled("floor", lower > floor, lower, floor, told)), details)


def _ruled(name: str, passed: bool, value: float, limit: float, told: str) -> Rule:
    """A rule, which says by how much it failed."""
    missed = "" if passed else f" (missed by {abs(value - limit):,.4g})"
    return Rule(name, passed, value, limit, told + missed)


def _check_numbers(*models: Predictions) -> None:
    if not all(np.isfinite(one.probabilities).all() for one in models):
        raise ValueError("challenger and champion must give probabilities, got NaN or infinity")


def _faces(count: int, settings: GateConfig) -> Rule:
    limit = settings.min_faces
    told = f"there are {count:,} test faces; gate.min_faces asks for {limit:,}"
    return _ruled("faces", count >= limit, float(count), float(limit), told)


def _gain(gain: float, lower: float, settings: GateConfig) -> Rule:
    limit = settings.min_gain
    told = (
        f"the gain in macro-F1 is {gain:+.4f}, at least {lower:+.4f} with a confidence of"
        f" {settings.confidence:g}; gate.min_gain asks for more than {limit:+.4f}"
    )
    return _ruled("gain", lower > limit, lower, limit, told)


def _recall(recalls: Mapping[str, Mapping[str, Any]], settings: GateConfig) -> Rule:
    limit = settings.class_drop
    drops = {  # whole faces of so many: as floats 0.8 - 0.75 is more than 0.05
        name: round((one["champion"] - one["challenger"]) * one["support"]) / one["support"]
        for name, one in recalls.items()
        if one["judged"]
    }
    if not drops:
        told = f"no emotion has gate.class_min_support ({settings.class_min_support}) test faces"
        return Rule("recall", True, None, limit, told)
    worst = max(drops, key=lambda name: drops[name])
    told = (
        f"of the emotions judged {worst} changed for the worst: its recall went from"
        f" {recalls[worst]['champion']:.3f} to {recalls[worst]['challenger']:.3f}"
        f" ({-drops[worst]:+.3f}); gate.class_drop allows {-limit:+.3f}"
    )
    return _ruled("recall", drops[worst] <= limit, drops[worst], limit, told)


def _calibration(ours: float, theirs: float, settings: GateConfig) -> Rule:
    limit = settings.calibration_rise
    told = (
        f"the expected calibration error went from {theirs:.4f} to {ours:.4f}"
        f" ({ours - theirs:+.4f}); gate.calibration_rise allows {limit:+.4f}"
    )
    return _ruled("calibration", ours - theirs <= limit, ours - theirs, limit, told)


def _recalls(
    ours: np.ndarray | None, theirs: np.ndarray | None, settings: GateConfig
) -> dict[str, dict[str, Any]]:
    """Each class's test faces, both recalls, and whether it is judged."""
    told: dict[str, dict[str, Any]] = {}
    for label, name in enumerate(EMOTIONS):
        support = 0 if ours is None else int(ours[label].sum())
        both = {"challenger": ours, "champion": theirs}
        rates = {
            who: None if cells is None or not support else float(cells[label, label] / support)
            for who, cells in both.items()
        }
        judged = theirs is not None and support >= settings.class_min_support
        told[name] = {"support": support, **rates, "judged": judged}
    return told


def _calibration_error(one: Predictions) -> float:
    confidence = one.probabilities.max(axis=1)
    error: float = calibration(one.named == one.labels, confidence)["calibration_error"]
    return error
