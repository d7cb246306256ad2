"""Kinds that bound others: LimitRange, ResourceQuota, PodDisruptionBudget, HorizontalPodAutoscaler, PriorityClass.

Source: ValidateLimitRange, ValidateResourceQuotaSpec, ValidatePodDisruptionBudgetSpec, … of k8s.io/kubernetes/pkg/apis
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_amount, check_text
from sealane.kube.checks.metadata import check_selector
from sealane.kube.problems import Part, Problem
from sealane.kube.quantities import thousandths

_HIGHEST_PRIORITY = 1_000_000_000
_STANDARD = frozenset({"cpu", "memory", "storage", "ephemeral-storage"})
_COUNTED = frozenset(
    {
        *("pods", "services", "replicationcontrollers", "resourcequotas", "secrets", "configmaps"),
        *("persistentvolumeclaims", "services.nodeports", "services.loadbalancers"),
        *("requests.cpu", "requests.memory", "requests.storage", "requests.ephemeral-storage"),
        *("limits.cpu", "limits.memory", "limits.ephemeral-storage"),
    }
)


def check_limit_range(obj: Part) -> Iterator[Problem]:
    seen: set[str] = set()
    for limit in obj["spec"].each("limits"):
        kind = limit.text("type")
        if kind in seen:
            yield limit["type"].duplicate()
        seen.add(kind)
        if kind == "Pod":
            for name in ("default", "defaultRequest"):
                if not limit[name].empty:
                    yield limit[name].forbidden("may not be specified when `type` is 'Pod'")
        if kind == "PersistentVolumeClaim" and "storage" not in limit["min"] and "storage" not in limit["max"]:
            why = "either minimum or maximum storage value is required, but neither was provided"
            yield limit["limits"].required(why)
        fields = ("max", "min", "default", "defaultRequest", "maxLimitRequestRatio")
        for resource in dict.fromkeys(key for field in fields for key, _ in limit[field].items()):
            yield from _check_order(limit, resource)


_ORDER = (
    ("min", "max", "min", "min value {0} is greater than max value {1}"),
    ("min", "defaultRequest", "defaultRequest", "min value {0} is greater than default request value {1}"),
    ("defaultRequest", "max", "defaultRequest", "default request value {0} is greater than max value {1}"),
    (
        "defaultRequest",
        "default",
        "defaultRequest",
        "default request value {0} is greater than default limit value {1}",
    ),
    ("min", "default", "default", "min value {0} is greater than default value {1}"),
    ("default", "max", "default", "default value {0} is greater than max value {1}"),
)


def _check_order(limit: Part, resource: str) -> Iterator[Problem]:
    for smaller, greater, blamed, why in _ORDER:
        one, two = _amount(limit[smaller].at(resource)), _amount(limit[greater].at(resource))
        if one is not None and two is not None and one > two:
            texts = limit[smaller].at(resource).value, limit[greater].at(resource).value
            yield limit[blamed].at(resource).invalid(why.format(*texts))
    ratio = limit["maxLimitRequestRatio"].at(resource)
    found = _amount(ratio)
    if found is not None and found < 1000:
        yield ratio.invalid(f"ratio {ratio.value} is less than 1")


def _amount(part: Part) -> int | None:
    """In thousandths."""
    try:
        return thousandths(str(part.value)) if part.present else None
    except ValueError:
        return None  # its form is complained of elsewhere


def check_resource_quota(obj: Part) -> Iterator[Problem]:
    for key, _ in obj["spec"]["hard"].items():
        part = obj["spec"]["hard"].at(key)
        if "/" in key:
            yield from (part.invalid(why, key) for why in names.qualified_name(key))
        elif key not in _COUNTED | _STANDARD and not key.startswith(("requests.", "hugepages-", "limits.")):
            yield part.invalid("must be a standard resource for quota", key)
        yield from check_quantity(part)


def check_quantity(part: Part) -> Iterator[Problem]:
    """Checks that an amount is not negative."""
    if str(part.value).startswith("-"):
        yield part.invalid("must be greater than or equal to 0")


def check_disruption_budget(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    if "minAvailable" in spec and "maxUnavailable" in spec:
        yield spec.invalid("minAvailable and maxUnavailable cannot be both set")
    for name in ("minAvailable", "maxUnavailable"):
        yield from check_amount(spec[name])
        text = spec.text(name)
        if text.endswith("%") and text[:-1].isdigit() and int(text[:-1]) > 100:
            yield spec[name].invalid("must not be greater than 100%")
    yield from check_selector(spec["selector"])


def check_autoscaler(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    least, most = spec.number("minReplicas"), spec.number("maxReplicas")
    if least is not None and least < 1:
        yield spec["minReplicas"].invalid("must be greater than or equal to 1")
    if most is not None and most < 1:
        yield spec["maxReplicas"].invalid("must be greater than 0")
    if least is not None and most is not None and most < least:
        yield spec["maxReplicas"].invalid("must be greater than or equal to `minReplicas`")
    target = spec["scaleTargetRef"]
    for name in ("kind", "name"):
        if target.present and target[name].empty:
            yield target[name].required()
        yield from check_text(target[name], names.path_segment)
    percentage = spec.number("targetCPUUtilizationPercentage")
    if percentage is not None and percentage < 1:
        yield spec["targetCPUUtilizationPercentage"].invalid("must be greater than 0")
    for metric in spec.each("metrics"):
        yield from _check_metric(metric)


_SOURCES = {
    "Object": "object",
    "Pods": "pods",
    "Resource": "resource",
    "ContainerResource": "containerResource",
    "External": "external",
}


def _check_metric(metric: Part) -> Iterator[Problem]:
    source = _SOURCES.get(metric.text("type"))
    if source is None:
        return
    if source not in metric:
        yield metric[source].required("must populate information for the given metric source")
        return
    for other in _SOURCES.values():
        if other != source and other in metric:
            yield metric[other].forbidden("must populate the given metric source only")
    target = metric[source]["target"]
    if source in ("resource", "containerResource"):
        if metric[source]["name"].empty:
            yield metric[source]["name"].required("must specify a resource name")
        if "averageUtilization" not in target and "averageValue" not in target:
            why = "must set either a target raw value or a target utilization"
            yield target["averageUtilization"].required(why)
        elif "averageUtilization" in target and "averageValue" in target:
            why = "may not set both a target raw value and a target utilization"
            yield target["averageValue"].forbidden(why)
    utilization = target.number("averageUtilization")
    if utilization is not None and utilization < 1:
        yield target["averageUtilization"].invalid("must be greater than 0")


def check_priority_class(obj: Part) -> Iterator[Problem]:
    name, value = obj["metadata"].text("name"), obj.number("value")
    if name.startswith("system-"):
        if name not in ("system-node-critical", "system-cluster-critical"):
            yield obj["metadata"]["name"].forbidden(
                "priority class names with 'system-' prefix are reserved for system use only. error: "
                f"{name} is not a known system priority class"
            )
    elif value is not None and value > _HIGHEST_PRIORITY:
        yield obj["value"].forbidden(f"maximum allowed value of a user defined priority is {_HIGHEST_PRIORITY}")
