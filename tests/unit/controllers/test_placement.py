"""Which node: the scheduler's choice and the DaemonSets'."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from sealane.controllers.scheduling.placement import obstacle
from sealane.controllers.scheduling.resources import requests_of
from sealane.controllers.scheduling.scheduler import Load, choose
from sealane.kube.objects import Key, Object, Raw
from sealane.kube.quantities import thousandths

from .world import World, images, template, workload


def node(name: str = "node-1", *, taints: list[Raw] | None = None, labels: Raw | None = None, **spec: Any) -> Object:
    labels = {"kubernetes.io/hostname": name, **(labels or {})}
    spec = {**spec, **({"taints": taints} if taints else {})}
    return Object({"apiVersion": "v1", "kind": "Node", "metadata": {"name": name, "labels": labels}, "spec": spec})


def pod(owner: str = "", name: str = "p", **spec: Any) -> Object:
    metadata: Raw = {"name": name, "namespace": "shop", "uid": f"uid-{name}"}
    if owner:
        metadata["ownerReferences"] = [{"uid": owner, "controller": True}]
    return Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec})


def affinity(*expressions: Raw, fields: list[Raw] | None = None) -> Raw:
    term: Raw = {"matchExpressions": list(expressions)} if expressions else {}
    if fields:
        term["matchFields"] = fields
    required = {"nodeSelectorTerms": [term]}
    return {"affinity": {"nodeAffinity": {"requiredDuringSchedulingIgnoredDuringExecution": required}}}


MATCH = "node(s) didn't match Pod's node affinity/selector"
GPU = {"key": "gpu", "value": "yes", "effect": "NoSchedule"}


def one(cpu: str, **more: Any) -> dict[str, Any]:
    """A container that asks for so much."""
    return {"resources": {"requests": {"cpu": cpu}}, **more}


@pytest.mark.parametrize(
    ("spec", "of", "expected"),
    [
        ({}, node(), ""),
        ({}, node(unschedulable=True), "node(s) were unschedulable"),
        ({"nodeSelector": {"disk": "ssd"}}, node(), MATCH),
        ({"nodeSelector": {"disk": "ssd"}}, node(labels={"disk": "ssd"}), ""),
        ({}, node(taints=[GPU]), "node(s) had untolerated taint {gpu: yes}"),
        ({}, node(taints=[{**GPU, "effect": "PreferNoSchedule"}]), ""),
        ({"tolerations": [{"key": "gpu", "value": "yes"}]}, node(taints=[GPU]), ""),
        (
            {"tolerations": [{"key": "gpu", "value": "no"}]},
            node(taints=[GPU]),
            "node(s) had untolerated taint {gpu: yes}",
        ),
        ({"tolerations": [{"key": "gpu", "operator": "Exists", "effect": "NoSchedule"}]}, node(taints=[GPU]), ""),
        ({"tolerations": [{"operator": "Exists"}]}, node(taints=[GPU], unschedulable=True), ""),
        (affinity({"key": "cpu", "operator": "Gt", "values": ["4"]}), node(labels={"cpu": "8"}), ""),
        (affinity({"key": "cpu", "operator": "Gt", "values": ["4"]}), node(labels={"cpu": "2"}), MATCH),
        (affinity({"key": "zone", "operator": "NotIn", "values": ["a"]}), node(), ""),
        (affinity({"key": "zone", "operator": "DoesNotExist"}), node(labels={"zone": "a"}), MATCH),
        (affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["node-1"]}]), node(), ""),
        (affinity(fields=[{"key": "metadata.name", "operator": "In", "values": ["node-2"]}]), node(), MATCH),
        (affinity(), node(), MATCH),
    ],
)
def test_obstacles(spec: Raw, of: Object, expected: str) -> None:
    assert obstacle(spec, of) == expected


def test_pods_of_one_owner_are_spread_first_then_all() -> None:
    nodes = [node(f"node-{n}") for n in (1, 2, 3)]
    load = Load()
    placed: dict[str, Counter[str]] = {"a": Counter(), "b": Counter()}
    for number, owner in enumerate("aaaabbbbb"):
        each = pod(owner, f"{owner}{number}")
        chosen, reason = choose(each, nodes, load)
        assert reason == ""
        load.place(each.key, chosen, owner)
        placed[owner][chosen] += 1
    assert sorted(placed["a"].values()) == [1, 1, 2]
    assert sorted(placed["b"].values()) == [1, 2, 2]
    assert sorted(load.total.values()) == [3, 3, 3]


def test_load_forgets_what_goes() -> None:
    load = Load()
    key = Key("", "Pod", "shop", "p")
    load.place(key, "node-1", "a")
    load.place(key, "node-2", "a")
    assert +load.total == Counter({"node-2": 1})
    load.remove(key)
    assert not +load.total
    assert not load.of_owner


def test_why_nothing_fits() -> None:
    nodes = [node("node-1", taints=[GPU]), node("node-2", unschedulable=True), node("node-3", unschedulable=True)]
    assert choose(pod(), nodes, Load()) == (
        "",
        "0/3 nodes are available: 1 node(s) had untolerated taint {gpu: yes}, 2 node(s) were unschedulable. no new "
        "claims to deallocate, preemption: 0/3 nodes are available: 3 Preemption is not helpful for scheduling.",
    )
    assert choose(pod(), [], Load()) == ("", "no nodes available to schedule pods")


def roomy(name: str, **allocatable: str) -> Object:
    return Object({**node(name).raw, "status": {"allocatable": {"pods": "10", **allocatable}}})


def asking(**requests: str) -> Object:
    return pod(containers=[{"name": "c", "resources": {"requests": requests}}])


def test_pods_are_bound_by_what_nodes_have_left() -> None:
    nodes = [roomy("node-1", cpu="2", memory="1Gi"), roomy("node-2", cpu="1", memory="1Gi")]
    load = Load()
    assert choose(asking(cpu="1500m"), nodes, load)[0] == "node-1"
    load.place(Key("", "Pod", "shop", "big"), "node-1", "owner", asking(cpu="1500m").spec)
    assert choose(asking(cpu="600m"), nodes, load)[0] == "node-2"
    assert choose(asking(cpu="1.5", memory="2Gi"), nodes, load) == (
        "",
        "0/2 nodes are available: 2 Insufficient cpu, 2 Insufficient memory. no new claims to deallocate, preemption: "
        "0/2 nodes are available: 2 No preemption victims found for incoming pod.",
    )
    load.remove(Key("", "Pod", "shop", "big"))
    assert choose(asking(cpu="1500m"), nodes, load)[0] == "node-1"
    assert "2 Insufficient nvidia.com/gpu" in choose(asking(**{"nvidia.com/gpu": "1"}), nodes, load)[1]
    assert choose(pod(), [roomy("full", pods="0")], load)[1].startswith("0/1 nodes are available: 1 Too many pods.")


def test_a_port_of_a_node_is_taken_once() -> None:
    def on_port(**port: object) -> Object:
        return pod(containers=[{"name": "c", "ports": [{"containerPort": 80, "hostPort": 8080, **port}]}])

    nodes, load = [node("node-1")], Load()
    load.place(Key("", "Pod", "shop", "first"), "node-1", "owner", on_port(hostIP="172.18.1.1").spec)
    assert "1 node(s) didn't have free ports for the requested pod ports" in choose(on_port(), nodes, load)[1]
    assert choose(on_port(hostIP="127.0.0.1"), nodes, load)[0] == "node-1"
    assert choose(on_port(protocol="UDP"), nodes, load)[0] == "node-1"


@pytest.mark.parametrize(
    ("spec", "cpu"),
    [
        ({"containers": [{}]}, None),
        ({"containers": [one("100m"), one("200m")]}, 300),
        ({"containers": [one("100m")], "initContainers": [one("500m"), one("50m")]}, 500),
        ({"containers": [one("100m")], "initContainers": [one("50m", restartPolicy="Always"), one("60m")]}, 150),
        ({"containers": [one("100m")], "overhead": {"cpu": "10m"}}, 110),
        ({"containers": [{"resources": {"limits": {"cpu": "1"}}}]}, 1000),
        ({"containers": [one("100m")], "resources": {"requests": {"cpu": "2"}}}, 2000),
    ],
)
def test_what_a_pod_asks_for(spec: dict[str, Any], cpu: int | None) -> None:
    assert requests_of(spec).get("cpu") == cpu


@pytest.mark.parametrize(
    ("text", "amount"),
    [("250m", 250), ("1", 1000), ("1.5Gi", 1610612736000), ("1e3", 10**6), ("1n", 1), (".5k", 500000)],
)
def test_amounts(text: str, amount: int) -> None:
    assert thousandths(text) == amount


# DaemonSets


def daemon_world(*nodes: Object, **spec: Any) -> World:
    world = World()
    for each in nodes:
        world.add(each.raw)
    world.add(workload("DaemonSet", "agent", image="agent:1", **spec))
    return world


def by_node(world: World) -> dict[str, str]:
    found = {}
    for each in world.all("Pod"):
        required = each.spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
        found[required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]] = each.name
    return found


def bind(world: World) -> None:
    """What the scheduler does for daemon pods."""
    for where, name in by_node(world).items():
        if not world.get("Pod", name).spec.get("nodeName"):
            world.change("Pod", name, {"spec": {"nodeName": where}})


def settle(world: World) -> None:
    while True:
        bind(world)
        world.run_pods()
        if not world.step():
            return
        world.now += 1


def test_one_daemon_on_each_node_that_may_run_it() -> None:
    world = daemon_world(node("a"), node("b", unschedulable=True), node("c", taints=[GPU]))
    settle(world)
    assert set(by_node(world)) == {"a", "b"}
    status = world.get("DaemonSet", "agent").status
    assert (status["desiredNumberScheduled"], status["numberReady"], status["numberMisscheduled"]) == (2, 2, 0)
    world.add(node("d").raw)
    settle(world)
    assert set(by_node(world)) == {"a", "b", "d"}
    world.change("Node", "a", {"spec": {"taints": [{**GPU, "effect": "NoExecute"}]}})
    settle(world)
    assert set(by_node(world)) == {"b", "d"}
    assert not world.step()


def test_a_daemon_update_replaces_one_at_a_time() -> None:
    world = daemon_world(node("a"), node("b"), node("c"))
    settle(world)
    world.change("DaemonSet", "agent", {"spec": {"template": template("agent", "agent:2")}})
    for _ in range(10):
        world.step()
        bind(world)
        ready = sum(bool(each.status) for each in world.all("Pod"))
        assert ready >= 2
        world.run_pods()
    settle(world)
    assert set(images(world).values()) == {"agent:2"}
    assert world.get("DaemonSet", "agent").status["updatedNumberScheduled"] == 3


def test_a_daemon_update_with_a_surge_starts_the_new_one_first() -> None:
    rolling = {"type": "RollingUpdate", "rollingUpdate": {"maxSurge": 1, "maxUnavailable": 0}}
    world = daemon_world(node("a"), node("b"), node("c"), updateStrategy=rolling)
    settle(world)
    world.change("DaemonSet", "agent", {"spec": {"template": template("agent", "agent:2")}})
    most = 0
    for _ in range(20):
        world.step()
        for each in world.all("Pod"):
            if not each.spec.get("nodeName"):
                required = each.spec["affinity"]["nodeAffinity"]["requiredDuringSchedulingIgnoredDuringExecution"]
                where = required["nodeSelectorTerms"][0]["matchFields"][0]["values"][0]
                world.change("Pod", each.name, {"spec": {"nodeName": where}})
        pods = world.all("Pod")
        most = max(most, len(pods))
        ready = {each.spec["nodeName"] for each in pods if each.status}
        assert ready == {"a", "b", "c"}  # no node is without at any time
        world.run_pods()
    assert most == 4
    assert list(images(world).values()) == ["agent:2"] * 3
