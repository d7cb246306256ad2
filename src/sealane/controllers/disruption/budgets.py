"""The controller of PodDisruptionBudgets, wired."""

from __future__ import annotations

import time
from collections.abc import Iterable

from sealane.controllers.actions import Action, controller_of
from sealane.controllers.disruption import disruption
from sealane.controllers.reconciler import Reconciler
from sealane.controllers.workloads.pods import PodFacts
from sealane.controllers.workloads.wiring import Now, Sources, by_uid, namespace_of
from sealane.kube.client.protocol import Client
from sealane.kube.kinds import DEPLOYMENT, PODDISRUPTIONBUDGET, REPLICASET, STATEFULSET
from sealane.kube.objects import Key, Object
from sealane.kube.selectors import LabelSelector
from sealane.reactive.collections import ByIndex, Collection, Selected
from sealane.reactive.recorder import Recorder


def budget_controller(
    client: Client, sources: Sources, pods: Collection[Key, PodFacts], recorder: Recorder, now: Now = time.time
) -> Reconciler:
    budgets = sources[PODDISRUPTIONBUDGET]

    def owner(uid: str) -> Object | None:
        for kind in (REPLICASET, STATEFULSET):
            for found in sources[kind].select(ByIndex(by_uid, uid)):
                return found
        return None

    def scale(pod: PodFacts) -> tuple[str, int] | None:
        found = owner(pod.controller) if pod.controller else None
        above = controller_of(found) if found is not None else None
        if above is not None:  # a ReplicaSet of a Deployment has what that wants
            found = next(iter(sources[DEPLOYMENT].select(ByIndex(by_uid, above["uid"]))), found)
        return None if found is None else (found.uid, int(found.spec.get("replicas", 1)))

    def plan(budget: Object) -> list[Action]:
        selector = budget.spec.get("selector")
        chosen = pods.select(Selected(budget.namespace, LabelSelector.of(selector))) if selector is not None else []
        return disruption.plan(budget, chosen, scale, now())

    def in_namespace(each: PodFacts | Object) -> Iterable[Key]:
        return [budget.key for budget in budgets.select(ByIndex(namespace_of, each.namespace))]

    controller = Reconciler(client, PODDISRUPTIONBUDGET, sources, plan, recorder)
    for collection in (pods, sources[DEPLOYMENT], sources[STATEFULSET]):
        controller.follow(collection, in_namespace)
    return controller
