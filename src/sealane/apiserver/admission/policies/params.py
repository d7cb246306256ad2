"""Parameters of policies: the objects that a binding names or selects.

Source: k8s.io/apiserver/pkg/admission/plugin/policy/generic (CollectParams)
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealane.apiserver.registry.resources import Resources
from sealane.apiserver.storage.store import Store
from sealane.kube.objects import Raw
from sealane.kube.selectors import LabelSelector


class Misconfigured(Exception):
    """A binding that cannot be followed; the message says why."""


def collected(
    param_kind: tuple[str, str] | None,
    reference: Mapping[str, Any] | None,
    namespace: str,
    resources: Resources,
    store: Store,
) -> Sequence[Raw | None]:
    """One evaluation is made with each; [None] is one without parameters. Raises Misconfigured."""
    if param_kind is None or reference is None:
        return [None]
    api_version, kind = param_kind
    served = next(
        (each for each in resources.all() if each.kind.kind == kind and each.kind.api_version == api_version), None
    )
    if served is None:
        group, _, version = api_version.rpartition("/")
        raise Misconfigured(f"failed to find resource referenced by paramKind: '{group}/{version}, Kind={kind}'")
    where: str | None = reference.get("namespace") or ""
    if where and not served.kind.namespaced:
        raise Misconfigured("paramRef.namespace must not be provided for a cluster-scoped `paramKind`")
    if served.kind.namespaced and not where:
        if not namespace:
            raise Misconfigured(
                "cannot use namespaced paramRef in policy binding that matches cluster-scoped resources"
            )
        where = namespace
    if reference.get("name"):
        named = store.get(served.resource, where or "", str(reference["name"]))
        found = [named] if named is not None else []
    else:
        selector = LabelSelector.of(reference.get("selector") or {})
        found = [each for each in store.items(served.resource, where or "") if selector.matches(each.object.labels)]
    if not found and reference.get("parameterNotFoundAction") == "Deny":
        raise Misconfigured("no params found for policy binding with `Deny` parameterNotFoundAction")
    return [{**each.object.raw, "apiVersion": api_version} for each in found]
