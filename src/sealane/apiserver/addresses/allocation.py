"""Addresses and ports of Services, as the API fills them in: the rules are `network.services.allocation`."""

from __future__ import annotations

from sealane.apiserver.errors import invalid
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import SERVICE
from sealane.kube.objects import Raw
from sealane.network.services import allocation
from sealane.network.services.allocation import Allocated, Exhausted, Refused


def allocate(service: Raw, old: Raw | None, allocated: Allocated) -> Raw:
    """`service` with its addresses and node ports, which are not held yet. Raises ApiError 422, and 500 when a range is
    full."""
    try:
        return allocation.allocate(service, old, allocated)
    except Refused as error:
        raise invalid(SERVICE, service["metadata"]["name"], (error.path, error.reason, error.text)) from None
    except Exhausted as error:
        raise ApiError(500, "InternalError", str(error)) from None
