"""The definitions of the Gateway API."""

from __future__ import annotations

from sealane.kube.kinds import FAMILIES
from sealane.kube.kinds.defined import rows
from sealane.kube.kinds.gateway import checks

_CHECKS = {
    "Gateway": checks.check_gateway,
    **dict.fromkeys(("HTTPRoute", "GRPCRoute", "TLSRoute", "TCPRoute", "UDPRoute"), checks.check_route),
}

ROWS = rows(FAMILIES["gateway"], _CHECKS)
