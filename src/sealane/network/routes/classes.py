"""Which classes of Gateways and Ingresses are served here."""

from __future__ import annotations

from sealane.kube.objects import Object

GATEWAY_CONTROLLER = "sealane.dev/gateway-controller"
INGRESS_CONTROLLER = "sealane.dev/ingress-controller"

ADOPTED = "sealane.dev/adopted"
"""Annotation of a class: "true" when it is served here although it names another controller."""


def served_here(found: Object | None, controller: str) -> bool:
    """Whether a GatewayClass or IngressClass names `controller`, or was adopted."""
    if found is None:
        return False
    named = found.spec.get("controllerName" if found.kind == "GatewayClass" else "controller")
    return named == controller or found.annotations.get(ADOPTED) == "true"
