"""fer_ray.runs.lease: one owner at a time, on a disk and on real S3, told from real processes."""

import os
import signal
import threading
import time

import pytest

from fer_ray.runs import lease, versioned
from fer_ray.runs.storage import Store, store
from tests.runs.holders import TTL_S, holder, terms


@pytest.fixture(autouse=True)
def _servers_beside_these_tests_write_quickly(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versioned, "SETTLE_S", 0.5)  # of the rule "last", which swift needs


def test_a_released_lease_is_free_at_once(run: Store) -> None:
    assert lease.read(run) is None
    with lease.acquire(run, TTL_S) as first:
        first.guard.check()
        assert terms(run).who() == f"process {os.getpid()} on {terms(run).host} (attempt 1)"
    assert terms(run).released
    with lease.acquire(run, 60) as second:
        assert second.guard.attempt == 2
        with pytest.raises(lease.LostError, match=r"^attempt 1 lost the run: process \d+ on .*2\)"):
            first.guard.check()


def test_a_holder_that_lives_keeps_it(run: Store) -> None:
    with (
        holder(run) as process,
        pytest.raises(lease.HeldError, match=f"process {process.pid} on .* is at work"),
    ):
        lease.acquire(run, TTL_S)
    assert terms(run).attempt == 1


def test_a_killed_holders_is_taken_over(run: Store) -> None:
    with holder(run) as process:
        process.kill()
        process.wait()
        with lease.acquire(run, TTL_S) as mine:
            assert mine.guard.attempt == 2
            mine.guard.check()


def test_a_paused_holder_finds_it_lost_when_it_comes_back(run: Store) -> None:
    with holder(run) as process:
        process.send_signal(signal.SIGSTOP)
        with lease.acquire(run, TTL_S) as mine:
            process.send_signal(signal.SIGCONT)
            told, _ = process.communicate(timeout=30)
            assert process.returncode == 0
            assert told.startswith("attempt 1 lost the run: process")
            mine.guard.check()
            assert not terms(run).released


def test_only_the_newest_worker_group_may_write(run: Store) -> None:
    with lease.acquire(run, TTL_S) as mine:
        first = mine.guard.next_group()
        first.check()
        second = mine.guard.next_group()
        second.check()
        mine.guard.check()  # the driver's own writes are no group's
        with pytest.raises(lease.LostError, match=r"^worker group 1 lost the run to group 2$"):
            first.check()
    with (
        lease.acquire(run, TTL_S),
        pytest.raises(lease.LostError, match=r"^attempt 1 lost the run"),
    ):
        mine.guard.next_group()


def test_of_many_at_once_one_gets_it(run: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(versioned, "SETTLE_S", 2.0)  # as it is: six writers, a server of one core
    got: list[lease.Lease] = []
    refused: list[lease.HeldError] = []
    gate = threading.Barrier(6)

    def take() -> None:
        gate.wait()
        try:
            with lease.acquire(run, TTL_S) as mine:
                got.append(mine)
                while len(refused) < 5:  # alive until all others have seen it
                    mine.guard.check()
        except lease.HeldError as error:
            refused.append(error)

    threads = [threading.Thread(target=take) for _ in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(60)
    assert (len(got), len(refused)) == (1, 5)


def test_a_lease_that_cannot_be_read_is_named(local_run: Store) -> None:
    local_run.write_bytes("lease.json", b"{}")
    with pytest.raises(ValueError, match=r"^lease.json must be a lease, got other content in "):
        lease.acquire(local_run, TTL_S)


def test_a_version_that_has_changed_is_not_written_over(run: Store) -> None:
    place = versioned.register(run, "one", versioned.strongest(run, "one"))
    assert place.read() is None
    first = place.write(b"1", None)
    assert first is not None
    assert place.write(b"2", None) is None
    second = place.write(b"2", first)
    assert second is not None
    assert place.write(b"3", first) is None
    assert place.read() == second
    assert [entry.key for entry in run.listing()] in (["one"], [".one.lock", "one"])


@pytest.mark.parametrize(
    ("run", "rule"),
    [("local", "lock"), ("s3", "conditions"), ("swift", "last")],  # swift answers 501 to If-Match
    indirect=["run"],
)
def test_the_rule_is_found_by_trying(run: Store, rule: versioned.Rule) -> None:
    assert versioned.strongest(run, "one") == rule
    assert run.listing() == []


@pytest.fixture
def last_rule_run(local_run: Store) -> Store:
    """A run on this machine's disk whose lease follows the rule of storage without conditions."""
    free = lease.Terms(
        owner="it", attempt=1, ttl_s=1, released=True, rule="last", host="here", pid=1
    )
    local_run.write_bytes("lease.json", free.model_dump_json().encode())
    return local_run


@pytest.mark.timeout(120)  # a driver that fights with its workers never ends
def test_without_conditions_renewals_and_new_groups_do_not_write_over_each_other_for_ever(
    last_rule_run: Store,
) -> None:
    with lease.acquire(last_rule_run, 0.6) as mine:  # a renewal is nearly always under way
        groups: list[int | None] = []
        thread = threading.Thread(
            target=lambda: groups.extend(mine.guard.next_group().group for _ in range(3)),
            daemon=True,
        )
        thread.start()
        thread.join(20)
        assert groups == [1, 2, 3]
        beat = terms(last_rule_run).beat
        deadline = time.monotonic() + 20
        while terms(last_rule_run).beat == beat:
            assert time.monotonic() < deadline
            time.sleep(0.05)


def test_without_conditions_a_holder_that_lives_keeps_it_however_short_its_time_to_live(
    last_rule_run: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versioned, "SETTLE_S", 1.0)
    with holder(last_rule_run, ttl_s=0.6) as process:  # less than a renewal takes
        while terms(last_rule_run).beat == 0:
            time.sleep(0.01)
        with pytest.raises(lease.HeldError, match=f"process {process.pid} on .* is at work"):
            lease.acquire(last_rule_run, TTL_S)


def test_without_conditions_the_last_writer_is_believed(
    local_run: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(versioned, "SETTLE_S", 0.2)
    one, other = (versioned.register(local_run, "one", "last") for _ in range(2))
    both: dict[str, versioned.Version | None] = {}
    threads = [
        threading.Thread(target=lambda p=p, t=t: both.update({t: p.write(t.encode(), None)}))
        for p, t in ((one, "a"), (other, "b"))
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    (winner,) = [text for text, version in both.items() if version]
    now = one.read()
    assert now is not None
    assert now.content == winner.encode()


def test_wrong_credentials_are_told_without_them(
    s3: object, monkeypatch: pytest.MonkeyPatch
) -> None:
    bucket = s3.bucket()  # type: ignore[attr-defined]
    monkeypatch.setenv("AWS_SECRET_ACCESS_KEY", "not-the-secret")
    with pytest.raises(
        ValueError, match=r"^storage.uri must be .*, got s3://.*: access denied$"
    ) as e:
        lease.acquire(store(f"s3://{bucket}/runs/one"), TTL_S)
    assert "not-the-secret" not in str(e.value)
