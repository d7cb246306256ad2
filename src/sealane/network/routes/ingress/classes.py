"""The class of an Ingress: whether it is served here, and by whose rules.

Sources: IngressSpec.ingressClassName of the Ingress v1 API reference; KEP-1453 for the annotation from before it.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.routes.classes import INGRESS_CONTROLLER, served_here
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Ingress, IngressClass

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
NGINX_CONTROLLER = "k8s.io/ingress-nginx"


@dataclass(frozen=True, slots=True)
class Served:
    """A class that is served here. nginx: its controller is ingress-nginx, so it behaves as that does wherever that
    differs from the documents; every other class does what the documents say."""

    name: str
    nginx: bool = False


def class_of(ingress: Ingress, sources: Sources, fetch: Fetch) -> Served | None:
    """spec.ingressClassName, else the old annotation, else the default IngressClass; None for what others serve.

    Of several default classes none is the default: the API reference lets nobody create such an Ingress.
    """
    name = ingress.spec.get("ingressClassName") or ingress.annotations.get(CLASS_ANNOTATION)
    if name:
        return _served(fetch.get(sources.ingress_classes, Key("networking.k8s.io", "IngressClass", "", name)))
    defaults = [item for item in fetch(sources.ingress_classes) if item.annotations.get(DEFAULT_ANNOTATION) == "true"]
    return _served(defaults[0]) if len(defaults) == 1 else None


def _served(found: IngressClass | None) -> Served | None:
    if found is None or not served_here(found, INGRESS_CONTROLLER):
        return None
    return Served(found.name, found.spec.get("controller") == NGINX_CONTROLLER)
