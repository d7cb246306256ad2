"""ValidatingAdmissionPolicy and its bindings.

Source: k8s.io/kubernetes/pkg/apis/admissionregistration/validation
"""

from __future__ import annotations

import re
from collections.abc import Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_text, check_unique
from sealane.kube.checks.metadata import check_selector
from sealane.kube.problems import Part, Problem

VARIABLES = ("authorizer", "namespaceObject", "object", "oldObject", "params", "request", "variables")
_IDENTIFIER = re.compile(r"[_a-zA-Z][_a-zA-Z0-9]*")
_REASONS = ("Forbidden", "Invalid", "RequestEntityTooLarge", "Unauthorized")
_OPERATIONS = ("*", "CONNECT", "CREATE", "DELETE", "UPDATE")
_SCOPES = ("*", "Cluster", "Namespaced")
_ACTIONS = ("Audit", "Deny", "Warn")
_MOST_CONDITIONS = 64


def check_policy(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    if spec.text("failurePolicy") not in ("", "Fail", "Ignore"):
        yield spec["failurePolicy"].not_supported(("Fail", "Ignore"))
    kind = spec["paramKind"]
    if kind.present:
        for name in ("apiVersion", "kind"):
            if not kind.text(name):
                yield kind[name].required()
    constraints = spec["matchConstraints"]
    if not constraints.present:
        yield constraints.required()
    else:
        yield from _check_resources(constraints)
        if not constraints.each("resourceRules"):
            yield constraints["resourceRules"].required()
    validations, annotations = spec.each("validations"), spec.each("auditAnnotations")
    if not validations and not annotations:
        why = "validations or auditAnnotations must contain at least one item"
        yield spec["validations"].required(why)
        yield spec["auditAnnotations"].required(why)
    conditions = spec.each("matchConditions")
    if len(conditions) > _MOST_CONDITIONS:
        said = f"Too many: {len(conditions)}: must have at most {_MOST_CONDITIONS} items"
        yield Problem(spec["matchConditions"].path, said, "FieldValueTooMany", got=len(conditions))
    for condition in conditions:
        yield from _check_expression(condition, "expression", "")
        if not condition.text("name"):
            yield condition["name"].required()
        yield from check_text(condition["name"], names.qualified_name)
    yield from check_unique(conditions, "name")
    for variable in spec.each("variables"):
        name = variable.text("name")
        if not name.strip():
            yield variable["name"].required("name is not specified")
        elif not _IDENTIFIER.fullmatch(name):
            yield variable["name"].invalid("must be a valid CEL identifier")
        yield from _check_expression(variable, "expression", "expression is not specified")
    for validation in validations:
        yield from _check_validation(validation)
    for annotation in annotations:
        if not annotation.text("key"):
            yield annotation["key"].required()
        yield from _check_expression(annotation, "valueExpression", "valueExpression is not specified")


def _check_validation(validation: Part) -> Iterator[Problem]:
    yield from _check_expression(validation, "expression", "expression is not specified")
    expression, message = validation.text("expression").strip(), validation.text("message")
    computed = validation.text("messageExpression")
    if computed and not computed.strip():
        yield validation["messageExpression"].invalid("must be non-empty if specified")
    elif computed:
        yield from _check_expression(validation, "messageExpression", "")
    if message and not message.strip():
        yield validation["message"].invalid("must be non-empty if specified")
    elif "\n" in message.strip():
        yield validation["message"].invalid("must not contain line breaks")
    elif "\n" in expression and not message.strip():
        yield validation["message"].required("message must be specified if expression contains line breaks")
    if validation.text("reason") not in ("", *_REASONS):
        yield validation["reason"].not_supported(_REASONS)


def _check_expression(part: Part, field: str, why: str) -> Iterator[Problem]:
    text = part.text(field)
    if not text.strip():
        yield part[field].required(why)
        return
    from sealane.kube.cel.environment import CelError, compiled  # only policies need what it imports

    try:
        compiled(text.strip(), tuple((name, "dyn") for name in VARIABLES))
    except CelError as error:
        yield part[field].invalid(f"compilation failed: {error}")


def check_policy_binding(obj: Part) -> Iterator[Problem]:
    spec = obj["spec"]
    if not spec.text("policyName"):
        yield spec["policyName"].required()
    yield from check_text(spec["policyName"], names.dns_subdomain)
    reference = spec["paramRef"]
    if reference.present:
        yield from _check_reference(reference)
    if spec["matchResources"].present:
        yield from _check_resources(spec["matchResources"])
    actions = spec["validationActions"]
    seen: set[str] = set()
    for action in spec.each("validationActions"):
        text = action.value if isinstance(action.value, str) else ""
        if text not in _ACTIONS:
            yield action.not_supported(_ACTIONS)
        if text in seen:
            yield action.duplicate()
        seen.add(text)
    if {"Deny", "Warn"} <= seen:
        yield actions.invalid(
            "must not contain both Deny and Warn (repeating the same validation failure information in the API "
            "response and headers serves no purpose)"
        )
    if not seen:
        yield actions.required("at least one validation action is required")


def _check_reference(reference: Part) -> Iterator[Problem]:
    name, selector = reference["name"], reference["selector"]
    if not name.empty:
        yield from check_text(name, names.path_segment)
        if selector.present:
            yield name.forbidden("name and selector are mutually exclusive")
    if selector.present:
        yield from check_selector(selector)
        if not name.empty:
            yield selector.forbidden("name and selector are mutually exclusive")
    if name.empty and not selector.present:
        yield reference.required("one of name or selector must be specified")
    action = reference["parameterNotFoundAction"]
    if action.empty:
        yield action.required()
    elif action.value not in ("Allow", "Deny"):
        yield action.not_supported(("Deny", "Allow"))


def _check_resources(part: Part) -> Iterator[Problem]:
    if part.text("matchPolicy") not in ("", "Equivalent", "Exact"):
        yield part["matchPolicy"].not_supported(("Equivalent", "Exact"))
    for name in ("namespaceSelector", "objectSelector"):
        yield from check_selector(part[name])
    for rule in (*part.each("resourceRules"), *part.each("excludeResourceRules")):
        for name in ("operations", "apiGroups", "apiVersions", "resources"):
            if not rule.each(name):
                yield rule[name].required()
        for operation in rule.each("operations"):
            if operation.value not in _OPERATIONS:
                yield operation.not_supported(_OPERATIONS)
        if rule.text("scope") not in ("", *_SCOPES):
            yield rule["scope"].not_supported(_SCOPES)
