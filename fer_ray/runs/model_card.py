"""What a model's file is, for who finds it without the run that made it: a card beside it."""

from collections.abc import Mapping
from typing import Any

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.layout import MODEL, MODEL_CARD, MODEL_FILE
from fer_ray.runs.pages import rendered
from fer_ray.runs.storage import Store


def write(run: Store, outcome: Mapping[str, Any], config: Mapping[str, Any], content: str) -> None:
    """Write ``model/README.md``, in Markdown with the front matter of Hugging Face's model cards.

    Args:
        run: the run's folder.
        outcome: as ``run.json`` will have it, its test side scored.
        config: the run's settings, nested by section.
        content: the dataset's content digest.
    """
    scores, counts = outcome["metrics"]["test"], outcome["counts"]
    low, high = scores["intervals"]["accuracy"]
    worst, best = scores["intervals"]["macro_f1"]
    there = [name for name in EMOTIONS if scores["by_class"][name]["support"]]
    weakest = min(there, key=lambda name: scores["recall_by_class"][name])
    told = {
        "run": outcome["run"],
        "labels": EMOTIONS,
        "train": f"{sum(counts['train'].values()):,}",
        "balanced": ""
        if outcome["balanced"] == counts["train"]
        else f" (balanced to {sum(outcome['balanced'].values()):,})",
        "validation": f"{sum(counts['validation'].values()):,}",
        "test": f"{sum(counts['test'].values()):,}",
        "accuracy": f"{scores['accuracy']:.1%}",
        "accuracy_interval": f"{low:.1%} to {high:.1%}",
        "macro_f1": f"{scores['macro_f1']:.3f}",
        "macro_f1_interval": f"{worst:.3f} to {best:.3f}",
        "leaky": outcome["leaky"],
        "file": MODEL_FILE,
        "by_class": [_row(name, scores) for name in EMOTIONS],
        "groups": f"{outcome['duplicates']['groups']:,}",
        "copies": f"{outcome['duplicates']['faces']:,}",
        "contradicting": f"{outcome['duplicates']['contradicting_groups']:,}",
        "refused": f"{outcome['refused_rows']:,}",
        "calibration_error": f"{scores['calibration_error']:.1%}",
        "source": config["data"]["uri"].replace("|", "\\|").replace("`", "'"),
        "content": content[:16],
        "config": config,
        "epochs": outcome["epochs"],
        "best_epoch": outcome["best_epoch"],
        "weakest": weakest.capitalize(),
    }
    run.write_bytes(f"{MODEL}/{MODEL_CARD}", rendered("model_card.md.j2", told))


def _row(name: str, scores: Mapping[str, Any]) -> list[str]:
    """One class's figures, each with its interval."""
    one, ends = scores["by_class"][name], scores["intervals"]
    cells = []
    for figure in ("recall", "precision", "f1"):
        interval = ends[f"{figure}_by_class"][name]
        told = f" ({interval[0]:.3f}–{interval[1]:.3f})" if interval else ""
        cells.append(f"{one[figure]:.3f}{told}")
    return [name, *cells, f"{one['support']:,}"]
