"""CronJobs: a Job at each time of a schedule.

Sources: https://kubernetes.io/docs/concepts/workloads/controllers/cron-jobs/ and
k8s.io/kubernetes/pkg/controller/cronjob (reasons, messages, names of Jobs).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, tzinfo
from typing import Any

from sealane.controllers.actions import Action, Again, Create, Delete, Say, owner_reference, write_status
from sealane.controllers.batch import jobs
from sealane.kube.kinds import CRONJOB, JOB
from sealane.kube.kinds.batch import cron
from sealane.kube.objects import Object, Raw
from sealane.kube.times import seconds, timestamp

SCHEDULED = "batch.kubernetes.io/cronjob-scheduled-timestamp"
_MANY = 100
"""Missed starts that are too many to be told one from another."""


def plan(cronjob: Object, owned: Sequence[Object], now: float) -> list[Action]:
    """Jobs to make and to delete, and the status. owned: the Jobs whose controller it is."""
    spec, status = cronjob.spec, cronjob.status
    actions: list[Action] = []
    active: list[Object] = [job for job in owned if not jobs.finished(job) and not job.deleting]
    known = {each.get("uid") for each in status.get("active") or ()}
    last_success = status.get("lastSuccessfulTime")
    for job in owned:
        ended = jobs.finished(job)
        if ended is None:
            continue
        if job.uid in known:
            actions.append(
                Say("Normal", "SawCompletedJob", f"Saw completed job: {job.name}, condition: {ended['type']}")
            )
        if ended["type"] == "Complete":
            last_success = max(filter(None, (last_success, job.status.get("completionTime"))), default=None)
    for uid in known - {job.uid for job in owned}:
        gone = next(each["name"] for each in status["active"] if each.get("uid") == uid)
        actions.append(Say("Normal", "MissingJob", f"Active job went missing: {gone}"))
    actions += _history(spec, owned)
    last = status.get("lastScheduleTime")
    if not cronjob.deleting and not spec.get("suspend"):
        more, active, last = _start(cronjob, active, last, now)
        actions += more
    wanted = {
        "active": [_reference(job) for job in active] or None,
        "lastScheduleTime": last,
        "lastSuccessfulTime": last_success,
    }
    return [*actions, *write_status(CRONJOB, cronjob, wanted)]


def _start(
    cronjob: Object, active: list[Object], last: str | None, now: float
) -> tuple[list[Action], list[Object], str | None]:
    """The actions for the schedule; the Jobs that are active then; when one was started last."""
    from zoneinfo import ZoneInfo, ZoneInfoNotFoundError  # here: it costs every start of a cluster a millisecond

    spec = cronjob.spec
    try:
        zone: tzinfo = ZoneInfo(spec["timeZone"]) if spec.get("timeZone") else UTC
    except (ZoneInfoNotFoundError, ValueError):
        return [Say("Warning", "UnknownTimeZone", f'invalid timeZone: "{spec["timeZone"]}": unknown')], active, last
    try:
        schedule = cron.parse(str(spec.get("schedule") or ""))
    except cron.BadSchedule as error:
        return (
            [Say("Warning", "UnparseableSchedule", f"unparseable schedule: {spec['schedule']}: {error}")],
            active,
            last,
        )
    due, missed = _due(schedule, cronjob, last, now, zone)
    following = schedule.after(now, zone)
    later: list[Action] = [] if following is None else [Again(max(0.1, following - now))]
    if due is None:
        return later, active, last
    said: list[Action] = []
    if missed > _MANY:
        text = (
            f"too many missed start times: {missed}. Set or decrease .spec.startingDeadlineSeconds or check clock skew"
        )
        said.append(Say("Warning", "TooManyMissedTimes", text))
    policy = spec.get("concurrencyPolicy") or "Allow"
    if policy == "Forbid" and active:
        text = "Not starting job because prior execution is running and concurrency policy is Forbid"
        return [*said, Say("Normal", "JobAlreadyActive", text), *later], active, last
    if policy == "Replace":
        said += [Delete(JOB, job.namespace, job.name, job.uid) for job in active]
        active = []
    raw = _job(cronjob, due, zone)
    said += [Create(JOB, raw), Say("Normal", "SuccessfulCreate", f"Created job {raw['metadata']['name']}")]
    return [*said, *later], active, timestamp(due)


def _due(
    schedule: cron.Schedule | cron.Every, cronjob: Object, last: str | None, now: float, zone: tzinfo
) -> tuple[float | None, int]:
    """The latest time at which a Job should have started and has not, and how many such times there are."""
    earliest = seconds(last) if last else seconds(cronjob.metadata.get("creationTimestamp"))
    deadline = cronjob.spec.get("startingDeadlineSeconds")
    if deadline is not None:
        earliest = max(earliest, now - int(deadline))
    found: float | None = None
    count = 0
    at = schedule.after(earliest, zone)
    while at is not None and at <= now:
        found, count = at, count + 1
        if count > _MANY * 10:  # far behind: begin anew from a day ago
            at = max(at, now - 86400.0)
        at = schedule.after(at, zone)
    return found, count


def _job(cronjob: Object, due: float, zone: tzinfo) -> Raw:
    template: Mapping[str, Any] = cronjob.spec.get("jobTemplate") or {}
    given: Mapping[str, Any] = template.get("metadata") or {}
    scheduled = datetime.fromtimestamp(due, zone).isoformat().replace("+00:00", "Z")
    metadata: Raw = {
        "name": f"{cronjob.name}-{int(due) // 60}",
        "namespace": cronjob.namespace,
        "annotations": {**(given.get("annotations") or {}), SCHEDULED: scheduled},
        "ownerReferences": [owner_reference(CRONJOB, cronjob)],
    }
    if given.get("labels"):
        metadata["labels"] = dict(given["labels"])
    return {"apiVersion": JOB.api_version, "kind": JOB.kind, "metadata": metadata, "spec": template.get("spec") or {}}


def _history(spec: Mapping[str, Any], owned: Sequence[Object]) -> list[Action]:
    """The oldest Jobs beyond the limits of history go."""
    actions: list[Action] = []
    for kind, limit in (
        ("Complete", spec.get("successfulJobsHistoryLimit", 3)),
        ("Failed", spec.get("failedJobsHistoryLimit", 1)),
    ):
        ended = [job for job in owned if not job.deleting and (jobs.finished(job) or {}).get("type") == kind]
        ended.sort(key=lambda job: (job.status.get("startTime") or "", job.name))
        actions += [Delete(JOB, job.namespace, job.name, job.uid) for job in ended[: max(0, len(ended) - int(limit))]]
    return actions


def _reference(job: Object) -> Raw:
    """core/v1 ObjectReference. Without resourceVersion: what changes in a Job is nothing to its CronJob."""
    return {
        "apiVersion": JOB.api_version,
        "kind": JOB.kind,
        "namespace": job.namespace,
        "name": job.name,
        "uid": job.uid,
    }
