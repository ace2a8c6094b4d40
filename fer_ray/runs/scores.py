"""What predictions are worth: scikit-learn's metrics, calibration, and how sure the figures are."""

from collections.abc import Sequence
from typing import Any

import numpy as np

from fer_ray.faces import votes
from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.intervals import intervals
from fer_ray.runs.metrics import from_confusion

BINS = 15  # of the confidence, each a fifteenth of 0 to 1
_CLASSES = np.arange(len(EMOTIONS))


def of_predictions(labels: Sequence[int] | np.ndarray, probabilities: np.ndarray) -> dict[str, Any]:
    """Every score of predictions, ready for JSON.

    Those of ``from_confusion``, and: ``weighted_f1``; ``by_class`` precision, recall, F1, support
    and AUROC (one against the rest; null where a class has every face or none); ``auroc``, the mean
    of those that are there; ``top2_accuracy``; ``log_loss`` (natural logarithm);
    ``calibration_error`` and its bins; ``intervals`` of the headline figures.

    A face counts at most 36.04 in ``log_loss``: scikit-learn takes no probability for less than
    float64's epsilon, since softmax's underflow to 0 would else make the mean infinite.

    Args:
        labels: ``(n,)``, 0 to 6, the truth; n at least 1.
        probabilities: ``(n, 7)``, each row of sum 1 up to rounding; the largest is the prediction.
    """
    from sklearn import metrics as sklearn_metrics  # a second, and few processes score

    truth = np.asarray(labels)
    exact = np.asarray(probabilities, np.float64)
    exact = exact / exact.sum(axis=1, keepdims=True)  # float32 rows miss 1 by its rounding
    predicted = exact.argmax(axis=1)
    matrix = sklearn_metrics.confusion_matrix(truth, predicted, labels=_CLASSES)
    told = from_confusion(matrix)
    precision, recall, f1, support = sklearn_metrics.precision_recall_fscore_support(
        truth, predicted, labels=_CLASSES, zero_division=0
    )
    areas = [_auroc(truth == label, exact[:, label]) for label in _CLASSES]
    known = [area for area in areas if area is not None]
    return told | {
        "weighted_f1": float(np.average(f1, weights=support)),
        "by_class": {
            name: {
                "precision": float(precision[label]),
                "recall": float(recall[label]),
                "f1": float(f1[label]),
                "support": int(support[label]),
                "auroc": areas[label],
            }
            for label, name in enumerate(EMOTIONS)
        },
        "auroc": float(np.mean(known)) if known else None,
        "top2_accuracy": float(
            sklearn_metrics.top_k_accuracy_score(truth, exact, k=2, labels=_CLASSES)
        ),
        "log_loss": float(sklearn_metrics.log_loss(truth, exact, labels=_CLASSES)),
        **calibration(predicted == truth, exact.max(axis=1)),
        "intervals": intervals(matrix),
    }


def of_votes(labels: np.ndarray, named: np.ndarray, given: np.ndarray) -> dict[str, Any] | None:
    """What FER+'s annotators say of predictions and of labels, ready for JSON; none without votes.

    ``faces`` have one emotion with the most votes, against which ``accuracy`` is that of the
    predictions and ``labels_accuracy`` that of the dataset's own labels. Of the ``errors`` (faces
    with votes whose prediction is not their label) ``disputed_errors`` is the share whose label
    most annotators do not give either, ``excused_errors`` the share in which they give the
    prediction; null where there are none.

    Args:
        labels: ``(n,)``, 0 to 6, the dataset's.
        named: ``(n,)``, the predictions.
        given: ``(n, 10)``, the votes of each face; zeros where unknown.
    """
    known, majority = given.any(axis=1), votes.majorities(given)
    if not known.any():
        return None
    judged, wrong = majority >= 0, known & (named != labels)

    def share(of: np.ndarray, where: np.ndarray) -> float | None:
        return float(np.mean(of[where])) if where.any() else None

    return {
        "faces": int(judged.sum()),
        "accuracy": share(named == majority, judged),
        "labels_accuracy": share(labels == majority, judged),
        "errors": int(wrong.sum()),
        "disputed_errors": share(labels != majority, wrong),
        "excused_errors": share(named == majority, wrong),
    }


def calibration(right: np.ndarray, confidence: np.ndarray) -> dict[str, Any]:
    """The expected calibration error, and the bins that it is a mean over.

    Guo et al. 2017 (https://arxiv.org/abs/1706.04599): the mean over faces of how far the accuracy
    in a face's bin is from the mean confidence there; ``BINS`` bins of equal width.

    Args:
        right: ``(n,)`` bool, whether the prediction was.
        confidence: ``(n,)``, the predicted class's probability.
    """
    places = np.minimum((confidence * BINS).astype(int), BINS - 1)
    bins = [
        {
            "faces": int(here.sum()),
            "confidence": float(confidence[here].mean()),
            "accuracy": float(right[here].mean()),
        }
        for place in range(BINS)
        if (here := places == place).any()
    ]
    error = sum(one["faces"] * abs(one["confidence"] - one["accuracy"]) for one in bins)
    return {"calibration_error": float(error / len(right)), "calibration_bins": bins}


def _auroc(true: np.ndarray, probability: np.ndarray) -> float | None:
    """The area under one class's curve; none where it is not defined."""
    if true.all() or not true.any():
        return None
    from sklearn.metrics import roc_auc_score

    return float(roc_auc_score(true, probability))
