"""Figures over seeds and paired draws, against scikit-learn and against known differences."""

import numpy as np
import pytest
from sklearn import metrics

from fer_ray.runs import repeated

CLASSES = 7
DISGUST = 1


def guesses(labels: np.ndarray, rate: float, seeds: int, seed: int) -> np.ndarray:
    """``(seeds, n)``: the truth with probability ``rate``, else any label."""
    rng = np.random.default_rng(seed)
    shape = (seeds, len(labels))
    return np.where(rng.random(shape) < rate, labels, rng.integers(0, CLASSES, shape))


@pytest.fixture
def labels() -> np.ndarray:
    return np.random.default_rng(0).integers(0, CLASSES, 800)


def test_each_seed_has_the_figures_that_scikit_learn_gives_it(labels: np.ndarray) -> None:
    named = guesses(labels, 0.4, seeds=3, seed=1)
    told = repeated.by_seed(labels, named)
    assert tuple(told) == repeated.FIGURES
    for seed, one in enumerate(named):
        recalls = metrics.recall_score(labels, one, average=None)
        expected = (
            metrics.accuracy_score(labels, one),
            metrics.f1_score(labels, one, average="macro"),
            recalls[DISGUST],
        )
        assert [told[name][seed] for name in repeated.FIGURES] == pytest.approx(expected)


def test_a_gain_is_the_difference_of_means_and_its_interval_holds_it(labels: np.ndarray) -> None:
    ours, theirs = (guesses(labels, rate, seeds=3, seed=2) for rate in (0.5, 0.4))
    told = repeated.gains(labels, ours, theirs)
    for name in repeated.FIGURES:
        means = [repeated.by_seed(labels, one)[name].mean() for one in (ours, theirs)]
        assert told[name]["difference"] == pytest.approx(means[0] - means[1])
        low, high = told[name]["interval"]
        assert low < told[name]["difference"] < high
    assert told["accuracy"]["interval"][0] > 0


def test_what_both_get_right_alike_makes_no_difference_wider(labels: np.ndarray) -> None:
    theirs = guesses(labels, 0.4, seeds=2, seed=3)
    assert repeated.gains(labels, theirs, theirs)["accuracy"] == {
        "difference": 0.0,
        "interval": [0.0, 0.0],
    }
    unpaired = guesses(labels, 0.4, seeds=2, seed=4)
    mended = theirs.copy()
    mended[:, :40] = labels[:40]
    widths = [
        np.diff(repeated.gains(labels, ours, theirs)["accuracy"]["interval"])
        for ours in (mended, unpaired)
    ]
    assert widths[0] < widths[1] / 2


def test_a_seed_decides_the_draws(labels: np.ndarray) -> None:
    ours, theirs = (guesses(labels, rate, seeds=1, seed=7) for rate in (0.5, 0.4))
    first, again, other = (repeated.gains(labels, ours, theirs, seed) for seed in (0, 0, 1))
    assert first == again
    assert first["accuracy"]["interval"] != other["accuracy"]["interval"]


def test_an_interval_is_as_wide_as_theory_says(labels: np.ndarray) -> None:
    """One seed, accuracy: 1.96 standard errors of the mean of right minus right."""
    ours, theirs = (guesses(labels, 0.5, seeds=1, seed=seed) for seed in (5, 6))
    low, high = repeated.gains(labels, ours, theirs)["accuracy"]["interval"]
    each = (ours[0] == labels).astype(float) - (theirs[0] == labels)
    assert high - low == pytest.approx(2 * 1.96 * each.std() / np.sqrt(len(labels)), rel=0.05)


def test_without_a_face_of_disgust_its_recall_is_unknown_and_the_rest_is_told() -> None:
    labels = np.array([0, 2, 3, 4] * 20)
    ours, theirs = labels[None], np.zeros_like(labels)[None]
    told = repeated.gains(labels, ours, theirs)
    assert told["disgust_recall"]["interval"] is None
    assert told["accuracy"]["difference"] == 0.75


def test_seeds_that_do_not_pair_are_refused(labels: np.ndarray) -> None:
    with pytest.raises(ValueError, match=r"must pair, got \(3, 800\) and \(2, 800\)"):
        repeated.gains(labels, guesses(labels, 0.5, 3, 0), guesses(labels, 0.5, 2, 0))
