"""Which run of a container a request for its log is about, or why there is none, in the words of a kubelet. Pure.

Source: k8s.io/kubernetes/pkg/kubelet/kubelet_pods.go, validateContainerLogStatus.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Literal


class Unavailable(Exception):
    """The container has no such log."""


def log_of(status: Mapping[str, Any], pod: str, container: str, *, previous: bool) -> Literal["last", "previous"]:
    """Whose log is to be read: that of the last run that began, or of the one before it. status: the pod's.

    Raises Unavailable.
    """
    keys = ("containerStatuses", "initContainerStatuses", "ephemeralContainerStatuses")
    all_ = (one for key in keys for one in status.get(key) or ())
    found = next((one for one in all_ if one["name"] == container), None)
    if found is None:
        raise Unavailable(f'container "{container}" in pod "{pod}" is not available')
    state = found.get("state") or {}
    before = (found.get("lastState") or {}).get("terminated") or {}
    if previous:
        if not before.get("containerID"):
            raise Unavailable(f'previous terminated container "{container}" in pod "{pod}" not found')
        return "last" if "waiting" in state else "previous"
    if "running" in state or "terminated" in state or before:
        return "last"
    if "waiting" in state:
        reason = state["waiting"].get("reason") or ""
        raise Unavailable(f'container "{container}" in pod "{pod}" is waiting to start: {reason}')
    raise Unavailable(f'container "{container}" in pod "{pod}" is waiting to start - no logs yet')
