"""What the Gateway controller writes: Deployments, Services, statuses with times."""

from __future__ import annotations

from typing import Any

from sealane.controllers.gateways.stamps import stamped
from sealane.kube.kinds import DEPLOYMENT, SERVICE
from sealane.kube.objects import Key, Object
from sealane.network.routes.classes import GATEWAY_CONTROLLER
from sealane.network.routes.gateway_api.status import EXPERIMENTAL, FEATURES, class_status
from sealane.network.routes.generated import wanted
from sealane.network.routes.proxies import proxy_pod
from sealane.network.routes.routing import Routing, routing
from sealane.network.routes.sources import Sources
from sealane.reactive.objects import Objects

CLASS = {
    "apiVersion": "gateway.networking.k8s.io/v1",
    "kind": "GatewayClass",
    "metadata": {"name": "sealane"},
    "spec": {"controllerName": "sealane.dev/gateway-controller"},
}


def gateway(*ports: int, **spec: Any) -> dict[str, Any]:
    listeners = [
        {"name": f"l{i}", "port": port, "protocol": "HTTP", "hostname": f"h{i}.test"} for i, port in enumerate(ports)
    ]
    return {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"namespace": "shop", "name": "web", "uid": "u1"},
        "spec": {"gatewayClassName": "sealane", "listeners": listeners, **spec},
    }


INGRESS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "Ingress",
    "metadata": {"namespace": "shop", "name": "i"},
    "spec": {"ingressClassName": "sealane", "defaultBackend": {"service": {"name": "s", "port": {"number": 80}}}},
}
INGRESS_CLASS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "sealane"},
    "spec": {"controller": "sealane.dev/ingress-controller"},
}


def model(*raws: dict[str, Any]) -> Routing:
    return routing(Sources.of(Objects.of([Object(raw) for raw in raws])))


def test_a_gateway_gets_a_deployment_and_a_service_with_one_port_a_number() -> None:
    made = wanted(model(CLASS, gateway(80, 80, 8080, infrastructure={"labels": {"team": "a"}})))
    (service,) = made[SERVICE].values()
    (deployment,) = made[DEPLOYMENT].values()
    assert list(made[SERVICE]) == [Key("", "Service", "shop", "web-sealane")]
    assert [port["port"] for port in service["spec"]["ports"]] == [80, 8080]
    assert service["spec"]["type"] == "LoadBalancer"
    template = deployment["spec"]["template"]
    assert service["spec"]["selector"].items() <= template["metadata"]["labels"].items()
    assert template["metadata"]["labels"]["team"] == "a"
    assert deployment["metadata"]["ownerReferences"][0]["uid"] == "u1"
    pod = {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": {"namespace": "shop", "name": "web-1", "uid": "p1", **template["metadata"]},
        "spec": template["spec"],
        "status": {"podIP": "10.244.1.2", "phase": "Running"},
    }
    found = proxy_pod(Object(pod))
    assert found is not None
    assert found.proxy == Key("gateway.networking.k8s.io", "Gateway", "shop", "web")


def test_a_new_listener_restarts_no_pod() -> None:
    templates = [
        next(iter(wanted(model(CLASS, gateway(*ports)))[DEPLOYMENT].values()))["spec"] for ports in ((80,), (80, 81))
    ]
    assert templates[0] == templates[1]


def test_all_ingresses_share_one_proxy_that_goes_with_the_last() -> None:
    other = {**INGRESS, "metadata": {"namespace": "blog", "name": "j"}}
    sources = Sources.of(Objects.of([Object(raw) for raw in (INGRESS_CLASS, INGRESS, other)]))
    made = wanted(routing(sources))
    assert list(made[DEPLOYMENT]) == [Key("apps", "Deployment", "sealane-system", "ingress")]
    for raw in (INGRESS, other):
        assert len(made[SERVICE]) == 1
        sources.ingresses.remove(Object(raw).key)  # type: ignore[attr-defined]
    assert not len(made[SERVICE])


def test_gateways_of_others_and_without_a_valid_listener_get_nothing() -> None:
    assert not len(wanted(model(gateway(80)))[SERVICE])
    assert not len(wanted(model(CLASS, gateway()))[SERVICE])


def test_a_gateway_whose_service_has_no_address_is_not_programmed() -> None:
    (made,) = model(CLASS, gateway(80)).statuses["Gateway"].values()
    reasons = {each["type"]: each["reason"] for each in made.status["conditions"]}
    assert reasons == {"Accepted": "Accepted", "Programmed": "AddressNotAssigned"}


def test_two_listeners_of_one_hostname_conflict() -> None:
    """The API refuses them; objects of files and those from before the rule can have them."""
    listener = {"name": "a", "port": 80, "protocol": "HTTP", "hostname": "same.test"}
    found = model(CLASS, gateway(listeners=[listener, {**listener, "name": "b"}])).listeners.values()
    assert [each.problem for each in found] == ["HostnameConflict"] * 2


def condition(kind: str, status: str, **more: str) -> dict[str, str]:
    return {"type": kind, "status": status, "reason": "R", "message": "", **more}


def test_times_change_only_when_the_status_does() -> None:
    known = {"conditions": [condition("Accepted", "True", lastTransitionTime="then"), condition("Theirs", "True")]}
    item = Object({**gateway(80), "status": known})
    again = stamped(item, {"conditions": [condition("Accepted", "True", message="new")]}, "now")
    assert again["status"]["conditions"] == [
        condition("Accepted", "True", message="new", lastTransitionTime="then"),
        condition("Theirs", "True"),
    ]
    changed = stamped(item, {"conditions": [condition("Accepted", "False")]}, "now")
    assert changed["status"]["conditions"][0]["lastTransitionTime"] == "now"


def test_a_route_whose_parent_is_a_service_is_not_ours_to_speak_of() -> None:
    """GEP-1426: a mesh writes of it. What we had said before, when a parent was ours, is taken back."""
    route = {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "HTTPRoute",
        "metadata": {"namespace": "shop", "name": "r"},
        "spec": {"parentRefs": [{"group": "", "kind": "Service", "name": "s"}]},
    }
    key = Object(route).key
    assert model(CLASS, gateway(80), route).statuses["HTTPRoute"].get(key) is None
    before = {"parents": [{"controllerName": GATEWAY_CONTROLLER, "parentRef": {"name": "web"}, "conditions": []}]}
    said = model(CLASS, gateway(80), {**route, "status": before}).statuses["HTTPRoute"].get(key)
    assert said is not None
    assert said.status == {"parents": []}


def test_parents_of_other_controllers_stay() -> None:
    theirs = {"parentRef": {"name": "other"}, "controllerName": "other.example/c", "conditions": []}
    gone = {"parentRef": {"name": "gone"}, "controllerName": "sealane.dev/gateway-controller", "conditions": []}
    mine = {**gone, "parentRef": {"name": "web"}, "conditions": [condition("Accepted", "True")]}
    item = Object({"kind": "HTTPRoute", "metadata": {"name": "r"}, "status": {"parents": [theirs, gone]}})
    parents = stamped(item, {"parents": [mine]}, "now")["status"]["parents"]
    assert [parent["parentRef"]["name"] for parent in parents] == ["web", "other"]
    assert parents[0]["conditions"][0]["lastTransitionTime"] == "now"


def test_what_the_definitions_have_no_fields_for_is_no_feature() -> None:
    raw = {"apiVersion": "gateway.networking.k8s.io/v1", "kind": "GatewayClass", "metadata": {"name": "sealane"}}
    item = Object({**raw, "spec": {"controllerName": GATEWAY_CONTROLLER}})

    def features(channel: str) -> set[str]:
        found = class_status(item, channel)
        assert found is not None
        return {each["name"] for each in found.status["supportedFeatures"]}

    assert features("") == features("experimental") == set(FEATURES)
    assert features("") - features("standard") == EXPERIMENTAL
