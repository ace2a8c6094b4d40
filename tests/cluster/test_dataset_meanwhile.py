"""fer_ray.cluster.dataset while others write or the input changes: one writes, none mixes."""

import logging
import threading
import time
from pathlib import Path
from typing import Any

import pytest

from fer_ray.cluster import reading, training
from fer_ray.cluster.dataset import finished, prepare
from fer_ray.cluster.parts import discard
from fer_ray.cluster.prepared import Prepared
from fer_ray.faces import demo
from fer_ray.runs import lease
from fer_ray.runs.layout import MANIFEST
from fer_ray.runs.storage import store
from tests.cluster.once import settings as tiny
from tests.cluster.raw_faces import (
    COUNT,
    LABELS,
    USAGES,
    config,
    with_duplicates,
    write_source,
)
from tests.parquet_faces import noise, write_faces

pytestmark = pytest.mark.usefixtures("ray_cluster")


@pytest.fixture
def source(tmp_path: Path) -> str:
    return write_source(tmp_path)


def test_of_two_jobs_that_prepare_the_same_one_writes(
    source: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    settings = config(source, tmp_path)
    folder = store(prepare(settings).uri)
    manifest = folder.read_bytes(MANIFEST)
    folder.delete_file(MANIFEST)
    caplog.clear()
    made: list[Prepared] = []
    with caplog.at_level(logging.INFO, "fer_ray"), lease.acquire(folder, 60):
        other = threading.Thread(target=lambda: made.append(prepare(settings)))
        other.start()
        deadline = time.monotonic() + 60
        while "is held by process" not in caplog.text:
            assert time.monotonic() < deadline
        folder.write_bytes(MANIFEST, manifest)
        Path(source).touch()  # from now on it would be another dataset's
    other.join(60)
    assert (made[0].uri, made[0].already_done) == (folder.uri, True)
    assert caplog.text.count("writing ") == 0
    assert folder.read_bytes(MANIFEST) == manifest


def test_files_that_come_while_others_are_read_are_no_part_of_the_dataset(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "raw"
    folder.mkdir()
    write_faces(folder / "a.parquet", with_duplicates(), LABELS, USAGES)
    read_all = reading.read_all

    def meanwhile(*given: Any) -> Any:
        write_faces(folder / "b.parquet", noise(70, seed=9), LABELS[:70], ["Training"] * 70)
        return read_all(*given)

    monkeypatch.setattr(reading, "read_all", meanwhile)
    settings = config(str(folder), tmp_path / "runs")
    assert prepare(settings).manifest["rows"] == COUNT
    assert finished(settings) is None  # there is more now


def test_a_file_that_changes_while_it_is_read_stops_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "a.parquet"
    write_faces(file, with_duplicates(), LABELS, USAGES)
    read_all = reading.read_all

    def meanwhile(*given: Any) -> Any:
        blocks = read_all(*given)
        write_faces(file, noise(70), LABELS[:70], USAGES[:70])
        return blocks

    monkeypatch.setattr(reading, "read_all", meanwhile)
    with pytest.raises(ValueError, match=r"unchanged until all are read, got another in the place"):
        prepare(config(str(file), tmp_path / "runs"))
    assert not (tmp_path / "runs").exists() or not list((tmp_path / "runs").rglob("*.parquet"))


def test_what_could_not_be_written_whole_is_discarded_unless_it_is_anothers(
    source: str, tmp_path: Path
) -> None:
    folder = store(prepare(config(source, tmp_path)).uri)
    with lease.acquire(folder, 60) as lost:
        pass
    before = [entry.key for entry in folder.listing()]
    with lease.acquire(folder, 60) as held:
        with pytest.raises(lease.LostError, match=r"^attempt \d lost the run"):
            discard(folder.uri, lost.guard.check)
        assert [entry.key for entry in folder.listing()] == before
        discard(folder.uri, held.guard.check)
    left = [entry.key for entry in folder.listing() if "lease" not in entry.key]
    assert left == [MANIFEST]


def test_a_run_goes_on_with_the_faces_that_it_began_with(tmp_path: Path) -> None:
    images, labels = demo.draw(0, 700, 0)
    usages = ["Training"] * 500 + ["PublicTest"] * 100 + ["PrivateTest"] * 100
    source = write_faces(
        tmp_path / "faces.parquet", images[:600], labels[:600].tolist(), usages[:600]
    )
    once = tiny(
        tmp_path / "runs",
        "one",
        data={"uri": source},
        split={"protocol": "official"},
        training={"epochs": 1},
    )
    began_with = prepare(once)
    facts = {"dataset": began_with.uri, "content": began_with.manifest["content"]}
    training.begin(store(f"{tmp_path}/runs/one"), once, facts)
    write_faces(tmp_path / "faces.parquet", images, labels.tolist(), usages)  # more have come
    outcome = training.fit(once)
    assert outcome.status == "done"
    told = outcome.model_dump()
    assert told["content"] == began_with.manifest["content"]
    assert told["counts"] == began_with.manifest["counts"]
    assert finished(once) is None
