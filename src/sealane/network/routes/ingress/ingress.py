"""Ingress: rules of all Ingresses of our classes, in the routing model, behind one proxy.

Sources: https://kubernetes.io/docs/concepts/services-networking/ingress/ and the Ingress v1 API reference; for the
class of ingress-nginx https://kubernetes.github.io/ingress-nginx/.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.certificates.pairs import Pair
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.backends import find
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.ingress import tls
from sealane.network.routes.ingress.classes import Served, class_of
from sealane.network.routes.model.http import Backend, Forward, HostKey, Respond, Rule
from sealane.network.routes.model.l4 import INGRESS_PROXY, PortKey
from sealane.network.routes.model.matches import Match, PathMatch
from sealane.network.routes.model.tls import CertificateRef
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Ingress
    from sealane.kube.shapes.networking_v1 import HTTPIngressPath, IngressBackend

PORT = 80
LISTENER = "http"
HTTPS = Redirect(scheme="https", status=308)
_CHALLENGE = "/.well-known/acme-challenge"


@dataclass(frozen=True, slots=True)
class BoundIngress:
    """An Ingress of a class that is served here.

    rules: by virtual host. last: what comes after all rules of its hosts, also those of other Ingresses.
    default: its default backend as a rule that matches everything, also for hosts of others.
    certificates: of its hosts that have TLS. redirects: requests without TLS to hosts that have it are sent there;
    forced: to hosts that have none as well.
    """

    key: Key
    served: Served
    created: str
    rules: Mapping[HostKey, tuple[Rule, ...]]
    last: Rule | None = None
    default: Rule | None = None
    certificates: Mapping[str, CertificateRef] = field(default_factory=dict)
    redirects: bool = False
    forced: bool = False


def bind(ingress: Ingress, sources: Sources, pairs: Collection[Key, Pair], fetch: Fetch) -> BoundIngress | None:
    """None when the Ingress belongs to a class of others."""
    served = class_of(ingress, sources, fetch)
    if served is None:
        return None
    created = ingress.metadata.get("creationTimestamp") or ""
    rules: dict[str, list[Rule]] = {}
    for number, raw in enumerate(ingress.spec.get("rules") or ()):
        entered = rules.setdefault((raw.get("host") or hosts.ANY).lower(), [])
        http = raw.get("http")
        for index, item in enumerate((http.get("paths") or ()) if http else ()):
            path = ("spec", "rules", number, "http", "paths", index)
            age = (created, ingress.namespace, ingress.name, number, index)
            backend = item.get("backend") or {}
            if served.nginx and not backend.get("service"):
                continue  # ingress-nginx has no location for what is no Service
            action = _forward(ingress, served, backend, (*path, "backend"), sources, fetch)
            entered.append(Rule(Match(_path(item)), action, Provenance(ingress.key, path), age))
    default = _default(ingress, served, created, sources, fetch)
    if default is not None and not (served.nginx and rules):
        rules.setdefault(hosts.ANY, [])
    last = default or Rule(Match(), Respond(404), Provenance(ingress.key), _last(ingress, created))
    shown = tls.certificates(ingress, served, rules, pairs, fetch)
    annotations = ingress.annotations
    return BoundIngress(
        ingress.key,
        served,
        created,
        {
            HostKey(INGRESS_PROXY, port, host): tuple(entered)
            for host, entered in rules.items()
            for port in ((PORT, tls.PORT) if served.nginx or host in shown else (PORT,))
        },
        last if served.nginx else None,
        None if served.nginx else default,
        shown,
        served.nginx and annotations.get("nginx.ingress.kubernetes.io/ssl-redirect") != "false",
        served.nginx and annotations.get("nginx.ingress.kubernetes.io/force-ssl-redirect") == "true",
    )


def _default(ingress: Ingress, served: Served, created: str, sources: Sources, fetch: Fetch) -> Rule | None:
    """spec.defaultBackend. Beside rules it is for ingress-nginx the last resort of the Ingress's own hosts, and only
    without any the one of hosts that nobody names."""
    backend = ingress.spec.get("defaultBackend")
    if not backend or (served.nginx and not backend.get("service")):
        return None
    origin = ("spec", "defaultBackend")
    action = _forward(ingress, served, backend, origin, sources, fetch)
    age = _last(ingress, created) if served.nginx else (created, ingress.namespace, ingress.name, 0, 0)
    return Rule(Match(), action, Provenance(ingress.key, origin), age)


def _last(ingress: Ingress, created: str) -> tuple[str, str, str, int, int]:
    """The age of what comes after all paths of a host, among its equals the oldest first."""
    return (f"~{created}", ingress.namespace, ingress.name, 0, 0)


def entered_hosts(ingress: BoundIngress) -> Iterable[HostKey]:
    """Index of Ingresses by virtual host."""
    return ingress.rules


def rules_at(key: HostKey, ingresses: Iterable[BoundIngress]) -> Iterator[Rule]:
    """The rules of a virtual host. ingress-nginx sends requests without TLS on to TLS where the host has a certificate
    of its own, whichever Ingress it is from (ssl-redirect), but for challenges of ACME (no-tls-redirect-locations)."""
    found = tuple(ingresses)
    secured = key.port == PORT and any(key.hostname in each.certificates for each in found)
    last = min((each.last for each in found if each.last is not None), key=lambda rule: rule.age, default=None)
    for each in found:
        redirected = key.port == PORT and (each.forced or (each.redirects and secured))
        for rule in (*each.rules[key], last) if last is not None and last is each.last else each.rules[key]:
            challenge = rule.match.path.value.startswith(_CHALLENGE)
            yield replace(rule, action=HTTPS) if redirected and not challenge else rule


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


def _path(raw: HTTPIngressPath) -> PathMatch:
    """ImplementationSpecific is Prefix here, as with most controllers."""
    return PathMatch("exact" if raw.get("pathType") == "Exact" else "prefix", raw.get("path") or "/")


def _forward(
    ingress: Ingress,
    served: Served,
    backend: IngressBackend,
    path: tuple[str | int, ...],
    sources: Sources,
    fetch: Fetch,
) -> Forward:
    """What is sent to a Service that is not there, or has no such port, ingress-nginx answers with 503."""
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
        return Forward((Backend(key, 0, 1, origin, "InvalidKind", refusal=refusal),), refusal=refusal)
    port = service.get("port") or {}
    key = Key("", "Service", ingress.namespace, service.get("name", ""))
    found = find(key, port.get("name") or port.get("number") or 0, sources, fetch)
    return Forward((Backend(key, found.port, 1, origin, found.problem, refusal=refusal),), refusal=refusal)
