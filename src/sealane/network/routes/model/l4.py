"""Listeners of proxies: ports, whatever protocol is spoken there."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, NamedTuple

from sealane.kube.objects import Key
from sealane.network.routes.model.tls import Chain

INGRESS_PROXY = Key("networking.k8s.io", "Ingress", "sealane-system", "ingress")
"""The one proxy of all Ingresses of our class."""

Transport = Literal["TCP", "UDP"]
Speech = Literal["http", "tls", "tcp", "udp"]
SPEECH: Mapping[str, Speech] = {"HTTP": "http", "HTTPS": "tls", "TLS": "tls", "TCP": "tcp", "UDP": "udp"}
"""What comes first on a port, by the protocol of its listeners: those that share a port must speak the same."""


def transport(protocol: str) -> Transport:
    return "UDP" if protocol == "UDP" else "TCP"


class PortKey(NamedTuple):
    """A port on which a proxy listens."""

    proxy: Key
    port: int
    transport: Transport = "TCP"


@dataclass(frozen=True, slots=True)
class OpenPort:
    """listeners: names of the listeners that share the port. chains: of a port that speaks TLS, one a listener."""

    key: PortKey
    listeners: tuple[str, ...]
    chains: tuple[Chain, ...] = ()
    speaks: Speech = "http"

    @property
    def scheme(self) -> Literal["http", "https", "tls", "tcp", "udp"]:
        if self.speaks == "tls":
            return "https" if any(chain.http for chain in self.chains) else "tls"
        return self.speaks
