"""Copies of requests to another backend: HTTPRequestMirrorFilter of the Gateway API."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance


@dataclass(frozen=True, slots=True)
class Mirror:
    """A copy of the request goes to `service`, its answer is dropped. fraction: how many of 1 are copied.

    use: how the backend is spoken to, see `model.http.Use`.
    """

    service: Key
    port: int
    origin: Provenance
    fraction: float = 1.0
    use: Literal["http", "grpc", "tcp", "raw", "udp"] = "http"
