"""The evaluation of a policy on an attempt. Pure.

Sources: k8s.io/apiserver/pkg/admission/plugin/policy/validating (validator.go), pkg/admission/plugin/cel
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any

import msgspec

from sealane.apiserver.admission.attempts import Attempt
from sealane.apiserver.admission.policies.policy import Policy, Validation
from sealane.apiserver.admission.webhooks.conditions import request_variable
from sealane.kube.cel.budget import Spent, within, without_managers
from sealane.kube.cel.costs import PER_REQUEST
from sealane.kube.cel.environment import CelError, compiled
from sealane.kube.kinds.admission.policies import VARIABLES
from sealane.kube.objects import Raw

_TYPES = tuple((name, "dyn") for name in VARIABLES)
_USED = re.compile(r"\bvariables\.(\w+)")
_LONGEST_MESSAGE = 5 * 1024


class Refusal(msgspec.Struct, frozen=True):
    message: str
    reason: str = "Invalid"


def evaluated(policy: Policy, attempt: Attempt, namespace: Raw | None, params: Raw | None) -> list[Refusal]:
    """Every validation that does not hold, or has no value where the policy fails closed."""
    values = {
        "object": attempt.new,
        "oldObject": attempt.old,
        "request": request_variable(attempt),
        "params": params,
        "namespaceObject": namespace,
        "authorizer": {"requestResource": _about(attempt)},
    }
    expressions = Expressions(policy.conditions, policy.variables, policy.validations, policy.fails_open)
    old, new = without_managers(attempt.old), without_managers(attempt.new)
    return within(
        PER_REQUEST,
        lambda: judged(expressions, values),
        judged,
        *(expressions, values),
        key=(expressions, {**values, "oldObject": old, "object": new}),
    )


class Expressions(msgspec.Struct, frozen=True):
    """What a policy evaluates: see `Policy`."""

    conditions: tuple[tuple[str, str], ...]
    variables: tuple[tuple[str, str], ...]
    validations: tuple[Validation, ...]
    fails_open: bool


def judged(policy: Expressions, values: Mapping[str, Any]) -> list[Refusal]:
    """The same, of the variables of an attempt."""
    activation = Activation(policy.variables, values)
    try:
        if not _concerned(policy, activation):
            return []
    except CelError as error:
        return [] if policy.fails_open else [Refusal(str(error))]
    found = []
    for each in policy.validations:
        try:
            if not activation.holds(each.expression):
                found.append(Refusal(_message(each, activation), each.reason))
        except Spent as error:
            why = f"validation failed due to {error}, no further validation expressions will be run"
            return [*found, *([] if policy.fails_open else [Refusal(why)])]
        except CelError as error:
            if not policy.fails_open:
                found.append(Refusal(str(error)))
    return found


def _concerned(policy: Expressions, activation: Activation) -> bool:
    """One condition that is false decides, also when another has no value."""
    failed: CelError | None = None
    for _, expression in policy.conditions:
        try:
            if not activation.holds(expression):
                return False
        except CelError as error:
            failed = failed or error
    if failed is not None:
        raise failed
    return True


class Activation:
    """The variables of one evaluation. Those of the policy are computed when an expression names them."""

    def __init__(self, variables: tuple[tuple[str, str], ...], values: Mapping[str, Any]) -> None:
        self._expressions = dict(variables)
        self._failed: dict[str, str] = {}
        self._variables: dict[str, Any] = {}
        self._values: Mapping[str, Any] = {**values, "variables": self._variables}

    def holds(self, expression: str) -> bool:
        """Raises CelError."""
        return self.value(expression) is True

    def value(self, expression: str) -> Any:
        """Raises CelError."""
        self._prepare(expression)
        try:
            program = compiled(expression.strip(), _TYPES)
        except CelError as error:
            raise CelError(f"compilation error: compilation failed: {error}") from None
        try:
            return program.value(self._values)
        except Spent:
            raise
        except CelError as error:
            missing = str(error).removeprefix("no such key: ")
            why = self._failed.get(missing, str(error))
            raise CelError(f"expression '{expression.strip()}' resulted in error: {why}") from None

    def _prepare(self, expression: str) -> None:
        for name in _USED.findall(expression):
            if name in self._variables or name in self._failed or name not in self._expressions:
                continue
            inner = self._expressions[name]
            self._prepare(inner)
            try:
                self._variables[name] = compiled(inner.strip(), _TYPES).value(self._values)
            except Spent:
                raise
            except CelError as error:
                self._failed[name] = f'composited variable "{name}" fails to evaluate: {error}'


def _about(attempt: Attempt) -> dict[str, str]:
    """The resource of the request, for authorizer.requestResource."""
    kind = attempt.served.kind
    found = {"group": kind.group, "resource": kind.plural, "subresource": attempt.subresource}
    return {**found, "namespace": attempt.namespace, "name": attempt.name}


def _message(validation: Validation, activation: Activation) -> str:
    text = ""
    if validation.message_expression.strip():
        try:
            found = activation.value(validation.message_expression)
        except CelError:
            found = ""
        text = found.strip() if isinstance(found, str) else ""
        if "\n" in text or len(text.encode()) > _LONGEST_MESSAGE:
            text = ""
    return text or validation.message.strip() or f"failed expression: {validation.expression.strip()}"
