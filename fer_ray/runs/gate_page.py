"""A retraining's page: is the challenger champion now, and by which rule it is or is not."""

from collections.abc import Mapping
from typing import Any

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs.layout import GATE_PAGE
from fer_ray.runs.pages import rendered
from fer_ray.runs.storage import Store

_RULES = {
    "faces": "Enough test faces",
    "gain": "Better in macro-F1",
    "recall": "No emotion lost",
    "calibration": "As well calibrated",
    "floor": "Better than the most frequent emotion",
}


def write(run: Store, told: Mapping[str, Any]) -> None:
    """Write the page of a retraining's outcome, as its document has it."""
    run.write_bytes(GATE_PAGE, rendered("gate.html.j2", _context(told)))


def _context(told: Mapping[str, Any]) -> dict[str, Any]:
    verdict = told["verdict"]
    passed = told["status"] == "done"
    champion = told.get("champion")
    failed = [rule for rule in verdict["rules"] if not rule["passed"]]
    return {
        "title": f"Retraining {told['run']}",
        "kind": "fer_ray · retraining",
        "contents": [("verdict", "Result"), ("rules", "Rules"), ("classes", "Emotions")],
        "verdict": _verdict(told["run"], passed, champion, failed),
        "rules": [
            (_RULES[rule["name"]], "passed" if rule["passed"] else "failed", rule["told"])
            for rule in verdict["rules"]
        ],
        "caption": _caption(told.get("seen", {})),
        "columns": ["emotion", "test faces", "challenger", "champion", "difference", "judged"],
        "classes": [
            (name, _cells(verdict["details"]["recall_by_class"][name])) for name in EMOTIONS
        ],
    }


def _caption(seen: Mapping[str, Any]) -> str:
    unknown = [who for who, met in seen.items() if not met["known"]]
    if not unknown:
        return "Recall on the test faces that neither model was trained on."
    return f"Recall on the test faces. What was trained on is not known of the {unknown[0]}."


def _verdict(run: str, passed: bool, champion: Mapping[str, Any] | None, failed: list[Any]) -> str:
    if passed:
        return f"Run {run} became champion."
    kept = f"run {champion['run']} stays champion" if champion else "there is no champion yet"
    return f"Refused: {kept}. {len(failed)} of the rules failed."


def _cells(recall: Mapping[str, Any]) -> list[str]:
    ours, theirs = recall["challenger"], recall.get("champion")
    both = None not in (ours, theirs)
    return [
        str(recall["support"]),
        _rate(ours),
        _rate(theirs),
        f"{ours - theirs:+.3f}" if both else "–",
        "yes" if recall.get("judged") else "no",
    ]


def _rate(value: float | None) -> str:
    return "–" if value is None else f"{value:.3f}"
