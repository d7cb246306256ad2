from __future__ import annotations

import msgspec
import pytest

from sealane.kube.objects import Object, Raw
from sealane.kube.views import HTTPRoute, NetworkPolicy, Node, Pod, Service
from sealane.kube.views.base import View, json_name


def service(**spec: object) -> Object:
    raw: Raw = {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "cart", "namespace": "shop"}, "spec": spec}
    return Object(raw)


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("pod_ips", "podIPs"),
        ("cluster_ip", "clusterIP"),
        ("host_pid", "hostPID"),
        ("provider_id", "providerID"),
        ("pod_cidrs", "podCIDRs"),
        ("from_", "from"),
        ("cidr", "cidr"),
        ("uid", "uid"),
        ("set_hostname_as_fqdn", "setHostnameAsFQDN"),
        ("http_get", "httpGet"),
        ("ip_family_policy", "ipFamilyPolicy"),
    ],
)
def test_names_follow_the_api(name: str, expected: str) -> None:
    assert json_name(name) == expected


def test_a_bare_service_reads_like_a_defaulted_one() -> None:
    view = service(ports=[{"port": 80, "targetPort": "http"}]).view(Service)
    assert view.spec.type == "ClusterIP"
    assert view.spec.ports[0].protocol == "TCP"
    assert view.spec.ports[0].target_port == "http"
    assert view.spec.selector == {}


def test_a_numeric_string_stays_a_string() -> None:
    assert service(ports=[{"port": 80, "targetPort": "8080"}]).view(Service).spec.ports[0].target_port == "8080"


def test_null_reads_as_not_written() -> None:
    assert service(ports=None, selector=None).view(Service).spec.ports == ()


def test_a_mistyped_field_is_an_error() -> None:
    with pytest.raises(msgspec.ValidationError, match=r"spec\.ports\[0\]\.port"):
        service(ports=[{"port": "80a"}]).view(Service)


def test_a_view_is_converted_once() -> None:
    obj = service(ports=[])
    assert obj.view(Service) is obj.view(Service)


def test_python_words_and_initialisms() -> None:
    policy = Object(
        {
            "spec": {
                "ingress": [{"from": [{"ipBlock": {"cidr": "10.0.0.0/8", "except": ["10.1.0.0/16"]}}]}],
                "podSelector": {},
            }
        }
    ).view(NetworkPolicy)
    block = policy.spec.ingress[0].from_[0].ip_block
    assert block is not None
    assert (block.cidr, block.except_) == ("10.0.0.0/8", ("10.1.0.0/16",))
    node = Object({"spec": {"podCIDRs": ["10.244.1.0/24"]}}).view(Node)
    assert node.spec.pod_cidrs == ("10.244.1.0/24",)
    pod = Object({"status": {"podIPs": [{"ip": "10.244.1.2"}], "hostIP": "172.18.1.1"}}).view(Pod)
    assert (pod.status.pod_ips[0].ip, pod.status.host_ip) == ("10.244.1.2", "172.18.1.1")


def test_route_defaults() -> None:
    route = Object({"spec": {"rules": [{"backendRefs": [{"name": "cart", "port": 80}], "matches": [{}]}]}})
    rule = route.view(HTTPRoute).spec.rules[0]
    assert rule.backend_refs[0].weight == 1
    assert (rule.matches[0].path.type, rule.matches[0].path.value) == ("PathPrefix", "/")


def test_every_view_reads_the_empty_object() -> None:
    def all_views(base: type[View]) -> list[type[View]]:
        return [found for sub in base.__subclasses__() for found in (sub, *all_views(sub))]

    shapes = all_views(View)
    assert len(shapes) > 100
    for shape in shapes:
        assert msgspec.convert({}, shape) == shape()
