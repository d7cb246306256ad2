"""What a graph tells of itself."""

from __future__ import annotations

import json
from typing import Any

from sealane.kube.objects import Object
from sealane.network.model import Network
from sealane.reactive.dump import dependencies, dump, outputs


def made(kind: str, name: str, namespace: str = "shop", **fields: Any) -> Object:
    return Object({"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **fields})


def network() -> Network:
    service = made(
        "Service", "web", spec={"clusterIP": "10.96.0.9", "selector": {"app": "web"}, "ports": [{"port": 80}]}
    )
    pod = made("Pod", "web-0", spec={"nodeName": "node-1"}, status={"podIP": "10.244.1.2"})
    pod.metadata["labels"] = {"app": "web"}
    return Network.of([service, pod])


def test_collections_say_what_they_are_made_of() -> None:
    model = network()
    model.services  # noqa: B018 - asked for
    found = {each["name"]: each for each in dump(model.graph)["collections"]}
    assert set(found) == {"services", "endpointslices", "service-claims", "service-models"}
    order = [(each["name"], each["kind"]) for each in dump(model.graph)["collections"]]
    assert order == [
        ("services", "source"),
        ("endpointslices", "source"),
        ("service-claims", "derived"),
        ("service-models", "derived"),
    ]
    last = dump(model.graph)["collections"][-1]
    assert last["from"] == ["services"]
    assert last["reads"] == ["service-claims", "endpointslices"]
    assert (last["values"], last["recomputed"], last["subscribers"]) == (1, 1, 0)


def test_a_value_says_what_it_was_made_from() -> None:
    model = network()
    (key,) = model.endpoints.endpoints
    assert dependencies(model.graph, "endpoints-objects", str(key)) == [
        {"collection": "services", "which": "Service shop/web"},
        {"collection": "pod-endpoints", "which": "app=web in shop"},
    ]
    assert dependencies(model.graph, "endpoints-objects", "Endpoints shop/other") == []


def test_a_group_says_its_members() -> None:
    gateway_class = made("GatewayClass", "sealane", "", spec={"controllerName": "sealane.dev/gateway-controller"})
    gateway_class.raw["apiVersion"] = "gateway.networking.k8s.io/v1"
    listeners = [{"name": "http", "port": 80, "protocol": "HTTP"}]
    gateway = made("Gateway", "edge", spec={"gatewayClassName": "sealane", "listeners": listeners})
    gateway.raw["apiVersion"] = "gateway.networking.k8s.io/v1"
    model = Network.of([Object(gateway_class.raw), Object(gateway.raw)])
    (port,) = model.routes.ports
    (member,) = dependencies(model.graph, "routes.ports", str(port))
    assert member["collection"] == "routes.listeners"


def test_all_of_it_is_json() -> None:
    model = network()
    for part in (model.services, model.policies, model.routes, model.endpoints, model.proxies, model.names.of()):
        assert part is not None
    everything = {each["name"]: outputs(model.graph, each["name"]) for each in dump(model.graph)["collections"]}
    assert json.loads(json.dumps(everything)) == everything
    assert len(everything) == len(model.graph.collections), "names are not unique"
    (service,) = everything["service-models"]
    assert service["key"] == "Service shop/web"
    assert service["value"]["ports"][0]["frontends"][0]["address"] == "10.96.0.9"
