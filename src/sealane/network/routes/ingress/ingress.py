"""Ingress: rules of all Ingresses of our classes, in the routing model, behind one proxy.

Sources: https://kubernetes.io/docs/concepts/services-networking/ingress/ and the Ingress v1 API reference; for the
class of ingress-nginx https://kubernetes.github.io/ingress-nginx/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.certificates.pairs import Pair
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.backends import find
from sealane.network.routes.ingress import tls
from sealane.network.routes.ingress.bound import BoundIngress
from sealane.network.routes.ingress.classes import Served, class_of
from sealane.network.routes.ingress.nginx import rules as nginx
from sealane.network.routes.model.http import Backend, Forward, HostKey, Rule
from sealane.network.routes.model.l4 import INGRESS_PROXY, PortKey
from sealane.network.routes.model.matches import Match, PathKind, PathMatch
from sealane.network.routes.model.tls import CertificateRef
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Ingress
    from sealane.kube.shapes.networking_v1 import HTTPIngressPath, IngressBackend

PORT = 80
LISTENER = "http"


def bind(ingress: Ingress, sources: Sources, pairs: Collection[Key, Pair], fetch: Fetch) -> BoundIngress | None:
    """None when the Ingress belongs to a class of others."""
    served = class_of(ingress, sources, fetch)
    if served is None:
        return None
    created = ingress.metadata.get("creationTimestamp") or ""
    rules: dict[str, list[Rule]] = {}
    problems: list[str] = []
    for number, raw in enumerate(ingress.spec.get("rules") or ()):
        entered = rules.setdefault((raw.get("host") or hosts.ANY).lower(), [])
        http = raw.get("http")
        for index, item in enumerate((http.get("paths") or ()) if http else ()):
            path = ("spec", "rules", number, "http", "paths", index)
            age = (created, ingress.namespace, ingress.name, number, index)
            action, problem = _forward(ingress, served, item.get("backend") or {}, (*path, "backend"), sources, fetch)
            problems += [f"spec.rules[{number}].http.paths[{index}]: {problem}"] if problem else []
            if action is not None:
                entered.append(Rule(Match(_path(item, served)), action, Provenance(ingress.key, path), age))
    default = None
    if backend := ingress.spec.get("defaultBackend"):
        default, problem = _default(ingress, served, backend, created, sources, fetch)
        problems += [f"spec.defaultBackend: {problem}"] if problem else []
    if default is not None and not (served.nginx and rules):
        rules.setdefault(hosts.ANY, [])
    shown = tls.certificates(ingress, served, rules, pairs, fetch)
    problems += tls.problems(ingress, served, shown, pairs, fetch)
    bound = BoundIngress(ingress.key, served, created, {}, default, shown, tuple(problems))
    if served.nginx:
        bound = nginx.bound(ingress, replace(bound, default=None), rules, default)
    return replace(
        bound,
        rules={
            HostKey(INGRESS_PROXY, port, host): tuple(entered)
            for host, entered in rules.items()
            for port in ((PORT, tls.PORT) if served.nginx or host in shown else (PORT,))
        },
    )


def _default(
    ingress: Ingress, served: Served, backend: IngressBackend, created: str, sources: Sources, fetch: Fetch
) -> tuple[Rule | None, str]:
    origin = ("spec", "defaultBackend")
    action, problem = _forward(ingress, served, backend, origin, sources, fetch)
    if action is None:
        return None, problem
    age = nginx.last(ingress) if served.nginx else (created, ingress.namespace, ingress.name, 0, 0)
    return Rule(Match(), action, Provenance(ingress.key, origin), age), problem


def entered_hosts(ingress: BoundIngress) -> Iterable[HostKey]:
    """Index of Ingresses by virtual host."""
    return ingress.rules


def rules_at(key: HostKey, ingresses: Iterable[BoundIngress]) -> Iterator[Rule]:
    """The rules of a virtual host."""
    found = tuple(ingresses)
    for each in found:
        if not each.served.nginx:
            yield from each.rules[key]
    if any(each.served.nginx for each in found):
        yield from nginx.rules_at(key, [each for each in found if each.served.nginx])


def entered_ports(ingress: BoundIngress) -> Iterable[PortKey]:
    """Index of Ingresses by the port that they open."""
    secure = ingress.served.nginx or bool(ingress.certificates)
    return (PortKey(INGRESS_PROXY, PORT), *((PortKey(INGRESS_PROXY, tls.PORT),) if secure else ()))


def secured_hosts(ingress: BoundIngress) -> Iterable[str]:
    """Index of Ingresses by the hostname whose certificate they say."""
    return ingress.certificates


def certificate(hostname: str, ingresses: Iterable[BoundIngress]) -> CertificateRef:
    """The certificate of a host: the oldest Ingress says it."""
    oldest = min(ingresses, key=lambda each: (each.created, each.key))
    return oldest.certificates[hostname]


def oldest_default(ingresses: Iterable[BoundIngress]) -> Rule | None:
    """The one default backend: "If none of the hosts or paths match the HTTP request in the Ingress objects, the
    traffic is routed to your default backend." Several Ingresses may name one; the oldest wins."""
    found = [item.default for item in ingresses if item.default is not None]
    return min(found, key=lambda rule: rule.age, default=None)


_KINDS: Mapping[str, PathKind] = {"Exact": "exact", "Prefix": "prefix"}


def _path(raw: HTTPIngressPath, served: Served) -> PathMatch:
    """ImplementationSpecific is Prefix here, as with most controllers; with ingress-nginx whatever begins so."""
    other: PathKind = "start" if served.nginx else "prefix"
    return PathMatch(_KINDS.get(raw.get("pathType") or "", other), raw.get("path") or "/")


def _forward(
    ingress: Ingress,
    served: Served,
    backend: IngressBackend,
    path: tuple[str | int, ...],
    sources: Sources,
    fetch: Fetch,
) -> tuple[Forward | None, str]:
    """Where requests go, and the problem with that. What is sent to a Service that is not there, or has no such port,
    ingress-nginx answers with 503; it has no path for what is no Service."""
    origin = Provenance(ingress.key, path)
    refusal = 503 if served.nginx else 500
    service = backend.get("service")
    if not service:
        resource = backend.get("resource")
        key = Key("", "", ingress.namespace, "")
        if resource:
            key = Key(
                resource.get("apiGroup") or "", resource.get("kind", ""), ingress.namespace, resource.get("name", "")
            )
        problem = f"{key.kind or 'nothing'} cannot be a backend, only a Service can"
        return None if served.nginx else Forward((Backend(key, 0, 1, origin, "InvalidKind"),)), problem
    port = service.get("port") or {}
    key = Key("", "Service", ingress.namespace, service.get("name", ""))
    found = find(key, port.get("name") or port.get("number") or 0, sources, fetch)
    backends = (Backend(key, found.port, 1, origin, found.problem, refusal=refusal),)
    return Forward(backends, refusal=refusal), found.message if found.problem else ""
