"""The four workload controllers and load balancers, wired: which changes wake which plan, and what the plan reads."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence

from sealane.controllers.actions import Action, by_controller, orphans_of
from sealane.controllers.reconciler import Reconciler
from sealane.controllers.services import loadbalancers
from sealane.controllers.workloads import daemonsets, deployments, replicasets, statefulsets
from sealane.controllers.workloads.pods import PodFacts
from sealane.controllers.workloads.pods import by_controller as pods_by_controller
from sealane.kube.client.protocol import Client
from sealane.kube.kinds import (
    CONTROLLERREVISION,
    DAEMONSET,
    DEPLOYMENT,
    NODE,
    PERSISTENTVOLUMECLAIM,
    REPLICASET,
    SERVICE,
    STATEFULSET,
    Kind,
)
from sealane.kube.objects import Key, Object
from sealane.network.services import is_ours
from sealane.network.services.pools import Pool, assigned
from sealane.reactive.collections import ByIndex, Change, Collection
from sealane.reactive.recorder import Recorder

Sources = Mapping[Kind, Collection[Key, Object]]
Now = Callable[[], float]


def replicaset_controller(
    client: Client,
    sources: Sources,
    pods: Collection[Key, PodFacts],
    recorder: Recorder,
    now: Now = time.time,
    kind: Kind = REPLICASET,
) -> Reconciler:
    """kind: ReplicaSet or ReplicationController."""

    def plan(replicaset: Object) -> list[Action]:
        return replicasets.plan(replicaset, *pods_of(pods, replicaset), now())

    controller = Reconciler(client, kind, sources, plan, recorder)
    controller.follow(pods, owner_of_pod(sources[kind]))
    return controller


def deployment_controller(
    client: Client, sources: Sources, pods: Collection[Key, PodFacts], recorder: Recorder, now: Now = time.time
) -> Reconciler:
    sets = sources[REPLICASET]

    def plan(deployment: Object) -> list[Action]:
        owned, orphans = owned_by(sets, deployment)
        strategy = deployment.spec.get("strategy") or {}
        run = strategy.get("type") == "Recreate" and _old_pods_run(deployment, owned, pods)
        return deployments.plan(deployment, owned, orphans, run, now())

    def of_pod(pod: PodFacts) -> Iterable[Key]:
        """Only Recreate waits for pods to go; all else comes with the status of their ReplicaSet."""
        for replicaset in sets.select(ByIndex(by_uid, pod.controller)) if pod.controller else ():
            for key in of_set(replicaset):
                deployment = sources[DEPLOYMENT].get(key)
                if deployment and (deployment.spec.get("strategy") or {}).get("type") == "Recreate":
                    yield key

    of_set = owner_of(sources[DEPLOYMENT])
    controller = Reconciler(client, DEPLOYMENT, sources, plan, recorder)
    controller.follow(sets, of_set)
    controller.follow(pods, of_pod)
    return controller


def statefulset_controller(
    client: Client, sources: Sources, pods: Collection[Key, PodFacts], recorder: Recorder, now: Now = time.time
) -> Reconciler:
    revisions, claims = sources[CONTROLLERREVISION], sources[PERSISTENTVOLUMECLAIM]

    def plan(statefulset: Object) -> list[Action]:
        kept = revisions.select(ByIndex(by_controller, statefulset.uid))
        has = statefulset.spec.get("volumeClaimTemplates")
        found = claims.select(ByIndex(namespace_of, statefulset.namespace)) if has else ()
        return statefulsets.plan(statefulset, *pods_of(pods, statefulset), kept, now(), found)

    controller = Reconciler(client, STATEFULSET, sources, plan, recorder)
    controller.follow(pods, owner_of_pod(sources[STATEFULSET]))
    controller.follow(revisions, owner_of(sources[STATEFULSET]))
    return controller


def daemonset_controller(
    client: Client, sources: Sources, pods: Collection[Key, PodFacts], recorder: Recorder, now: Now = time.time
) -> Reconciler:
    revisions, nodes, all_ = sources[CONTROLLERREVISION], sources[NODE], sources[DAEMONSET]

    def plan(daemonset: Object) -> list[Action]:
        kept = revisions.select(ByIndex(by_controller, daemonset.uid))
        return daemonsets.plan(daemonset, *pods_of(pods, daemonset), nodes.select(None), kept, now())

    controller = Reconciler(client, DAEMONSET, sources, plan, recorder)
    controller.follow(pods, owner_of_pod(all_))
    controller.follow(revisions, owner_of(all_))
    controller.follow(nodes, lambda node: list(all_))
    return controller


def loadbalancer_controller(client: Client, sources: Sources, recorder: Recorder) -> Reconciler:
    pool = Pool()

    def changed(changes: Sequence[Change[Key, Object]]) -> None:
        """A Service that has an address keeps it, the older first; one that goes releases it."""
        new = [change.new for change in changes if change.old is None and change.new is not None]
        for service in sorted(new, key=lambda each: (each.metadata.get("creationTimestamp") or "", each.key)):
            if is_ours(service):
                pool.hold(service.key, assigned(service))
        for change in changes:
            if change.new is None:
                pool.hold(change.key, ())

    sources[SERVICE].subscribe(changed)
    return Reconciler(client, SERVICE, sources, lambda service: loadbalancers.plan(service, pool), recorder)


def pods_of(pods: Collection[Key, PodFacts], owner: Object) -> tuple[list[PodFacts], list[PodFacts]]:
    """The pods that `owner` controls, and those of its namespace without a controller."""
    owned = pods.select(ByIndex(pods_by_controller, owner.uid))
    return owned, pods.select(ByIndex(pods_by_controller, orphans_of(owner.namespace)))


def owned_by(children: Collection[Key, Object], owner: Object) -> tuple[list[Object], list[Object]]:
    owned = children.select(ByIndex(by_controller, owner.uid))
    return owned, children.select(ByIndex(by_controller, orphans_of(owner.namespace)))


def _old_pods_run(deployment: Object, owned: Iterable[Object], pods: Collection[Key, PodFacts]) -> bool:
    new = deployments.Rollout(deployment, list(owned)).new
    return any(
        not pod.over
        for each in owned
        if new is None or each.uid != new.uid
        for pod in pods.select(ByIndex(pods_by_controller, each.uid))
    )


def by_uid(each: Object) -> tuple[str, ...]:
    return (each.uid,)


def namespace_of(each: Object) -> tuple[str, ...]:
    return (each.namespace,)


def owner_of(owners: Collection[Key, Object]) -> Callable[[Object], Iterable[Key]]:
    """From a child to its controller among `owners`; from an orphan to all of its namespace, which may adopt it."""

    def keys(child: Object) -> Iterable[Key]:
        return _woken(owners, by_controller(child)[0], child.namespace)

    return keys


def owner_of_pod(owners: Collection[Key, Object]) -> Callable[[PodFacts], Iterable[Key]]:
    def keys(pod: PodFacts) -> Iterable[Key]:
        return _woken(owners, pods_by_controller(pod)[0], pod.namespace)

    return keys


def _woken(owners: Collection[Key, Object], controller: str, namespace: str) -> list[Key]:
    if controller == orphans_of(namespace):
        return [each.key for each in owners.select(ByIndex(namespace_of, namespace))]
    return [each.key for each in owners.select(ByIndex(by_uid, controller))]
