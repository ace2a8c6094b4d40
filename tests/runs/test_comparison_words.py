"""fer_ray.runs.comparison_words: what is said of two models, word by word."""

from typing import Any

import pytest

from fer_ray.faces.emotions import EMOTIONS
from fer_ray.runs import comparison_words

KNOWN = {"known": True, "trained_on": 0, "related": 0, "chosen_by": 0, "pretrained": False}
TEST = {"only_ours": 1_200, "only_theirs": 34, "p": 0.0004}


def gain(ours: float, theirs: float, low: float, high: float) -> dict[str, Any]:
    return {"ours": ours, "theirs": theirs, "difference": ours - theirs, "interval": [low, high]}


def compared(accuracy: dict[str, Any], p: float, which: str = "all") -> dict[str, Any]:
    by_class = {name: gain(0.5, 0.25, 0.1, 0.3) for name in EMOTIONS}
    unknown = {"ours": None, "theirs": None, "difference": None, "interval": None}
    told = {
        "faces": 3_309,
        "accuracy": accuracy,
        "macro_f1": gain(0.641, 0.652, -0.0204, 0.0004),
        "recall_by_class": by_class | {"neutral": unknown},
        "mcnemar": TEST | {"p": p},
        "mcnemar_by_class": dict.fromkeys(EMOTIONS, TEST),
    }
    about = {"name": "older", "model": "m.keras", "compared": which, "seen": KNOWN}
    return about | {"comparison": told}


@pytest.mark.parametrize(
    ("accuracy", "p", "which", "said"),
    [
        (
            gain(0.65, 0.6, 0.01, 0.09),
            0.01,
            "all",
            "It names 5.0 of 100 more than older (95%: +1.0 to +9.0).",
        ),
        (
            gain(0.6, 0.65, -0.09, -0.01),
            0.01,
            "unseen",
            "It names 5.0 of 100 fewer than older on 3,309 faces new to both (95%: −9.0 to −1.0).",
        ),
        (
            gain(0.65, 0.6, -0.01, 0.11),
            0.04,
            "all",
            "That it names more or fewer than older is not shown by these faces (+5.0; p 0.040).",
        ),
        (
            gain(0.65, 0.6, 0.01, 0.09),
            0.05,
            "unseen",
            "That it names more or fewer than older on 3,309 faces new to both is not shown by"
            " these faces (+5.0; p 0.050).",
        ),
    ],
    ids=["better", "worse", "interval holds 0", "test does not agree"],
)
def test_a_difference_is_claimed_where_test_and_interval_agree(
    accuracy: dict[str, Any], p: float, which: str, said: str
) -> None:
    assert comparison_words.sentence(compared(accuracy, p, which)) == said


def test_a_table_has_ours_first_and_every_emotion() -> None:
    told = comparison_words.table(compared(gain(0.65, 0.6, 0.01, 0.09), 0.004))
    rows = {row["name"]: row["cells"] for row in told["rows"]}
    assert list(rows) == ["accuracy", "macro-F1", *EMOTIONS]
    assert rows["accuracy"] == ["65.0%", "60.0%", "+5.0", "+1.0 to +9.0", "1,200 : 34", "0.004"]
    assert rows["macro-F1"] == ["0.641", "0.652", "−0.011", "−0.020 to 0.000", "", ""]
    assert rows["fear"] == [
        *("50.0%", "25.0%", "+25.0", "+10.0 to +30.0"),
        *("1,200 : 34", "< 0.001"),
    ]
    assert rows["neutral"] == ["–", "–", "–", "–", "", ""]
    assert told["caption"].startswith("On the same 3,309 faces; ")
    unseen = comparison_words.table(compared(gain(0.65, 0.6, 0.01, 0.09), 0.004, "unseen"))
    assert unseen["caption"].startswith("On the same 3,309 faces that are new to both; ")
    assert told["notes"] == [
        "The other: None of these faces is byte for byte among those that it was trained or"
        " chosen on."
    ]


@pytest.mark.parametrize("met", ["trained_on", "related", "chosen_by"])
def test_faces_that_a_model_has_met_are_told_by_how(met: str) -> None:
    (told,) = comparison_words.acquaintance(KNOWN | {met: 1_280})
    counts = [f"{1_280 if one == met else 0:,}" for one in ("trained_on", "related", "chosen_by")]
    assert told == (
        f"{counts[0]} of these faces stand byte for byte in its training side, {counts[1]} more"
        f" have made relatives there, {counts[2]} stand in the side that its epoch was chosen by:"
        " figures over all faces flatter it."
    )


def test_a_model_that_began_from_other_weights_says_so() -> None:
    assert len(comparison_words.acquaintance(KNOWN)) == 1
    _, began = comparison_words.acquaintance(KNOWN | {"pretrained": True})
    assert began == "It began from weights of which is not known what they were trained on."
    (unknown,) = comparison_words.acquaintance({"known": False})
    assert unknown.startswith("What the model was trained on is not known")


@pytest.mark.parametrize(
    ("value", "text"), [(0.0009, "< 0.001"), (0.001, "0.001"), (0.0096, "0.010"), (1.0, "1.000")]
)
def test_p_is_told_to_a_thousandth(value: float, text: str) -> None:
    assert comparison_words.p_value(value) == text
