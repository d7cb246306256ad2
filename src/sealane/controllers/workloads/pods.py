"""Pods as workload controllers see them: few facts, so that what changes nothing for a workload wakes no workload."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from sealane.controllers.actions import controller_of, orphans_of, owner_reference
from sealane.kube.kinds import POD, Kind
from sealane.kube.objects import Key, Object, Raw
from sealane.kube.times import seconds
from sealane.reactive.collections import Collection, Derived, Fetch, derive

JOB_TRACKING = "batch.kubernetes.io/job-tracking"
"""The finalizer of pods that a Job has to count."""


@dataclass(frozen=True, slots=True)
class PodFacts:
    """object: the pod as it was when these facts last changed.

    ready_since: seconds since the epoch, 0.0 when not ready. over: it ended (Succeeded or Failed). restarts: of the
    container with most. cost: the annotation controller.kubernetes.io/pod-deletion-cost.
    """

    key: Key
    uid: str
    namespace: str
    labels: Mapping[str, str]
    controller: str
    node: str
    phase: str
    ready: bool
    ready_since: float
    deleting: bool
    created: float
    restarts: int
    cost: int
    tracked: bool
    object: Object = field(compare=False)

    @property
    def over(self) -> bool:
        return self.phase in ("Succeeded", "Failed")

    @property
    def active(self) -> bool:
        return not self.deleting and not self.over

    def available(self, now: float, min_ready_seconds: int) -> bool:
        """Ready for at least `min_ready_seconds`."""
        return self.ready and (not min_ready_seconds or now - self.ready_since >= min_ready_seconds)


def pod_facts(pod: Object) -> PodFacts:
    metadata, status = pod.metadata, pod.status
    ready = False
    since = 0.0
    for condition in status.get("conditions") or ():
        if condition["type"] == "Ready":
            ready = condition["status"] == "True"
            since = seconds(condition.get("lastTransitionTime")) if ready else 0.0
    try:
        cost = int(pod.annotations.get("controller.kubernetes.io/pod-deletion-cost") or 0)
    except ValueError:
        cost = 0
    controller = controller_of(pod)
    return PodFacts(
        pod.key,
        pod.uid,
        pod.namespace,
        pod.labels,
        controller["uid"] if controller else "",
        pod.spec.get("nodeName") or "",
        status.get("phase") or "Pending",
        ready,
        since,
        bool(metadata.get("deletionTimestamp")),
        seconds(metadata.get("creationTimestamp")),
        max((each.get("restartCount") or 0 for each in status.get("containerStatuses") or ()), default=0),
        cost,
        JOB_TRACKING in (metadata.get("finalizers") or ()),
        pod,
    )


def facts_of(pods: Collection[Key, Object]) -> Derived[Key, Object, Key, PodFacts]:
    def facts(_key: Key, pod: Object, _fetch: Fetch) -> PodFacts:
        return pod_facts(pod)

    return derive("pod-facts", pods, facts)


def by_controller(pod: PodFacts) -> tuple[str, ...]:
    """Index of pods by their controller's uid; those without one by `orphans_of` their namespace."""
    return (pod.controller or orphans_of(pod.namespace),)


def pod_from_template(
    kind: Kind, owner: Object, template: Mapping[str, Any], *, name: str = "", labels: Mapping[str, str] | None = None
) -> Raw:
    """A pod as a workload makes it; without `name`, the server appends five characters to the owner's."""
    given: Mapping[str, Any] = template.get("metadata") or {}
    metadata: Raw = {"namespace": owner.namespace}
    if name:
        metadata["name"] = name
    metadata["generateName"] = f"{owner.name}-"
    metadata["labels"] = {**(given.get("labels") or {}), **(labels or {})}
    if given.get("annotations"):
        metadata["annotations"] = dict(given["annotations"])
    if given.get("finalizers"):
        metadata["finalizers"] = list(given["finalizers"])
    metadata["ownerReferences"] = [owner_reference(kind, owner)]
    return {"apiVersion": POD.api_version, "kind": POD.kind, "metadata": metadata, "spec": template.get("spec") or {}}
