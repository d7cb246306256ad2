"""`spec.topologyKeys` of a Service (KEP-536, removed in Kubernetes 1.22), said in the fields that took its place.

The keys were labels of nodes in the order of preference: an endpoint whose node has the client's value for the first
key, else for the second, and so on; "*", which came last, is any endpoint. Without it, nobody else answered.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from sealane.kube.objects import Raw

NODE = "kubernetes.io/hostname"
ZONES = ("topology.kubernetes.io/zone", "failure-domain.beta.kubernetes.io/zone")
ANYWHERE = "*"
ANNOTATION = "sealane.dev/topology-keys"
"""Keeps the keys that were given, for those who explain."""


def translated(keys: Sequence[str]) -> tuple[dict[str, str], str]:
    """The fields of a Service's spec that come nearest, and what a person should know of it."""
    wanted = [key for key in keys if key in (NODE, ANYWHERE, *ZONES)]
    first = wanted[0] if wanted else ""
    if first == NODE and len(keys) == 1:
        return {"internalTrafficPolicy": "Local"}, "taken as internalTrafficPolicy: Local"
    value = "PreferSameNode" if first == NODE else "PreferSameZone" if first in ZONES else ""
    if not value:
        return {}, "without effect: only the node's name and its zone can be preferred"
    strict = "" if ANYWHERE in keys else ", which goes on to other endpoints where these keys would have found none"
    return {"trafficDistribution": value}, f"taken as trafficDistribution: {value}{strict}"


def explained(keys: Sequence[str]) -> str:
    """One sentence, for a warning or an Event."""
    listed = ", ".join(keys)
    return f"spec.topologyKeys [{listed}] was removed in Kubernetes 1.22; it is {translated(keys)[1]}"


def keys_of(service: Raw) -> list[str]:
    """The keys in its spec; empty when they are not there, or not a list of texts."""
    keys: Any = (service.get("spec") or {}).get("topologyKeys")
    return keys if isinstance(keys, list) and keys and all(isinstance(key, str) for key in keys) else []


def without_keys(service: Raw) -> Raw:
    """A Service whose topologyKeys became other fields (those that are set stay as they are) and an annotation."""
    keys = keys_of(service)
    if not keys:
        return service
    spec = {key: value for key, value in service["spec"].items() if key != "topologyKeys"}
    for field, value in translated(keys)[0].items():
        spec.setdefault(field, value)
    metadata = service.get("metadata") or {}
    annotations = {**(metadata.get("annotations") or {}), ANNOTATION: ",".join(keys)}
    return {**service, "metadata": {**metadata, "annotations": annotations}, "spec": spec}
