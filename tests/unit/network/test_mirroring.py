"""Slices of hand-written Endpoints."""

from __future__ import annotations

from typing import Any

import pytest

from sealane.kube.objects import Object
from sealane.network.services.mirroring import is_mirrored, left_out, mirrored_slices


def endpoints(subsets: list[Any], labels: dict[str, str] | None = None, annotations: Any = None) -> Object:
    meta = {"name": "db", "namespace": "shop", "uid": "u", "labels": labels or {}, "annotations": annotations or {}}
    return Object({"apiVersion": "v1", "kind": "Endpoints", "metadata": meta, "subsets": subsets})


def service(**spec: Any) -> Object:
    return Object(
        {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "db", "namespace": "shop"}, "spec": spec}
    )


@pytest.mark.parametrize(
    ("written", "of", "expected"),
    [
        (endpoints([]), service(), True),
        (endpoints([]), None, False),
        (endpoints([]), service(selector={"a": "b"}), False),
        (endpoints([], {"endpointslice.kubernetes.io/skip-mirror": "true"}), service(), False),
        (endpoints([], {"endpointslice.kubernetes.io/skip-mirror": "false"}), service(), True),
        (endpoints([], None, {"control-plane.alpha.kubernetes.io/leader": "{}"}), service(), False),
        (endpoints([], {"endpoints.kubernetes.io/managed-by": "endpoint-controller"}), service(), False),
    ],
)
def test_which_are_mirrored(written: Object, of: Object | None, expected: bool) -> None:
    assert is_mirrored(written, of) is expected


def test_families_ports_and_readiness() -> None:
    ready = [{"ip": "10.0.0.1", "nodeName": "node-1"}, {"ip": "fd00::1"}]
    subset = {"addresses": ready, "notReadyAddresses": [{"ip": "10.0.0.2"}], "ports": [{"name": "a", "port": 5432}]}
    made = list(
        mirrored_slices(
            endpoints([subset], {"team": "x"}, {"note": "n", "kubectl.kubernetes.io/last-applied-configuration": "{}"})
        ).values()
    )
    assert [each["addressType"] for each in made] == ["IPv4", "IPv6"]
    four, six = made
    assert four["endpoints"] == [
        {"addresses": ["10.0.0.1"], "conditions": {"ready": True}, "nodeName": "node-1"},
        {"addresses": ["10.0.0.2"], "conditions": {"ready": False}},
    ]
    assert four["ports"] == [{"name": "a", "protocol": "TCP", "port": 5432}]
    assert six["endpoints"] == [{"addresses": ["fd00::1"], "conditions": {"ready": True}}]
    assert four["metadata"]["labels"] == {
        "team": "x",
        "kubernetes.io/service-name": "db",
        "endpointslice.kubernetes.io/managed-by": "endpointslicemirroring-controller.k8s.io",
    }
    assert four["metadata"]["annotations"] == {"note": "n"}


def test_at_most_a_thousand_of_a_subset() -> None:
    many = [{"ip": f"10.0.{index // 250}.{index % 250 + 1}"} for index in range(1200)]
    made = mirrored_slices(endpoints([{"addresses": many, "ports": [{"port": 80}]}]))
    assert [len(each["endpoints"]) for each in made.values()] == [1000]
    assert left_out(endpoints([{"addresses": many, "ports": [{"port": 80}]}])) == 200
