"""The table of a preflight, and what an error becomes in it."""

import pytest

from fer_ray.runs import checks
from fer_ray.runs.checks import Check


def test_a_check_that_did_not_pass_has_its_mend_below() -> None:
    told = checks.table(
        [
            Check("data", "passed", "a dataset", "never shown"),
            Check("storage: write", "failed", "access denied", "give it the right"),
            Check("races", "not tried", "nothing could be written"),
        ]
    )
    assert told.splitlines() == [
        "data            passed     a dataset",
        "storage: write  failed     access denied",
        "                           -> give it the right",
        "races           not tried  nothing could be written",
    ]


def test_only_what_failed_counts_as_failed() -> None:
    states = ("passed", "warned", "failed", "not tried")
    assert checks.failed([Check(state, state, "") for state in states]) == ["failed"]


def test_what_was_expected_to_fail_is_told_and_the_rest_is_raised() -> None:
    def fails() -> str:
        raise ValueError("one line\nthe last, which says it")

    told = checks.tried("it", "mend it", fails, (ValueError,))
    assert told == Check("it", "failed", "the last, which says it", "mend it")
    with pytest.raises(ValueError, match="the last"):
        checks.tried("it", "mend it", fails, (OSError,))


class _OfTaskError(Exception):
    """As Ray's, of a task: what went wrong there is its cause."""

    def __init__(self, cause: Exception) -> None:
        super().__init__("a long story")
        self.cause = cause


def test_an_error_says_what_its_cause_says_or_what_it_is() -> None:
    assert checks.sentence(_OfTaskError(ValueError("it must be 1"))) == "it must be 1"
    assert checks.sentence(_OfTaskError(TimeoutError())) == "TimeoutError"
    assert checks.sentence(KeyError()) == "KeyError"
