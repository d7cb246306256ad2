"""What documents still say and Kubernetes no longer takes: brought to what it is today, with a warning that says so.

The API itself knows nothing of this: kubectl is told "unknown field", as by any cluster of today.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping

from sealane.kube.objects import Raw
from sealane.kube.problems import FieldPath, Part

Brought = tuple[Raw, FieldPath, str]

HOSTNAME, ZONE, ANY = "kubernetes.io/hostname", "topology.kubernetes.io/zone", "*"


def modernised(raw: Raw) -> tuple[Raw, list[tuple[FieldPath, str]]]:
    """`raw` with today's fields in place of retired ones, and for each that it had its path and what was made of it."""
    obj = Part(raw)
    bring = _RETIRED.get((obj.text("apiVersion"), obj.text("kind")))
    brought = bring(raw) if bring else None
    return (brought[0], [brought[1:]]) if brought else (raw, [])


def _topology_keys(service: Raw) -> Brought | None:
    """`topologyKeys` (KEP-536, alpha, removed in 1.22): the first key decides; what comes after it is the fallback.

    https://kubernetes.io/docs/reference/networking/virtual-ips/#traffic-distribution
    """
    spec = service.get("spec")
    if not isinstance(spec, Mapping) or "topologyKeys" not in spec:
        return None
    keys = spec["topologyKeys"]
    today = {key: value for key, value in spec.items() if key != "topologyKeys"}
    first = keys[0] if isinstance(keys, list) and keys else ANY
    if keys == [HOSTNAME]:
        field, value = "internalTrafficPolicy", "Local"
    elif first == HOSTNAME:
        field, value = "trafficDistribution", "PreferSameNode"
    elif first == ZONE:
        field, value = "trafficDistribution", "PreferSameZone"
    else:
        field, value = "", ""
    became = f"taken as spec.{field}: {value}" if field else "left out: its first key has no counterpart today"
    if field in today:
        became = f"left out beside spec.{field}"
    elif field:
        today[field] = value
    path: FieldPath = ("spec", "topologyKeys")
    return {**service, "spec": today}, path, f"spec.topologyKeys was removed in Kubernetes 1.22; {became}"


_RETIRED: Mapping[tuple[str, str], Callable[[Raw], Brought | None]] = {("v1", "Service"): _topology_keys}
