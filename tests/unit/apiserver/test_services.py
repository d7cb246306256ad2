"""Addresses and node ports of Services."""

from __future__ import annotations

from ipaddress import ip_network
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.apiserver.addresses.allocation import allocate
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw
from sealane.network.services.allocation import Allocated, node_ports


def service(name: str = "web", **spec: Any) -> Raw:
    ports = spec.pop("ports", [{"port": 80, "protocol": "TCP"}])
    return {"metadata": {"name": name, "namespace": "default"}, "spec": {"ports": ports, **spec}}


def made(allocated: Allocated, raw: Raw, old: Raw | None = None) -> Raw:
    done = allocate(raw, old, allocated)
    if old is not None:
        allocated.release(old)
    allocated.hold(done)
    return done


def test_one_family_by_default_outside_the_static_band() -> None:
    spec = made(Allocated(), service())["spec"]
    assert spec["type"] == "ClusterIP"
    assert spec["ipFamilies"] == ["IPv4"]
    assert spec["ipFamilyPolicy"] == "SingleStack"
    assert spec["clusterIPs"] == [spec["clusterIP"]] == ["10.96.1.1"]


@pytest.mark.parametrize("policy", ["PreferDualStack", "RequireDualStack"])
def test_both_families_when_asked(policy: str) -> None:
    spec = made(Allocated(), service(ipFamilyPolicy=policy))["spec"]
    assert spec["ipFamilies"] == ["IPv4", "IPv6"]
    assert spec["clusterIPs"] == ["10.96.1.1", "fd00:10:96::101"]
    spec = made(Allocated(), service(ipFamilyPolicy=policy, ipFamilies=["IPv6"]))["spec"]
    assert spec["ipFamilies"] == ["IPv6", "IPv4"]
    assert spec["clusterIP"] == "fd00:10:96::101"


def test_one_ipv6_address() -> None:
    spec = made(Allocated(), service(ipFamilies=["IPv6"]))["spec"]
    assert spec["clusterIPs"] == ["fd00:10:96::101"]
    assert spec["ipFamilyPolicy"] == "SingleStack"


def test_headless() -> None:
    spec = made(Allocated(), service(clusterIP="None", selector={"a": "b"}))["spec"]
    assert (spec["clusterIPs"], spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["None"], ["IPv4"], "SingleStack")
    spec = made(Allocated(), service(clusterIP="None"))["spec"]
    assert (spec["ipFamilies"], spec["ipFamilyPolicy"]) == (["IPv4", "IPv6"], "RequireDualStack")


def test_external_name_has_no_address() -> None:
    spec = made(Allocated(), service(type="ExternalName", externalName="example.com"))["spec"]
    assert "clusterIP" not in spec
    assert "ipFamilies" not in spec


def test_explicit_addresses() -> None:
    allocated = Allocated()
    spec = made(allocated, service(clusterIP="10.96.0.10", clusterIPs=["10.96.0.10", "fd00:10:96::a"]))["spec"]
    assert spec["clusterIPs"] == ["10.96.0.10", "fd00:10:96::a"]
    with pytest.raises(ApiError, match=r"failed to allocate IP 10\.96\.0\.10: provided IP is already allocated"):
        allocate(service("other", clusterIP="10.96.0.10"), None, allocated)
    with pytest.raises(ApiError, match="the provided network does not match the current range"):
        allocate(service("other", clusterIP="10.0.0.1"), None, allocated)
    with pytest.raises(ApiError, match="must be a valid IP address"):
        allocate(service("other", clusterIP="ten"), None, allocated)


def test_addresses_stay_and_may_not_change() -> None:
    allocated = Allocated()
    old = made(allocated, service())
    again = made(allocated, service(), old)
    assert again["spec"]["clusterIP"] == old["spec"]["clusterIP"]
    with pytest.raises(ApiError, match="may not change once set"):
        allocate(service(clusterIP="10.96.9.9"), again, allocated)


def test_a_second_family_can_be_added_and_taken_away() -> None:
    allocated = Allocated()
    old = made(allocated, service())
    spec = {**old["spec"], "ipFamilyPolicy": "PreferDualStack"}
    both = made(allocated, {**old, "spec": spec}, old)
    assert both["spec"]["clusterIPs"] == ["10.96.1.1", "fd00:10:96::101"]
    for fields in ({}, {"clusterIPs": ["10.96.1.1"], "ipFamilies": ["IPv4"]}):
        spec = {**both["spec"], "ipFamilyPolicy": "SingleStack", **fields}
        one = allocate({**both, "spec": spec}, both, allocated)
        assert one["spec"]["clusterIPs"] == ["10.96.1.1"]
        assert one["spec"]["ipFamilies"] == ["IPv4"]
    made(allocated, one, both)
    assert list(allocated.addresses) == ["10.96.1.1"]


def test_the_first_family_and_a_second_address_stay() -> None:
    allocated = Allocated()
    both = made(allocated, service(ipFamilyPolicy="RequireDualStack"))
    for fields in ({"ipFamilies": ["IPv6", "IPv4"]}, {"clusterIPs": ["10.96.1.1", "fd00:10:96::7"]}):
        with pytest.raises(ApiError, match="may not change once set"):
            allocate({**both, "spec": {**both["spec"], **fields}}, both, allocated)


def test_a_further_range() -> None:
    allocated = Allocated(ranges=(ip_network("10.96.0.0/29"), ip_network("10.200.0.0/28")))
    found = [made(allocated, service(f"s{number}"))["spec"]["clusterIP"] for number in range(6)]
    assert sum(address.startswith("10.96.0.") for address in found) == 6
    assert made(allocated, service("more"))["spec"]["clusterIP"].startswith("10.200.0.")
    assert made(allocated, service("asked", clusterIP="10.200.0.9"))["spec"]["clusterIP"] == "10.200.0.9"


def test_node_ports() -> None:
    allocated = Allocated()
    ports = [{"port": 80}, {"port": 443, "nodePort": 30001}]
    old = made(allocated, service(type="NodePort", ports=ports))
    first, second = node_ports(old)
    assert first >= 30086
    assert second == 30001
    assert node_ports(made(allocated, service(type="NodePort", ports=[{"port": 80}, {"port": 443}]), old)) == [
        first,
        second,
    ]
    with pytest.raises(ApiError, match=r"spec\.ports\[0\]\.nodePort: Invalid value: 30001: .* already allocated"):
        allocate(service("other", type="NodePort", ports=[{"port": 1, "nodePort": 30001}]), None, allocated)
    with pytest.raises(ApiError, match="The range of valid ports is 30000-32767"):
        allocate(service("other", type="NodePort", ports=[{"port": 1, "nodePort": 99}]), None, allocated)
    inside = made(allocated, {**old, "spec": {**old["spec"], "type": "ClusterIP"}}, old)
    assert node_ports(inside) == []
    assert allocated.ports == {}


def test_load_balancers() -> None:
    allocated = Allocated()
    local = made(allocated, service(type="LoadBalancer", externalTrafficPolicy="Local"))
    assert local["spec"]["allocateLoadBalancerNodePorts"] is True
    assert len(node_ports(local)) == 2
    assert local["spec"]["healthCheckNodePort"]
    none = made(allocated, service("b", type="LoadBalancer", allocateLoadBalancerNodePorts=False))
    assert node_ports(none) == []


Step = tuple[int, str | None]


@given(st.lists(st.tuples(st.integers(0, 9), st.sampled_from([None, "ClusterIP", "NodePort", "LoadBalancer"]))))
def test_whatever_comes_and_goes_nothing_is_held_twice_or_for_ever(steps: list[Step]) -> None:
    allocated = Allocated()
    live: dict[str, Raw] = {}
    for index, type_ in steps:
        name = f"s{index}"
        if type_ is None:
            if name in live:
                allocated.release(live.pop(name))
        else:
            live[name] = made(allocated, service(name, type=type_), live.get(name))
    addresses = [each for raw in live.values() for each in raw["spec"]["clusterIPs"]]
    ports = [port for raw in live.values() for port in node_ports(raw)]
    assert sorted(allocated.addresses) == sorted(set(addresses)) == sorted(addresses)
    assert sorted(allocated.ports) == sorted(set(ports)) == sorted(ports)
