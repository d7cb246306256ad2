"""Listeners of proxies: ports, whatever protocol is spoken there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal, NamedTuple

from sealane.kube.objects import Key
from sealane.network.routes.model.tls import Chain

INGRESS_PROXY = Key("networking.k8s.io", "Ingress", "sealane-system", "ingress")
"""The one proxy of all Ingresses of our class."""


class PortKey(NamedTuple):
    """A port on which a proxy listens."""

    proxy: Key
    port: int


@dataclass(frozen=True, slots=True)
class OpenPort:
    """listeners: names of the listeners that share the port. chains: of a port that speaks TLS, one a listener."""

    key: PortKey
    listeners: tuple[str, ...]
    chains: tuple[Chain, ...] = ()

    @property
    def scheme(self) -> Literal["http", "https"]:
        return "https" if self.chains else "http"
