"""ClusterNetworkPolicies on a running cluster: packets, `trace` and `verify`, and a tier that changes under them."""

from __future__ import annotations

from pathlib import Path

import pytest

from sealane.testing.cluster import Cluster, eventually

MANIFEST = Path(__file__).parents[1] / "unit/cases/policy-admin-pass/objects.yaml"
"""All passes the admin tier of shop; web takes from front by a NetworkPolicy; the baseline denies what ops asks."""
pytestmark = pytest.mark.sealane(MANIFEST, nodes=2)

ADMIN = """
apiVersion: policy.networking.k8s.io/v1alpha2
kind: ClusterNetworkPolicy
metadata: {name: nobody}
spec:
  tier: Admin
  priority: 0
  subject: {namespaces: {}}
  ingress:
    - {name: none, action: Deny, from: [{namespaces: {}}], protocols: [{tcp: {destinationPort: {number: 80}}}]}
"""
OLDER = """
apiVersion: policy.networking.k8s.io/v1alpha1
kind: AdminNetworkPolicy
metadata: {name: nobody}
spec:
  priority: 0
  subject: {namespaces: {}}
  ingress:
    - {name: none, action: Deny, from: [{namespaces: {}}], ports: [{portNumber: {port: 80, protocol: TCP}}]}
"""
WAYS = {
    ("shop/front", "shop/web"): True,
    ("ops/probe", "shop/web"): False,
    ("ops/probe", "shop/front"): False,
    ("shop/web", "shop/front"): True,
}


def connects(cluster: Cluster, source: str, target: str, port: int) -> bool:
    namespace, pod = source.split("/")
    address = cluster.get("pod", target.split("/")[1], target.split("/")[0])["status"]["podIP"]
    done = cluster.exec(pod, "curl", "-s", "-o", "/dev/null", "-m", "1", f"{address}:{port}", namespace=namespace)
    assert done.code in (0, 28), done  # answered, or timed out
    return done.ok


def held(cluster: Cluster, expected: dict[tuple[str, str], bool], port: int = 80) -> bool:
    for (source, target), allowed in expected.items():
        assert connects(cluster, source, target, port) is allowed, (source, target)
        traced = cluster.sealane("trace", f"pod/{source}", f"pod/{target}", "-p", str(port))
        assert traced.code == (0 if allowed else 1), traced
    return True


def agreed(cluster: Cluster) -> None:
    done = cluster.sealane("verify", "-o", "json")
    assert (done.code, done.json()["disagreements"]) == (0, []), done.out


def test_pass_falls_through_to_network_policies_and_to_the_baseline(sealane: Cluster) -> None:
    held(sealane, WAYS)
    denied = sealane.sealane("trace", "-o", "json", "pod/ops/probe", "pod/shop/front", "-p", "80").json()
    [step] = [each for each in denied["steps"] if each["mark"] == "stop"]
    assert "ClusterNetworkPolicy default of the baseline tier denies it" in step["text"]
    file, _, line = step["at"].rpartition(":")
    assert "action: Deny" in Path(file).read_text().splitlines()[int(line) - 1]


@pytest.mark.parametrize(("manifest", "kind"), [(ADMIN, "ClusterNetworkPolicy"), (OLDER, "AdminNetworkPolicy")])
def test_the_admin_tier_beats_what_a_network_policy_allows_on_its_ports(
    sealane: Cluster, manifest: str, kind: str
) -> None:
    done = sealane.apply(manifest)
    assert "Warning" not in done.err
    try:
        eventually(lambda: held(sealane, {("shop/front", "shop/web"): False}))
        held(sealane, {("shop/front", "shop/web"): True, ("ops/probe", "shop/web"): False}, 9000)
        agreed(sealane)
        reason = sealane.sealane("trace", "pod/shop/front", "pod/shop/web", "-p", "80").out
        assert f"{kind} nobody of the admin tier, rule 'none', denies it" in " ".join(reason.split())
    finally:
        sealane.kubectl("delete", kind.lower(), "nobody").check()
    eventually(lambda: held(sealane, {("shop/front", "shop/web"): True}))
