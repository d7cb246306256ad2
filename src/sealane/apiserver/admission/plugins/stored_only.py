"""Kinds that are stored and on which nothing acts yet: a warning tells the client not to rely on them."""

from __future__ import annotations

from sealane.apiserver.admission.attempts import Attempt, Step

_POLICIES = frozenset(
    ("policy.networking.k8s.io", plural)
    for plural in ("clusternetworkpolicies", "adminnetworkpolicies", "baselineadminnetworkpolicies")
)


def step() -> Step:
    def check(attempt: Attempt) -> None:
        if attempt.operation in ("CREATE", "UPDATE") and not attempt.subresource:
            kind = attempt.served.kind.kind
            attempt.options.warn(f"{kind} is stored, and not enforced: no packet is allowed or denied by it")

    return Step("StoredOnly", _POLICIES, check=check)
