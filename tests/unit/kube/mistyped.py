"""Mistakes that the type checker must find, one a line; `make check` fails when mypy says nothing about one of them.

Nothing runs this module: mypy reads it (`files` in pyproject.toml), and an ignored error that is none is an error.
"""

from __future__ import annotations

from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from sealane.kube.objects import Object
    from sealane.kube.shapes import EndpointSlice, HTTPRoute, NetworkPolicy, Pod, Service
    from sealane.kube.shapes.discovery_v1 import Endpoint


def mistyped(service: Service, slice_: EndpointSlice, pod: Pod, policy: NetworkPolicy, route: HTTPRoute) -> None:
    service.spec["clusterIp"]  # type: ignore[typeddict-item]
    service.spec["ports"][0]["target_port"]  # type: ignore[typeddict-item]
    assert service.spec.get("type") == "ExternalNmae"  # type: ignore[comparison-overlap]
    slice_.raw["endpoints"][0]["condition"]  # type: ignore[typeddict-item]
    pod.metadata["label"]  # type: ignore[typeddict-item]
    policy.spec["ingress"][0]["form"]  # type: ignore[typeddict-item]
    route.spec["rules"][0]["match"]  # type: ignore[typeddict-item]
    service.spec.get("clusterIPP")  # type: ignore[typeddict-item]
    (pod.spec.get("dnsConfig") or {}).get("server") or ()  # type: ignore[typeddict-item]


def written(endpoint: Endpoint, address: str) -> None:
    endpoint["adresses"] = [address]  # type: ignore[typeddict-unknown-key]
    made: Endpoint = {"addresses": [address], "condition": {}}  # type: ignore[typeddict-unknown-key]
    nowhere: Endpoint = {"nodeName": "node-1"}  # type: ignore[typeddict-item]
    assert made != nowhere


def a_kind_for_another(pod: Pod, any_object: Object) -> None:
    of_services(pod)  # type: ignore[arg-type]
    of_services(any_object)  # an Object of no kind goes everywhere


def of_services(service: Service) -> None:
    """Takes Services."""
