"""Status, probes' thresholds, addresses and Node objects."""

from __future__ import annotations

import ipaddress

import pytest

from sealane.dataplane.pods import lifecycle
from sealane.dataplane.pods.addresses import Exhausted, PodAddresses
from sealane.dataplane.pods.nodes import node_object
from sealane.dataplane.pods.probes import Tally, plan_probe
from sealane.dataplane.pods.states import ContainerPlan, Exited, Networked, Probed, Started
from sealane.dataplane.pods.status import difference, pod_status
from sealane.kube.objects import Object, Raw
from sealane.network.addresses import plan_node

NODE_IPS = ("172.18.1.1", "fd00:172:18::1:1")


def pod(status: Raw | None = None) -> Object:
    spec = {"nodeName": "node-1", "containers": [{"name": "web", "image": "nginx"}]}
    metadata = {"name": "web", "namespace": "shop", "uid": "u1"}
    return Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec, "status": status or {}})


def condition(status: Raw, kind: str) -> Raw:
    return next(one for one in status["conditions"] if one["type"] == kind)


def test_a_running_pod() -> None:
    state, _ = lifecycle.begin([ContainerPlan("web", "main", "Always")], 0.0)
    before = pod_status(pod(), state, NODE_IPS, 1.0)
    assert before["phase"] == "Pending"
    assert before["containerStatuses"][0]["state"] == {"waiting": {"reason": "ContainerCreating"}}
    assert condition(before, "Ready")["message"] == "containers with unready status: [web]"
    assert "podIP" not in before
    for event in (Networked(("10.244.1.2", "fd00::2"), 1.0), Started("web", 2.0)):
        state, _ = lifecycle.step(state, event)
    after = pod_status(pod(before), state, NODE_IPS, 3.0)
    assert (after["phase"], after["podIP"], after["podIPs"]) == (
        "Running",
        "10.244.1.2",
        [{"ip": "10.244.1.2"}, {"ip": "fd00::2"}],
    )
    assert {one["type"]: one["status"] for one in after["conditions"]} == dict.fromkeys(
        ("PodReadyToStartContainers", "Initialized", "Ready", "ContainersReady", "PodScheduled"), "True"
    )
    assert condition(after, "PodScheduled")["lastTransitionTime"] == "1970-01-01T00:00:01Z"  # it has not changed since
    assert condition(after, "Ready")["lastTransitionTime"] == "1970-01-01T00:00:03Z"
    container = after["containerStatuses"][0]
    assert (container["ready"], container["restartCount"], container["started"]) == (True, 0, True)
    assert set(difference(before, after)) == {"phase", "conditions", "containerStatuses", "podIP", "podIPs"}
    assert difference(after, after) == {}
    assert difference(before, after)["podIPs"] == [{"ip": "10.244.1.2"}, {"ip": "fd00::2"}, {"$patch": "replace"}]
    assert {one["type"] for one in difference(before, after)["conditions"]} == {
        "PodReadyToStartContainers",
        "Initialized",
        "Ready",
        "ContainersReady",
    }


def test_a_crash_looping_container_says_so_and_keeps_its_last_exit() -> None:
    state, _ = lifecycle.begin([ContainerPlan("web", "main", "Always")], 0.0)
    for event in (
        Networked(("10.244.1.2",), 1.0),
        Started("web", 2.0),
        Exited("web", 1, 0, 3.0),
        Started("web", 3.0),
        Exited("web", 137, 9, 4.0),
    ):
        state, _ = lifecycle.step(state, event)
    container = pod_status(pod(), state, NODE_IPS, 5.0)["containerStatuses"][0]
    assert container["state"]["waiting"]["reason"] == "CrashLoopBackOff"
    assert container["lastState"]["terminated"]["exitCode"] == 137
    assert container["lastState"]["terminated"]["signal"] == 9
    assert container["restartCount"] == 1


def test_conditions_of_others_stay_and_readiness_gates_count() -> None:
    state, _ = lifecycle.begin([ContainerPlan("web", "main", "Always", frozenset({"readiness"}))], 0.0)
    for event in (Networked(("10.244.1.2",), 1.0), Started("web", 2.0), Probed("web", "readiness", True)):
        state, _ = lifecycle.step(state, event)
    about = pod({"conditions": [{"type": "example.com/lb", "status": "False"}]})
    about.raw["spec"]["readinessGates"] = [{"conditionType": "example.com/lb"}]
    status = pod_status(about, state, NODE_IPS, 3.0)
    assert "example.com/lb" not in {one["type"] for one in difference(about.status, status)["conditions"]}
    assert condition(status, "ContainersReady")["status"] == "True"
    assert (condition(status, "Ready")["status"], condition(status, "Ready")["reason"]) == (
        "False",
        "ReadinessGatesNotReady",
    )


def test_thresholds_speak_once_when_they_are_reached() -> None:
    tally = Tally(plan_probe("readiness", {"successThreshold": 2, "failureThreshold": 3}))
    outcomes = [True, True, True, False, False, True, False, False, False, False, True, True]
    assert [tally.add(ok) for ok in outcomes] == ["", "passed", "", "", "", "", "", "", "failed", "", "", "passed"]


def test_defaults_of_a_probe() -> None:
    plan = plan_probe("liveness", {"httpGet": {"port": 80}})
    assert (plan.delay, plan.period, plan.timeout, plan.success, plan.failure) == (0, 10, 1, 1, 3)


def test_addresses_rest_before_they_are_given_again() -> None:
    addresses = PodAddresses(plan_node(1))
    assert addresses.take("a") == ("10.244.1.2", "fd00:10:244:1::2")
    assert addresses.take("a") == ("10.244.1.2", "fd00:10:244:1::2")
    assert addresses.take("b")[0] == "10.244.1.3"
    addresses.release("a")
    assert addresses.take("c")[0] == "10.244.1.4"
    assert addresses.take("d", "10.244.1.2")[0] == "10.244.1.2"  # what it had before the agent restarted
    assert addresses.take("e", "10.244.1.2")[0] == "10.244.1.5"  # taken
    assert addresses.take("f", "10.244.7.9")[0] == "10.244.1.6"  # another node's


def test_every_address_is_used_and_then_the_node_is_full() -> None:
    addresses = PodAddresses(plan_node(1))
    given = {addresses.take(f"pod-{number}")[0] for number in range(253)}
    assert len(given) == 253
    assert {"10.244.1.0", "10.244.1.1", "10.244.1.255"}.isdisjoint(given)
    with pytest.raises(Exhausted, match=r"no free pod address in 10\.244\.1\.0/24"):
        addresses.take("one more")
    addresses.release("pod-7")
    assert addresses.take("one more")[0] == "10.244.1.9"


def test_the_node_object() -> None:
    node = node_object(plan_node(2), 0.0)
    assert node["metadata"]["labels"]["kubernetes.io/hostname"] == "node-2"
    assert node["spec"]["podCIDRs"] == ["10.244.2.0/24", "fd00:10:244:2::/64"]
    assert [one["type"] for one in node["status"]["addresses"]] == ["InternalIP", "InternalIP", "Hostname"]
    assert ipaddress.ip_address(node["status"]["addresses"][1]["address"]).version == 6
    assert {one["type"]: one["status"] for one in node["status"]["conditions"]}["Ready"] == "True"
