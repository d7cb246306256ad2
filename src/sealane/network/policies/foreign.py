"""Policies of kinds that are not modelled: which kinds those are, and whose traffic they may decide about. Pure.

A kind that ends in NetworkPolicy decides about packets, whoever made it (Cilium, Calico, Antrea, MultiNetworkPolicy);
those that do so by another name are in `OTHERS`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object

OTHERS = frozenset(
    {
        ("security.istio.io", "AuthorizationPolicy"),
        ("policy.linkerd.io", "AuthorizationPolicy"),
        ("policy.linkerd.io", "ServerAuthorization"),
        ("k8s.ovn.org", "EgressFirewall"),
        ("network.openshift.io", "EgressNetworkPolicy"),
        ("kuma.io", "MeshTrafficPermission"),
    }
)
"""(group, kind)."""
MODELLED = frozenset(
    (kind.group, kind.kind)
    for kind in (
        kinds.NETWORKPOLICY,
        kinds.CLUSTERNETWORKPOLICY,
        kinds.ADMINNETWORKPOLICY,
        kinds.BASELINEADMINNETWORKPOLICY,
    )
)


def is_foreign(group: str, kind: str) -> bool:
    """Does an object of this kind decide about packets elsewhere, and about none here? Staged ones do so nowhere."""
    if (group, kind) in MODELLED or kind.startswith("Staged"):
        return False
    return kind.endswith("NetworkPolicy") or (group, kind) in OTHERS


def foreign_kinds(definitions: Iterable[Object]) -> Iterator[Kind]:
    """Those that CustomResourceDefinitions define, each in its first served version."""
    for definition in definitions:
        spec = definition.spec
        group, names = spec.get("group") or "", spec.get("names") or {}
        served = [each["name"] for each in spec.get("versions") or () if each.get("served")]
        if served and is_foreign(group, names.get("kind") or ""):
            yield Kind(group, served[0], names["kind"], names["plural"], spec.get("scope") == "Namespaced")


def bears_on(policy: Key, namespaces: Iterable[str]) -> bool:
    """May it decide about traffic from or to pods of these namespaces? One without a namespace may about all."""
    return not policy.namespace or policy.namespace in namespaces
