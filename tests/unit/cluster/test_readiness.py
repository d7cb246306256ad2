"""What `up` waits for, and what it says about it."""

from __future__ import annotations

from sealane.cluster.readiness import Waiting, waiting
from sealane.kube.objects import Object, Raw
from sealane.network.routes.gateway_api.listeners import CONTROLLER


def gateway_class(name: str, controller: str) -> Object:
    api = "gateway.networking.k8s.io/v1"
    spec = {"controllerName": controller}
    return Object({"apiVersion": api, "kind": "GatewayClass", "metadata": {"name": name}, "spec": spec})


def gateway(class_name: str, status: Raw | None = None) -> Object:
    metadata = {"name": "gw", "namespace": "default"}
    raw = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "Gateway", "metadata": metadata}
    return Object({**raw, "spec": {"gatewayClassName": class_name}, "status": status or {}})


OURS, THEIRS = gateway_class("sealane", CONTROLLER), gateway_class("istio", "istio.io/gateway-controller")


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
