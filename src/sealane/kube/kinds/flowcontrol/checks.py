"""API Priority and Fairness: https://kubernetes.io/docs/concepts/cluster-administration/flow-control/

Source: k8s.io/kubernetes/pkg/apis/flowcontrol/validation
"""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_not_negative, check_text
from sealane.kube.problems import Part, Problem

_EXEMPT = "exempt"
_HIGHEST = 10_000
_SUBJECTS = {"Group": "group", "ServiceAccount": "serviceAccount", "User": "user"}


def check_priority_level(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    limited, exempt = spec["limited"], spec["exempt"]
    match spec.text("type"):
        case "Exempt":
            if limited.present:
                yield limited.forbidden("must be nil if the type is not Limited")
        case "Limited":
            if exempt.present:
                yield exempt.forbidden("must be nil if the type is Limited")
            if not limited.present:
                yield limited.required("must not be empty when type is Limited")
            else:
                yield from _check_limited(limited)
        case _:
            yield spec["type"].not_supported(("Exempt", "Limited"))
    for part in (limited, exempt):
        yield from check_not_negative(part, "nominalConcurrencyShares")
        percent = part.number("lendablePercent")
        if percent is not None and not 0 <= percent <= 100:
            yield part["lendablePercent"].invalid("must be between 0 and 100, inclusive")


def _check_limited(limited: Part) -> Iterator[Problem]:
    borrowing = limited.number("borrowingLimitPercent")
    if borrowing is not None and borrowing < 0:
        yield limited["borrowingLimitPercent"].invalid("if specified, must be a non-negative integer")
    answer = limited["limitResponse"]
    queuing = answer["queuing"]
    match answer.text("type"):
        case "Queue" if not queuing.present:
            yield queuing.required("must not be empty if limitResponse.type is Queue")
        case "Queue":
            yield from _check_queuing(queuing)
        case "Reject":
            if queuing.present:
                yield queuing.forbidden("must be nil if limitResponse.type is not Limited")
        case _:
            yield answer["type"].not_supported(("Queue", "Reject"))


def _check_queuing(queuing: Part) -> Iterator[Problem]:
    for field in ("queueLengthLimit", "queues", "handSize"):
        number = queuing.number(field)
        if number is not None and number <= 0:
            yield queuing[field].invalid("must be positive")
    hand, queues = queuing.number("handSize"), queuing.number("queues")
    if hand is not None and queues is not None and hand > queues > 0:
        yield queuing["handSize"].invalid(f"should not be greater than queues ({queues})")


def check_flow_schema(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    precedence, level = spec["matchingPrecedence"], spec["priorityLevelConfiguration"]["name"]
    number = spec.number("matchingPrecedence")
    if number is not None and number <= 0:
        yield precedence.invalid("must be a positive value")
    elif number is not None and number > _HIGHEST:
        yield precedence.invalid(f"must not be greater than {_HIGHEST}")
    elif number == 1 and obj["metadata"].text("name") != _EXEMPT:
        yield precedence.invalid("only the schema named 'exempt' may have matchingPrecedence 1")
    method = spec["distinguisherMethod"]
    if method.present and method.text("type") not in ("ByNamespace", "ByUser"):
        yield method["type"].not_supported(("ByNamespace", "ByUser"))
    if level.empty:
        yield level.required("must reference a priority level")
    yield from check_text(level, names.dns_subdomain)
    for rule in spec.each("rules"):
        yield from _check_rule(rule)


def _check_rule(rule: Part) -> Iterator[Problem]:
    if rule["subjects"].empty:
        yield rule["subjects"].required("subjects must contain at least one value")
    for subject in rule.each("subjects"):
        field = _SUBJECTS.get(subject.text("kind"))
        if field is None:
            yield subject["kind"].not_supported(tuple(_SUBJECTS))
        elif not subject[field].present:
            yield subject[field].required(f"{field} is required when subject kind is '{subject.text('kind')}'")
        for other in _SUBJECTS.values():
            if field is not None and other != field and subject[other].present:
                yield subject[other].forbidden(f"{other} is forbidden when subject kind is not '{_of(other)}'")
    if rule["resourceRules"].empty and rule["nonResourceRules"].empty:
        yield rule.required("at least one of resourceRules and nonResourceRules has to be non-empty")
    for each in rule.each("resourceRules"):
        for field in ("verbs", "apiGroups", "resources"):
            if each[field].empty:
                yield each[field].required()
        if each["namespaces"].empty and each["clusterScope"].value is not True:
            yield each["namespaces"].required(
                "resource rules that are not cluster scoped must supply at least one namespace"
            )
    for each in rule.each("nonResourceRules"):
        for field in ("verbs", "nonResourceURLs"):
            if each[field].empty:
                yield each[field].required()


def _of(field: str) -> str:
    return next(kind for kind, each in _SUBJECTS.items() if each == field)
