"""What Kubernetes makes of ``k8s/base/retraining.yaml``: Jobs from ticks, pods from Jobs.

After the CronJob and Job controllers of Kubernetes 1.32; what they are told is read, never copied.
"""

import datetime as dt
from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import yaml

MANIFEST = Path(__file__).parents[2] / "k8s" / "base" / "retraining.yaml"
FIRST_PAUSE_S, LONGEST_PAUSE_S = 10.0, 360.0  # of the Job controller, between failed pods


@dataclass(frozen=True)
class Schedule:
    """The manifest's values."""

    name: str
    minute: int
    hour: int
    forbids: bool
    starting_deadline_s: float
    active_deadline_s: float
    backoff_limit: int
    rules: Sequence[Mapping[str, Any]]
    container: str
    command: Sequence[str]
    args: Sequence[str]

    @classmethod
    def read(cls) -> "Schedule":
        """Of the manifest."""
        whole = yaml.safe_load(MANIFEST.read_text(encoding="utf-8"))
        spec = whole["spec"]
        job = spec["jobTemplate"]["spec"]
        pod = job["template"]["spec"]
        (container,) = pod["containers"]
        minute, hour, *every = spec["schedule"].split()
        assert every == ["*", "*", "*"], spec["schedule"]
        assert pod["restartPolicy"] == "Never", pod["restartPolicy"]
        (tick,) = [one for one in container["env"] if one["name"] == "TICK"]
        named = tick["valueFrom"]["fieldRef"]["fieldPath"]
        assert named == "metadata.labels['batch.kubernetes.io/job-name']", named
        return cls(
            name=whole["metadata"]["name"],
            minute=int(minute),
            hour=int(hour),
            forbids=spec["concurrencyPolicy"] == "Forbid",
            starting_deadline_s=spec["startingDeadlineSeconds"],
            active_deadline_s=job["activeDeadlineSeconds"],
            backoff_limit=job["backoffLimit"],
            rules=job["podFailurePolicy"]["rules"],
            container=container["name"],
            command=container["command"],
            args=container["args"],
        )

    def tick(self, day: int) -> float:
        """When the tick of a day of the year is, in seconds since 1970."""
        start = dt.datetime(2027, 1, 1, self.hour, self.minute, tzinfo=dt.UTC)
        return (start + dt.timedelta(days=day)).timestamp()

    def words(self, tick: str, places: Mapping[str, str]) -> list[str]:
        """The pod's command, with ``places`` of the simulation for those of the manifest."""
        text = [word.replace("$(TICK)", tick) for word in self.args]
        missing = set(places) - set(text)
        assert not missing, f"{MANIFEST} must name {missing}"
        return [*self.command, *(places.get(word, word) for word in text)]


@dataclass
class Job:
    """One tick's Job."""

    schedule: Schedule
    name: str  # and its pods' TICK
    began: float
    failed: int = 0  # pods that count
    pods: int = 0
    ended: str | None = None  # the condition: Complete, or Failed and why

    def pod_ended(self, code: int, conditions: Collection[str]) -> float:
        """What follows from a pod's end, in this Job; seconds until its next pod."""
        self.pods += 1
        if code == 0:
            self.ended = "Complete"
            return 0.0
        action = self._action(code, conditions)
        if action == "FailJob":
            self.ended = f"Failed: PodFailurePolicy ({code})"
        elif action == "Count":
            self.failed += 1
            if self.failed > self.schedule.backoff_limit:
                self.ended = "Failed: BackoffLimitExceeded"
        return float(min(FIRST_PAUSE_S * 2 ** max(0, self.failed - 1), LONGEST_PAUSE_S))

    def check_deadline(self, now: float) -> bool:
        """Whether the Job has just ended of its age, and its pod with it."""
        over = self.ended is None and now - self.began > self.schedule.active_deadline_s
        if over:
            self.ended = "Failed: DeadlineExceeded"
        return over

    def _action(self, code: int, conditions: Collection[str]) -> str:
        """Of the first rule that matches; what none matches counts."""
        for rule in self.schedule.rules:
            if exits := rule.get("onExitCodes"):
                assert exits.get("containerName", self.schedule.container) == (
                    self.schedule.container
                )
                if (code in exits["values"]) == (exits["operator"] == "In"):
                    return str(rule["action"])
            if any(one["type"] in conditions for one in rule.get("onPodConditions", ())):
                return str(rule["action"])
        return "Count"


@dataclass
class Cron:
    """The CronJob controller."""

    schedule: Schedule
    jobs: list[Job] = field(default_factory=list)
    forbidden: int = 0

    def active(self) -> list[Job]:
        """Jobs that have not ended."""
        return [job for job in self.jobs if job.ended is None]

    def due(self, scheduled: float, now: float) -> Job | None:
        """The Job of a tick; none where another is active, or where it is too late."""
        if now - scheduled > self.schedule.starting_deadline_s:
            return None
        if self.schedule.forbids and self.active():
            self.forbidden += 1
            return None
        job = Job(self.schedule, f"{self.schedule.name}-{int(scheduled // 60)}", now)
        self.jobs.append(job)
        return job
