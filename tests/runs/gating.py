"""How often the gate lets simulated challengers pass: equal ones, better ones, worse ones.

    python -m tests.runs.gating [PAIRS] [KIND ...]

Each pair is a draw of test faces and of both models' answers. A face is as hard for one model as
for the other but for a part of its own (two trainings of one network agree on most faces), and
what a model takes a face for that it gets wrong is in half of all cases what the other does too.
Prints a line of JSON for each kind of challenger.
"""

import json
import sys
from collections import Counter
from collections.abc import Mapping

import numpy as np
from scipy.stats import norm
from sklearn.metrics import f1_score

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.promotion import GateConfig
from fer_ray.runs.gate import judge
from fer_ray.runs.predictions import Predictions

TEST_FACES = (467, 56, 496, 895, 653, 415, 607)  # FER2013's PublicTest, by emotion
CHAMPION = np.array([0.55, 0.55, 0.45, 0.86, 0.55, 0.77, 0.63])  # recall; accuracy .65
SHARED = 0.7  # of the variance of how hard a face is


def pair(
    gain: Mapping[int, float] | float, seed: int, faces: int = sum(TEST_FACES)
) -> tuple[Predictions, Predictions]:
    """What a challenger and a champion say of faces; ``gain``: in recall, by class or of all."""
    rng = np.random.default_rng(seed)
    classes = len(EMOTIONS)
    shares = np.array(TEST_FACES) / sum(TEST_FACES)
    labels = np.repeat(np.arange(classes), rng.multinomial(faces, shares)).astype(np.int8)
    more = np.full(classes, gain) if isinstance(gain, float | int) else np.zeros(classes)
    if isinstance(gain, Mapping):
        for label, one in gain.items():
            more[label] = one
    hard = rng.normal(size=len(labels))
    usual = _wrong(labels, shares, rng)
    ids = [f"{number:06d}" for number in range(len(labels))]
    votes = np.zeros((len(labels), 10), np.uint8)
    told = []
    for recall in (CHAMPION + more, CHAMPION):
        own = rng.normal(size=len(labels))
        right = np.sqrt(SHARED) * hard + np.sqrt(1 - SHARED) * own < norm.ppf(recall)[labels]
        other = _wrong(labels, shares, rng)
        wrong = np.where(rng.random(len(labels)) < 0.5, usual, other)
        named = np.where(right, labels, wrong)
        sure = np.where(right, rng.beta(4, 1.6, len(labels)), rng.beta(3, 3, len(labels)))
        sure = 0.2 + 0.8 * sure
        probabilities = np.repeat(((1 - sure) / (classes - 1))[:, None], classes, axis=1)
        probabilities[np.arange(len(labels)), named] = sure
        told.append(Predictions(ids, labels, probabilities.astype(np.float32), votes))
    return told[0], told[1]


def _wrong(labels: np.ndarray, shares: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """Another emotion for each face, as frequent as the emotions are."""
    others = np.tile(shares, (len(shares), 1))
    np.fill_diagonal(others, 0)
    steps = np.cumsum(others / others.sum(axis=1, keepdims=True), axis=1)
    return (rng.random(len(labels))[:, None] > steps[labels]).sum(axis=1).clip(0, len(shares) - 1)


def true_gain(gain: Mapping[int, float] | float) -> float:
    """In macro-F1, on 900,000 faces: give or take .001."""
    ours, theirs = (
        float(f1_score(one.labels, one.named, average="macro")) for one in pair(gain, 0, 900_000)
    )
    return ours - theirs


FEAR = EMOTIONS.index("fear")
KINDS: dict[str, Mapping[int, float] | float] = {
    "equal": 0.0,
    "worse-1": -0.0103,
    "worse-2": -0.0205,
    "better-1": 0.0104,
    "better-2": 0.0207,
    "better-3": 0.031,
    "worse-at-fear": dict.fromkeys(range(len(EMOTIONS)), 0.05) | {FEAR: -0.15},
}


def main(pairs: int, kinds: list[str]) -> None:
    """Simulate and print."""
    settings = GateConfig()
    for name in kinds:
        gain = KINDS[name]
        refused: Counter[str] = Counter()
        passed = 0
        for seed in range(1, pairs + 1):
            verdict = judge(*pair(gain, seed), settings, seed)
            passed += verdict.passed
            refused.update(rule.name for rule in verdict.rules if not rule.passed)
        told = {
            "challenger": name,
            "true_gain": round(true_gain(gain), 4),
            "promoted": passed / pairs,
            "refused_by": {rule: count / pairs for rule, count in sorted(refused.items())},
        }
        sys.stdout.write(json.dumps(told) + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(int(sys.argv[1]) if len(sys.argv) > 1 else 1_000, sys.argv[2:] or list(KINDS))
