"""jobs/benchmark_protocols.py: what its table rests on, beside the runs themselves."""

from types import ModuleType

import numpy as np
import pytest

from fer_ray import settings
from fer_ray.config import TrainConfig
from fer_ray.faces import balance
from tests.jobs.scripts import loaded

FACES = {0: 3_000, 1: 350, 2: 3_100, 3: 5_600, 4: 3_800, 5: 2_500, 6: 3_900}


@pytest.fixture(scope="module")
def script() -> ModuleType:
    return loaded("benchmark_protocols")


def test_a_row_knows_how_many_faces_its_network_meets(script: ModuleType) -> None:
    """Else the rows would not take equally many steps."""
    for row, flags in script.ROWS.items():
        if row != "as-published":
            config = settings.parse([*flags, "--data.uri", "demo:"], TrainConfig, "", "train")
            plans = balance.plan(FACES, config.balance)
            met = sum(plan.after for plan in plans.values())
            assert script.epoch_faces({str(one): n for one, n in FACES.items()}, row) == met, row
    assert script.epoch_faces({"angry": 3_200, "disgust": 3_190}, "as-published") == 6_390


def test_the_table_has_means_spreads_and_gains_of_the_new_faces_alone(script: ModuleType) -> None:
    labels = np.array([0, 0, 1, 1, 2, 2])
    new = np.array([True, True, True, True, False, False])

    def scored(*named: int) -> object:
        own = {"accuracy": 0.5, "macro-F1": 0.25, "disgust": 0.0}
        return script.Scored(own, 100, np.array(list("abcdef")), labels, np.array(named))

    rows = {
        "as-published": [scored(0, 0, 1, 1, 0, 0), scored(0, 1, 1, 1, 0, 0)],
        "split-first": [scored(0, 0, 0, 0, 2, 2), scored(0, 0, 0, 1, 2, 2)],
    }
    head, line, ours, base = script.table(rows, new)
    cells = [[cell.strip() for cell in one.strip("|").split("|")] for one in (head, ours, base)]
    assert {len(one) for one in cells} == {11}
    assert line == "|" + "---|" * 11
    assert cells[0][6] == "accuracy on 4 new faces"
    assert cells[1][:6] == [
        "as-published",
        "2",
        "100",
        "0.500 ± 0.000",
        "0.250 ± 0.000",
        "0.000 ± 0.000",
    ]
    assert [one[6] for one in cells[1:]] == ["0.875 ± 0.177", "0.625 ± 0.177"]
    assert [one[8] for one in cells[1:]] == ["1.000 ± 0.000", "0.250 ± 0.354"]
    assert cells[1][9].startswith("+0.250 (")
    assert cells[2][9:] == ["", ""]
    told = script.copies("as-published", rows["as-published"], new)
    assert "0.583 ± 0.118 on all 6 faces" in told
    assert "0.000 ± 0.000 on the 2 that stand in Training" in told
