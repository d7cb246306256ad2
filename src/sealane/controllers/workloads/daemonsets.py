"""DaemonSets: one pod on each node that may run it.

https://kubernetes.io/docs/concepts/workloads/controllers/daemonset/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from sealane.controllers.actions import Action, Create, Delete, claim, observed, write_status
from sealane.controllers.scheduling.placement import in_affinity, tolerates
from sealane.controllers.workloads.deployments import scaled_value
from sealane.controllers.workloads.pods import PodFacts, pod_from_template
from sealane.controllers.workloads.replicasets import wait_for_available
from sealane.controllers.workloads.revisions import CONTROLLER_REVISION_HASH, forget_old, update_revision
from sealane.kube.kinds import DAEMONSET, POD
from sealane.kube.objects import Object, Raw
from sealane.kube.selectors import LabelSelector

_TOLERATIONS: tuple[tuple[str, str], ...] = (
    ("node.kubernetes.io/not-ready", "NoExecute"),
    ("node.kubernetes.io/unreachable", "NoExecute"),
    ("node.kubernetes.io/disk-pressure", "NoSchedule"),
    ("node.kubernetes.io/memory-pressure", "NoSchedule"),
    ("node.kubernetes.io/pid-pressure", "NoSchedule"),
    ("node.kubernetes.io/unschedulable", "NoSchedule"),
)


def plan(
    daemonset: Object,
    owned: Sequence[PodFacts],
    orphans: Sequence[PodFacts],
    nodes: Iterable[Object],
    revisions: Sequence[Object],
    now: float,
) -> list[Action]:
    """Pods to make and to delete, its revisions, and the status. Arguments as of `replicasets.plan`."""
    selector = LabelSelector.of(daemonset.spec.get("selector") or {})
    by_uid = {pod.uid: pod for pod in (*owned, *orphans)}
    alive = [pod.object for pod in orphans if pod.active]
    claimed, actions = claim(POD, DAEMONSET, daemonset, (p.object for p in owned), alive, selector.matches)
    known = [each for each in revisions if not each.deleting]
    name, hash_, revise = update_revision(DAEMONSET, daemonset, known)
    spec = _pod_spec(daemonset)
    verdicts = {node.name: verdict(spec, node) for node in nodes}
    pods: dict[str, list[PodFacts]] = {}
    for each in claimed:
        pod = by_uid[each.uid]
        pods.setdefault(pod.node or _bound_for(each), []).append(pod)
    doomed: dict[str, PodFacts] = {}
    if not daemonset.deleting:
        actions += revise
        wanted = [name for name, (run, _) in verdicts.items() if run]
        surge = _surge(daemonset, len(wanted))
        for node, here in pods.items():
            _, stay = verdicts.get(node, (False, False))
            doomed.update((pod.uid, pod) for pod in here if pod.over and not pod.deleting)
            living = sorted((pod for pod in here if pod.active), key=lambda pod: (not pod.ready, pod.created, pod.uid))
            if stay and surge:  # one of each template may be there at once
                alike = (pod for pod in living if pod.labels.get(CONTROLLER_REVISION_HASH) == hash_)
                others = [pod for pod in living if pod.labels.get(CONTROLLER_REVISION_HASH) != hash_]
                living = [*list(alike)[1:], *others[1:]]
                doomed.update((pod.uid, pod) for pod in living)
            else:
                doomed.update((pod.uid, pod) for pod in (living[1:] if stay else living))
        surging = _surging(daemonset, wanted, pods, hash_, surge, now) if surge else frozenset()
        doomed |= _overtaken(daemonset, pods, hash_, now) if surge else _outdated(daemonset, wanted, pods, hash_, now)
        actions += [Delete(POD, pod.namespace, pod.key.name, pod.uid) for pod in doomed.values()]
        for node in wanted:
            if node in surging or not any(not pod.over for pod in pods.get(node, ())):
                actions.append(Create(POD, _pod(daemonset, spec, node, hash_)))
        used = {f"{daemonset.name}-{pod.labels.get(CONTROLLER_REVISION_HASH)}" for pod in by_uid.values()}
        actions += forget_old(daemonset, known, {name, *used})
    min_ready = int(daemonset.spec.get("minReadySeconds") or 0)
    actions += write_status(DAEMONSET, daemonset, _status(daemonset, verdicts, pods, hash_, now, min_ready))
    return [*actions, *wait_for_available((p for here in pods.values() for p in here), now, min_ready)]


def verdict(spec: Mapping[str, Any], node: Object) -> tuple[bool, bool]:
    """(shall a pod run there, may one that does stay): NoSchedule keeps pods away, NoExecute also ends them."""
    if not in_affinity(spec, node):
        return False, False
    tolerations = spec.get("tolerations") or ()
    barred = [taint for taint in node.spec.get("taints") or () if not tolerates(tolerations, taint)]
    stay = not any(taint.get("effect") == "NoExecute" for taint in barred)
    return stay and not any(taint.get("effect") == "NoSchedule" for taint in barred), stay


def _pod_spec(daemonset: Object) -> Raw:
    """The template's spec with the tolerations that every daemon pod has."""
    spec = dict((daemonset.spec.get("template") or {}).get("spec") or {})
    more = [{"key": key, "operator": "Exists", "effect": effect} for key, effect in _TOLERATIONS]
    if spec.get("hostNetwork"):
        more.append({"key": "node.kubernetes.io/network-unavailable", "operator": "Exists", "effect": "NoSchedule"})
    given = list(spec.get("tolerations") or ())
    spec["tolerations"] = given + [each for each in more if each not in given]
    return spec


def _pod(daemonset: Object, spec: Raw, node: str, hash_: str) -> Raw:
    """A pod that only `node` can take: the scheduler binds it, as for any other."""
    affinity = dict(spec.get("affinity") or {})
    field = {"key": "metadata.name", "operator": "In", "values": [node]}
    # The node itself replaces the other terms: that they allow it is decided already.
    terms = {"nodeSelectorTerms": [{"matchFields": [field]}]}
    affinity["nodeAffinity"] = {
        **(affinity.get("nodeAffinity") or {}),
        "requiredDuringSchedulingIgnoredDuringExecution": terms,
    }
    template = {**(daemonset.spec.get("template") or {}), "spec": {**spec, "affinity": affinity}}
    labels = {CONTROLLER_REVISION_HASH: hash_, "pod-template-generation": str(observed(daemonset) or 1)}
    return pod_from_template(DAEMONSET, daemonset, template, labels=labels)


def _bound_for(pod: Object) -> str:
    """The node a pod is meant for while it waits for the scheduler."""
    affinity = (pod.spec.get("affinity") or {}).get("nodeAffinity") or {}
    required = affinity.get("requiredDuringSchedulingIgnoredDuringExecution") or {}
    for term in required.get("nodeSelectorTerms") or ():
        for field in term.get("matchFields") or ():
            if field.get("key") == "metadata.name" and field.get("values"):
                return str(field["values"][0])
    return ""


def _outdated(
    daemonset: Object, wanted: Sequence[str], pods: Mapping[str, Sequence[PodFacts]], hash_: str, now: float
) -> dict[str, PodFacts]:
    """Pods of an old template that go now: all that are not available, others up to maxUnavailable missing in all."""
    strategy = daemonset.spec.get("updateStrategy") or {}
    if (strategy.get("type") or "RollingUpdate") != "RollingUpdate":
        return {}
    rolling = strategy.get("rollingUpdate") or {}
    limit = max(1, scaled_value(rolling.get("maxUnavailable", 1), len(wanted), up=True))
    min_ready = int(daemonset.spec.get("minReadySeconds") or 0)
    missing = 0
    doomed: dict[str, PodFacts] = {}
    candidates: list[PodFacts] = []
    for node in wanted:
        living = [pod for pod in pods.get(node, ()) if pod.active]
        if not any(pod.available(now, min_ready) for pod in living):
            missing += 1
            doomed.update((pod.uid, pod) for pod in living if pod.labels.get(CONTROLLER_REVISION_HASH) != hash_)
        else:
            candidates += [pod for pod in living if pod.labels.get(CONTROLLER_REVISION_HASH) != hash_]
    doomed.update((pod.uid, pod) for pod in candidates[: max(0, limit - missing)])
    return doomed


def _surge(daemonset: Object, nodes: int) -> int:
    """On how many nodes a new pod may run beside the old one; 0 when the old one goes first (KEP-1591)."""
    strategy = daemonset.spec.get("updateStrategy") or {}
    if (strategy.get("type") or "RollingUpdate") != "RollingUpdate":
        return 0
    return scaled_value((strategy.get("rollingUpdate") or {}).get("maxSurge") or 0, nodes, up=True)


def _surging(
    daemonset: Object, wanted: Sequence[str], pods: Mapping[str, Sequence[PodFacts]], hash_: str, surge: int, now: float
) -> frozenset[str]:
    """Nodes whose old pod gets a new one beside it now: at once where the old one is not available."""
    min_ready = int(daemonset.spec.get("minReadySeconds") or 0)
    under_way, candidates, broken = 0, [], []
    for node in wanted:
        living = [pod for pod in pods.get(node, ()) if pod.active]
        new = [pod for pod in living if pod.labels.get(CONTROLLER_REVISION_HASH) == hash_]
        old = [pod for pod in living if pod not in new]
        if not old:
            continue
        if new:
            under_way += 1
        elif any(pod.available(now, min_ready) for pod in old):
            candidates.append(node)
        else:
            broken.append(node)
    return frozenset((*broken, *candidates[: max(0, surge - under_way - len(broken))]))


def _overtaken(
    daemonset: Object, pods: Mapping[str, Sequence[PodFacts]], hash_: str, now: float
) -> dict[str, PodFacts]:
    """Old pods beside which a new one is available."""
    min_ready = int(daemonset.spec.get("minReadySeconds") or 0)
    found: dict[str, PodFacts] = {}
    for here in pods.values():
        living = [pod for pod in here if pod.active]
        new = [pod for pod in living if pod.labels.get(CONTROLLER_REVISION_HASH) == hash_]
        if any(pod.available(now, min_ready) for pod in new):
            found.update((pod.uid, pod) for pod in living if pod not in new)
    return found


def _status(
    daemonset: Object,
    verdicts: Mapping[str, tuple[bool, bool]],
    pods: Mapping[str, Sequence[PodFacts]],
    hash_: str,
    now: float,
    min_ready: int,
) -> Raw:
    desired = [node for node, (run, _) in verdicts.items() if run]
    first: dict[str, PodFacts] = {}
    for node in desired:
        active = [pod for pod in pods.get(node, ()) if pod.active]
        if active:
            first[node] = min(active, key=lambda pod: (not pod.ready, pod.created, pod.uid))
    available = sum(pod.available(now, min_ready) for pod in first.values())
    return {
        "currentNumberScheduled": len(first),
        "desiredNumberScheduled": len(desired),
        "numberMisscheduled": sum(
            any(pod.active for pod in here) for node, here in pods.items() if node and node not in desired
        ),
        "numberReady": sum(pod.ready for pod in first.values()),
        "numberAvailable": available or None,
        "numberUnavailable": len(desired) - available or None,
        "updatedNumberScheduled": sum(p.labels.get(CONTROLLER_REVISION_HASH) == hash_ for p in first.values()) or None,
        "observedGeneration": observed(daemonset),
    }
