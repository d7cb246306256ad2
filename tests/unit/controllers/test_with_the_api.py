"""Controllers, informers and writers against the real API: what `kubectl` would see."""

from __future__ import annotations

import asyncio
from collections import Counter
from collections.abc import Callable
from typing import Any

from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import (
    DAEMONSET,
    DEPLOYMENT,
    ENDPOINTS,
    ENDPOINTSLICE,
    EVENT,
    NODE,
    POD,
    REPLICASET,
    SERVICE,
    STATEFULSET,
    Kind,
)
from sealane.kube.objects import Object, Raw

from .conftest import Running
from .world import template, workload

Plane = Callable[..., Any]


def make(kind: str, name: str = "web", **spec: Any) -> Raw:
    raw = workload(kind, name, **spec)
    raw["metadata"]["namespace"] = "shop"
    return raw


def service(name: str = "web", **spec: Any) -> Raw:
    ports = [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}]
    spec = {"selector": {"app": "web"}, "clusterIP": "10.96.0.20", "ipFamilies": ["IPv4"], "ports": ports, **spec}
    return {"apiVersion": "v1", "kind": "Service", "metadata": {"name": name, "namespace": "shop"}, "spec": spec}


def done(running: Running, replicas: int) -> bool:
    """What `kubectl rollout status` waits for."""
    (deployment,) = running.all(DEPLOYMENT)
    status = deployment.status
    return (
        status.get("observedGeneration") == deployment.metadata["generation"]
        and status.get("updatedReplicas", 0) == replicas
        and status.get("replicas", 0) == replicas
        and status.get("availableReplicas", 0) == replicas
    )


def endpoints(running: Running) -> set[str]:
    """Names of the pods in EndpointSlices that are ready."""
    return {
        endpoint["targetRef"]["name"]
        for each in running.all(ENDPOINTSLICE)
        for endpoint in each.raw["endpoints"]
        if endpoint["conditions"]["ready"]
    }


def names(objects: list[Object]) -> set[str]:
    return {each.name for each in objects}


def test_a_deployment_scales_rolls_and_goes_back_and_endpoints_follow(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            client = running.client
            await client.create(SERVICE, service())
            await client.create(DEPLOYMENT, make("Deployment", replicas=3))
            await running.until(lambda: len(running.all(DEPLOYMENT)) == 1 and done(running, 3))
            await running.until(lambda: endpoints(running) == names(running.all(POD)))
            assert Counter(pod.spec["nodeName"] for pod in running.all(POD)) == Counter(["node-1", "node-2", "node-3"])
            (legacy,) = running.all(ENDPOINTS)
            assert len(legacy.raw["subsets"][0]["addresses"]) == 3
            assert {e["zone"] for s in running.all(ENDPOINTSLICE) for e in s.raw["endpoints"]} == {
                "zone-1",
                "zone-2",
                "zone-3",
            }

            await client.patch(DEPLOYMENT, "shop", "web", {"spec": {"replicas": 7}})
            await running.until(lambda: done(running, 7))
            await running.until(lambda: len(endpoints(running)) == 7)

            await client.patch(DEPLOYMENT, "shop", "web", {"spec": {"template": template("web", "web:2")}})
            await running.until(lambda: done(running, 7) and len(running.all(POD)) == 7)
            assert {pod.spec["containers"][0]["image"] for pod in running.all(POD)} == {"web:2"}
            await running.until(lambda: endpoints(running) == names(running.all(POD)))

            await client.patch(DEPLOYMENT, "shop", "web", {"spec": {"template": template("web", "web:1")}})
            await running.until(lambda: done(running, 7) and len(running.all(POD)) == 7)
            assert {pod.spec["containers"][0]["image"] for pod in running.all(POD)} == {"web:1"}
            assert running.all(DEPLOYMENT)[0].annotations["deployment.kubernetes.io/revision"] == "3"

            victim = running.all(POD)[0]
            await client.delete(POD, "shop", victim.name)
            await running.until(lambda: victim.name not in names(running.all(POD)))
            await running.until(lambda: len(running.all(POD)) == 7 and endpoints(running) == names(running.all(POD)))

            await client.patch(DEPLOYMENT, "shop", "web", {"spec": {"replicas": 0}})
            await running.until(lambda: not running.all(POD) and not endpoints(running))
            assert len(running.all(ENDPOINTSLICE)) == 1
            await client.delete(SERVICE, "shop", "web")
            await running.until(lambda: not running.all(ENDPOINTSLICE) and not running.all(ENDPOINTS))

    asyncio.run(scenario())


def test_endpoints_of_a_selector_that_is_removed_stay_until_the_service_goes(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            client = running.client
            await client.create(SERVICE, service())
            await client.create(DEPLOYMENT, make("Deployment", replicas=2))
            await running.until(lambda: len(endpoints(running)) == 2)
            await running.quiet()
            before = [each.raw for kind in (ENDPOINTSLICE, ENDPOINTS) for each in running.all(kind)]
            assert len(before) == 2
            await client.patch(SERVICE, "shop", "web", {"spec": {"selector": None}})
            await running.until(lambda: not running.all(SERVICE)[0].spec.get("selector"))
            await client.patch(DEPLOYMENT, "shop", "web", {"spec": {"replicas": 1}})
            await running.until(lambda: len(running.all(POD)) == 1)
            await running.quiet()
            assert [each.raw for kind in (ENDPOINTSLICE, ENDPOINTS) for each in running.all(kind)] == before
            await client.patch(SERVICE, "shop", "web", {"spec": {"selector": {"app": "web"}}})
            await running.until(lambda: endpoints(running) == names(running.all(POD)))
            await client.patch(SERVICE, "shop", "web", {"spec": {"selector": None}})
            await client.delete(SERVICE, "shop", "web")
            await running.until(lambda: not running.all(ENDPOINTSLICE) and not running.all(ENDPOINTS))

    asyncio.run(scenario())


def test_a_service_without_ready_pods_has_endpoints_that_are_not_ready(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            running.nodes.ready = lambda pod: False
            await running.client.create(SERVICE, service())
            await running.client.create(DEPLOYMENT, make("Deployment", replicas=2))
            await running.until(lambda: any(each.raw["endpoints"] for each in running.all(ENDPOINTSLICE)))
            await running.quiet()
            assert endpoints(running) == set()
            (legacy,) = running.all(ENDPOINTS)
            assert len(legacy.raw["subsets"][0]["notReadyAddresses"]) == 2

    asyncio.run(scenario())


def test_every_pod_is_made_once(plane: Plane) -> None:
    """However slow the watch is: no plan is made from a past that lacks what the last one wrote."""

    async def scenario() -> None:
        async with plane() as running:
            made: set[str] = set()
            running.cluster[POD].subscribe(
                lambda changes: made.update(change.key.name for change in changes if change.new is not None)
            )
            await running.client.create(DEPLOYMENT, make("Deployment", replicas=100))
            await running.until(lambda: len(running.all(DEPLOYMENT)) == 1 and done(running, 100), 10)
            assert len(made) == 100
            assert len(running.all(REPLICASET)) == 1
            per_node = Counter(pod.spec["nodeName"] for pod in running.all(POD))
            assert sorted(per_node.values()) == [33, 33, 34]

    asyncio.run(scenario())


def test_when_all_is_done_nothing_more_is_written(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            await running.client.create(SERVICE, service(type="LoadBalancer"))
            await running.client.create(DEPLOYMENT, make("Deployment", replicas=2))
            await running.client.create(STATEFULSET, make("StatefulSet", "db", replicas=2, serviceName="db"))
            await running.client.create(DAEMONSET, make("DaemonSet", "agent"))
            await running.until(lambda: len(running.all(POD)) == 7, 10)
            await running.quiet()
            for recorder in running.controllers.recorders.values():
                await recorder.flush()
            version = running.api.store.version
            await asyncio.sleep(0.5)
            assert running.api.store.version == version

    asyncio.run(scenario())


def test_a_restart_of_the_controllers_changes_nothing(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            await running.client.create(SERVICE, service(type="LoadBalancer"))
            await running.client.create(DEPLOYMENT, make("Deployment", replicas=3))
            await running.client.create(STATEFULSET, make("StatefulSet", "db", replicas=2, serviceName="db"))
            await running.until(lambda: len(running.all(POD)) == 5)
            await running.quiet()
            for recorder in running.controllers.recorders.values():
                await recorder.flush()
            version = running.api.store.version
        async with plane(nodes=0) as again:
            await asyncio.sleep(0.5)
            assert again.api.store.version == version

    asyncio.run(scenario())


def test_a_statefulset_rolls_in_order(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            order: list[str] = []
            running.cluster[POD].subscribe(
                lambda changes: order.extend(
                    f"{'-' if c.new is None else '+'}{c.key.name}" for c in changes if c.old is None or c.new is None
                )
            )
            await running.client.create(STATEFULSET, make("StatefulSet", "db", replicas=3, serviceName="db"))
            await running.until(lambda: order == ["+db-0", "+db-1", "+db-2"])
            await running.quiet()
            order.clear()
            await running.client.patch(STATEFULSET, "shop", "db", {"spec": {"template": template("db", "db:2")}})
            await running.until(lambda: order == ["-db-2", "+db-2", "-db-1", "+db-1", "-db-0", "+db-0"])
            await running.quiet()
            (statefulset,) = running.all(STATEFULSET)
            assert statefulset.status["currentRevision"] == statefulset.status["updateRevision"]

    asyncio.run(scenario())


def test_what_cannot_be_placed_says_why_and_is_placed_when_it_can(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane(nodes=1) as running:
            raw = make("Deployment", replicas=1)
            raw["spec"]["template"]["spec"]["nodeSelector"] = {"disk": "ssd"}
            await running.client.create(DEPLOYMENT, raw)
            await running.until(lambda: any(pod.status.get("conditions") for pod in running.all(POD)))
            (pod,) = running.all(POD)
            assert pod.status["conditions"][0]["reason"] == "Unschedulable"
            await asyncio.sleep(0.05)
            events = (await running.client.list(EVENT, "shop")).items
            messages = {(each.raw["reason"], each.raw["message"]) for each in events}
            assert (
                "FailedScheduling",
                "0/1 nodes are available: 1 node(s) didn't match Pod's node affinity/selector. no new claims to "
                "deallocate, preemption: 0/1 nodes are available: 1 Preemption is not helpful for scheduling.",
            ) in messages
            await running.client.patch(NODE, "", "node-1", {"metadata": {"labels": {"disk": "ssd"}}})
            await running.until(lambda: done(running, 1))

    asyncio.run(scenario())


def test_events_of_many_pods_are_combined(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            await running.client.create(DEPLOYMENT, make("Deployment", replicas=30))
            await running.until(lambda: len(running.all(DEPLOYMENT)) == 1 and done(running, 30))
            for recorder in running.controllers.recorders.values():
                await recorder.flush()
            events = (await running.client.list(EVENT, "shop")).items
            created = [each.raw for each in events if each.raw["reason"] == "SuccessfulCreate"]
            assert len(created) == 10
            assert 25 <= sum(each["count"] for each in created) <= 30  # those held back are counted with the next
            assert sum(each.raw["reason"] == "Scheduled" for each in events) == 30

    asyncio.run(scenario())


def test_load_balancers_get_addresses_and_keep_them(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            await running.client.create(SERVICE, service("a", type="LoadBalancer", clusterIP="10.96.0.21"))
            await running.client.create(SERVICE, service("b", type="LoadBalancer", clusterIP="10.96.0.22"))

            def given() -> dict[str, str]:
                return {
                    each.name: ingress["ip"]
                    for each in running.all(SERVICE)
                    for ingress in each.status.get("loadBalancer", {}).get("ingress") or ()
                }

            await running.until(lambda: len(given()) == 2)
            before = given()
            assert len(set(before.values())) == 2
            await running.client.delete(SERVICE, "shop", "a")
            await running.client.patch(SERVICE, "shop", "b", {"spec": {"type": "ClusterIP"}})
            await running.until(lambda: given() == {})

    asyncio.run(scenario())


def test_pods_that_are_refused_are_told_and_tried_again(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            raw = make("ReplicaSet", replicas=3)
            create = running.client.create
            refusals = 0

            async def refusing(kind: Kind, raw: Raw) -> Object:
                nonlocal refusals
                if kind == POD and refusals < 4:
                    refusals += 1
                    raise ApiError(403, "Forbidden", "exceeded quota: pods")
                return await create(kind, raw)

            running.client.create = refusing
            await create(REPLICASET, raw)
            await running.until(lambda: len(running.all(POD)) == 3)
            assert refusals == 4  # three at once, then one to see whether it works again
            await running.quiet()
            events = (await running.client.list(EVENT, "shop")).items
            (failed,) = (each for each in events if each.raw["reason"] == "FailedCreate")
            assert failed.raw["message"] == "Error creating: exceeded quota: pods"
            assert failed.raw["count"] == 4
            assert failed.raw["involvedObject"]["name"] == "web"

    asyncio.run(scenario())


def test_a_deployment_that_is_deleted_takes_its_pods_along(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane() as running:
            for policy in ("Background", "Foreground"):
                await running.client.create(DEPLOYMENT, make("Deployment", replicas=5))
                await running.until(lambda: len(running.all(POD)) == 5)
                await running.client.delete(DEPLOYMENT, "shop", "web", propagation=policy)
                await running.until(
                    lambda: not (running.all(POD) or running.all(REPLICASET) or running.all(DEPLOYMENT))
                )

    asyncio.run(scenario())


def test_pods_that_want_a_node_of_their_own_wait_for_one(plane: Plane) -> None:
    async def scenario() -> None:
        async with plane(nodes=3) as running:
            raw = make("Deployment", replicas=4)
            term = {"topologyKey": "kubernetes.io/hostname", "labelSelector": {"matchLabels": {"app": "web"}}}
            raw["spec"]["template"]["spec"]["affinity"] = {
                "podAntiAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": [term]}
            }
            for node in running.all(NODE):
                labels = {"metadata": {"labels": {"kubernetes.io/hostname": node.name}}}
                await running.client.patch(NODE, "", node.name, labels)
            await running.quiet()
            await running.client.create(DEPLOYMENT, raw)
            await running.until(lambda: len(running.all(POD)) == 4)

            def explained() -> bool:
                conditions = (pod.status.get("conditions") or [{}] for pod in running.all(POD))
                return any(each[0].get("reason") == "Unschedulable" for each in conditions)

            await running.until(explained)
            await running.quiet()

            def placed() -> list[str]:
                return sorted(pod.spec["nodeName"] for pod in running.all(POD) if pod.spec.get("nodeName"))

            assert placed() == ["node-1", "node-2", "node-3"]
            (waiting,) = (pod for pod in running.all(POD) if not pod.spec.get("nodeName"))
            message = waiting.status["conditions"][0]["message"]
            assert message.startswith("0/3 nodes are available: 3 node(s) didn't match pod anti-affinity rules. ")
            leaving = next(pod for pod in running.all(POD) if pod.spec.get("nodeName") == "node-2")
            await running.client.delete(POD, "shop", leaving.name)
            await running.until(lambda: running.cluster[POD].get(waiting.key).spec.get("nodeName") == "node-2")

    asyncio.run(scenario())
