"""BackendTLSPolicy: TLS between a proxy and a Service's endpoints.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1), `BackendTLSPolicy`; GEP-1897, and GEP-713 for conflicts.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Literal

from sealane.kube.objects import Key
from sealane.network.routes.backends import BackendEndpoints, port_entry
from sealane.network.routes.certificates import Certificates, Problem, authority, named, pair_problem
from sealane.network.routes.conditions import Condition
from sealane.network.routes.model.tls import Originate
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import BackendTLSPolicy, Gateway
    from sealane.kube.shapes.core_v1 import ServicePort

_CA_REASONS = {"grant": "RefNotPermitted", "kind": "InvalidKind", "missing": "InvalidCACertificateRef"}


@dataclass(frozen=True, slots=True)
class BackendPolicy:
    """A policy with its references resolved. tls: None when no connection can be made that keeps it.

    targets: the Services, each with the name of its port, "" for all of them. problem: of ResolvedRefs.
    """

    key: Key
    age: tuple[str, str, str]
    targets: tuple[tuple[Key, str], ...]
    tls: Originate | None
    problem: Condition | None = None


def services_of(policy: BackendPolicy) -> tuple[Key, ...]:
    """Index of policies by Service."""
    return tuple(dict.fromkeys(service for service, _ in policy.targets))


def named_by_policy(policy: BackendTLSPolicy) -> Iterable[Key]:
    """The ConfigMaps that the policy names."""
    for ref in policy.spec["validation"].get("caCertificateRefs") or ():
        yield named(policy.key, ref, "ConfigMap")


def compile_policy(
    policy: BackendTLSPolicy, sources: Sources, certificates: Certificates, fetch: Fetch
) -> BackendPolicy:
    """Reasons: InvalidCACertificateRef, InvalidKind (`BackendTLSPolicy` conditions of the reference)."""
    validation = policy.spec["validation"]
    age = (policy.metadata.get("creationTimestamp") or "", policy.namespace, policy.name)
    targets = tuple(
        (Key("", "Service", policy.namespace, ref["name"]), ref.get("sectionName") or "")
        for ref in policy.spec.get("targetRefs") or ()
        if (ref.get("group") or "", ref.get("kind")) == ("", "Service")
    )
    bundles: list[str] = []
    problems: list[tuple[str, str]] = []
    for bundle in named_by_policy(policy):
        found = authority(policy.key, bundle, sources, certificates, fetch)
        if isinstance(found, Problem):
            problems.append((_CA_REASONS[found.kind], found.message))
        else:
            bundles.append(found.pem)
    problem = None
    if problems:
        message = "; ".join(dict.fromkeys(text for _, text in problems))
        problem = Condition("ResolvedRefs", False, problems[0][0], message)
    if not bundles and validation.get("wellKnownCACertificates") != "System":
        return BackendPolicy(policy.key, age, targets, None, problem)
    hostname = validation["hostname"]
    names: list[tuple[Literal["DNS", "URI"], str]] = [
        ("URI", each.get("uri") or "") if each["type"] == "URI" else ("DNS", each.get("hostname") or "")
        for each in validation.get("subjectAltNames") or ()
    ]
    tls = Originate(hostname, "\n".join(bundles), tuple(names) or (("DNS", hostname),))
    return BackendPolicy(policy.key, age, targets, tls, problem)


def policy_for(service: Key, port: ServicePort, policies: Iterable[BackendPolicy]) -> BackendPolicy | None:
    """The policy that holds at a port: one that names the port before one for all, then the oldest."""
    fitting = [
        (section == "", policy.age, policy)
        for policy in policies
        for target, section in policy.targets
        if target == service and section in ("", port.get("name") or "")
    ]
    return min(fitting, key=lambda each: each[:2])[2] if fitting else None


def conflicts(policy: BackendPolicy, others: Iterable[BackendPolicy]) -> Key | None:
    """An older policy that has one of the targets of `policy`, port for port."""
    for other in sorted(others, key=lambda each: each.age):
        if other.age < policy.age and set(other.targets) & set(policy.targets):
            return other.key
    return None


@dataclass(frozen=True, slots=True)
class Identity:
    """What a Gateway's proxy shows to backends. problem: the Gateway's ResolvedRefs condition when it cannot."""

    secret: Key
    problem: Condition | None = None


def identity(gateway: Gateway, sources: Sources, certificates: Certificates, fetch: Fetch) -> Identity | None:
    """`Gateway.spec.tls.backend.clientCertificateRef`; None without one. Reasons: InvalidClientCertificateRef,
    RefNotPermitted."""
    ref = ((gateway.spec.get("tls") or {}).get("backend") or {}).get("clientCertificateRef")
    if not ref:
        return None
    secret = named(gateway.key, ref)
    problem = pair_problem(gateway.key, secret, sources, certificates, fetch)
    if problem is None:
        return Identity(secret)
    reason = "RefNotPermitted" if problem.kind == "grant" else "InvalidClientCertificateRef"
    return Identity(secret, Condition("ResolvedRefs", False, reason, problem.message))


def secured(
    backend: BackendEndpoints,
    shown: Identity | None,
    policies: Collection[Key, BackendPolicy],
    sources: Sources,
    fetch: Fetch,
) -> BackendEndpoints:
    """The backend with the TLS that a policy wants. One that cannot be kept leaves no endpoint: requests get 503."""
    key = backend.key
    found = fetch(policies, index=services_of, value=key.service) if key.use not in ("raw", "udp") else []
    service = fetch.get(sources.services, key.service) if found else None
    entry = port_entry(service, key.port) if service is not None else None
    policy = policy_for(key.service, entry, found) if entry is not None else None
    if policy is None:
        return backend
    if policy.tls is None:
        why = policy.problem.message if policy.problem is not None else "it names no CA"
        return replace(backend, addresses=(), problem=f"{policy.key} cannot be kept: {why}")
    return replace(backend, tls=policy.tls, certificate=shown.secret if shown and not shown.problem else None)
