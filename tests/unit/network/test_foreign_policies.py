"""Which kinds are policies that nothing here models."""

from __future__ import annotations

from typing import Any

from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object
from sealane.network.policies import CLUSTER_POLICIES
from sealane.network.policies.foreign import foreign_kinds, is_foreign


def definition(group: str, kind: str, *versions: tuple[str, bool], scope: str = "Namespaced") -> Object:
    spec: dict[str, Any] = {"group": group, "scope": scope, "names": {"kind": kind, "plural": f"{kind.lower()}s"}}
    spec["versions"] = [{"name": name, "served": served} for name, served in versions]
    return Object({"apiVersion": kinds.CRD.api_version, "kind": kinds.CRD.kind, "metadata": {}, "spec": spec})


def test_no_kind_that_is_modelled_is_foreign() -> None:
    assert not any(is_foreign(kind.group, kind.kind) for kind in (kinds.NETWORKPOLICY, *CLUSTER_POLICIES))
    assert not [kind for kind in kinds.KNOWN if is_foreign(kind.group, kind.kind)]


def test_foreign_kinds_are_found_among_definitions_in_a_served_version() -> None:
    cilium = definition("cilium.io", "CiliumNetworkPolicy", ("v1", False), ("v2", True))
    calico = definition("projectcalico.org", "GlobalNetworkPolicy", ("v3", True), scope="Cluster")
    other = definition("cilium.io", "CiliumNode", ("v2", True))
    gone = definition("example.com", "OldNetworkPolicy", ("v1", False))
    assert list(foreign_kinds([cilium, calico, other, gone])) == [
        Kind("cilium.io", "v2", "CiliumNetworkPolicy", "ciliumnetworkpolicys", True),
        Kind("projectcalico.org", "v3", "GlobalNetworkPolicy", "globalnetworkpolicys", False),
    ]
