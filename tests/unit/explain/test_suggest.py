"""The smallest change that would allow a connection."""

from __future__ import annotations

import pytest

from golden import CASES, world
from sealane.explain.suggest import Change, suggest
from sealane.explain.trace import trace

CASE = CASES / "policy-nearest"


def changes(source: str, target: str, port: str) -> list[Change]:
    """Those that are suggested, which allow it when they are made."""
    found, then = suggest(world(CASE), lambda known: trace(known, source, target, port=port))
    assert then.verdict == "allowed"
    return found


@pytest.mark.parametrize(
    ("source", "target", "port", "line", "operation"),
    [
        (
            "pod/shop/web",
            "pod/shop/api",
            "8081",
            40,
            {"op": "add", "path": "/spec/ingress/0/ports/-", "value": {"port": 8081, "protocol": "TCP"}},
        ),
        (
            "pod/shop/api",
            "pod/shop/web",
            "80",
            58,
            {"op": "replace", "path": "/spec/ingress/0/from/0/podSelector/matchLabels/app", "value": "api"},
        ),
        (
            "node/node-2",
            "pod/shop/api",
            "8080",
            36,
            {"op": "add", "path": "/spec/ingress/0/from/-", "value": {"ipBlock": {"cidr": "172.18.1.2/32"}}},
        ),
    ],
)
def test_a_rule_that_nearly_allows_it_is_mended(
    source: str, target: str, port: str, line: int, operation: dict[str, object]
) -> None:
    [found] = changes(source, target, port)
    assert (found.at, found.patch) == (f"objects.yaml:{line}", (operation,))
    assert found.command.startswith(f"kubectl patch networkpolicy {found.policy.name} -n shop --type=json -p '[")


def test_where_no_rule_is_near_a_policy_of_its_own_allows_it_and_both_directions_are_mended() -> None:
    new, mended = changes("pod/ops/probe", "pod/shop/api", "8080")
    assert new.manifest is not None
    assert new.manifest["spec"] == {
        "podSelector": {"matchLabels": {"app": "probe"}},
        "policyTypes": ["Egress"],
        "egress": [
            {
                "to": [
                    {
                        "podSelector": {"matchLabels": {"app": "api", "tier": "back"}},
                        "namespaceSelector": {"matchLabels": {"kubernetes.io/metadata.name": "shop"}},
                    }
                ],
                "ports": [{"port": 8080, "protocol": "TCP"}],
            }
        ],
    }
    assert mended.patch[0]["value"] == "ops"


def test_what_policies_allow_or_deny_by_a_rule_needs_none() -> None:
    found, then = suggest(
        world(CASES / "policy-admin-deny"), lambda known: trace(known, "pod/shop/front", "pod/shop/web", port="80")
    )
    assert (found, then.verdict) == ([], "denied")
