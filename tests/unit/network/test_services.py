"""The Service model and who is chosen."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.objects import Key, Object
from sealane.network.services import (
    Frontend,
    Place,
    Selection,
    ServiceModel,
    TrafficFrom,
    derive_services,
    find_frontend,
    select_backends,
    service_model,
    source_allowed,
)
from sealane.reactive.collections import Graph, Source


def service(name: str = "web", created: str = "", ingress: list[dict[str, Any]] | None = None, **spec: Any) -> Object:
    return Object(
        {
            "apiVersion": "v1",
            "kind": "Service",
            "metadata": {"name": name, "namespace": "shop", "creationTimestamp": created},
            "spec": {"clusterIP": "10.96.0.7", "ports": [{"name": "http", "port": 80}], **spec},
            "status": {"loadBalancer": {"ingress": ingress or []}},
        }
    )


def slice_(*endpoints: dict[str, Any], name: str = "web-1", ports: Any = None, address_type: str = "IPv4") -> Object:
    return Object(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"name": name, "namespace": "shop", "labels": {"kubernetes.io/service-name": "web"}},
            "addressType": address_type,
            "ports": ports or [{"name": "http", "port": 8080, "protocol": "TCP"}],
            "endpoints": list(endpoints),
        }
    )


def endpoint(address: str, node: str = "node-1", hints: Any = None, **conditions: bool) -> dict[str, Any]:
    found: dict[str, Any] = {"addresses": [address], "nodeName": node, "conditions": conditions}
    return {**found, "hints": hints} if hints else found


def choose(
    model: ServiceModel, kind: str = "ClusterIP", node: str = "node-1", traffic: TrafficFrom = "pod", zone: str = ""
) -> Selection:
    port = model.ports[0]
    return select_backends(model, port, frontend(model, kind), Place(node, zone), traffic)


def frontend(model: ServiceModel, kind: str) -> Frontend:
    return next(f for f in model.ports[0].frontends if f.kind == kind)


def addresses(selection: Selection) -> list[str]:
    return [backend.address for backend in selection.backends]


READY, UNREADY = {"ready": True}, {"ready": False, "serving": False}
DRAINING = {"ready": False, "serving": True, "terminating": True}
GONE = {"ready": False, "serving": False, "terminating": True}


@pytest.mark.parametrize(
    ("endpoints", "chosen", "verdict"),
    [
        ([endpoint("10.244.1.2")], ["10.244.1.2"], "forward"),
        ([endpoint("10.244.1.2", **UNREADY), endpoint("10.244.1.3", **READY)], ["10.244.1.3"], "forward"),
        ([endpoint("10.244.1.2", **DRAINING), endpoint("10.244.1.3", **READY)], ["10.244.1.3"], "forward"),
        ([endpoint("10.244.1.2", **DRAINING), endpoint("10.244.1.3", **GONE)], ["10.244.1.2"], "forward"),
        ([endpoint("10.244.1.2", **UNREADY)], [], "reject"),
        ([endpoint("10.244.1.2", **GONE)], [], "reject"),
        ([], [], "reject"),
    ],
)
def test_ready_endpoints_first_then_those_that_still_serve(
    endpoints: list[dict[str, Any]], chosen: list[str], verdict: str
) -> None:
    selection = choose(service_model(service(), [slice_(*endpoints)]))
    assert (addresses(selection), selection.verdict) == (chosen, verdict)


LB = [{"ip": "172.18.255.1"}]


@pytest.mark.parametrize(
    ("policy", "traffic", "node", "verdict", "count", "masquerade"),
    [
        ("Cluster", "outside", "node-1", "forward", 2, True),
        ("Cluster", "pod", "node-1", "forward", 2, True),
        ("Local", "outside", "node-1", "forward", 1, False),
        ("Local", "outside", "node-3", "drop", 0, False),
        ("Local", "pod", "node-3", "forward", 2, False),
        ("Local", "node", "node-3", "forward", 2, True),
    ],
)
@pytest.mark.parametrize("kind", ["NodePort", "LoadBalancer"])
def test_external_traffic_policy(
    kind: str, policy: str, traffic: TrafficFrom, node: str, verdict: str, count: int, masquerade: bool
) -> None:
    ports = [{"name": "http", "port": 80, "nodePort": 30080}]
    model = service_model(
        service(type="LoadBalancer", externalTrafficPolicy=policy, ports=ports, ingress=LB),
        [slice_(endpoint("10.244.1.2", "node-1"), endpoint("10.244.2.2", "node-2"))],
    )
    selection = choose(model, kind, node, traffic)
    assert (selection.verdict, len(selection.backends), selection.masquerade) == (verdict, count, masquerade)


def test_local_without_any_endpoint_rejects_rather_than_drops() -> None:
    model = service_model(service(internalTrafficPolicy="Local"), [slice_(endpoint("10.244.1.2", **UNREADY))])
    assert choose(model).verdict == "reject"


def test_internal_traffic_policy_local() -> None:
    model = service_model(service(internalTrafficPolicy="Local"), [slice_(endpoint("10.244.1.2", "node-1"))])
    assert addresses(choose(model, node="node-1")) == ["10.244.1.2"]
    assert choose(model, node="node-2").verdict == "drop"
    assert choose(model, node="node-2").reason.source.path == ("spec", "internalTrafficPolicy")


def test_hints_count_only_when_every_ready_endpoint_has_one() -> None:
    zone = lambda name: {"forZones": [{"name": name}]}  # noqa: E731
    near, far = endpoint("10.244.1.2", hints=zone("a")), endpoint("10.244.2.2", hints=zone("b"))
    model = service_model(service(), [slice_(near, far)])
    assert addresses(choose(model, zone="a")) == ["10.244.1.2"]
    assert addresses(choose(model, zone="c")) == ["10.244.1.2", "10.244.2.2"]
    model = service_model(service(), [slice_(near, far, endpoint("10.244.3.2"))])
    assert len(choose(model, zone="a").backends) == 3


def test_ports_are_found_by_name_and_protocol_over_several_slices() -> None:
    ports = [{"name": "dns", "port": 53, "protocol": "UDP"}, {"name": "dns-tcp", "port": 53}]
    slices = [
        slice_(endpoint("10.244.1.2"), ports=[{"name": "dns", "port": 5353, "protocol": "UDP"}]),
        slice_(endpoint("10.244.1.3"), name="web-2", ports=[{"name": "dns-tcp", "port": 5354, "protocol": "TCP"}]),
        slice_(endpoint("fd00::2"), name="web-6", ports=ports[:1], address_type="IPv6"),
    ]
    model = service_model(service(clusterIPs=["10.96.0.7", "fd00:0::7"], ports=ports), slices)
    udp, tcp = model.ports
    assert [(b.address, b.port) for b in udp.backends] == [("10.244.1.2", 5353), ("fd00::2", 53)]
    assert [(b.address, b.port) for b in tcp.backends] == [("10.244.1.3", 5354)]
    assert [(f.address, f.family) for f in udp.frontends] == [("10.96.0.7", 4), ("fd00::7", 6)]


def test_headless_and_external_name_have_no_frontend() -> None:
    assert not service_model(service(clusterIP="None"), []).ports[0].frontends
    assert service_model(service(clusterIP="None"), []).headless
    external = service_model(service(type="ExternalName", externalName="db.example.org"), [])
    assert external.external_name == "db.example.org"
    assert not external.ports[0].frontends


def test_load_balancer_addresses_in_proxy_mode_are_left_to_the_load_balancer() -> None:
    model = service_model(service(type="LoadBalancer", ingress=[{"ip": "172.18.255.1", "ipMode": "Proxy"}]), [])
    assert [f.kind for f in model.ports[0].frontends] == ["ClusterIP"]


def test_source_ranges_bind_load_balancer_addresses_only() -> None:
    model = service_model(
        service(
            type="LoadBalancer",
            ingress=LB,
            loadBalancerSourceRanges=["172.18.0.0/24"],
            ports=[{"name": "http", "port": 80, "nodePort": 30080}],
        ),
        [],
    )
    assert source_allowed(model, frontend(model, "LoadBalancer"), "172.18.0.1")
    assert not source_allowed(model, frontend(model, "LoadBalancer"), "172.18.1.1")
    assert source_allowed(model, frontend(model, "NodePort"), "172.18.1.1")


def test_the_older_of_two_services_keeps_an_external_address() -> None:
    graph = Graph()
    services: Source[Key, Object] = Source(graph, "services")
    slices: Source[Key, Object] = Source(graph, "slices")
    models = derive_services(services, slices)
    old = service("old", "2024-01-01T00:00:00Z", clusterIP="10.96.0.1", externalIPs=["172.18.9.9"])
    new = service("new", "2024-01-02T00:00:00Z", clusterIP="10.96.0.2", externalIPs=["172.18.9.9"])
    services.set(new.key, new)
    services.set(old.key, old)
    found = find_frontend(models, "172.18.9.9", "TCP", 80)
    assert found is not None
    assert found[0].key == old.key
    assert [rival for _, rival in models.get(new.key).shadowed] == [old.key]  # type: ignore[union-attr]
    services.remove(old.key)
    assert find_frontend(models, "172.18.9.9", "TCP", 80)[0].key == new.key  # type: ignore[index]


def test_one_endpoint_recomputes_one_service() -> None:
    graph = Graph()
    services: Source[Key, Object] = Source(graph, "services")
    slices: Source[Key, Object] = Source(graph, "slices")
    models = derive_services(services, slices)
    for name in ("web", "cart"):
        services.set(service(name).key, service(name))
    before = models.recomputed
    slices.set(slice_().key, slice_(endpoint("10.244.1.2")))
    assert models.recomputed == before + 1
