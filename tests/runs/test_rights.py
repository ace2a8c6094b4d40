"""Rights in storage, tried on a disk and on servers whose users may do some things only."""

from pathlib import Path

import pytest

from fer_ray.runs import rights
from fer_ray.runs.checks import Check
from fer_ray.runs.storage import Store, store
from fer_ray.runs.versioned import RULES
from tests.s3_server import S3, point_at

NAMES = ["write", "read", "list", "delete", "races"]


def states(found: list[Check]) -> dict[str, str]:
    assert [one.name for one in found] == [f"storage: {name}" for name in NAMES]
    return {name: one.state for name, one in zip(NAMES, found, strict=True)}


def test_everything_may_be_done_by_its_owner_and_nothing_stays(run: Store) -> None:
    found = rights.checks(run)
    told = states(found)
    races = told.pop("races")
    assert set(told.values()) == {"passed"}
    assert run.listing() == []
    rules = {"passed": {RULES["lock"], RULES["conditions"]}, "warned": {RULES["last"]}}
    assert found[-1].told in rules[races]
    assert bool(found[-1].mend) == (races == "warned")


def test_the_options_of_an_address_are_not_told(s3: S3) -> None:
    place = f"s3://{s3.bucket()}/runs"
    written = rights.checks(store(f"{place}?region=us-east-1"))[0]
    assert written.told == f"a file was written to {place}"


def test_nothing_stays_on_a_disk_not_even_a_folder(tmp_path: Path) -> None:
    rights.checks(store(str(tmp_path)))
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("missing", "failed"),
    [("GetObject", "read"), ("ListBucket", "list"), ("DeleteObject", "delete")],
)
def test_a_right_that_is_missing_is_named_with_what_gives_it(
    s3: S3, monkeypatch: pytest.MonkeyPatch, missing: str, failed: str
) -> None:
    uri = f"s3://{s3.bucket()}/runs"
    allowed = {"PutObject", "GetObject", "ListBucket", "DeleteObject"} - {missing}
    point_at(s3.stranger(*(f"s3:{action}" for action in sorted(allowed))), monkeypatch)
    found = {one.name: one for one in rights.checks(store(uri))}
    one = found[f"storage: {failed}"]
    assert (one.state, "access denied" in one.told) == ("failed", True), one
    assert f"right to {failed} there (s3:{missing} on S3)" in one.mend
    assert found["storage: write"].state == "passed"


def test_who_may_not_write_is_asked_for_nothing_more(
    s3: S3, monkeypatch: pytest.MonkeyPatch
) -> None:
    uri = f"s3://{s3.bucket()}/runs"
    point_at(s3.stranger("s3:GetObject", "s3:ListBucket"), monkeypatch)
    told = states(rights.checks(store(uri)))
    assert told == {"write": "failed"} | dict.fromkeys(NAMES[1:], "not tried")


@pytest.mark.timeout(60)  # a store that is not hasty asks for two minutes
def test_a_server_that_is_gone_is_not_waited_for(s3: S3, monkeypatch: pytest.MonkeyPatch) -> None:
    gone = S3("http://127.0.0.1:9", s3.key, s3.secret)
    point_at(gone, monkeypatch)
    found = rights.checks(store("s3://bucket/runs?region=us-east-1"))
    assert "cannot be reached" in found[0].told
    assert states(found)["write"] == "failed"
