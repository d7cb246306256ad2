"""LimitRanger: a namespace's defaults for the resources of containers, and the bounds of what pods may ask for.

Source: https://kubernetes.io/docs/concepts/policy/limit-range/ and k8s.io/kubernetes/plugin/pkg/admission/limitranger
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.apiserver.errors import forbidden
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.kinds.pods.usage import pod_amounts
from sealane.kube.objects import Raw
from sealane.kube.quantities import thousandths

_ANNOTATION = "kubernetes.io/limit-ranger"
_FIELDS = (("containers", "container"), ("initContainers", "init container"))
_RANGES = ("", "limitranges")
Amounts = Mapping[str, Any]


def step(store: Store) -> Step:
    def mutate(attempt: Attempt) -> Raw:
        new = attempt.new
        assert new is not None
        if attempt.operation != "CREATE" or attempt.served.kind != kinds.POD or attempt.subresource:
            return new
        for limits in _limits(store, attempt.namespace):
            new = _with_defaults(new, limits)
        return new

    def check(attempt: Attempt) -> None:
        new = attempt.new
        if attempt.operation != "CREATE" or new is None or attempt.subresource:
            return
        pod = attempt.served.kind == kinds.POD  # else it is a claim: the step is for these two
        for limits in _limits(store, attempt.namespace):
            wrong = list(_wrong_pod(limits, new["spec"]) if pod else _wrong_claim(limits, new["spec"]))
            if wrong:
                why = wrong[0] if len(wrong) == 1 else f"[{', '.join(wrong)}]"
                raise forbidden(attempt.served.kind, attempt.name, why)

    return Step("LimitRanger", frozenset({("", "pods"), ("", "persistentvolumeclaims")}), mutate, check)


def _limits(store: Store, namespace: str) -> Iterator[list[Raw]]:
    for stored in store.items(_RANGES, namespace):
        yield list(stored.object.spec.get("limits") or ())


def _with_defaults(pod: Raw, limits: list[Raw]) -> Raw:
    defaults: dict[str, dict[str, Any]] = {"requests": {}, "limits": {}}
    for limit in limits:
        if limit.get("type") == "Container":
            defaults["requests"] |= limit.get("defaultRequest") or {}
            defaults["limits"] |= limit.get("default") or {}
    said: list[str] = []
    spec = dict(pod.get("spec") or {})
    for field, what in _FIELDS:
        if spec.get(field):
            spec[field] = [_filled(container, defaults, what, said) for container in spec[field]]
    if not said:
        return pod
    metadata = pod["metadata"]
    annotations = {**(metadata.get("annotations") or {}), _ANNOTATION: f"LimitRanger plugin set: {'; '.join(said)}"}
    return {**pod, "metadata": {**metadata, "annotations": annotations}, "spec": spec}


def _filled(container: Raw, defaults: Mapping[str, Amounts], what: str, said: list[str]) -> Raw:
    resources = dict(container.get("resources") or {})
    for part, word in (("requests", "request"), ("limits", "limit")):
        own = resources.get(part) or {}
        missing = {name: amount for name, amount in defaults[part].items() if name not in own}
        if missing:
            resources[part] = {**own, **missing}
            said.append(f"{', '.join(sorted(missing))} {word} for {what} {container.get('name')}")
    return {**container, "resources": resources} if resources != (container.get("resources") or {}) else container


def _wrong_pod(limits: list[Raw], spec: Raw) -> Iterator[str]:
    for limit in limits:
        if limit.get("type") == "Container":
            for field, _ in _FIELDS:
                for container in spec.get(field) or ():
                    resources = container.get("resources") or {}
                    yield from _wrong(limit, resources.get("requests") or {}, resources.get("limits") or {})
        elif limit.get("type") == "Pod":
            yield from _wrong(limit, pod_amounts(spec, "requests"), pod_amounts(spec, "limits"))


def _wrong_claim(limits: list[Raw], spec: Raw) -> Iterator[str]:
    asked = (spec.get("resources") or {}).get("requests") or {}
    for limit in limits:
        if limit.get("type") == "PersistentVolumeClaim":
            yield from _wrong({**limit, "maxLimitRequestRatio": {}}, asked, asked)


def _wrong(limit: Raw, requests: Amounts, limits: Amounts) -> Iterator[str]:
    kind = limit.get("type")
    for name, bound in sorted((limit.get("min") or {}).items()):
        said = f"minimum {name} usage per {kind} is {bound}"
        if name not in requests:
            yield f"{said}.  No request is specified"
        elif _amount(requests[name]) < _amount(bound):
            yield f"{said}, but request is {requests[name]}"
        elif name in limits and _amount(limits[name]) < _amount(bound):
            yield f"{said}, but limit is {limits[name]}"
    for name, bound in sorted((limit.get("max") or {}).items()):
        said = f"maximum {name} usage per {kind} is {bound}"
        if name not in limits:
            yield f"{said}.  No limit is specified"
        elif _amount(limits[name]) > _amount(bound):
            yield f"{said}, but limit is {limits[name]}"
        elif name in requests and _amount(requests[name]) > _amount(bound):
            yield f"{said}, but request is {requests[name]}"
    for name, bound in sorted((limit.get("maxLimitRequestRatio") or {}).items()):
        said = f"{name} max limit to request ratio per {kind} is {bound}"
        if not _amount(requests.get(name, 0)):
            yield f"{said}, but no request is specified or request is 0"
        elif not _amount(limits.get(name, 0)):
            yield f"{said}, but no limit is specified or limit is 0"
        elif _amount(limits[name]) * 1000 > _amount(bound) * _amount(requests[name]):
            ratio = _amount(limits[name]) / _amount(requests[name])
            yield f"{said}, but provided ratio is {ratio:f}"


def _amount(value: Any) -> int:
    return thousandths(str(value))
