"""The evaluation of a policy on an attempt. Pure.

Sources: k8s.io/apiserver/pkg/admission/plugin/policy/validating (validator.go), pkg/admission/plugin/cel
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sealane.apiserver.admission.attempts import Attempt
from sealane.apiserver.admission.policies.policy import Policy, Validation
from sealane.apiserver.admission.webhooks.conditions import request_variable
from sealane.kube.cel.environment import CelError, compiled
from sealane.kube.kinds.admission.policies import VARIABLES
from sealane.kube.objects import Raw

_TYPES = tuple((name, "dyn") for name in VARIABLES)
_USED = re.compile(r"\bvariables\.(\w+)")
_LONGEST_MESSAGE = 5 * 1024


@dataclass(frozen=True, slots=True)
class Refusal:
    message: str
    reason: str = "Invalid"


def evaluated(policy: Policy, attempt: Attempt, namespace: Raw | None, params: Raw | None) -> list[Refusal]:
    """Every validation that does not hold, or has no value where the policy fails closed."""
    activation = Activation(policy, attempt, namespace, params)
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
        except CelError as error:
            if not policy.fails_open:
                found.append(Refusal(str(error)))
    return found


def _concerned(policy: Policy, activation: Activation) -> bool:
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

    def __init__(self, policy: Policy, attempt: Attempt, namespace: Raw | None, params: Raw | None) -> None:
        self._expressions = dict(policy.variables)
        self._failed: dict[str, str] = {}
        self._variables: dict[str, Any] = {}
        self._values: Mapping[str, Any] = {
            "object": attempt.new,
            "oldObject": attempt.old,
            "request": request_variable(attempt),
            "params": params,
            "namespaceObject": namespace,
            "authorizer": {"requestResource": _about(attempt)},
            "variables": self._variables,
        }

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
