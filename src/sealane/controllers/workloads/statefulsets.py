"""StatefulSets: pods with names and places of their own, made, ended and replaced in order.

https://kubernetes.io/docs/concepts/workloads/controllers/statefulset/
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Any

from sealane.controllers.actions import Action, Create, Delete, claim, observed, owner_reference, write_status
from sealane.controllers.workloads.pods import PodFacts, pod_from_template
from sealane.controllers.workloads.replicasets import wait_for_available
from sealane.controllers.workloads.revisions import (
    CONTROLLER_REVISION_HASH,
    forget_old,
    revision_template,
    update_revision,
)
from sealane.kube.kinds import PERSISTENTVOLUMECLAIM, POD, STATEFULSET
from sealane.kube.objects import Object, Raw
from sealane.kube.selectors import LabelSelector

POD_NAME = "statefulset.kubernetes.io/pod-name"
POD_INDEX = "apps.kubernetes.io/pod-index"


def plan(
    statefulset: Object,
    owned: Sequence[PodFacts],
    orphans: Sequence[PodFacts],
    revisions: Sequence[Object],
    now: float,
    claims: Collection[Object] = (),
) -> list[Action]:
    """Pods and claims to make and to delete, its revisions, and the status. Arguments as of `replicasets.plan`.

    claims: the PersistentVolumeClaims of its namespace.
    """
    selector = LabelSelector.of(statefulset.spec.get("selector") or {})
    by_uid = {pod.uid: pod for pod in (*owned, *orphans)}
    # An orphan is adopted only under a name that is the StatefulSet's to give.
    named = [pod.object for pod in orphans if pod.active and ordinal_of(statefulset, pod.key.name) is not None]
    claimed, actions = claim(POD, STATEFULSET, statefulset, (p.object for p in owned), named, selector.matches)
    pods: dict[int, PodFacts] = {}
    for each in claimed:
        ordinal = ordinal_of(statefulset, each.name)
        if ordinal is not None:
            pods[ordinal] = by_uid[each.uid]
    known = [each for each in revisions if not each.deleting]
    update, _, revise = update_revision(STATEFULSET, statefulset, known)
    current = statefulset.status.get("currentRevision") or update
    if current != update and not any(each.name == current for each in known):
        current = update
    state = _Order(statefulset, pods, current, update, known, now)
    if not statefulset.deleting:
        actions += revise
        actions += _claimed(statefulset, state, claims)
        actions += state.steps()
        used = {pod.labels.get(CONTROLLER_REVISION_HASH) or "" for pod in pods.values()}
        actions += forget_old(statefulset, known, {current, update, *used})
    actions += write_status(STATEFULSET, statefulset, state.status())
    return [*actions, *wait_for_available(pods.values(), now, state.min_ready)]


def _claimed(statefulset: Object, state: _Order, claims: Collection[Object]) -> list[Action]:
    """The claims of its pods come before them, and go as persistentVolumeClaimRetentionPolicy says (KEP-1847)."""
    templates = [each for each in statefulset.spec.get("volumeClaimTemplates") or () if "metadata" in each]
    if not templates:
        return []
    known = {each.name: each for each in claims}
    policy = statefulset.spec.get("persistentVolumeClaimRetentionPolicy") or {}
    own = [owner_reference(STATEFULSET, statefulset)] if policy.get("whenDeleted") == "Delete" else None
    labels = (statefulset.spec.get("selector") or {}).get("matchLabels") or {}
    actions: list[Action] = []
    for template in templates:
        given = template["metadata"]
        for ordinal in range(state.start, state.end):
            name = f"{given['name']}-{statefulset.name}-{ordinal}"
            if name in known or (state.one_by_one and not state.is_next(ordinal)):
                continue
            metadata: Raw = {**given, "name": name, "namespace": statefulset.namespace}
            metadata["labels"] = {**(given.get("labels") or {}), **labels}
            if own:
                metadata["ownerReferences"] = own
            kind = PERSISTENTVOLUMECLAIM
            raw = {"apiVersion": kind.api_version, "kind": kind.kind, "metadata": metadata}
            actions.append(Create(kind, {**raw, "spec": template.get("spec") or {}}))
        if policy.get("whenScaled") == "Delete":
            for name, claim in known.items():
                ordinal_text = name.removeprefix(f"{given['name']}-{statefulset.name}-")
                mine = name != ordinal_text and ordinal_text.isdecimal()
                beyond = mine and not state.start <= int(ordinal_text) < state.end
                if beyond and int(ordinal_text) not in state.pods and not claim.deleting:
                    actions.append(Delete(PERSISTENTVOLUMECLAIM, claim.namespace, name, claim.uid))
    return actions


def ordinal_of(statefulset: Object, pod: str) -> int | None:
    parent, dash, number = pod.rpartition("-")
    return int(number) if dash and parent == statefulset.name and number.isdecimal() else None


class _Order:
    """The pods of a StatefulSet by ordinal, and what may happen to them next."""

    def __init__(
        self,
        statefulset: Object,
        pods: Mapping[int, PodFacts],
        current: str,
        update: str,
        revisions: Sequence[Object],
        now: float,
    ) -> None:
        spec = statefulset.spec
        self.statefulset = statefulset
        self.pods = pods
        self.current = current
        self.update = update
        self.revisions = {each.name: each for each in revisions}
        self.now = now
        self.min_ready = int(spec.get("minReadySeconds") or 0)
        self.start = int((spec.get("ordinals") or {}).get("start") or 0)
        self.end = self.start + int(spec.get("replicas", 1))
        self.one_by_one = (spec.get("podManagementPolicy") or "OrderedReady") == "OrderedReady"
        strategy = spec.get("updateStrategy") or {}
        self.rolling = (strategy.get("type") or "RollingUpdate") == "RollingUpdate"
        self.partition = int((strategy.get("rollingUpdate") or {}).get("partition") or 0)

    def is_next(self, ordinal: int) -> bool:
        """Whether all pods before it are there: it may be made now."""
        return all(each in self.pods for each in range(self.start, ordinal))

    def steps(self) -> list[Action]:
        actions: list[Action] = []
        for ordinal in range(self.start, self.end):
            pod = self.pods.get(ordinal)
            if pod is None:
                actions.append(Create(POD, self._pod(ordinal)))
                if self.one_by_one:
                    return actions
            elif pod.over and not pod.deleting:
                actions.append(self._delete(pod))  # it is made anew under its name when it is gone
                if self.one_by_one:
                    return actions
            elif self.one_by_one and not self._healthy(pod):
                return actions
        extra = sorted((each for each in self.pods if not self.start <= each < self.end), reverse=True)
        for ordinal in extra:
            pod = self.pods[ordinal]
            if not pod.deleting:
                actions.append(self._delete(pod))
            if self.one_by_one:
                return actions  # the next one when this one is gone
        if not actions and self.rolling:
            actions += self._replace()
        return actions

    def _replace(self) -> list[Action]:
        """From the highest ordinal down to the partition, one at a time, each when the one before is healthy."""
        for ordinal in range(self.end - 1, self.start + self.partition - 1, -1):
            pod = self.pods.get(ordinal)
            if pod is None:
                return []
            if pod.labels.get(CONTROLLER_REVISION_HASH) != self.update and not pod.deleting:
                return [self._delete(pod)]
            if not self._healthy(pod):
                return []
        return []

    def status(self) -> Raw:
        living = [pod for ordinal, pod in self.pods.items() if not pod.over]
        made = [pod for pod in living if not pod.deleting]
        at_current = sum(pod.labels.get(CONTROLLER_REVISION_HASH) == self.current for pod in made)
        at_update = sum(pod.labels.get(CONTROLLER_REVISION_HASH) == self.update for pod in made)
        ready = sum(pod.ready and pod.phase == "Running" for pod in made)
        replicas = self.end - self.start
        current = self.current
        if self.rolling and current != self.update and at_update == ready == replicas == len(living):
            current, at_current = self.update, at_update  # the rollout is complete
        return {
            "observedGeneration": observed(self.statefulset),
            "replicas": len(living),
            "readyReplicas": ready or None,
            "availableReplicas": sum(self._available(pod) for pod in made),
            "currentReplicas": at_current or None,
            "updatedReplicas": at_update or None,
            "currentRevision": current,
            "updateRevision": self.update,
            "collisionCount": 0,
        }

    def _available(self, pod: PodFacts) -> bool:
        return pod.phase == "Running" and pod.available(self.now, self.min_ready)

    def _healthy(self, pod: PodFacts) -> bool:
        return not pod.deleting and self._available(pod)

    def _delete(self, pod: PodFacts) -> Delete:
        return Delete(POD, pod.namespace, pod.key.name, pod.uid)

    def _pod(self, ordinal: int) -> Raw:
        """web-0: its own name as hostname under the governing Service, its index, and its claims as volumes."""
        statefulset = self.statefulset
        revision, template = self._revision_for(ordinal)
        name = f"{statefulset.name}-{ordinal}"
        labels = {CONTROLLER_REVISION_HASH: revision, POD_NAME: name, POD_INDEX: str(ordinal)}
        raw = pod_from_template(STATEFULSET, statefulset, template, name=name, labels=labels)
        spec = dict(raw["spec"])
        spec["hostname"] = name
        if statefulset.spec.get("serviceName"):
            spec["subdomain"] = statefulset.spec["serviceName"]
        claims = [
            each["metadata"]["name"]
            for each in statefulset.spec.get("volumeClaimTemplates") or ()
            if "metadata" in each
        ]
        if claims:
            others = [each for each in spec.get("volumes") or () if each.get("name") not in claims]
            mine = [{"name": each, "persistentVolumeClaim": {"claimName": f"{each}-{name}"}} for each in claims]
            spec["volumes"] = others + mine
        raw["spec"] = spec
        return raw

    def _revision_for(self, ordinal: int) -> tuple[str, Mapping[str, Any]]:
        """A pod below the partition comes back as it was; so does one that the update has not reached yet."""
        below = ordinal < self.start + self.partition
        others = [pod for number, pod in self.pods.items() if number != ordinal and pod.active]
        reached = ordinal >= self.start + sum(p.labels.get(CONTROLLER_REVISION_HASH) == self.current for p in others)
        if self.rolling and self.current != self.update and (below or (not self.partition and not reached)):
            return self.current, revision_template(self.revisions[self.current])
        return self.update, self.statefulset.spec.get("template") or {}
