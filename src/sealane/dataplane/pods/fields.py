"""Fields of a pod and its containers as text: the downward API. Pure.

Source: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

from __future__ import annotations

import math
import re
from collections.abc import Mapping, Sequence

from sealane.kube.objects import Object, Raw

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")
_QUANTITY = re.compile(r"([0-9.]+)(m|[kMGTPE]|[KMGTPE]i)?")
_FACTORS = {"": 1.0, "m": 1e-3, "k": 1e3} | {
    unit + binary: (1024.0 if binary else 1000.0) ** power
    for power, unit in enumerate("KMGTPE", 1)
    for binary in ("", "i")
}
NODE_CPU, NODE_MEMORY = "2", "8Gi"
"""What a container without limits is told: the node's capacity, as the nodes here declare it."""


class UnknownField(Exception):
    """The downward API has no such field."""


def pod_field(pod: Object, path: str, ips: Sequence[str], node_ips: Sequence[str]) -> str:
    """The value of a fieldRef. Raises UnknownField."""
    if match := _SUBSCRIPT.fullmatch(path):
        return str((pod.metadata.get(match[1]) or {}).get(match[2], ""))
    match path:
        case "metadata.name":
            return pod.name
        case "metadata.namespace":
            return pod.namespace
        case "metadata.uid":
            return pod.uid
        case "metadata.labels":
            return _lines(pod.labels)
        case "metadata.annotations":
            return _lines(pod.annotations)
        case "spec.nodeName":
            return str(pod.spec.get("nodeName", ""))
        case "spec.serviceAccountName":
            return str(pod.spec.get("serviceAccountName") or "default")
        case "status.podIP":
            return ips[0] if ips else ""
        case "status.podIPs":
            return ",".join(ips)
        case "status.hostIP":
            return node_ips[0]
        case "status.hostIPs":
            return ",".join(node_ips)
    raise UnknownField(f"the downward API has no field {path}")


def _lines(values: Mapping[str, str]) -> str:
    return "\n".join(f'{key}="{value}"' for key, value in sorted(values.items()))


def resource_field(container: Raw, resource: str, divisor: str) -> str:
    """The value of a resourceFieldRef, e.g. limits.cpu with divisor "1m": whole units, rounded up. Raises
    UnknownField.
    """
    kind, _, name = resource.partition(".")
    if kind not in ("limits", "requests"):
        raise UnknownField(f"the downward API has no resource {resource}")
    resources = container.get("resources") or {}
    value = (resources.get(kind) or {}).get(name)
    if value is None:
        value = {"cpu": NODE_CPU, "memory": NODE_MEMORY}.get(name, "0") if kind == "limits" else "0"
    unit = quantity(divisor) if divisor not in ("", "0") else 1.0
    return str(math.ceil(quantity(str(value)) / unit - 1e-9))


def quantity(text: str) -> float:
    """ "100m" → 0.1, "64Mi" → 67108864. Raises UnknownField for what is no quantity."""
    match = _QUANTITY.fullmatch(text)
    if match is None:
        raise UnknownField(f"{text!r} is no quantity")
    return float(match[1]) * _FACTORS[match[2] or ""]
