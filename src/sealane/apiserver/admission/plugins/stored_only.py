"""Fields that are stored and on which nothing acts yet: a warning tells clients not to rely on them."""

from __future__ import annotations

from collections.abc import Iterator

from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.kube.objects import Raw

_GROUP = "policy.networking.k8s.io"
_POLICIES = frozenset((_GROUP, plural) for plural in ("adminnetworkpolicies", "clusternetworkpolicies"))


def step() -> Step:
    def check(attempt: Attempt) -> None:
        if attempt.operation not in ("CREATE", "UPDATE") or attempt.subresource:
            return
        for path in _domain_names(attempt.object):
            attempt.options.warn(f"{path} is stored, and not followed: no packet is matched by a domain name")

    return Step("StoredOnly", _POLICIES, check=check)


def _domain_names(policy: Raw) -> Iterator[str]:
    for number, rule in enumerate((policy.get("spec") or {}).get("egress") or ()):
        for index, peer in enumerate(rule.get("to") or ()):
            if peer.get("domainNames"):
                yield f"spec.egress[{number}].to[{index}].domainNames"
