"""HTTPS listeners: their references to certificates.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1): the TLS configuration of listeners and Gateways,
reasons of listener conditions; GEP-709 (references across namespaces).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.certificates.pairs import Pair
from sealane.network.provenance import Provenance
from sealane.network.routes.backends import permitted
from sealane.network.routes.conditions import Condition
from sealane.network.routes.model.tls import CertificateRef, Terminate
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Gateway
    from sealane.kube.shapes.gateway_v1 import GatewaySpecListeners, GatewaySpecListenersTlsCertificateRefs


@dataclass(frozen=True, slots=True)
class Resolved:
    """tls: the certificates that resolve. problem: the ResolvedRefs condition when one does not."""

    tls: Terminate
    problem: Condition | None = None


def is_supported(gateway: Gateway, entry: GatewaySpecListeners) -> bool:
    """Whether all that is asked of TLS here is done: it ends at the listener, and no client needs a certificate."""
    if ((entry.get("tls") or {}).get("mode") or "Terminate") != "Terminate":
        return False
    frontend = (gateway.spec.get("tls") or {}).get("frontend")
    if not frontend:
        return True
    if (frontend.get("default") or {}).get("validation"):
        return False
    ports = [item for item in frontend.get("perPort") or () if item.get("port") == entry["port"]]
    return not any((item.get("tls") or {}).get("validation") for item in ports)


def secrets_of(gateway: Gateway) -> tuple[Key, ...]:
    """The Secrets that the Gateway's HTTPS listeners name, whether they may or not."""
    found = (
        _secret(gateway, ref)
        for entry in gateway.spec.get("listeners") or ()
        if entry["protocol"] == "HTTPS"
        for ref in (entry.get("tls") or {}).get("certificateRefs") or ()
    )
    return tuple(dict.fromkeys(key for key in found if (key.group, key.kind) == ("", "Secret")))


def _secret(gateway: Gateway, ref: GatewaySpecListenersTlsCertificateRefs) -> Key:
    return Key(
        ref.get("group") or "",
        ref.get("kind") or "Secret",
        ref.get("namespace") or gateway.namespace,
        ref.get("name", ""),
    )


def resolve(gateway: Gateway, number: int, sources: Sources, pairs: Collection[Key, Pair], fetch: Fetch) -> Resolved:
    """The certificates of listener `number`. Of several, those that resolve are used.

    Reasons: InvalidCertificateRef, RefNotPermitted (listener conditions of the Gateway API reference).
    """
    good: list[CertificateRef] = []
    problems: list[tuple[str, str]] = []
    refs = ((gateway.spec["listeners"][number].get("tls") or {}).get("certificateRefs")) or ()
    for index, ref in enumerate(refs):
        secret = _secret(gateway, ref)
        problem = _problem(gateway, secret, sources, pairs, fetch)
        if problem is None:
            path = ("spec", "listeners", number, "tls", "certificateRefs", index)
            good.append(CertificateRef(secret, Provenance(gateway.key, path)))
        else:
            problems.append(problem)
    if not refs:
        problems.append(("InvalidCertificateRef", "tls.certificateRefs names no certificate"))
    if not problems:
        return Resolved(Terminate(tuple(good)))
    message = "; ".join(dict.fromkeys(text for _, text in problems))
    return Resolved(Terminate(tuple(good)), Condition("ResolvedRefs", False, problems[0][0], message))


def _problem(
    gateway: Gateway, secret: Key, sources: Sources, pairs: Collection[Key, Pair], fetch: Fetch
) -> tuple[str, str] | None:
    """Reason and message. Whether a Secret of another namespace is there is told only to who may refer to it."""
    if (secret.group, secret.kind) != ("", "Secret"):
        kind = f"{secret.group or 'core'}/{secret.kind}"
        return "InvalidCertificateRef", f"{kind} cannot be a certificate, only a Secret can"
    if secret.namespace != gateway.namespace and not permitted(gateway.key, secret, sources, fetch):
        text = f"no ReferenceGrant in {secret.namespace} lets {gateway.key} refer to {secret}"
        return "RefNotPermitted", text
    pair = fetch.get(pairs, secret)
    if pair is None:
        return "InvalidCertificateRef", f"{secret} does not exist"
    return ("InvalidCertificateRef", f"{secret}: {pair.problem}") if pair.problem else None
