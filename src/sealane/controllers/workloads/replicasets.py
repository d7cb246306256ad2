"""ReplicaSets, and ReplicationControllers before them: so many pods of one template, whatever happens to them.

https://kubernetes.io/docs/concepts/workloads/controllers/replicaset/
https://kubernetes.io/docs/concepts/workloads/controllers/replicationcontroller/
"""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Sequence
from functools import cmp_to_key

from sealane.controllers.actions import Action, Again, Create, Delete, claim, observed, write_status
from sealane.controllers.workloads.pods import PodFacts, pod_from_template
from sealane.kube.kinds import POD, REPLICASET, REPLICATIONCONTROLLER
from sealane.kube.objects import Object, Raw
from sealane.kube.selectors import LabelSelector


def plan(replicaset: Object, owned: Sequence[PodFacts], orphans: Sequence[PodFacts], now: float) -> list[Action]:
    """Pods to make and to delete, and the status.

    owned: pods whose controller is this ReplicaSet. orphans: pods of its namespace that have none. now: seconds since
    the epoch.
    """
    spec = replicaset.spec
    kind = REPLICASET if replicaset.kind == REPLICASET.kind else REPLICATIONCONTROLLER
    read = LabelSelector.of if kind is REPLICASET else LabelSelector.of_labels
    selector = read(spec.get("selector") or {})
    by_uid = {pod.uid: pod for pod in (*owned, *orphans)}
    alive = [pod.object for pod in orphans if pod.active]
    claimed, actions = claim(POD, kind, replicaset, (p.object for p in owned), alive, selector.matches)
    active = [pod for each in claimed if (pod := by_uid[each.uid]).active]
    if not replicaset.deleting:
        missing = int(spec.get("replicas", 1)) - len(active)
        if missing > 0:
            raw = pod_from_template(kind, replicaset, spec.get("template") or {})
            actions += [Create(POD, raw) for _ in range(missing)]
        elif missing < 0:
            order = deletion_order(active, now)
            actions += [Delete(POD, pod.namespace, pod.key.name, pod.uid) for pod in order[:-missing]]
            active = order[-missing:]  # the status must not count on pods that go now: a rollout relies on it
    actions += write_status(kind, replicaset, _status(replicaset, active, now))
    return [*actions, *wait_for_available(active, now, int(spec.get("minReadySeconds") or 0))]


def wait_for_available(pods: Iterable[PodFacts], now: float, min_ready_seconds: int) -> list[Action]:
    """Look again when the next ready pod has been so for long enough."""
    waits = [pod.ready_since + min_ready_seconds - now for pod in pods if pod.ready and min_ready_seconds]
    later = [seconds for seconds in waits if seconds > 0]
    return [Again(min(later))] if later else []


def deletion_order(pods: Sequence[PodFacts], now: float) -> list[PodFacts]:
    """Which pods go first when there are too many.

    Not yet on a node; Pending; not ready; lower deletion cost; more of the same on its node; ready for less time; more
    restarts; younger. Times count in powers of two (KEP-2185), within one the uid decides: as good as random.
    """
    on_node = Counter(pod.node for pod in pods)

    def compare(one: PodFacts, other: PodFacts) -> int:
        for left, right in (
            (bool(one.node), bool(other.node)),
            (_PHASES.get(one.phase, 1), _PHASES.get(other.phase, 1)),
            (one.ready, other.ready),
            (one.cost, other.cost),
            (-on_node[one.node], -on_node[other.node]),
        ):
            if left != right:
                return -1 if left < right else 1
        if one.ready and one.ready_since != other.ready_since:
            return _by_age(one, other, one.ready_since, other.ready_since, now)
        if one.restarts != other.restarts:
            return other.restarts - one.restarts
        return _by_age(one, other, one.created, other.created, now)

    return sorted(pods, key=cmp_to_key(compare))


def _by_age(one: PodFacts, other: PodFacts, since: float, other_since: float, now: float) -> int:
    difference = _magnitude(now - since) - _magnitude(now - other_since)
    return difference or (one.uid > other.uid) - (one.uid < other.uid)


def _magnitude(age: float) -> int:
    return int(math.log2(age * 1e9)) if age > 0 else -1


def _status(replicaset: Object, active: Sequence[PodFacts], now: float) -> Raw:
    template_labels = ((replicaset.spec.get("template") or {}).get("metadata") or {}).get("labels") or {}
    min_ready = int(replicaset.spec.get("minReadySeconds") or 0)
    return {
        "replicas": len(active),
        "fullyLabeledReplicas": sum(template_labels.items() <= pod.labels.items() for pod in active) or None,
        "readyReplicas": sum(pod.ready for pod in active) or None,
        "availableReplicas": sum(pod.available(now, min_ready) for pod in active) or None,
        "observedGeneration": observed(replicaset),
    }


_PHASES = {"Pending": 0, "Unknown": 1, "Running": 2}
