"""TLS of listeners: their references to certificates, and what they ask of clients.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1): the TLS configuration of listeners and Gateways,
reasons of listener conditions; GEP-709 (references across namespaces), GEP-91 (certificates of clients).
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.provenance import Provenance
from sealane.network.routes.certificates import Certificates, Problem, authority, named, pair_problem
from sealane.network.routes.conditions import Condition
from sealane.network.routes.model.tls import CertificateRef, ClientCheck, Terminate
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Gateway, ListenerSet
    from sealane.kube.shapes.gateway_v1 import GatewaySpecListeners, GatewaySpecTlsFrontendDefaultValidation

_REASONS = {"grant": "RefNotPermitted", "kind": "InvalidCertificateRef", "missing": "InvalidCertificateRef"}
_CA_REASONS = {"grant": "RefNotPermitted", "kind": "InvalidCACertificateKind", "missing": "InvalidCACertificateRef"}


@dataclass(frozen=True, slots=True)
class Resolved:
    """tls: the certificates that resolve. passthrough: TLS does not end here. refused: "" or why it is not Accepted.

    problem: the ResolvedRefs condition when a reference does not resolve.
    """

    tls: Terminate
    passthrough: bool = False
    refused: str = ""
    problem: Condition | None = None

    @property
    def usable(self) -> bool:
        return self.passthrough or bool(self.tls.certificates)


def named_by_gateway(gateway: Gateway) -> Iterator[Key]:
    """The Secrets and ConfigMaps that the Gateway's own TLS configuration names, whether they may or not."""
    shown = ((gateway.spec.get("tls") or {}).get("backend") or {}).get("clientCertificateRef")
    if shown:
        yield named(gateway.key, shown)
    for validation in _validations(gateway).values():
        for ref in validation["caCertificateRefs"] if validation else ():
            yield named(gateway.key, ref, "ConfigMap")
    yield from named_by_listeners(gateway)


def named_by_listeners(owner: Gateway | ListenerSet) -> Iterator[Key]:
    for entry in owner.spec.get("listeners") or ():
        if entry["protocol"] in ("HTTPS", "TLS"):
            for ref in (entry.get("tls") or {}).get("certificateRefs") or ():
                yield named(owner.key, ref)


def resolve(
    gateway: Gateway,
    owner: Gateway | ListenerSet,
    entry: GatewaySpecListeners,
    number: int,
    sources: Sources,
    certificates: Certificates,
    fetch: Fetch,
) -> Resolved | None:
    """TLS of listener `number` of `owner`; None for one without. Of several certificates, those that resolve are used.

    Reasons: InvalidCertificateRef, RefNotPermitted, InvalidCACertificateRef, InvalidCACertificateKind, and of
    Accepted: UnsupportedValue, NoValidCACertificate (listener conditions of the Gateway API reference).
    """
    if entry["protocol"] not in ("HTTPS", "TLS"):
        return None
    if ((entry.get("tls") or {}).get("mode") or "Terminate") != "Terminate":
        return Resolved(Terminate(()), True, "" if entry["protocol"] == "TLS" else "UnsupportedValue")
    good: list[CertificateRef] = []
    problems: list[tuple[str, str]] = []
    refs = (entry.get("tls") or {}).get("certificateRefs") or ()
    for index, ref in enumerate(refs):
        secret = named(owner.key, ref)
        problem = pair_problem(owner.key, secret, sources, certificates, fetch)
        if problem is None:
            path = ("spec", "listeners", number, "tls", "certificateRefs", index)
            good.append(CertificateRef(secret, Provenance(owner.key, path)))
        else:
            problems.append((_REASONS[problem.kind], problem.message))
    if not refs:
        problems.append(("InvalidCertificateRef", "tls.certificateRefs names no certificate"))
    clients, refused = None, ""
    asked = _validations(gateway) if entry["protocol"] == "HTTPS" else {}
    validation = asked.get(entry["port"], asked.get(0))
    if validation:
        clients, bad = _clients(gateway, validation, sources, certificates, fetch)
        problems += bad
        refused = "" if clients is not None else "NoValidCACertificate"
    if not problems:
        return Resolved(Terminate(tuple(good), clients))
    message = "; ".join(dict.fromkeys(text for _, text in problems))
    return Resolved(
        Terminate(tuple(good), clients),
        refused=refused,
        problem=Condition("ResolvedRefs", False, problems[0][0], message),
    )


def falls_back(gateway: Gateway) -> bool:
    """Whether a client is served on some port that shows no good certificate, though one is asked for."""
    return any(each and each.get("mode") == "AllowInsecureFallback" for each in _validations(gateway).values())


def _validations(gateway: Gateway) -> dict[int, GatewaySpecTlsFrontendDefaultValidation | None]:
    """What is asked of clients by port; at 0, what is asked at every port that says nothing itself."""
    frontend = (gateway.spec.get("tls") or {}).get("frontend")
    if not frontend:
        return {}
    found = {each["port"]: each["tls"].get("validation") for each in frontend.get("perPort") or ()}
    return {0: frontend["default"].get("validation"), **found}


def _clients(
    gateway: Gateway,
    validation: GatewaySpecTlsFrontendDefaultValidation,
    sources: Sources,
    certificates: Certificates,
    fetch: Fetch,
) -> tuple[ClientCheck | None, list[tuple[str, str]]]:
    """None without a bundle that can be used; then reasons and messages."""
    bundles: list[str] = []
    problems: list[tuple[str, str]] = []
    for ref in validation["caCertificateRefs"]:
        found = authority(gateway.key, named(gateway.key, ref, "ConfigMap"), sources, certificates, fetch)
        if isinstance(found, Problem):
            problems.append((_CA_REASONS[found.kind], found.message))
        else:
            bundles.append(found.pem)
    if not bundles:
        return None, problems
    return ClientCheck("\n".join(bundles), validation.get("mode") == "AllowInsecureFallback"), problems
