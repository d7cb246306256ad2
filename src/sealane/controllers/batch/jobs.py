"""Jobs: pods that run to their end, so many of them, so many at once.

Sources: https://kubernetes.io/docs/concepts/workloads/controllers/job/ and k8s.io/kubernetes/pkg/controller/job
(reasons, messages and the order of decisions).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealane.controllers.actions import Action, Again, Create, Delete, Patch, Say, claim
from sealane.controllers.batch.jobs_indexes import COMPLETION_INDEX, index_of
from sealane.controllers.batch.jobs_policies import success_rule
from sealane.controllers.batch.jobs_tally import (
    FAILURES_OF_INDEX,
    IGNORED_OF_INDEX,
    Tally,
    failure_streak,
    fields,
    tally,
)
from sealane.controllers.workloads.pods import JOB_TRACKING, PodFacts, pod_from_template
from sealane.kube.kinds import JOB, POD
from sealane.kube.objects import Object, Raw
from sealane.kube.selectors import LabelSelector
from sealane.kube.times import seconds, timestamp

BACKOFF_FIRST, BACKOFF_LAST = 10.0, 600.0
"""Seconds before a pod replaces one that failed; each failure in a row doubles them."""

CONTROLLER = "kubernetes.io/job-controller"
"""Of spec.managedBy: other values are for controllers of somebody else's (KEP-4368)."""

Verdict = tuple[str, str, str]
"""What a Job ends as: Complete or Failed, reason, message."""


def plan(job: Object, owned: Sequence[PodFacts], orphans: Sequence[PodFacts], now: float) -> list[Action]:
    """Pods to make and to delete, finalizers to remove, and the status. Arguments as of `replicasets.plan`."""
    if job.spec.get("managedBy", CONTROLLER) != CONTROLLER:
        return []
    selector = LabelSelector.of(job.spec.get("selector") or {})
    by_uid = {pod.uid: pod for pod in (*owned, *orphans)}
    free = [pod.object for pod in orphans if pod.active]
    claimed, actions = claim(POD, JOB, job, (pod.object for pod in owned), free, selector.matches)
    pods = [by_uid[each.uid] for each in claimed]
    if ended := finished(job):
        actions += [untracked(pod.object) for pod in pods if pod.tracked]
        return [*actions, *_after_end(job, ended, now)]
    if job.deleting:  # its pods go with it, or before it: the numbers are not needed any more
        return [*actions, *(untracked(pod.object) for pod in pods if pod.tracked and (pod.over or pod.deleting))]
    return [*actions, *_Run(job, pods, now).actions()]


def finished(job: Object) -> Mapping[str, Any] | None:
    """The condition with which a Job has ended."""
    for condition in job.status.get("conditions") or ():
        if condition["type"] in ("Complete", "Failed") and condition["status"] == "True":
            return condition  # type: ignore[no-any-return]
    return None


def untracked(pod: Object) -> Patch:
    """Lets a pod go: it is counted, or no Job counts it."""
    left = [each for each in pod.metadata.get("finalizers") or () if each != JOB_TRACKING]
    return Patch(POD, pod.namespace, pod.name, {"metadata": {"finalizers": left or None}})


def _after_end(job: Object, ended: Mapping[str, Any], now: float) -> list[Action]:
    ttl = job.spec.get("ttlSecondsAfterFinished")
    if ttl is None or job.deleting:
        return []
    left = seconds(ended.get("lastTransitionTime")) + int(ttl) - now
    return [Again(left)] if left > 0 else [Delete(JOB, job.namespace, job.name, job.uid)]


class _Run:
    """One look at a Job that has not ended."""

    def __init__(self, job: Object, pods: Sequence[PodFacts], now: float) -> None:
        spec = job.spec
        self.job = job
        self.now = now
        self.pods = pods
        self.completions: int | None = spec.get("completions")
        self.parallelism = int(spec.get("parallelism", 1))
        self.indexed = spec.get("completionMode") == "Indexed"
        self.suspended = bool(spec.get("suspend"))
        self.only_failed = spec.get("podReplacementPolicy") == "Failed"
        self.active = [pod for pod in pods if pod.active]
        self.terminating = [pod for pod in pods if pod.deleting and not pod.over]
        self.tally: Tally = tally(job, pods)
        self.conditions: list[Raw] = [dict(each) for each in job.status.get("conditions") or ()]
        self.started = "" if self.suspended else str(job.status.get("startTime") or timestamp(now))

    def actions(self) -> list[Action]:
        actions: list[Action] = [untracked(pod.object) for pod in self.tally.released]
        verdict = self._verdict()
        alive = list(self.active)
        if verdict is not None:
            actions += [self._deleted(pod) for pod in alive]
            actions += self._end(verdict, waits=bool(alive or self.terminating))
        else:
            actions += self._suspension()
            wanted, alive = self._pods()
            actions += wanted
        return [*actions, *self._status(alive), *self._deadline()]

    # How it ends

    def _verdict(self) -> Verdict | None:
        for condition in self.conditions:
            if condition["status"] == "True" and condition["type"] in ("FailureTarget", "SuccessCriteriaMet"):
                kind = "Failed" if condition["type"] == "FailureTarget" else "Complete"
                return kind, condition.get("reason") or "", condition.get("message") or ""
        found, spec = self.tally, self.job.spec
        limit = int(spec.get("backoffLimit", 6))
        if found.fails:
            return "Failed", "PodFailurePolicy", found.fails
        if (found.new_failure and found.failures > limit) or self._restarted_too_often(limit):
            return "Failed", "BackoffLimitExceeded", "Job has reached the specified backoff limit"
        if self._is_past_deadline():
            return "Failed", "DeadlineExceeded", "Job was active longer than specified deadline"
        if self.indexed and (verdict := self._verdict_of_indexes()):
            return verdict
        if not self.active and self._is_complete():
            return "Complete", "CompletionsReached", "Reached expected number of succeeded pods"
        return None

    def _verdict_of_indexes(self) -> Verdict | None:
        found, spec = self.tally, self.job.spec
        most = spec.get("maxFailedIndexes")
        if most is not None and len(found.failed_indexes) > int(most):
            return (
                "Failed",
                "MaxFailedIndexesExceeded",
                "Job has exceeded the specified maximal number of failed indexes",
            )
        rule = success_rule(spec.get("successPolicy"), found.completed_indexes)
        if rule is not None:
            return "Complete", "SuccessPolicy", f"Matched rules at index {rule}"
        if found.failed_indexes and len(found.completed_indexes | found.failed_indexes) >= (self.completions or 0):
            return "Failed", "FailedIndexes", "Job has failed indexes"
        return None

    def _is_complete(self) -> bool:
        if self.completions is None:  # a work queue: one that succeeds says that all is done
            return self.tally.succeeded > 0
        return self.tally.succeeded >= self.completions

    def _restarted_too_often(self, limit: int) -> bool:
        """With restartPolicy OnFailure, restarts of containers count as failures."""
        if (self.job.spec.get("template") or {}).get("spec", {}).get("restartPolicy") != "OnFailure":
            return False
        restarts = sum(
            one.get("restartCount") or 0
            for pod in self.active
            for key in ("initContainerStatuses", "containerStatuses")
            for one in pod.object.status.get(key) or ()
        )
        return restarts > 0 if limit == 0 else restarts >= limit

    def _is_past_deadline(self) -> bool:
        deadline = self.job.spec.get("activeDeadlineSeconds")
        return deadline is not None and bool(self.started) and self.now - seconds(self.started) >= int(deadline)

    def _end(self, verdict: Verdict, *, waits: bool) -> list[Action]:
        """First what it will be, and when all its pods have ended what it is."""
        kind, reason, message = verdict
        self._set("FailureTarget" if kind == "Failed" else "SuccessCriteriaMet", reason, message)
        uncounted = any(self.tally.uncounted.values()) or any(pod.tracked and pod.over for pod in self.pods)
        if waits or uncounted:
            return []
        self._set(kind, reason, message)
        if kind == "Complete":
            return [Say("Normal", "Completed", "Job completed")]
        return [Say("Warning", reason, message)]

    # Pods

    def _pods(self) -> tuple[list[Action], list[PodFacts]]:
        """The actions, and the active pods that stay."""
        if self.suspended:
            return [each for pod in self.active for each in self._let_go(pod)], []
        succeeded, active = self.tally.succeeded, len(self.active)
        if self.completions is None:
            wanted = active if succeeded else self.parallelism
        else:
            wanted = max(0, min(self.completions - succeeded - len(self.tally.failed_indexes), self.parallelism))
        doomed = self._surplus(wanted)
        if doomed:
            stay = [pod for pod in self.active if pod not in doomed]
            return [each for pod in doomed for each in self._let_go(pod)], stay
        missing = wanted - active - (len(self.terminating) if self.only_failed else 0)
        if missing <= 0:
            return [], self.active
        per_index = self.job.spec.get("backoffLimitPerIndex") is not None
        if not per_index and (wait := self._back_off(self.pods)) > 0:
            return [Again(wait)], self.active
        return (self._indexed(missing) if self.indexed else [Create(POD, self._pod())] * missing), self.active

    def _surplus(self, wanted: int) -> list[PodFacts]:
        """Second pods of an index and those of none go first, then those that are least far."""
        doomed: list[PodFacts] = []
        if self.indexed:
            seen: set[int] = set()
            for pod in sorted(self.active, key=lambda pod: (not pod.ready, pod.created, pod.uid)):
                index = index_of(pod.object)
                done = self.tally.completed_indexes | self.tally.failed_indexes
                if index is None or index >= (self.completions or 0) or index in seen or index in done:
                    doomed.append(pod)
                else:
                    seen.add(index)
        rest = [pod for pod in self.active if pod not in doomed]
        order = sorted(rest, key=lambda pod: (bool(pod.node), pod.phase != "Pending", pod.ready, -pod.created, pod.uid))
        return doomed + order[: max(0, len(rest) - wanted)]

    def _let_go(self, pod: PodFacts) -> list[Action]:
        """The pod is not needed: its end counts for nothing."""
        return [*([untracked(pod.object)] if pod.tracked else []), self._deleted(pod)]

    @staticmethod
    def _deleted(pod: PodFacts) -> Delete:
        return Delete(POD, pod.namespace, pod.key.name, pod.uid)

    def _back_off(self, pods: Sequence[PodFacts]) -> float:
        """Seconds until a pod may replace one that failed."""
        failures, last = failure_streak(pods)
        if not failures:
            return 0.0
        return last + min(BACKOFF_FIRST * 2.0 ** min(failures - 1, 16), BACKOFF_LAST) - self.now

    def _indexed(self, missing: int) -> list[Action]:
        """The lowest indexes without a pod."""
        busy = {index_of(pod.object) for pod in self.active}
        if self.only_failed:
            busy |= {index_of(pod.object) for pod in self.terminating}
        done = busy | self.tally.completed_indexes | self.tally.failed_indexes
        actions: list[Action] = []
        waits: list[float] = []
        for index in range(self.completions or 0):
            if len(actions) == missing:
                break
            if index in done:
                continue
            if index in self.tally.index_failures:
                wait = self._back_off([pod for pod in self.pods if index_of(pod.object) == index])
                if wait > 0:
                    waits.append(wait)
                    continue
            actions.append(Create(POD, self._pod(index)))
        return [*actions, *([Again(min(waits))] if waits else [])]

    def _pod(self, index: int | None = None) -> Raw:
        template = self.job.spec.get("template") or {}
        raw = pod_from_template(JOB, self.job, template)
        metadata = raw["metadata"]
        metadata["finalizers"] = [*(metadata.get("finalizers") or ()), JOB_TRACKING]
        if index is None:
            return raw
        metadata["generateName"] = f"{self.job.name}-{index}-"
        metadata["labels"] = {**metadata["labels"], COMPLETION_INDEX: str(index)}
        annotations = {**(metadata.get("annotations") or {}), COMPLETION_INDEX: str(index)}
        if self.job.spec.get("backoffLimitPerIndex") is not None:
            failures, ignored = self.tally.index_failures.get(index, (0, 0))
            annotations[FAILURES_OF_INDEX] = str(failures)
            if ignored:
                annotations[IGNORED_OF_INDEX] = str(ignored)
        metadata["annotations"] = annotations
        spec = {"hostname": f"{self.job.name}-{index}", **raw["spec"]}
        for key in ("initContainers", "containers"):
            if spec.get(key):
                spec[key] = [_told_its_index(container) for container in spec[key]]
        return {**raw, "spec": spec}

    # What it says

    def _suspension(self) -> list[Action]:
        known = next((each for each in self.conditions if each["type"] == "Suspended"), None)
        was = known is not None and known["status"] == "True"
        if self.suspended and not was:
            self._set("Suspended", "JobSuspended", "Job suspended")
            return [Say("Normal", "Suspended", "Job suspended")]
        if not self.suspended and was:
            self._set("Suspended", "JobResumed", "Job resumed", status="False")
            self.started = timestamp(self.now)
            return [Say("Normal", "Resumed", "Job resumed")]
        return []

    def _set(self, kind: str, reason: str, message: str, *, status: str = "True") -> None:
        known = next((each for each in self.conditions if each["type"] == kind), None)
        if known is not None and known["status"] == status:
            return
        at = timestamp(self.now)
        condition: Raw = {"type": kind, "status": status, "lastProbeTime": at, "lastTransitionTime": at}
        condition |= {"reason": reason, "message": message}
        self.conditions = [each for each in self.conditions if each["type"] != kind] + [condition]

    def _status(self, alive: Sequence[PodFacts]) -> list[Action]:
        is_complete = any(each["type"] == "Complete" for each in self.conditions)
        is_over = is_complete or any(each["type"] == "Failed" for each in self.conditions)
        before = self.job.status
        status: Raw = {
            "active": (0 if is_over else len(alive)) or None,
            "ready": 0 if is_over else sum(pod.ready for pod in alive),
            "terminating": 0 if is_over else len(self.terminating),
            "startTime": self.started or None,
            "completionTime": timestamp(self.now) if is_complete else None,
            "conditions": self.conditions or None,
            **fields(self.job, self.tally),
        }
        patch = {name: value for name, value in status.items() if before.get(name) != value}
        if "uncountedTerminatedPods" in patch:  # a merge patch removes only what it names
            said = patch["uncountedTerminatedPods"]
            patch["uncountedTerminatedPods"] = {kind: said.get(kind) for kind in ("succeeded", "failed")}
        return [Patch(JOB, self.job.namespace, self.job.name, {"status": patch}, "status")] if patch else []

    def _deadline(self) -> list[Action]:
        deadline = self.job.spec.get("activeDeadlineSeconds")
        if deadline is None or not self.started:
            return []
        left = seconds(self.started) + int(deadline) - self.now
        return [Again(left)] if left > 0 else []


def _told_its_index(container: Raw) -> Raw:
    """With JOB_COMPLETION_INDEX, unless it has one."""
    variables = container.get("env") or []
    if any(each.get("name") == "JOB_COMPLETION_INDEX" for each in variables):
        return container
    source = {"fieldRef": {"fieldPath": f"metadata.labels['{COMPLETION_INDEX}']"}}
    return {**container, "env": [*variables, {"name": "JOB_COMPLETION_INDEX", "valueFrom": source}]}
