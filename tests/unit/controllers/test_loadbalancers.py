"""Which address a Service of type LoadBalancer gets."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

from sealane.controllers.actions import Action, Patch, Say
from sealane.controllers.services.loadbalancers import plan
from sealane.kube.objects import Object, Raw
from sealane.network.services.pools import Pool, assigned


def service(name: str = "web", *, ips: list[str] | None = None, annotations: Raw | None = None, **spec: Any) -> Object:
    metadata: Raw = {"name": name, "namespace": "shop", "annotations": annotations or {}}
    spec = {"type": "LoadBalancer", "ipFamilies": ["IPv4"], **spec}
    status = {"loadBalancer": {"ingress": [{"ip": ip} for ip in ips]}} if ips else {}
    return Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec, "status": status})


def given(actions: list[Action]) -> list[str] | None:
    """The addresses written; None when nothing is."""
    for action in actions:
        if isinstance(action, Patch):
            assert action.subresource == "status"
            return [each["ip"] for each in action.patch["status"]["loadBalancer"]["ingress"] or ()]
    return None


def said(actions: list[Action]) -> list[str]:
    return [action.message for action in actions if isinstance(action, Say) and action.type == "Warning"]


def test_each_service_gets_an_address_of_its_own() -> None:
    pool = Pool()
    assert given(plan(service("a"), pool)) == ["172.18.255.1"]
    assert given(plan(service("b"), pool)) == ["172.18.255.2"]
    assert given(plan(service("c", ipFamilies=["IPv4", "IPv6"]), pool)) == ["172.18.255.3", "fd00:172:18:ff::1"]


def test_what_is_assigned_stays() -> None:
    pool = Pool()
    held = service("a", ips=["172.18.255.77"])
    pool.hold(held.key, assigned(held))
    assert given(plan(held, pool)) is None
    assert given(plan(service("b", loadBalancerIP="172.18.255.77"), pool)) is None


def test_a_wish_is_granted_inside_the_pool() -> None:
    pool = Pool()
    assert given(plan(service("a", loadBalancerIP="172.18.255.9"), pool)) == ["172.18.255.9"]
    other = service("b", annotations={"metallb.io/loadBalancerIPs": "172.18.255.10, fd00:172:18:ff::5"})
    assert given(plan(other, pool)) == ["172.18.255.10"]
    actions = plan(service("c", loadBalancerIP="172.18.255.9"), pool)
    assert said(actions) == [
        'Failed to allocate IP for "shop/c": 172.18.255.9 is taken by Service shop/a',
    ]
    actions = plan(service("d", loadBalancerIP="8.8.8.8"), pool)
    assert "8.8.8.8 is not in the pool" in said(actions)[0]


def test_a_changed_wish_moves_the_address_and_frees_the_old_one() -> None:
    pool = Pool()
    plan(service("a", loadBalancerIP="172.18.255.9"), pool)
    moved = service("a", ips=["172.18.255.9"], loadBalancerIP="172.18.255.10")
    assert given(plan(moved, pool)) == ["172.18.255.10"]
    assert given(plan(service("b", loadBalancerIP="172.18.255.9"), pool)) == ["172.18.255.9"]


def test_an_exhausted_pool_says_so() -> None:
    pool = Pool([IPv4Network("172.18.255.0/30"), IPv6Network("fd00::/126")])
    assert given(plan(service("a"), pool)) == ["172.18.255.1"]
    assert given(plan(service("b"), pool)) == ["172.18.255.2"]
    actions = plan(service("c"), pool)
    assert given(actions) is None
    assert said(actions) == [
        'Failed to allocate IP for "shop/c": no free IPv4 address is left in the load-balancer pool'
    ]
    pool.hold(service("a").key, ())
    assert given(plan(service("c"), pool)) == ["172.18.255.1"]


def test_who_is_no_load_balancer_any_more_loses_its_address() -> None:
    pool = Pool()
    plan(service("a"), pool)
    assert given(plan(service("a", type="ClusterIP", ips=["172.18.255.1"]), pool)) == []
    assert given(plan(service("b"), Pool())) == ["172.18.255.1"]


def test_other_classes_are_left_alone() -> None:
    assert plan(service("a", loadBalancerClass="example.com/lb", ips=["1.2.3.4"]), Pool()) == []


def test_nonsense_is_no_error() -> None:
    assert given(plan(service("a", loadBalancerIP="not an address"), Pool())) == ["172.18.255.1"]
