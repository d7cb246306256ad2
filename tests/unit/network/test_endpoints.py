"""EndpointSlices and Endpoints of a Service, as the API reference and the KEPs say."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from sealane.kube.objects import Object, Raw
from sealane.network.services.slices import (
    MAX_ENDPOINTS,
    TRIGGER_TIME,
    PodEndpoint,
    endpoint_slices,
    endpoints_object,
    pod_endpoint,
)


def service(**spec: Any) -> Object:
    spec = {
        "selector": {"app": "web"},
        "clusterIP": "10.96.0.9",
        "ipFamilies": ["IPv4"],
        "ports": [{"name": "http", "port": 80, "protocol": "TCP", "targetPort": 8080}],
        **spec,
    }
    metadata = {"name": "web", "namespace": "shop", "uid": "service-uid", "labels": {"team": "a"}}
    return Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def pod(name: str = "web-0", *, ready: bool = True, deleting: bool = False, phase: str = "Running", **more: Any) -> Raw:
    spec: Raw = {"nodeName": "node-1", "containers": [{"name": "c", "ports": more.pop("ports", [])}]}
    spec |= more.pop("spec", {})
    ips = more.pop("ips", ["10.244.1.5", "fd00:10:244:1::5"])
    metadata: Raw = {"name": name, "namespace": "shop", "uid": f"uid-{name}", "labels": {"app": "web"}}
    if deleting:
        metadata["deletionTimestamp"] = "2026-01-01T00:00:00Z"
    return {
        "apiVersion": "v1",
        "kind": "Pod",
        "metadata": metadata,
        "spec": spec,
        "status": {
            "phase": phase,
            "podIPs": [{"ip": ip} for ip in ips],
            "conditions": [{"type": "Ready", "status": "True" if ready else "False"}],
        },
    }


def endpoint_of(raw: Raw) -> PodEndpoint:
    found = pod_endpoint(Object(raw))
    assert found is not None
    return found


def only(slices: dict[str, Raw]) -> Raw:
    assert len(slices) == 1
    return next(iter(slices.values()))


def test_a_slice_in_full() -> None:
    slices = endpoint_slices(service(), [endpoint_of(pod())], zone_of=lambda node: f"zone-of-{node}")
    (name, raw), = slices.items()  # fmt: skip
    assert raw == {
        "apiVersion": "discovery.k8s.io/v1",
        "kind": "EndpointSlice",
        "metadata": {
            "name": name,
            "generateName": "web-",
            "namespace": "shop",
            "labels": {
                "team": "a",
                "kubernetes.io/service-name": "web",
                "endpointslice.kubernetes.io/managed-by": "endpointslice-controller.k8s.io",
            },
            "ownerReferences": [
                {
                    "apiVersion": "v1",
                    "kind": "Service",
                    "name": "web",
                    "uid": "service-uid",
                    "controller": True,
                    "blockOwnerDeletion": True,
                }
            ],
        },
        "addressType": "IPv4",
        "endpoints": [
            {
                "addresses": ["10.244.1.5"],
                "conditions": {"ready": True, "serving": True, "terminating": False},
                "targetRef": {"kind": "Pod", "namespace": "shop", "name": "web-0", "uid": "uid-web-0"},
                "nodeName": "node-1",
                "zone": "zone-of-node-1",
            }
        ],
        "ports": [{"name": "http", "port": 8080, "protocol": "TCP"}],
    }


@pytest.mark.parametrize(
    ("ready", "deleting", "publish", "conditions"),
    [
        (True, False, False, (True, True, False)),
        (False, False, False, (False, False, False)),
        (True, True, False, (False, True, True)),
        (False, True, False, (False, False, True)),
        (False, False, True, (True, False, False)),
        (True, True, True, (True, True, True)),
    ],
)
def test_conditions(ready: bool, deleting: bool, publish: bool, conditions: tuple[bool, bool, bool]) -> None:
    """KEP-1672, with publishNotReadyAddresses: ready whatever the pod says."""
    of = service(publishNotReadyAddresses=publish)
    found = only(endpoint_slices(of, [endpoint_of(pod(ready=ready, deleting=deleting))]))["endpoints"][0]["conditions"]
    assert (found["ready"], found["serving"], found["terminating"]) == conditions


@pytest.mark.parametrize(
    ("raw", "counts"),
    [
        (pod(phase="Pending"), True),
        (pod(phase="Running"), True),
        (pod(phase="Succeeded"), False),
        (pod(phase="Failed"), False),
        (pod(ips=[]), False),
    ],
)
def test_which_pods_count(raw: Raw, counts: bool) -> None:
    assert (pod_endpoint(Object(raw)) is not None) == counts


def test_two_families_make_two_slices() -> None:
    slices = endpoint_slices(service(ipFamilies=["IPv6", "IPv4"]), [endpoint_of(pod())])
    found = {raw["addressType"]: raw["endpoints"][0]["addresses"] for raw in slices.values()}
    assert found == {"IPv4": ["10.244.1.5"], "IPv6": ["fd00:10:244:1::5"]}


def test_a_named_target_port_differs_per_pod() -> None:
    ports = [{"port": 80, "targetPort": "http"}, {"name": "dns", "port": 53, "protocol": "UDP", "targetPort": "dns"}]
    pods = [
        pod("a", ports=[{"name": "http", "containerPort": 8080}]),
        pod(
            "b", ports=[{"name": "http", "containerPort": 9090}, {"name": "dns", "containerPort": 5, "protocol": "UDP"}]
        ),
        pod("c", ports=[{"name": "dns", "containerPort": 53}]),  # TCP: not the one meant
    ]
    slices = endpoint_slices(service(ports=ports), [endpoint_of(raw) for raw in pods])
    found = {
        tuple((port["name"], port["protocol"], port["port"]) for port in raw["ports"]): [
            endpoint["targetRef"]["name"] for endpoint in raw["endpoints"]
        ]
        for raw in slices.values()
    }
    assert found == {
        (("", "TCP", 8080),): ["a"],
        (("", "TCP", 9090), ("dns", "UDP", 5)): ["b"],
        (): ["c"],
    }


def test_hostname_only_under_the_service_that_names_the_subdomain() -> None:
    mine = endpoint_of(pod("db-0", spec={"hostname": "db-0", "subdomain": "web"}))
    other = endpoint_of(pod("db-1", spec={"hostname": "db-1", "subdomain": "elsewhere"}))
    raw = only(endpoint_slices(service(clusterIP="None", ports=[]), [mine, other]))
    assert [endpoint.get("hostname") for endpoint in raw["endpoints"]] == ["db-0", None]
    assert raw["ports"] == []
    assert raw["metadata"]["labels"]["service.kubernetes.io/headless"] == ""


def test_a_service_that_selects_nothing_has_one_empty_slice() -> None:
    raw = only(endpoint_slices(service(), []))
    assert (raw["endpoints"], raw["ports"], raw["addressType"]) == ([], [], "IPv4")


def some_pods(numbers: set[int]) -> list[PodEndpoint]:
    return [endpoint_of(pod(f"web-{n}", ips=[f"10.244.{n // 200}.{n % 200 + 1}"])) for n in sorted(numbers)]


def as_objects(slices: dict[str, Raw]) -> list[Object]:
    return [Object(raw) for raw in slices.values()]


def held(slices: dict[str, Raw]) -> dict[str, str]:
    """Which slice holds which pod."""
    return {e["targetRef"]["name"]: name for name, raw in slices.items() for e in raw["endpoints"]}


@settings(max_examples=30, deadline=None)
@given(st.lists(st.sets(st.integers(0, 330), max_size=330), min_size=1, max_size=4))
def test_slices_hold_every_endpoint_once_and_leave_it_where_it_is(states: list[set[int]]) -> None:
    existing: list[Object] = []
    before: dict[str, str] = {}
    for numbers in states:
        slices = endpoint_slices(service(), some_pods(numbers), existing)
        now = held(slices)
        assert sorted(now) == sorted(f"web-{n}" for n in numbers)
        assert sum(len(raw["endpoints"]) for raw in slices.values()) == len(numbers)
        assert all(len(raw["endpoints"]) <= MAX_ENDPOINTS for raw in slices.values())
        assert all(now[name] == where for name, where in before.items() if name in now)
        assert endpoint_slices(service(), some_pods(numbers), as_objects(slices)) == slices
        existing, before = as_objects(slices), now


def test_one_more_pod_changes_one_slice() -> None:
    slices = endpoint_slices(service(), some_pods(set(range(250))))
    assert sorted(len(raw["endpoints"]) for raw in slices.values()) == [50, 100, 100]
    after = endpoint_slices(service(), some_pods(set(range(251))), as_objects(slices))
    assert sum(after[name] != slices.get(name) for name in after) == 1
    without = endpoint_slices(service(), some_pods(set(range(251)) - {7}), as_objects(after))
    assert sum(without[name] != after.get(name) for name in without) == 1


def test_a_slice_whose_ports_are_gone_is_used_again() -> None:
    empty = endpoint_slices(service(), [])
    filled = endpoint_slices(service(), some_pods({1}), as_objects(empty))
    assert list(filled) == list(empty)
    moved = service(ports=[{"name": "http", "port": 80, "targetPort": 9090}])
    after = endpoint_slices(moved, some_pods({1}), as_objects(filled))
    assert list(after) == list(filled)
    assert only(after)["ports"] == [{"name": "http", "port": 9090, "protocol": "TCP"}]


def test_endpoints_object() -> None:
    pods = [
        endpoint_of(pod("a", spec={"hostname": "a", "subdomain": "web"})),
        endpoint_of(pod("b", ready=False, ips=["10.244.1.6"])),
        endpoint_of(pod("c", deleting=True, ips=["10.244.1.7"])),
    ]
    raw = endpoints_object(service(), pods)
    assert raw["metadata"]["labels"] == {"team": "a", "endpoints.kubernetes.io/managed-by": "endpoint-controller"}
    (subset,) = raw["subsets"]
    assert subset["ports"] == [{"name": "http", "port": 8080, "protocol": "TCP"}]
    assert [(each["ip"], each.get("hostname")) for each in subset["addresses"]] == [("10.244.1.5", "a")]
    assert [each["ip"] for each in subset["notReadyAddresses"]] == ["10.244.1.6"]
    published = endpoints_object(service(publishNotReadyAddresses=True), pods)["subsets"][0]
    assert [each["ip"] for each in published["addresses"]] == ["10.244.1.5", "10.244.1.6", "10.244.1.7"]


def test_endpoints_over_capacity() -> None:
    raw = endpoints_object(service(), some_pods(set(range(1003))))
    assert len(raw["subsets"][0]["addresses"]) == 1000
    assert raw["metadata"]["annotations"] == {"endpoints.kubernetes.io/over-capacity": "truncated"}


def test_when_the_last_change_happened_never_goes_back() -> None:
    def since(name: str, ready_at: str, **more: Any) -> PodEndpoint:
        raw = pod(name, **more)
        raw["status"]["conditions"][0]["lastTransitionTime"] = ready_at
        return endpoint_of(raw)

    def told(existing: list[Object], *pods: PodEndpoint) -> tuple[str, Object]:
        made = Object(only(endpoint_slices(service(), pods, existing)))
        return made.annotations[TRIGGER_TIME], made

    first, slice_ = told([], since("web-0", "2026-01-01T00:00:01Z"), since("web-1", "2026-01-01T00:00:05Z"))
    assert first == "2026-01-01T00:00:05Z"
    again, slice_ = told([slice_], since("web-0", "2026-01-01T00:00:01Z"))
    assert again == "2026-01-01T00:00:05Z"
    later, _ = told([slice_], since("web-0", "2026-01-01T00:00:09Z"))
    assert later == "2026-01-01T00:00:09Z"
    assert only(endpoint_slices(service(), [endpoint_of(pod())]))["metadata"].get("annotations") is None
