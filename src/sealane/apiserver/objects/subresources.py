"""Subresources that show a part of an object as another kind: scale, binding.

Sources: autoscaling/v1 Scale and core/v1 Binding in the API reference; for custom kinds
https://kubernetes.io/docs/tasks/extend-kubernetes/custom-resources/custom-resource-definitions/#scale-subresource
"""

from __future__ import annotations

from typing import Any

from sealane.apiserver import errors
from sealane.apiserver.clock import timestamp
from sealane.apiserver.registry.resources import ScalePaths, Served
from sealane.kube.kinds import POD
from sealane.kube.objects import Raw
from sealane.kube.selectors import LabelSelector

WORKLOAD = ScalePaths(("spec", "replicas"), ("status", "replicas"))


def scale_of(served: Served, raw: Raw) -> Raw:
    """The autoscaling/v1 Scale of an object."""
    metadata, paths = raw["metadata"], served.scale
    shown = ("name", "namespace", "uid", "resourceVersion", "creationTimestamp")
    if paths is None:
        read = LabelSelector.of_labels if served.definition.plain_selector else LabelSelector.of
        requirements = read((raw.get("spec") or {}).get("selector") or {})
        selector = str(requirements) if requirements.requirements else ""
    else:
        selector = str(_at(raw, paths.selector) or "") if paths.selector else ""
    replicas, ready = (_at(raw, path) for path in ((paths or WORKLOAD).replicas, (paths or WORKLOAD).status_replicas))
    return {
        "kind": "Scale",
        "apiVersion": "autoscaling/v1",
        "metadata": {key: metadata[key] for key in shown if key in metadata},
        "spec": {"replicas": replicas or 0},
        "status": {"replicas": ready or 0, **({"selector": selector} if selector else {})},
    }


def scaled(served: Served, raw: Raw, scale: Any) -> Raw:
    """`raw` with the replicas that `scale` wants. Raises ApiError 400, 409 or 422."""
    if not isinstance(scale, dict) or not isinstance(scale.get("spec") or {}, dict):
        raise errors.bad_request("the body of the request is not an autoscaling/v1 Scale")
    kind, metadata, name = served.kind, scale.get("metadata") or {}, raw["metadata"]["name"]
    version = metadata.get("resourceVersion") if isinstance(metadata, dict) else None
    if version and version != raw["metadata"]["resourceVersion"]:
        raise errors.modified(kind, name)
    replicas = (scale.get("spec") or {}).get("replicas", 0)
    if not isinstance(replicas, int) or isinstance(replicas, bool):
        raise errors.bad_request(f'Scale in version "v1" cannot be handled as a Scale: spec.replicas: {replicas!r}')
    if replicas < 0:
        why = f"Invalid value: {replicas}: must be greater than or equal to 0"
        raise errors.invalid(kind, name, ("spec.replicas", "FieldValueInvalid", why))
    return _with(raw, (served.scale or WORKLOAD).replicas, replicas)


def _at(value: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        value = value.get(part) if isinstance(value, dict) else None
    return value


def _with(raw: Any, path: tuple[str, ...], value: Any) -> Raw:
    """`raw` with `value` at `path`; only the way there is copied."""
    first, *rest = path
    raw = raw if isinstance(raw, dict) else {}
    return {**raw, first: _with(raw.get(first), tuple(rest), value) if rest else value}


def bound(raw: Raw, binding: Any) -> Raw:
    """The pod `raw` on the node that a Binding names. Raises ApiError 400, 409 or 422."""
    name = raw["metadata"]["name"]
    target = binding.get("target") if isinstance(binding, dict) else None
    node = target.get("name") if isinstance(target, dict) else None
    if not isinstance(node, str) or not node:
        raise errors.required(POD, name, "target.name")
    spec, status = raw.get("spec") or {}, raw.get("status") or {}
    uid = (binding.get("metadata") or {}).get("uid")
    if uid and uid != raw["metadata"]["uid"]:
        raise errors.conflict(
            POD, name, f"Precondition failed: UID in precondition: {uid}, UID in object meta: {raw['metadata']['uid']}"
        )
    if "deletionTimestamp" in raw["metadata"]:
        raise errors.conflict(POD, name, f"pod {name} is being deleted, cannot be assigned to a host")
    if spec.get("nodeName"):
        raise errors.conflict(POD, name, f'pod {name} is already assigned to node "{spec["nodeName"]}"')
    conditions = [each for each in status.get("conditions") or () if each.get("type") != "PodScheduled"]
    conditions.append({"type": "PodScheduled", "status": "True", "lastTransitionTime": timestamp()})
    return {**raw, "spec": {**spec, "nodeName": node}, "status": {**status, "conditions": conditions}}
