"""The tally of a Job's pods: each end counted once, also when the pod is deleted. Pure.

A pod of a Job carries a finalizer. When it has ended, its uid is first written to status.uncountedTerminatedPods, then
the finalizer goes, and then, when the pod is seen without it, the uid becomes a number in status.succeeded or
status.failed. So a crash between any two writes loses and repeats nothing.
Source: https://kubernetes.io/docs/concepts/workloads/controllers/job/#job-tracking-with-finalizers (KEP-2307).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec

from sealane.controllers.batch.jobs_indexes import index_of, parse, text_of
from sealane.controllers.batch.jobs_policies import Ruling, ruling
from sealane.controllers.workloads.pods import PodFacts
from sealane.kube.objects import Object, Raw
from sealane.kube.times import seconds

FAILURES_OF_INDEX = "batch.kubernetes.io/job-index-failure-count"
IGNORED_OF_INDEX = "batch.kubernetes.io/job-index-ignored-failure-count"


class Tally(msgspec.Struct, frozen=True):
    """failures: how many pods of it failed (ignored ones do not count). succeeded: pods, or indexes of an Indexed Job.

    uncounted: what status.uncountedTerminatedPods shall say. released: pods whose finalizer may go now. counted: the
    numbers for status.succeeded and status.failed. fails: why the Job fails at once, by its podFailurePolicy.
    new_failure: some pod has failed that no status knows yet.
    """

    succeeded: int
    failures: int
    counted: tuple[int, int]
    uncounted: Mapping[str, Sequence[str]]
    released: tuple[PodFacts, ...]
    completed_indexes: frozenset[int]
    failed_indexes: frozenset[int]
    index_failures: Mapping[int, tuple[int, int]]
    fails: str = ""
    new_failure: bool = False


def is_failed(pod: PodFacts, *, replaces_failed_only: bool) -> bool:
    """A pod that goes counts as failed, unless only pods whose phase is Failed are replaced."""
    return pod.phase == "Failed" or (pod.deleting and pod.phase != "Succeeded" and not replaces_failed_only)


def tally(job: Object, pods: Sequence[PodFacts]) -> Tally:
    spec, status = job.spec, job.status
    indexed = spec.get("completionMode") == "Indexed"
    only_failed = spec.get("podReplacementPolicy") == "Failed"
    known = {kind: list((status.get("uncountedTerminatedPods") or {}).get(kind) or ()) for kind in _KINDS}
    counted = {"succeeded": int(status.get("succeeded") or 0), "failed": int(status.get("failed") or 0)}
    by_uid = {pod.uid: pod for pod in pods}
    released: list[PodFacts] = []
    uncounted: dict[str, list[str]] = {kind: [] for kind in _KINDS}
    for kind, uids in known.items():
        for uid in uids:
            pod = by_uid.get(uid)
            if pod is not None and pod.tracked:
                released.append(pod)
                uncounted[kind].append(uid)
            else:
                counted[kind] += 1
    written = {uid for uids in known.values() for uid in uids}
    completed = set(parse(status.get("completedIndexes"))) if indexed else set()
    failed_indexes = set(parse(status.get("failedIndexes"))) if indexed else set()
    recorded = frozenset(completed)
    index_failures: dict[int, tuple[int, int]] = {}
    fails, new_failure = "", False
    for pod in pods:
        failed = is_failed(pod, replaces_failed_only=only_failed)
        if pod.phase != "Succeeded" and not failed:
            continue
        index = index_of(pod.object) if indexed else None
        ruled = ruling(spec.get("podFailurePolicy"), pod.object) if failed else Ruling("Count")
        if failed and index is not None:
            _fail_index(spec, pod.object, index, ruled, index_failures, failed_indexes)
        if not pod.tracked or pod.uid in written:
            continue
        if failed:
            if ruled.action == "FailJob" and not fails:
                fails = ruled.message
            if ruled.action == "Ignore":
                released.append(pod)
                continue
            new_failure = True
            uncounted["failed"].append(pod.uid)
        elif indexed:
            if index is None or index >= int(spec.get("completions") or 0) or index in recorded:
                released.append(pod)  # it is written that this index is done
            completed.update(() if index is None else (index,))
        else:
            uncounted["succeeded"].append(pod.uid)
    completed = {index for index in completed if index < int(spec.get("completions") or 0)}
    if indexed:
        counted["succeeded"] = len(completed)
    return Tally(
        succeeded=counted["succeeded"] + (0 if indexed else len(uncounted["succeeded"])),
        failures=counted["failed"] + len(uncounted["failed"]),
        counted=(counted["succeeded"], counted["failed"]),
        uncounted=uncounted,
        released=tuple(released),
        completed_indexes=frozenset(completed),
        failed_indexes=frozenset(failed_indexes - completed),
        index_failures=index_failures,
        fails=fails,
        new_failure=new_failure,
    )


_KINDS = ("succeeded", "failed")


def _fail_index(
    spec: Mapping[str, Any],
    pod: Object,
    index: int,
    ruled: Ruling,
    failures: dict[int, tuple[int, int]],
    failed: set[int],
) -> None:
    """Each pod says how often its index had failed before it (KEP-3850)."""
    if spec.get("backoffLimitPerIndex") is None:
        return
    before = int(pod.annotations.get(FAILURES_OF_INDEX) or 0)
    ignored = int(pod.annotations.get(IGNORED_OF_INDEX) or 0)
    ignores = ruled.action == "Ignore"
    now = (before + (not ignores), ignored + ignores)
    failures[index] = max(failures.get(index, (0, 0)), now, key=sum)
    if ruled.action == "FailIndex" or now[0] > int(spec["backoffLimitPerIndex"]):
        failed.add(index)


def fields(job: Object, found: Tally) -> Raw:
    """The fields of the status that count."""
    succeeded, failed = found.counted
    status: Raw = {
        "succeeded": succeeded or None,
        "failed": failed or None,
        "uncountedTerminatedPods": {kind: uids or None for kind, uids in found.uncounted.items()},
    }
    status["uncountedTerminatedPods"] = {k: v for k, v in status["uncountedTerminatedPods"].items() if v}
    if job.spec.get("completionMode") == "Indexed":
        status["completedIndexes"] = text_of(found.completed_indexes) or None
        if job.spec.get("backoffLimitPerIndex") is not None:
            status["failedIndexes"] = text_of(found.failed_indexes)
    return status


def failure_streak(pods: Sequence[PodFacts]) -> tuple[int, float]:
    """The number of pods that failed since one succeeded, and the time of the last failure; for the back-off."""
    ends = sorted((_finished(pod.object), pod.phase == "Succeeded") for pod in pods if pod.over)
    streak, last = 0, 0.0
    for at, well in ends:
        streak = 0 if well else streak + 1
        last = at
    return (streak, last) if streak else (0, 0.0)


def _finished(pod: Object) -> float:
    """When its last container ended, in seconds since the epoch."""
    ends = [
        seconds((one.get("state") or {}).get("terminated", {}).get("finishedAt"))
        for one in pod.status.get("containerStatuses") or ()
    ]
    return max(ends, default=0.0)
