"""Work follows change: what one route among many costs."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.objects import Key, Object
from sealane.network.routes.routing import Routing, routing
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Change, Derived
from sealane.reactive.objects import Objects

BASE: list[dict[str, Any]] = [
    {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "GatewayClass",
        "metadata": {"name": "sealane"},
        "spec": {"controllerName": "sealane.dev/gateway-controller"},
    },
    {
        "apiVersion": "gateway.networking.k8s.io/v1",
        "kind": "Gateway",
        "metadata": {"namespace": "shop", "name": "web"},
        "spec": {"gatewayClassName": "sealane", "listeners": [{"name": "http", "port": 80, "protocol": "HTTP"}]},
    },
    {
        "apiVersion": "v1",
        "kind": "Service",
        "metadata": {"namespace": "shop", "name": "s"},
        "spec": {"ports": [{"name": "http", "port": 80}]},
    },
]


def route(name: str, hostname: str) -> Object:
    return Object(
        {
            "apiVersion": "gateway.networking.k8s.io/v1",
            "kind": "HTTPRoute",
            "metadata": {"namespace": "shop", "name": name},
            "spec": {
                "parentRefs": [{"name": "web"}],
                "hostnames": [hostname],
                "rules": [{"backendRefs": [{"name": "s", "port": 80}]}],
            },
        }
    )


@pytest.fixture
def model() -> Routing:
    objects = [Object(raw) for raw in BASE] + [route(f"r{i}", f"h{i}.example") for i in range(300)]
    return routing(Sources.of(Objects.of(objects)))


def test_one_route_among_many_recomputes_one_host(model: Routing) -> None:
    routes, hosts = model.routes["HTTPRoute"], model.hosts
    assert isinstance(routes, Derived)
    assert isinstance(hosts, Derived)
    before = routes.recomputed, hosts.recomputed
    changed: list[Change[Any, Any]] = []
    hosts.subscribe(changed.extend, replay=False)
    new = route("new", "new.example")
    model.sources.http_routes.set(new.key, new)  # type: ignore[attr-defined]
    assert (routes.recomputed - before[0], hosts.recomputed - before[1]) == (1, 1)
    assert [change.key.hostname for change in changed] == ["new.example"]
    assert model.attached.get(next(iter(model.listeners))) == 301


def test_endpoints_touch_no_route(model: Routing) -> None:
    routes = model.routes["HTTPRoute"]
    assert isinstance(routes, Derived)
    before = routes.recomputed
    changed: list[Change[Any, Any]] = []
    model.backends.subscribe(changed.extend, replay=False)
    slice_ = Object(
        {
            "apiVersion": "discovery.k8s.io/v1",
            "kind": "EndpointSlice",
            "metadata": {"namespace": "shop", "name": "s-1", "labels": {"kubernetes.io/service-name": "s"}},
            "addressType": "IPv4",
            "ports": [{"name": "http", "port": 9000}],
            "endpoints": [{"addresses": ["10.244.1.2"]}],
        }
    )
    model.sources.endpoint_slices.set(slice_.key, slice_)  # type: ignore[attr-defined]
    assert routes.recomputed == before
    assert [change.new.addresses for change in changed] == [(("10.244.1.2", 9000),)]


def test_a_gateways_status_touches_no_route(model: Routing) -> None:
    routes = model.routes["HTTPRoute"]
    assert isinstance(routes, Derived)
    before = routes.recomputed
    key = Key("gateway.networking.k8s.io", "Gateway", "shop", "web")
    gateway = model.sources.gateways.get(key)
    assert gateway is not None
    model.sources.gateways.set(key, Object({**gateway.raw, "status": {"addresses": []}}))  # type: ignore[attr-defined]
    assert routes.recomputed == before
