"""The Service model: frozen values, no rules."""

from __future__ import annotations

from typing import Literal

import msgspec

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance

Protocol = Literal["TCP", "UDP", "SCTP"]
Family = Literal[4, 6]
VipKind = Literal["ClusterIP", "NodePort", "LoadBalancer", "ExternalIP"]
TrafficPolicy = Literal["Cluster", "Local"]


class Frontend(msgspec.Struct, frozen=True):
    """One address and port that stands for a Service port.

    address: canonical text; "" for a NodePort, which every node answers on its own addresses of `family`.
    """

    kind: VipKind
    family: Family
    address: str
    port: int
    protocol: Protocol
    provenance: Provenance

    @property
    def external(self) -> bool:
        """True where externalTrafficPolicy rules, False where internalTrafficPolicy does."""
        return self.kind != "ClusterIP"

    def __str__(self) -> str:
        if self.kind == "NodePort":
            return f"nodePort {self.port}/{self.protocol}"
        address = f"[{self.address}]" if self.family == 6 else self.address
        return f"{address}:{self.port}/{self.protocol}"


class Backend(msgspec.Struct, frozen=True):
    """One endpoint for one port. ready, serving, terminating: the conditions of KEP-1672, with their defaults.

    nodes, zones: the hints, empty where there are none. target: the pod behind it, if a targetRef names one.
    """

    address: str
    port: int
    family: Family
    node: str
    ready: bool
    serving: bool
    terminating: bool
    nodes: tuple[str, ...]
    zones: tuple[str, ...]
    target: Key | None
    provenance: Provenance


class ServicePort(msgspec.Struct, frozen=True):
    name: str
    port: int
    protocol: Protocol
    frontends: tuple[Frontend, ...]
    backends: tuple[Backend, ...]
    provenance: Provenance

    def of_family(self, family: Family) -> tuple[Backend, ...]:
        return tuple(backend for backend in self.backends if backend.family == family)


class ServiceModel(msgspec.Struct, frozen=True):
    """A Service with all that answers for it.

    affinity_seconds: how long a client stays with its endpoint; None without session affinity.
    source_ranges: the clients that may use the load-balancer addresses (CIDRs); empty means everyone.
    proxied: load-balancer addresses that the nodes leave to the load balancer itself (ipMode Proxy).
    shadowed: frontends that an older Service already claims, with that Service; they are not in `ports`.
    """

    key: Key
    type: str
    headless: bool
    external_name: str
    ports: tuple[ServicePort, ...]
    internal_policy: TrafficPolicy
    external_policy: TrafficPolicy
    affinity_seconds: int | None
    source_ranges: tuple[str, ...]
    health_check_port: int | None
    shadowed: tuple[tuple[Frontend, Key], ...] = ()
    proxied: tuple[str, ...] = ()

    def because(self, *path: str | int) -> Provenance:
        return Provenance(self.key, path)

    @property
    def differs_by_node(self) -> bool:
        """True when nodes may choose from different endpoints."""
        if any(port.frontends for port in self.ports):
            return (
                self.internal_policy == "Local"
                or self.external_policy == "Local"
                or any(backend.nodes or backend.zones for port in self.ports for backend in port.backends)
            )
        return False
