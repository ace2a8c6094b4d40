"""What must hold at every moment of a year, and of every tick's end."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from fer_ray.job import EXIT_CODES
from tests.year.look import Seen
from tests.year.schedule import Cron


class ViolationError(Exception):
    """Something that must hold does not; the text says what."""


def hold(condition: object, told: str) -> None:
    """Return if it is so."""
    if not condition:
        raise ViolationError(told)


@dataclass
class Rules:
    """What was seen so far, against which the next moment is held."""

    history: dict[str, bytes] = field(default_factory=dict)
    had_champion: bool = False
    number: int = 0
    ticks: set[str] = field(default_factory=set)
    trained: dict[str, int] = field(default_factory=dict)  # the last attempt, by run
    answers: dict[str, str] = field(default_factory=dict)  # the gate's, by run
    refused: dict[tuple[str, int], str] = field(default_factory=dict)  # content, champion: run

    def check(self, seen: Seen) -> None:
        """Hold a moment against all before it."""
        hold(seen.fault is None, f"the champion cannot be read: {seen.fault}")
        hold(seen.entry is not None or not self.had_champion, "the champion is lost")
        for key, content in self.history.items():
            hold(key in seen.history, f"{key} was in the history and is gone")
            hold(seen.history[key] == content, f"{key} of the history has changed")
        numbers = [int(key.rpartition("/")[2].removesuffix(".json")) for key in seen.history]
        hold(
            sorted(numbers) == list(range(1, len(numbers) + 1)),
            f"the history must have no gaps, got {sorted(numbers)}",
        )
        self.history = dict(seen.history)
        if seen.entry is None:
            return
        self.had_champion = True
        hold(
            seen.entry.number >= self.number,
            f"the champion went from number {self.number} back to {seen.entry.number}",
        )
        self.number = seen.entry.number
        hold(
            len(seen.entries) >= seen.entry.number,
            f"the history must tell of {seen.entry.number} champions, got {len(seen.entries)}",
        )
        hold(
            seen.model == seen.entry.model_sha256,
            f"champion {seen.entry.run} must have its model, got {seen.model}",
        )
        self._gates(seen)

    def _gates(self, seen: Seen) -> None:
        """Hold what retrainings came to against the history."""
        passed = {one.run: one for one in seen.entries if one.how in ("first", "gate")}
        for run, told in seen.gates.items():
            answer = told["status"]
            if run not in self.answers and answer == "refused" and run in seen.contents:
                champion = told.get("champion", {"number": 0})
                self.refused.setdefault((seen.contents[run], champion["number"]), run)
            before = self.answers.setdefault(run, answer)
            hold(answer == before, f"run {run} was {before}, and is {answer} now")
            if answer == "refused":
                hold(told.get("error"), f"run {run} was refused without a word")
                hold(run in seen.pages, f"run {run} was refused without a page")
                hold(run not in passed, f"run {run} was refused, and is champion by the gate")
                met = told.get("champion", {}).get("run")
                hold(met != run, f"run {run} was refused since it is no better than itself")
            if answer == "done":
                hold(run in passed, f"run {run} says it is champion, and never was")
        for run, entry in passed.items():
            verdict = entry.verdict
            hold(verdict is not None and verdict["passed"], f"{run} is champion without a verdict")

    def training(self, news: Mapping[str, Any], seen: Seen) -> None:
        """Hold the start of a training against all before it."""
        run = news["run"]
        hold(run in self.ticks, f"run {run} is trained, and is no tick's")
        content = seen.contents.get(run)
        number = seen.entry.number if seen.entry else 0
        if run not in self.trained:
            before = self.refused.get((str(content), number), run)
            hold(
                before == run,
                f"run {run} trains what was refused as {before}, and nothing has changed",
            )
        if run in self.trained:
            hold(news["attempt"] > self.trained[run], f"run {run} is trained twice at once")
        self.trained[run] = news["attempt"]


def submitted(tick: str, name: str, entrypoint: str) -> None:
    """Hold a submission against its tick."""
    hold(name == tick, f"tick {tick} was submitted as {name}")
    hold(f"--run {tick} " in entrypoint, f"tick {tick} trains another run: {entrypoint}")


def codes(tick: str, ended: Sequence[int], submitted: int, lives: int) -> None:
    """Hold how a tick's pods ended against what may be tried again."""
    for code in ended[:-1]:
        hold(code not in (2, 3, 4), f"tick {tick} ended with {code} and was tried again: {ended}")
    hold(
        submitted <= lives,
        f"tick {tick} was submitted {submitted} times to a cluster that was lost {lives - 1} times",
    )


def explained(tick: str, code: int, line: str) -> Mapping[str, Any]:
    """The outcome of a pod that ended by itself, held against its exit code."""
    hold(code in range(5), f"tick {tick}: a pod's exit code must be 0 to 4, got {code}")
    try:
        outcome: Mapping[str, Any] = json.loads(line.splitlines()[-1])
    except (ValueError, IndexError) as error:
        raise ViolationError(
            f"tick {tick}: exit code {code} without an outcome: {line!r}"
        ) from error
    status = outcome.get("status")
    hold(
        status in EXIT_CODES and EXIT_CODES[status] == code,
        f"tick {tick}: status {status} with exit code {code}",
    )
    if code:
        sentence = outcome.get("error", "")
        hold(
            sentence and "\n" not in sentence and "Traceback" not in sentence,
            f"tick {tick}: {status} without a sentence: {sentence!r}",
        )
    if status == "skipped":
        hold("no face is new" in outcome.get("reason", ""), f"tick {tick}: skipped, and why?")
    return outcome


def refusal(outcome: Mapping[str, Any], seen: Seen) -> None:
    """Hold a refusal (exit code 3) against what is kept of it."""
    sentence = outcome["error"]
    if "verdict" in outcome:
        told = seen.gates.get(str(outcome["run"]))
        hold(told is not None, f"run {outcome['run']} was refused, and no document says so")
        assert told is not None
        hold(told["error"] == sentence, f"run {outcome['run']}: {told['error']} or {sentence}?")
        failed = [rule["told"] for rule in told["verdict"]["rules"] if not rule["passed"]]
        hold(failed and all(one in sentence for one in failed), f"which rule failed? {sentence}")
    else:
        known = ("nothing has changed since run ", "the champion must still be ")
        hold(sentence.startswith(known), f"refused without being judged: {sentence}")


def one_at_a_time(cron: Cron) -> None:
    """Hold the Jobs against ``Forbid``."""
    hold(len(cron.active()) < 2, f"{len(cron.active())} ticks are active at once")
