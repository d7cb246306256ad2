"""Requests that another service lets through: HTTPExternalAuthFilter of the Gateway API (GEP-1494), protocol HTTP."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance

ALWAYS_SENT = ("authorization",)
"""Headers that the authorizer sees whatever is listed, beside method, host, path and the length of what is sent."""


@dataclass(frozen=True, slots=True)
class ExternalAuth:
    """The authorizer at `service` is asked with the request's method, host and path. What it answers with 200 goes on;
    another answer is the client's, and one of 500 or more, or none, is 403.

    path: before that of the request. headers: of the request, sent besides ALWAYS_SENT. answered: headers of its
    answer that the backend gets, none for all of them. body: bytes of the request's that are sent at the most (a longer
    one is answered with 413), 0 to send none. use: how it is spoken to, see `model.http.Use`.
    """

    service: Key
    port: int
    origin: Provenance
    path: str = ""
    headers: tuple[str, ...] = ()
    answered: tuple[str, ...] = ()
    body: int = 0
    use: Literal["http", "grpc", "tcp", "raw", "udp"] = "http"

    def __str__(self) -> str:
        return (
            f"Service {self.service.namespace}/{self.service.name} port {self.port} is asked first at "
            f"{self.path}PATH: only what it answers with 200 goes on"
        )
