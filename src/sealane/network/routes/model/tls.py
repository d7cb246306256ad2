"""TLS of listeners: which certificate a connection gets, by the name that the client asks for (SNI).

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `Listener.tls` and `Listener.hostname`; SNI is RFC 6066.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Literal

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts


@dataclass(frozen=True, slots=True)
class CertificateRef:
    """A Secret with a good certificate, by name alone: what is in it changes no listener. origin: the reference."""

    secret: Key
    origin: Provenance


@dataclass(frozen=True, slots=True)
class Terminate:
    """TLS ends at the listener (mode Terminate), with one of these certificates. clients: what they must show."""

    certificates: tuple[CertificateRef, ...]
    clients: ClientCheck | None = None


@dataclass(frozen=True, slots=True)
class ClientCheck:
    """Certificates of clients. authorities: CAs that they must come from, PEM. optional: whoever has none, or another,
    is served as well (mode AllowInsecureFallback)."""

    authorities: str
    optional: bool = False


@dataclass(frozen=True, slots=True)
class Chain:
    """What one HTTPS or TLS listener is for its port. hostname: exact, "*.suffix", or "" for any.

    http: of an HTTPS listener; behind a TLS listener nobody looks into what is said. certificates: none where TLS is
    passed through. own: requests for its hostnames alone are served there; otherwise, as with Ingresses, it chooses a
    certificate and no more.
    """

    hostname: str
    listener: str
    origin: Provenance
    certificates: tuple[CertificateRef, ...]
    http: bool = True
    clients: ClientCheck | None = None
    own: bool = True


@dataclass(frozen=True, slots=True)
class Originate:
    """TLS that a proxy begins with a backend. server_name: what it asks for.

    authorities: CAs that the backend's certificate must come from, PEM; "" for those of this machine. names: of which
    the certificate must have one, as (kind, value); kind "DNS" or "URI".
    """

    server_name: str
    authorities: str
    names: tuple[tuple[Literal["DNS", "URI"], str], ...]


def chain_for(chains: Iterable[Chain], name: str) -> Chain | None:
    """The chain that takes a connection for `name`: exact before the longest wildcard before any. name: "" without SNI.

    `Listener.hostname`: "requests SHOULD match at most one Listener". None: the handshake is refused.
    """
    fitting = [chain for chain in chains if hosts.matches(chain.hostname, name.lower())]
    return max(fitting, key=lambda chain: hosts.specificity(chain.hostname), default=None)
