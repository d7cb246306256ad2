"""What may not change once it is there.

Sources: the API reference ("immutable", "cannot be updated" of each field),
https://kubernetes.io/docs/concepts/workloads/pods/#pod-update-and-replacement and, for ConfigMaps and Secrets,
https://kubernetes.io/docs/concepts/configuration/secret/#secret-immutable
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from sealane.apiserver.errors import immutable, invalid
from sealane.apiserver.registry.resources import Served
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw
from sealane.kube.problems import quoted

FIELDS: Mapping[Kind, tuple[tuple[str, ...], ...]] = {
    kinds.DEPLOYMENT: (("spec", "selector"),),
    kinds.REPLICASET: (("spec", "selector"),),
    kinds.DAEMONSET: (("spec", "selector"),),
    kinds.SECRET: (("type",),),
    kinds.ENDPOINTSLICE: (("addressType",),),
    kinds.IPADDRESS: (("spec", "parentRef"),),
    kinds.INGRESSCLASS: (("spec", "controller"),),
}

_STATEFULSET_MAY_CHANGE = frozenset(
    {
        "replicas",
        "ordinals",
        "template",
        "updateStrategy",
        "revisionHistoryLimit",
        "persistentVolumeClaimRetentionPolicy",
        "minReadySeconds",
    }
)
_STATEFULSET_SAYS = (
    "Forbidden: updates to statefulset spec for fields other than 'replicas', 'ordinals', 'template', "
    "'updateStrategy', 'revisionHistoryLimit', 'persistentVolumeClaimRetentionPolicy' and 'minReadySeconds' are "
    "forbidden"
)
_POD_MAY_CHANGE = frozenset(
    {"activeDeadlineSeconds", "terminationGracePeriodSeconds", "tolerations", "schedulingGates"}
)
_POD_SAYS = (
    "Forbidden: pod updates may not change fields other than `spec.containers[*].image`,"
    "`spec.initContainers[*].image`,`spec.activeDeadlineSeconds`,`spec.tolerations` (only additions to existing "
    "tolerations),`spec.terminationGracePeriodSeconds` (allow it to be set to 1 if it was previously negative)"
)
_TOLERATIONS_SAY = "Forbidden: existing toleration can not be modified except its tolerationSeconds"


def check_change(served: Served, new: Raw, old: Raw) -> None:
    """Raises ApiError 422 when a field changed that may not."""
    kind, name = served.kind, new["metadata"]["name"]
    for path in FIELDS.get(kind, ()):
        was, now = _at(old, path), _at(new, path)
        if was != now and was is not None:
            raise immutable(kind, name, ".".join(path), now)
    if kind in (kinds.CONFIGMAP, kinds.SECRET) and old.get("immutable"):
        for field in ("data", "binaryData", "immutable"):
            if old.get(field) != new.get(field):
                raise _forbidden(kind, name, field, "Forbidden: field is immutable when `immutable` is set")
    elif kind == kinds.POD:
        _check_pod(new, old)
    elif kind == kinds.STATEFULSET and (
        _without(new.get("spec"), _STATEFULSET_MAY_CHANGE) != _without(old.get("spec"), _STATEFULSET_MAY_CHANGE)
    ):
        raise _forbidden(kind, name, "spec", _STATEFULSET_SAYS)
    elif kind == kinds.JOB:
        _check_job(new, old)
    elif kind == kinds.SERVICE:
        _check_service(new, old)
    elif kind in (kinds.ROLEBINDING, kinds.CLUSTERROLEBINDING) and new.get("roleRef") != old.get("roleRef"):
        message = f"Invalid value: {_go(new.get('roleRef') or {})}: cannot change roleRef"
        raise invalid(kind, name, ("roleRef", "FieldValueInvalid", message))


def _check_service(new: Raw, old: Raw) -> None:
    """Source: validateLoadBalancerClassField and validateServiceExternalTrafficFieldsUpdate of Kubernetes."""
    name, now, was = new["metadata"]["name"], new.get("spec") or {}, old.get("spec") or {}
    if now.get("type") != "LoadBalancer" or was.get("type") != "LoadBalancer":
        return
    if now.get("loadBalancerClass") != was.get("loadBalancerClass"):
        got = json.dumps(now.get("loadBalancerClass"))
        message = f"Invalid value: {got}: may not change once set"
        raise invalid(kinds.SERVICE, name, ("spec.loadBalancerClass", "FieldValueInvalid", message))
    if now.get("externalTrafficPolicy") == was.get("externalTrafficPolicy") == "Local":
        port = now.get("healthCheckNodePort")
        if port and port != was.get("healthCheckNodePort"):
            raise _forbidden(kinds.SERVICE, name, "spec.healthCheckNodePort", "Forbidden: field is immutable")


def _go(reference: Raw) -> str:
    """As upstream prints the structure."""
    said = (f'{field}:"{reference.get(key, "")}"' for field, key in _ROLE_REF)
    return f"rbac.RoleRef{{{', '.join(said)}}}"


_ROLE_REF = (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name"))


_JOB_STAYS = ("selector", "completionMode", "podFailurePolicy", "backoffLimitPerIndex", "managedBy", "successPolicy")


def _check_job(new: Raw, old: Raw) -> None:
    """Source: ValidateJobSpecUpdate. What schedules the pods of a Job may change until they first run; completions of
    an Indexed Job together with parallelism.
    """
    name, now, was = new["metadata"]["name"], new.get("spec") or {}, old.get("spec") or {}
    completions = now.get("completions")
    if completions != was.get("completions"):
        if now.get("completionMode") != "Indexed":
            raise immutable(kinds.JOB, name, "spec.completions", completions)
        if completions != now.get("parallelism"):
            why = f"Invalid value: {quoted(completions)}: can only be modified in tandem with spec.parallelism"
            raise invalid(kinds.JOB, name, ("spec.completions", "FieldValueInvalid", why))
    for field in _JOB_STAYS:
        if now.get(field) != was.get(field):
            raise immutable(kinds.JOB, name, f"spec.{field}", now.get(field))
    before, after = was.get("template") or {}, now.get("template") or {}
    if was.get("suspend") and not (old.get("status") or {}).get("startTime"):
        before, after = _unscheduled(before), _unscheduled(after)
    if before != after:
        raise immutable(kinds.JOB, name, "spec.template", now.get("template"))


def _unscheduled(template: Raw) -> Raw:
    """A pod template without its scheduling directives (KEP-2926)."""
    metadata = _without(template.get("metadata"), {"annotations", "labels"})
    spec = _without(template.get("spec"), {"affinity", "nodeSelector", "schedulingGates", "tolerations"})
    affinity = _without((template.get("spec") or {}).get("affinity"), {"nodeAffinity"})
    return {**template, "metadata": metadata, "spec": {**spec, "affinity": affinity}}


def _check_pod(new: Raw, old: Raw) -> None:
    name, now, was = new["metadata"]["name"], new.get("spec") or {}, old.get("spec") or {}
    if now == was:
        return
    if _fixed(now) != _fixed(was):
        raise _forbidden(kinds.POD, name, "spec", _POD_SAYS)
    left = [_without(each, {"tolerationSeconds"}) for each in now.get("tolerations") or ()]
    if any(_without(each, {"tolerationSeconds"}) not in left for each in was.get("tolerations") or ()):
        raise _forbidden(kinds.POD, name, "spec.tolerations", _TOLERATIONS_SAY)


def check_added(new: Raw, old: Raw) -> None:
    """Ephemeral containers only come: Raises ApiError 422 when one has gone or is another now.

    Source: ValidatePodEphemeralContainersUpdate of k8s.io/kubernetes/pkg/apis/core/validation.
    """
    field, name, spec = "spec.ephemeralContainers", new["metadata"]["name"], new["spec"]
    now = {each["name"]: each for each in spec.get("ephemeralContainers") or ()}
    for each in (old.get("spec") or {}).get("ephemeralContainers") or ():
        if each["name"] not in now:
            why = f'Forbidden: existing ephemeral containers "{each["name"]}" may not be removed'
            raise _forbidden(kinds.POD, name, field, why)
        if now[each["name"]] != each:
            why = f'Forbidden: existing ephemeral containers "{each["name"]}" may not be changed'
            raise _forbidden(kinds.POD, name, field, why)
    others = {each["name"] for key in ("containers", "initContainers") for each in spec.get(key) or ()}
    for number, each in enumerate(spec.get("ephemeralContainers") or ()):
        at = f"{field}[{number}]"
        if each["name"] in others:
            raise invalid(kinds.POD, name, (f"{at}.name", "FieldValueDuplicate", f'Duplicate value: "{each["name"]}"'))
        target = each.get("targetContainerName")
        if target and target not in others:
            raise invalid(
                kinds.POD, name, (f"{at}.targetContainerName", "FieldValueNotFound", f'Not found: "{target}"')
            )


def _fixed(spec: Raw) -> Raw:
    """The part of a pod's spec that never changes. Scheduling gates only go, which their own rule holds."""
    found = _without(spec, _POD_MAY_CHANGE)
    for key in ("containers", "initContainers"):
        found[key] = [_without(each, {"image"}) for each in spec.get(key) or ()]
    return found


def _without(raw: Raw | None, names: frozenset[str] | set[str]) -> Raw:
    return {key: value for key, value in (raw or {}).items() if key not in names}


def _forbidden(kind: Kind, name: str, field: str, why: str) -> ApiError:
    return invalid(kind, name, (field, "FieldValueForbidden", why))


def _at(raw: Any, path: tuple[str, ...]) -> Any:
    for part in path:
        raw = raw.get(part) if isinstance(raw, Mapping) else None
    return raw
