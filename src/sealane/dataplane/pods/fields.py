"""Fields of a pod and its containers as text: the downward API. Pure.

Source: https://kubernetes.io/docs/concepts/workloads/pods/downward-api/
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from sealane.dataplane.pods.machine import capacity
from sealane.kube.objects import Object, Raw
from sealane.kube.quantities import thousandths

_SUBSCRIPT = re.compile(r"metadata\.(labels|annotations)\['([^']+)'\]")


class UnknownField(Exception):
    """The downward API has no such field."""


def pod_field(pod: Object, path: str, ips: Sequence[str], node_ips: Sequence[str]) -> str:
    """The value of a fieldRef. Raises UnknownField."""
    if match := _SUBSCRIPT.fullmatch(path):
        return (pod.labels if match[1] == "labels" else pod.annotations).get(match[2], "")
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
    if value is None:  # no limit but that of the node
        value = capacity().get(name, "0") if kind == "limits" else "0"
    try:
        unit = thousandths(divisor) if divisor not in ("", "0") else 1000
        return str(-(-thousandths(str(value)) // unit))
    except ValueError as error:
        raise UnknownField(str(error)) from None
