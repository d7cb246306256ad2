"""How a load balancer changes a connection before a node gets it: nothing, for most Services.

Services that ask for TLS, another protocol to the pods or a PROXY header have a load balancer that takes connections
itself and opens others to node ports: `ipMode: Proxy` in their status (KEP-1860). The annotations are AWS's.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Literal

import msgspec

from sealane.network.services.annotation_table import AWS
from sealane.network.services.annotations import BACKENDS
from sealane.network.services.balancer import is_ours

if TYPE_CHECKING:
    from sealane.kube.shapes import Service

TLS_SECRET = "sealane.dev/load-balancer-tls-secret"
"""The name of the Secret with the certificate, for those who would rather not write an ARN."""
_NETWORK = ("nlb", "nlb-ip", "external")

Backend = Literal["tcp", "ssl", "http", "https"]


class Listener(msgspec.Struct, frozen=True):
    """One port of a load balancer that takes connections itself.

    secret: the name of the Secret that has its certificate; "" where no TLS ends. backend: the protocol spoken to pods.
    proxy: the version of the PROXY header, 0 for none. node_port: the target of connections.
    """

    port: int
    node_port: int
    secret: str = ""
    backend: Backend = "tcp"
    proxy: Literal[0, 1, 2] = 0

    @property
    def plain(self) -> bool:
        """Would a packet filter do as well?"""
        return not self.secret and self.backend == "tcp" and not self.proxy


def listeners(service: Service) -> tuple[Listener, ...]:
    """One for each TCP port; none when the Service asks for nothing that packet filters could not do."""
    if not is_ours(service):
        return ()
    annotations = service.annotations
    given = str(annotations.get(f"{AWS}backend-protocol") or "tcp").lower()
    backend: Backend = given if given in BACKENDS else "tcp"  # type: ignore[assignment]
    secret, encrypted = _secret(annotations), str(annotations.get(f"{AWS}ssl-ports") or "*")
    chosen = {text.strip() for text in encrypted.split(",")}
    found = []
    for port in service.spec.get("ports") or ():
        if (port.get("protocol") or "TCP") == "TCP":
            ends = bool(secret) and bool(chosen & {"*", str(port.get("port")), port.get("name") or "*"})
            number, node_port = int(port["port"]), int(port.get("nodePort") or 0)
            found.append(Listener(number, node_port, secret if ends else "", backend, _proxy(annotations)))
    return () if all(each.plain for each in found) else tuple(found)


def _secret(annotations: Mapping[str, str]) -> str:
    """The last part of an ARN ("arn:aws:acm:REGION:ACCOUNT:certificate/NAME") is taken as the name of the Secret."""
    named = str(annotations.get(TLS_SECRET) or annotations.get(f"{AWS}ssl-cert") or "").partition(",")[0].strip()
    return named.rpartition("/")[2].rpartition(":")[2].lower()


def _proxy(annotations: Mapping[str, str]) -> Literal[0, 1, 2]:
    attributes = str(annotations.get(f"{AWS}target-group-attributes") or "")
    if "proxy_protocol_v2.enabled=true" in attributes.replace(" ", ""):
        return 2
    if not annotations.get(f"{AWS}proxy-protocol"):
        return 0
    return 2 if annotations.get(f"{AWS}type") in _NETWORK else 1
