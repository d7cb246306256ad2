"""To which nodes a load balancer sends, and what a node's health check says."""

from __future__ import annotations

import json
from typing import Any

import pytest

from sealane.dataplane.balancer.health import answer
from sealane.dataplane.balancer.routes import wanted_routes
from sealane.kube.objects import Key, Object
from sealane.network.services import ServiceModel, balanced_nodes, local_endpoints, service_model

NODES = ("n1", "n2", "n3")


def model(ready: tuple[str, ...] = (), waiting: tuple[str, ...] = (), **spec: Any) -> ServiceModel:
    """A load balancer with endpoints on these nodes."""
    ports = [{"name": name, "port": port} for name, port in (("a", 80), ("b", 81))]
    status = {"loadBalancer": {"ingress": [{"ip": spec.pop("ip", "172.18.255.5")}]}}
    spec = {"type": "LoadBalancer", "clusterIP": "10.96.0.9", "ports": ports, **spec}
    metadata = {"name": "web", "namespace": "shop"}
    service = Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": status})
    endpoints = [
        {"addresses": [f"10.244.0.{index}"], "nodeName": node, "conditions": {"ready": index < len(ready)}}
        for index, node in enumerate((*ready, *waiting))
    ]
    slice_ = {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {"name": "web-1", "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
        "addressType": "IPv4",
        "endpoints": endpoints,
        "ports": [{"name": name, "port": port} for name, port in (("a", 8080), ("b", 8081))],
    }
    return service_model(service, [Object(slice_)])


@pytest.mark.parametrize(
    ("spec", "ready", "waiting", "expected"),
    [
        ({}, ("n2",), (), NODES),
        ({"externalTrafficPolicy": "Local"}, ("n2", "n2", "n3"), (), ("n2", "n3")),
        ({"externalTrafficPolicy": "Local"}, ("n2",), ("n1",), ("n2",)),
        ({"externalTrafficPolicy": "Local"}, (), ("n1",), NODES),
    ],
)
def test_balanced_nodes(
    spec: dict[str, Any], ready: tuple[str, ...], waiting: tuple[str, ...], expected: tuple[str, ...]
) -> None:
    service = model(ready, waiting, **spec)
    assert balanced_nodes(service, NODES) == expected
    routes = {str(network): nodes for network, nodes in wanted_routes(service, NODES).items()}
    assert routes == ({} if expected == NODES else {"172.18.255.5/32": expected})


def test_a_client_with_affinity_always_comes_by_one_node() -> None:
    (chosen,) = balanced_nodes(model(("n1", "n2"), sessionAffinity="ClientIP"), NODES)
    assert chosen in NODES
    local = model(("n1", "n2"), sessionAffinity="ClientIP", externalTrafficPolicy="Local")
    assert balanced_nodes(local, NODES)[0] in ("n1", "n2")


def test_an_internal_balancer_has_no_route_outside() -> None:
    service = model(("n1",), externalTrafficPolicy="Local", ip="172.18.254.5")
    assert wanted_routes(service, NODES) == {}


def test_the_answer_of_a_health_check() -> None:
    service = model(("n2", "n2"), ("n1",))
    assert [local_endpoints(service, node) for node in NODES] == [0, 2, 0]
    key = Key("", "Service", "shop", "web")
    for endpoints, healthy, expected in ((2, True, 200), (0, True, 503), (2, False, 503)):
        status, fields, body = answer(key, endpoints, healthy)
        assert status == expected
        assert dict(fields)["X-Load-Balancing-Endpoint-Weight"] == str(endpoints)
        assert json.loads(body) == {
            "service": {"namespace": "shop", "name": "web"},
            "localEndpoints": endpoints,
            "serviceProxyHealthy": healthy,
        }
