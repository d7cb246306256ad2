"""Ingress: rules of all Ingresses of our class, in the routing model, behind one proxy.

Source: https://kubernetes.io/docs/concepts/services-networking/ingress/ and the Ingress v1 API reference.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.backends import find
from sealane.network.routes.classes import INGRESS_CONTROLLER, served_here
from sealane.network.routes.model.http import Backend, Forward, HostKey, Listener, Rule
from sealane.network.routes.model.l4 import INGRESS_PROXY
from sealane.network.routes.model.matches import Match, PathMatch
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Ingress
    from sealane.kube.shapes.networking_v1 import HTTPIngressPath, IngressBackend

CLASS_ANNOTATION = "kubernetes.io/ingress.class"
DEFAULT_ANNOTATION = "ingressclass.kubernetes.io/is-default-class"
PORT = 80

LISTENER = Listener(INGRESS_PROXY, "http", PORT, "HTTP", hosts.ANY, Provenance(INGRESS_PROXY))
"""The implicit listener of the Ingress proxy. Which Ingresses bring it to life: see `compile`."""


@dataclass(frozen=True, slots=True)
class BoundIngress:
    """An Ingress of our class: its rules by virtual host, and its default backend as a rule that matches everything."""

    key: Key
    rules: Mapping[HostKey, tuple[Rule, ...]]
    default: Rule | None


def bind(ingress: Ingress, sources: Sources, fetch: Fetch) -> BoundIngress | None:
    """None when the Ingress belongs to another class."""
    if not is_ours(ingress, sources, fetch):
        return None
    created = ingress.metadata.get("creationTimestamp") or ""
    rules: dict[HostKey, list[Rule]] = {}
    for number, raw in enumerate(ingress.spec.get("rules") or ()):
        key = HostKey(INGRESS_PROXY, PORT, (raw.get("host") or hosts.ANY).lower())
        entered = rules.setdefault(key, [])
        http = raw.get("http")
        for index, item in enumerate((http.get("paths") or ()) if http else ()):
            path = ("spec", "rules", number, "http", "paths", index)
            age = (created, ingress.namespace, ingress.name, number, index)
            action = _forward(ingress, item.get("backend") or {}, (*path, "backend"), sources, fetch)
            entered.append(Rule(Match(_path(item)), action, Provenance(ingress.key, path), age))
    default = None
    backend = ingress.spec.get("defaultBackend")
    if backend:
        origin = ("spec", "defaultBackend")
        action = _forward(ingress, backend, origin, sources, fetch)
        age = (created, ingress.namespace, ingress.name, 0, 0)
        default = Rule(Match(), action, Provenance(ingress.key, origin), age)
        rules.setdefault(HostKey(INGRESS_PROXY, PORT, hosts.ANY), [])
    return BoundIngress(ingress.key, {key: tuple(entered) for key, entered in rules.items()}, default)


def is_ours(ingress: Ingress, sources: Sources, fetch: Fetch) -> bool:
    """spec.ingressClassName, else the old annotation, else the default IngressClass."""
    name = ingress.spec.get("ingressClassName") or ingress.annotations.get(CLASS_ANNOTATION)
    if name:
        named = fetch.get(sources.ingress_classes, Key("networking.k8s.io", "IngressClass", "", name))
        return served_here(named, INGRESS_CONTROLLER)
    defaults = [item for item in fetch(sources.ingress_classes) if item.annotations.get(DEFAULT_ANNOTATION) == "true"]
    return len(defaults) == 1 and served_here(defaults[0], INGRESS_CONTROLLER)


def entered_hosts(ingress: BoundIngress) -> Iterable[HostKey]:
    """Index of Ingresses by virtual host."""
    return ingress.rules


def oldest_default(ingresses: Iterable[BoundIngress]) -> Rule | None:
    """The one default backend: "If none of the hosts or paths match the HTTP request in the Ingress objects, the
    traffic is routed to your default backend." Several Ingresses may name one; the oldest wins."""
    found = [item.default for item in ingresses if item.default is not None]
    return min(found, key=lambda rule: rule.age, default=None)


def _path(raw: HTTPIngressPath) -> PathMatch:
    """ImplementationSpecific is Prefix here, as with most controllers."""
    return PathMatch("exact" if raw.get("pathType") == "Exact" else "prefix", raw.get("path") or "/")


def _forward(
    ingress: Ingress, backend: IngressBackend, path: tuple[str | int, ...], sources: Sources, fetch: Fetch
) -> Forward:
    origin = Provenance(ingress.key, path)
    service = backend.get("service")
    if not service:
        resource = backend.get("resource")
        key = Key("", "", ingress.namespace, "")
        if resource:
            key = Key(
                resource.get("apiGroup") or "", resource.get("kind", ""), ingress.namespace, resource.get("name", "")
            )
        return Forward((Backend(key, 0, 1, origin, "InvalidKind"),))
    port = service.get("port") or {}
    key = Key("", "Service", ingress.namespace, service.get("name", ""))
    found = find(key, port.get("name") or port.get("number") or 0, sources, fetch)
    return Forward((Backend(key, found.port, 1, origin, found.problem),))
