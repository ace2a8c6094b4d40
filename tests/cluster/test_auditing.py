"""fer_ray.cluster.auditing on a real Ray cluster: any input, from its files to what was found."""

import json
from pathlib import Path
from typing import Any

import cv2
import numpy as np
import pandas as pd
import pyarrow.parquet as pq
import pytest

from fer_ray.cluster import auditing, dataset
from fer_ray.config import PrepareConfig
from fer_ray.faces import demo
from fer_ray.inspection import AuditJobConfig
from fer_ray.job import Outcome
from fer_ray.runs import layout
from tests.parquet_faces import noise, write_faces

pytestmark = pytest.mark.usefixtures("ray_cluster")

COUNT = 420
TEST = 357  # the first face of the test side, an anger as the first of all is
LABELS = [number % 7 for number in range(COUNT)]
USAGES = ["Training"] * TEST + ["PublicTest"] * (COUNT - TEST)


def planted() -> np.ndarray:
    """Drawn faces: four of the test side stand in training, in four ways, and one is blank."""
    images, _ = demo.draw(0, COUNT, seed=0)
    images[TEST] = images[0]
    images[TEST + 7] = cv2.convertScaleAbs(images[7], alpha=0.8, beta=30)
    images[TEST + 14] = images[14][:, ::-1]
    images[TEST + 21] = cv2.imdecode(cv2.imencode(".jpg", images[21])[1], cv2.IMREAD_GRAYSCALE)
    images[28] = images[29]
    images[35] = 0
    return images


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> str:
    path = tmp_path_factory.mktemp("raw") / "faces.parquet"
    return write_faces(path, planted(), LABELS, USAGES)


def audited(
    source: str, storage: Path, run: str = "it", audit: dict[str, Any] | None = None, **split: Any
) -> Outcome:
    settings = {
        "data": {"uri": source},
        "split": {"protocol": "official", "validation": 0.01, "seed": 3} | split,
        "storage": {"uri": str(storage)},
        "audit": audit or {},
        "run": run,
    }
    return auditing.audit(AuditJobConfig.model_validate(settings))


def test_planted_faults_are_found_and_nothing_else(source: str, tmp_path: Path) -> None:
    outcome = audited(source, tmp_path, deduplicate=False)
    assert outcome.status == "done", outcome.error
    told = outcome.model_dump()
    by_usage = told["overlaps"][-1]
    leak = {"exact": 1, "made": 0, "near": 2, "mirrored": 1, "faces": 4}
    assert by_usage == {"by": "usage", "of": "PublicTest", "in": "Training"} | leak
    assert told["leak"] == leak
    assert told["duplicates"] | {"test_also_in_train": 1} == told["duplicates"]
    assert (told["duplicates"]["groups"], told["duplicates"]["contradicting_groups"]) == (2, 1)
    assert (told["near"]["pairs"], told["near"]["mirrored_pairs"]) == (3, 1)
    assert (told["constant"], told["blank"], told["voted"]) == (1, 0, 0)
    assert told["leaky"]
    folder = tmp_path / "it"
    assert json.loads((folder / layout.OUTCOME).read_text())["leak"] == leak
    assert json.loads((folder / layout.AUDIT_DATA).read_text())["outcome"]["leak"] == leak
    pairs = pd.read_parquet(folder / layout.AUDIT_PAIRS)
    across = pairs[(pairs["a_side"] == "test") & (pairs["b_side"] == "train")]
    found = dict(
        zip(across["a_source"], zip(across["b_source"], across["kind"], strict=True), strict=True)
    )
    assert found == {
        f"faces.parquet:{TEST + number}": (f"faces.parquet:{number}", kind)
        for number, kind in ((0, "exact"), (7, "near"), (14, "mirrored"), (21, "near"))
    }
    assert (folder / layout.AUDIT_PAGE).read_text().count("<img ") >= 8


def test_strictness_refuses_what_training_would_see(source: str, tmp_path: Path) -> None:
    refused = audited(source, tmp_path, "strict", {"strict": True})
    assert refused.status == "refused"
    assert refused.error == (
        "data.uri must hold no test face in training where audit.strict is set, got 3 of 63"
        " (2 nearly so, 1 mirrored)"
    )
    assert refused.model_dump()["overlaps"][-1]["exact"] == 1  # as it stands, before the rule
    assert (tmp_path / "strict" / layout.AUDIT_PAGE).exists()
    again = audited(source, tmp_path, "strict", {"strict": True})
    assert (again.status, again.error) == ("refused", refused.error)


def test_strictness_lets_pass_what_the_duplicate_rule_mends(tmp_path: Path) -> None:
    images = noise(COUNT)
    images[TEST] = images[0]
    source = write_faces(tmp_path / "faces.parquet", images, LABELS, USAGES)
    assert audited(source, tmp_path / "runs", "on", {"strict": True}).status == "done"
    off = audited(source, tmp_path / "runs", "off", {"strict": True}, deduplicate=False)
    assert (off.status, "1 of 63 (1 byte for byte)" in str(off.error)) == ("refused", True)


def test_a_dataset_keeps_its_own_sides(source: str, tmp_path: Path) -> None:
    settings = {
        "data": {"uri": source},
        "split": {"protocol": "official"},
        "storage": {"uri": str(tmp_path)},
    }
    prepared = dataset.prepare(PrepareConfig.model_validate(settings))
    told = audited(prepared.uri, tmp_path / "elsewhere", protocol="hashed").model_dump()
    assert told["protocol"] == "official"
    assert {side: dict(by) for side, by in told["counts"].items()} == prepared.counts
    assert told["duplicates"]["groups"] == 0  # the rule has been applied
    assert told["leak"]["faces"] == 3


def test_the_published_protocol_leaks(tmp_path: Path) -> None:
    source = write_faces(tmp_path / "faces.parquet", noise(COUNT), [0] * 200 + LABELS[:220])
    settings = {
        "data": {"uri": source},
        "split": {"protocol": "paper", "deduplicate": False},
        "balance": {"target": 120},
        "storage": {"uri": str(tmp_path / "runs")},
        "audit": {"strict": True},
        "run": "paper",
    }
    outcome = auditing.audit(AuditJobConfig.model_validate(settings))
    told = outcome.model_dump()
    assert outcome.status == "refused"
    assert "as relatives of made faces" in str(outcome.error)
    assert told["leak"]["made"] > 0
    sides = {
        side: pq.read_table(next((tmp_path / "runs" / "datasets").glob(f"*/{side}"))).to_pylist()
        for side in ("train", "test")
    }
    families = {
        side: [{row["id"], *row["parents"]} for row in rows] for side, rows in sides.items()
    }
    trained = set().union(*families["train"])
    assert told["leak"]["faces"] >= sum(
        not family.isdisjoint(trained) for family in families["test"]
    )


def test_an_input_that_cannot_be_read_is_invalid(tmp_path: Path) -> None:
    outcome = audited(str(tmp_path / "nothing.csv"), tmp_path / "runs")
    assert (outcome.status, outcome.run) == ("invalid", "it")
    assert "data.uri must be an existing file or folder" in str(outcome.error)


def test_what_is_known_of_fer2013_is_found(shared_faces: Path, tmp_path: Path) -> None:
    told = audited(str(shared_faces), tmp_path).model_dump()
    assert told["faces"] == 32_298
    assert (told["overlaps"][-1]["of"], told["overlaps"][-1]["exact"]) == ("PublicTest", 280)
    copies = told["duplicates"]
    assert (copies["groups"], copies["faces"], copies["contradicting_groups"]) == (1_270, 2_799, 47)
    assert (told["constant"], told["no_faces"]) == (12, 161)
    assert told["near"]["pairs"] == pytest.approx(3_544, rel=0.01)
    assert 30 <= told["near"]["mirrored_pairs"] <= 60


def test_what_a_dataset_was_left_with_is_not_taken_to_be_mended(
    source: str, tmp_path: Path
) -> None:
    settings = {
        "data": {"uri": source},
        "split": {"protocol": "official", "validation": 0.01, "seed": 3, "deduplicate": False},
        "storage": {"uri": str(tmp_path)},
    }
    prepared = dataset.prepare(PrepareConfig.model_validate(settings))
    told = audited(prepared.uri, tmp_path / "elsewhere").model_dump()
    assert told["leak"] == {"exact": 1, "made": 0, "near": 2, "mirrored": 1, "faces": 4}
