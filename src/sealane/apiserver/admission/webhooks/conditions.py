"""matchConditions: CEL expressions that all have to hold for a webhook to be asked.

Source: https://kubernetes.io/docs/reference/access-authn-authz/extensible-admission-controllers/#matching-requests-matchconditions
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from sealane.apiserver.admission.attempts import Attempt
from sealane.kube.cel.budget import Spent, within, without_managers
from sealane.kube.cel.costs import MATCH_CONDITIONS
from sealane.kube.objects import Raw

OUT = "validation failed due to running out of cost budget, no further validation rules will be run"
_VARIABLES = (("object", "dyn"), ("oldObject", "dyn"), ("request", "dyn"))


class ConditionError(Exception):
    """A condition could not be evaluated."""


def hold(conditions: Sequence[tuple[str, str]], attempt: Attempt) -> bool:
    """Whether all hold; one that is false decides, also when another fails. Raises ConditionError."""
    new, old = attempt.new, attempt.old
    variables = {"object": new, "oldObject": old, "request": request_variable(attempt)}
    return within(
        MATCH_CONDITIONS,
        lambda: judged(conditions, variables),
        judged,
        *(conditions, variables),
        key=(conditions, without_managers(new), without_managers(old), variables["request"]),
    )


def judged(conditions: Sequence[tuple[str, str]], variables: Mapping[str, Any]) -> bool:
    """The same, of the variables of an attempt."""
    from sealane.kube.cel.environment import CelError, compiled  # imports much; few webhooks have conditions

    failed = ""
    for name, expression in conditions:
        try:
            if not compiled(expression, _VARIABLES).holds(variables):
                return False
        except Spent:
            raise ConditionError(OUT) from None
        except CelError as error:
            failed = failed or f"match condition {name}: {error}"
    if failed:
        raise ConditionError(failed)
    return True


def request_variable(attempt: Attempt) -> Raw:
    """`request` in CEL: an AdmissionRequest without its objects."""
    kind = attempt.served.kind
    group_kind: dict[str, Any] = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    resource = {"group": kind.group, "version": kind.version, "resource": kind.plural}
    return {
        "kind": group_kind,
        "resource": resource,
        "subResource": attempt.subresource,
        "requestKind": group_kind,
        "requestResource": resource,
        "requestSubResource": attempt.subresource,
        "name": attempt.name,
        "namespace": attempt.namespace,
        "operation": attempt.operation,
        "userInfo": attempt.options.user.info(),
        "dryRun": attempt.options.dry_run,
        "options": {},
    }
