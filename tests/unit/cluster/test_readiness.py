"""What `up` waits for, and what it says about it."""

from __future__ import annotations

from typing import Any

from sealane.cluster.readiness import Waiting, patience, pod_of, waiting
from sealane.kube.objects import Object, Raw
from sealane.network.routes.classes import GATEWAY_CONTROLLER


def gateway_class(name: str, controller: str) -> Object:
    api = "gateway.networking.k8s.io/v1"
    spec = {"controllerName": controller}
    return Object({"apiVersion": api, "kind": "GatewayClass", "metadata": {"name": name}, "spec": spec})


def gateway(class_name: str, status: Raw | None = None) -> Object:
    metadata = {"name": "gw", "namespace": "default"}
    raw = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": metadata}
    return Object({**raw, "spec": {"gatewayClassName": class_name}, "status": status or {}})


OURS, THEIRS = gateway_class("sealane", GATEWAY_CONTROLLER), gateway_class("istio", "istio.io/gateway-controller")


def only(*objects: Object) -> Waiting:
    [found] = waiting(objects)
    return found


def test_a_gateway_of_a_class_that_is_not_there_is_not_waited_for() -> None:
    found = only(OURS, gateway("nginx"))
    assert found.final
    assert found.reason == "there is no GatewayClass 'nginx'; this cluster serves gatewayClassName: sealane"


def test_a_gateway_of_somebody_else_is_not_waited_for() -> None:
    found = only(OURS, THEIRS, gateway("istio"))
    assert found.final
    assert found.reason.startswith("GatewayClass 'istio' belongs to controller 'istio.io/gateway-controller'; ")


def test_a_gateway_of_ours_is_waited_for_until_it_is_programmed() -> None:
    assert only(OURS, gateway("sealane")) == Waiting(gateway("sealane").key, "not Programmed yet")
    programmed = {"conditions": [{"type": "Programmed", "status": "True"}]}
    assert waiting([OURS, gateway("sealane", programmed)]) == []
    assert waiting([gateway("gone", programmed)]) == []


def job(**status: Any) -> Object:
    return Object({"apiVersion": "batch/v1", "kind": "Job", "metadata": {"name": "j"}, "spec": {}, "status": status})


def test_a_job_is_waited_for_until_it_runs_and_while_it_fails() -> None:
    assert only(job()).reason == "0 of its pods run"
    assert waiting([job(active=1, ready=1)]) == []
    assert only(job(active=1, ready=1, failed=2)) == Waiting(job().key, "2 of its pods failed")
    assert waiting([job(failed=2, conditions=[{"type": "Complete", "status": "True"}])]) == []
    over = {"type": "Failed", "status": "True", "message": "Job has reached the specified backoff limit"}
    found = only(job(failed=1, conditions=[over]))
    assert found == Waiting(job().key, "failed: Job has reached the specified backoff limit", final=True)


SLOW: Raw = {
    "containers": [
        {
            "name": "main",
            "startupProbe": {"initialDelaySeconds": 5, "periodSeconds": 10, "failureThreshold": 30},
            "readinessProbe": {"initialDelaySeconds": 90, "periodSeconds": 5, "successThreshold": 2},
        },
        {"name": "beside", "readinessProbe": {"initialDelaySeconds": 20}},
    ]
}


def workload(kind: str, **spec: Any) -> Object:
    spec = {"selector": {"matchLabels": {"a": "b"}}, "template": {"spec": SLOW}, **spec}
    return Object({"apiVersion": "apps/v1", "kind": kind, "metadata": {"name": "w", "namespace": "n"}, "spec": spec})


def test_probes_say_how_long_they_may_take() -> None:
    assert patience(workload("Deployment", replicas=3)) == 305 + 10
    assert patience(workload("StatefulSet", replicas=3)) == 3 * (305 + 10)
    assert patience(workload("StatefulSet", replicas=3, podManagementPolicy="Parallel")) == 305 + 10
    assert patience(gateway("sealane")) == 0


def test_what_a_workload_waits_for_is_what_its_pod_waits_for() -> None:
    metadata = {"name": "w-1", "namespace": "n", "labels": {"a": "b"}, "ownerReferences": [{}]}
    status = {"containerStatuses": [{"name": "main", "ready": False, "started": True, "state": {"running": {}}}]}
    pod = Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": SLOW, "status": status})
    assert pod_of(workload("Deployment"), [pod]) == "w-1: readinessProbe of main (first after 90 s, then every 5 s)"
    assert pod_of(job(), [pod]) == ""
