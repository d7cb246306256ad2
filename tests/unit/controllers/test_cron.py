"""Schedules and CronJobs."""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Any
from zoneinfo import ZoneInfo

import pytest
from hypothesis import given
from hypothesis import strategies as st
from tests.unit.controllers.world import World

from sealane.controllers.actions import Say
from sealane.controllers.batch import cronjobs
from sealane.kube.kinds.batch import cron
from sealane.kube.objects import Object
from sealane.kube.times import timestamp


def at(text: str) -> float:
    return datetime.fromisoformat(text).replace(tzinfo=UTC).timestamp()


@pytest.mark.parametrize(
    ("schedule", "after", "expected"),
    [
        ("*/15 * * * *", "2026-11-21T14:07:30", "2026-11-21T14:15:00"),
        ("0 0 * * *", "2026-11-21T00:00:00", "2026-11-22T00:00:00"),
        ("30 4 1,15 * 5", "2026-11-21T00:00:00", "2026-11-27T04:30:00"),  # the 15th or a Friday
        ("0 9 * * MON-FRI", "2026-11-20T10:00:00", "2026-11-23T09:00:00"),
        ("0 0 29 2 *", "2026-01-01T00:00:00", "2028-02-29T00:00:00"),
        ("5/20 * ? JAN *", "2026-11-21T00:00:00", "2027-01-01T00:05:00"),
        ("@hourly", "2026-11-21T14:00:01", "2026-11-21T15:00:00"),
        ("@weekly", "2026-11-21T14:00:01", "2026-11-22T00:00:00"),
        ("@every 1m30s", "2026-11-21T14:00:01", "2026-11-21T14:01:31"),
    ],
)
def test_the_next_time(schedule: str, after: str, expected: str) -> None:
    found = cron.parse(schedule).after(at(after))
    assert found is not None
    assert timestamp(found) == f"{expected}Z"


def test_the_clocks_of_a_zone() -> None:
    zone = ZoneInfo("Europe/Berlin")
    assert cron.parse("0 12 * * *").after(at("2026-07-01T00:00:00"), zone) == at("2026-07-01T10:00:00")
    # 02:30 is left out when summer begins
    assert cron.parse("30 2 * * *").after(at("2026-03-29T00:00:00"), zone) == at("2026-03-30T00:30:00")


@pytest.mark.parametrize(
    ("schedule", "message"),
    [
        ("* * * *", "expected exactly 5 fields, found 4"),
        ("60 * * * *", "above maximum"),
        ("* * 0 * *", "below minimum"),
        ("* 9-5 * * *", "beyond end of range"),
        ("*/0 * * * *", "should be a positive number"),
        ("x * * * *", "failed to parse int from x"),
        ("@often", "unrecognized descriptor"),
        ("@every soon", "failed to parse duration"),
        ("* * * * 7", "above maximum"),
    ],
)
def test_what_is_no_schedule(schedule: str, message: str) -> None:
    with pytest.raises(cron.BadSchedule, match=message):
        cron.parse(schedule)


def test_the_30th_of_february_never_comes() -> None:
    assert cron.parse("0 0 30 2 *").after(0.0) is None


@given(st.integers(0, 2_000_000_000), st.sampled_from(["*/7 * * * *", "13 5 * * 0", "0 */6 1 * *"]))
def test_the_next_time_is_later_and_matches(moment: int, schedule: str) -> None:
    parsed = cron.parse(schedule)
    found = parsed.after(moment)
    assert found is not None
    assert isinstance(parsed, cron.Schedule)
    when = datetime.fromtimestamp(found, UTC)
    assert found > moment
    assert (when.minute in parsed.minutes, when.hour in parsed.hours, when.second) == (True, True, 0)


class Play:
    """A CronJob that begins at noon, in a world with a clock."""

    def __init__(self, **spec: Any) -> None:
        self.world = World()
        self.world.now = at("2026-11-21T12:00:00")
        pod = {"restartPolicy": "Never", "containers": [{"name": "c", "image": "busybox"}]}
        template = {"metadata": {"labels": {"a": "b"}}, "spec": {"template": {"spec": pod}}}
        whole = {"schedule": "*/10 * * * *", "concurrencyPolicy": "Allow", "jobTemplate": template, **spec}
        raw = {"apiVersion": "batch/v1", "kind": "CronJob", "metadata": {"name": "tick"}, "spec": whole}
        self.world.add(raw)

    @property
    def cronjob(self) -> Object:
        return self.world.get("CronJob", "tick")

    def wait(self, minutes: float) -> list[str]:
        """The reasons of what it says then."""
        self.world.now += 60 * minutes
        said: list[str] = []
        for _ in range(4):
            actions = cronjobs.plan(self.cronjob, self.world.owned("Job", self.cronjob)[0], self.world.now)
            said += [each.reason for each in actions if isinstance(each, Say)]
            self.world.carry_out(actions)
        return said

    def jobs(self) -> list[str]:
        return [job.name for job in self.world.all("Job")]

    def finish(self, name: str, kind: str = "Complete") -> None:
        now = timestamp(self.world.now)
        condition = {"type": kind, "status": "True", "lastTransitionTime": now}
        status = {"conditions": [condition], "startTime": now, "completionTime": now}
        self.world._merge("Job", name, {"status": status})


def test_a_job_at_each_time() -> None:
    play = Play()
    assert play.wait(9) == []
    assert play.wait(1) == ["SuccessfulCreate"]
    (name,) = play.jobs()
    assert name == f"tick-{int(play.world.now) // 60}"
    job = play.world.get("Job", name)
    assert job.annotations["batch.kubernetes.io/cronjob-scheduled-timestamp"] == "2026-11-21T12:10:00Z"
    assert job.labels["a"] == "b"
    assert job.metadata["ownerReferences"][0]["kind"] == "CronJob"
    assert play.cronjob.status["lastScheduleTime"] == "2026-11-21T12:10:00Z"
    assert [each["name"] for each in play.cronjob.status["active"]] == [name]
    play.finish(name)
    assert "SawCompletedJob" in play.wait(1)
    assert "active" not in play.cronjob.status
    assert play.cronjob.status["lastSuccessfulTime"]


def test_only_the_last_of_missed_starts_is_made_up_for() -> None:
    play = Play()
    play.wait(35)
    assert play.cronjob.status["lastScheduleTime"] == "2026-11-21T12:30:00Z"
    assert len(play.jobs()) == 1


def test_a_start_that_is_too_late_is_let_be() -> None:
    play = Play(startingDeadlineSeconds=60)
    assert play.wait(12) == []
    assert play.jobs() == []


def test_forbid_and_replace() -> None:
    play = Play(concurrencyPolicy="Forbid")
    play.wait(10)
    assert "JobAlreadyActive" in play.wait(10)
    assert len(play.jobs()) == 1
    play = Play(concurrencyPolicy="Replace")
    play.wait(10)
    first = play.jobs()
    play.wait(10)
    assert len(play.jobs()) == 1
    assert play.jobs() != first


def test_suspended_does_nothing() -> None:
    play = Play(suspend=True)
    assert play.wait(30) == []
    assert play.jobs() == []


def test_the_limits_of_history() -> None:
    play = Play(successfulJobsHistoryLimit=2, failedJobsHistoryLimit=1)
    for kind in ("Complete", "Failed", "Complete", "Complete", "Failed"):
        play.wait(10)
        play.finish(play.jobs()[-1], kind)
    play.wait(1)
    kinds = [job.status["conditions"][0]["type"] for job in play.world.all("Job")]
    assert sorted(kinds) == ["Complete", "Complete", "Failed"]


def test_what_cannot_be_understood_is_said() -> None:
    assert "UnknownTimeZone" in Play(timeZone="Mars/Olympus").wait(10)
    assert "UnparseableSchedule" in Play(schedule="now and then").wait(10)
