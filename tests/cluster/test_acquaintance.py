"""fer_ray.cluster.acquaintance: what a model knew of the faces that it is scored on."""

from pathlib import Path

import numpy as np
import pyarrow as pa
import pytest
import ray

from fer_ray.cluster import acquaintance, dataset, prepared
from fer_ray.config import PrepareConfig

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> prepared.Prepared:
    """Drawn faces by the paper's protocol: balanced, then split."""
    settings = {
        "data": {"uri": "demo:", "demo_faces": 400},
        "split": {"protocol": "paper", "deduplicate": False},
        "balance": {"target": 60, "neighbors": 2},
        "storage": {"uri": str(tmp_path_factory.mktemp("storage"))},
    }
    return dataset.prepare(PrepareConfig.model_validate(settings))


def rows(data: prepared.Prepared, side: str) -> list[dict[str, object]]:
    tables = ray.get(list(prepared.side_blocks(data, side).blocks))
    found: list[dict[str, object]] = pa.concat_tables(tables).to_pylist()
    return found


def test_made_relatives_of_test_faces_in_training_are_found(published: prepared.Prepared) -> None:
    about = {"data": {"dataset": published.uri, "content": published.manifest["content"]}}
    told, new = acquaintance.seen(
        about, acquaintance.families_of(prepared.side_blocks(published, "test"))
    )
    families = [{str(row["id"]), *row["parents"]} for row in rows(published, "train")]  # type: ignore[misc]
    ids = {str(row["id"]) for row in rows(published, "train")}
    kin = set().union(*families)
    test = rows(published, "test")
    related = [not kin.isdisjoint({row["id"], *row["parents"]}) for row in test]  # type: ignore[misc]
    known = [row["id"] in ids for row in test]
    assert told["related"] == sum(related) - sum(known) > 5
    assert told["trained_on"] == sum(known)
    chosen = {row["id"] for row in rows(published, "validation")}
    picked = [row["id"] in chosen for row in test]
    assert told["chosen_by"] == sum(picked)
    np.testing.assert_array_equal(~new, np.array(related) | picked)


def test_what_is_not_the_dataset_any_more_tells_nothing(published: prepared.Prepared) -> None:
    faces = prepared.side_blocks(published, "test")
    made = sum(row["origin"] != "real" for row in rows(published, "test"))
    assert made > 0
    for about in (
        None,
        {"data": None},
        {"data": {"dataset": published.uri, "content": "another"}},
        {"data": {"dataset": f"{published.uri}-gone", "content": "another"}},
    ):
        told, new = acquaintance.seen(about, acquaintance.families_of(faces))
        assert told == {"known": False, "made": made}
        assert new.all()
        assert len(new) == faces.count


def test_faces_of_elsewhere_are_new(published: prepared.Prepared, tmp_path: Path) -> None:
    settings = {
        "data": {"uri": "demo:", "demo_faces": 4_000},
        "storage": {"uri": str(tmp_path)},
        "split": {"seed": 1},
    }
    other = dataset.prepare(PrepareConfig.model_validate(settings))
    about = {
        "data": {"dataset": published.uri, "content": published.manifest["content"]},
        "pretrained": "weights.keras",
    }
    faces = prepared.side_blocks(other, "test")
    told, new = acquaintance.seen(about, acquaintance.families_of(faces))
    first = {
        str(row["id"]) for side in ("train", "validation", "test") for row in rows(published, side)
    }
    theirs = [str(row["id"]) for row in rows(other, "test")]
    assert (~new).sum() <= sum(one in first for one in theirs) < len(theirs) / 5
    assert told["pretrained"]
    assert told["trained_on"] > 0  # the first 400 that are drawn are the same faces
    ids = {str(row["id"]) for row in rows(published, "train")}
    kin = ids.union(*(row["parents"] for row in rows(published, "train")))  # type: ignore[arg-type]
    assert told["trained_on"] == sum(one in ids for one in theirs)
    assert told["related"] == sum(one in kin - ids for one in theirs)


def test_a_face_is_of_its_own_family() -> None:
    block = pa.table(
        {"id": ["a", "b"], "parents": pa.array([[], ["c", "d"]], pa.list_(pa.string()))}
    )
    found = ray.get(acquaintance._among.remote(block, pa.array(["a", "c"])))
    assert found == ({"a"}, {"a", "c"})
