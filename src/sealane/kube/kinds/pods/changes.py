"""The fields of a pod that may change, and the grace period of its deletion.

Sources: https://kubernetes.io/docs/concepts/workloads/pods/#pod-update-and-replacement and
https://kubernetes.io/docs/concepts/workloads/pods/pod-lifecycle/#pod-termination
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube.checks.changes import without
from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

_MAY_CHANGE = frozenset({"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates"})
_SAYS = (
    "pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_GRACE_SECONDS = 30


def check_pod_change(pod: Part, old: Raw) -> Iterator[Problem]:
    """Source: ValidatePodUpdate of k8s.io/kubernetes/pkg/apis/core/validation."""
    now, was = pod["spec"].value or {}, old.get("spec") or {}
    if now == was:
        return
    if _fixed(now) != _fixed(was):
        yield pod["spec"].forbidden(_SAYS)
        return
    left = [without(each, {"tolerationSeconds"}) for each in now.get("tolerations") or ()]
    if any(without(each, {"tolerationSeconds"}) not in left for each in was.get("tolerations") or ()):
        why = "existing toleration can not be modified except its tolerationSeconds"
        yield pod["spec"]["tolerations"].forbidden(why)


def _fixed(spec: Raw) -> Raw:
    """The part of a pod's spec that never changes. Scheduling gates only go, which their own rule holds."""
    found = without(spec, _MAY_CHANGE)
    for key in ("containers", "initContainers"):
        found[key] = [without(each, {"image"}) for each in spec.get(key) or ()]
    return found


def check_ephemeral_containers(pod: Part, old: Raw) -> Iterator[Problem]:
    """Ephemeral containers only come.

    Source: ValidatePodEphemeralContainersUpdate of k8s.io/kubernetes/pkg/apis/core/validation.
    """
    spec = pod["spec"]
    added = spec.each("ephemeralContainers")
    now = {each.text("name"): each.value for each in added}
    for was in (old.get("spec") or {}).get("ephemeralContainers") or ():
        if now.get(was["name"]) != was:
            done = "changed" if was["name"] in now else "removed"
            why = f'existing ephemeral containers "{was["name"]}" may not be {done}'
            yield spec["ephemeralContainers"].forbidden(why)
    others = {each.text("name") for key in ("containers", "initContainers") for each in spec.each(key)}
    for each in added:
        if each.text("name") in others:
            yield each["name"].duplicate()
        target = each.text("targetContainerName")
        if target and target not in others:
            yield each["targetContainerName"].not_found()


def grace(pod: Raw, asked: int | None) -> int:
    """Seconds that a pod has to end itself; none when no node runs it."""
    spec = pod.get("spec") or {}
    if not spec.get("nodeName") or (pod.get("status") or {}).get("phase") in ("Succeeded", "Failed"):
        return 0
    seconds = spec.get("terminationGracePeriodSeconds", _GRACE_SECONDS) if asked is None else asked
    return int(seconds) if seconds >= 0 else 1
