"""The nodes to which a load balancer sends, by the health checks of a Service as in a cloud.

Source: https://kubernetes.io/docs/tasks/access-application-cluster/create-external-load-balancer/#preserving-the-client-source-ip
(externalTrafficPolicy Local: nodes without an endpoint fail the check on healthCheckNodePort).
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING
from zlib import crc32

from sealane.network.services.model import ServiceModel

if TYPE_CHECKING:
    from sealane.kube.shapes import Service

CLASS = "sealane.dev/loadbalancer"


def is_ours(service: Service) -> bool:
    """A Service of type LoadBalancer of no other class than ours."""
    return service.spec.get("type") == "LoadBalancer" and service.spec.get("loadBalancerClass") in (None, "", CLASS)


def local_endpoints(service: ServiceModel, node: str) -> int:
    """The number of ready endpoints on `node`, whatever their ports: what its health check says.

    Source: EndpointsMap.LocalReadyEndpoints in pkg/proxy/endpointschangetracker.go.
    """
    return len({each.address for port in service.ports for each in port.backends if each.ready and each.node == node})


def balanced_nodes(service: ServiceModel, nodes: Iterable[str]) -> tuple[str, ...]:
    """Which of `nodes` get connections to a Service's load-balancer addresses, in their order.

    Under the policy Local those that have an endpoint; all, when none has (a balancer whose checks all fail fails
    open). With session affinity only one, since a node remembers its clients, but does not tell the others.
    """
    every = tuple(nodes)
    if service.external_policy == "Local":
        every = tuple(node for node in every if local_endpoints(service, node)) or every
    if service.affinity_seconds is not None and every:
        return (every[crc32(str(service.key).encode()) % len(every)],)
    return every
