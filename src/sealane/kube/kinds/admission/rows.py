"""The definitions of admission webhooks and policies."""

from __future__ import annotations

from sealane.kube import kinds
from sealane.kube.kinds.admission import columns, defaults
from sealane.kube.kinds.admission.policies import check_policy, check_policy_binding
from sealane.kube.kinds.admission.webhooks import check_webhooks
from sealane.kube.kinds.definition import Definition
from sealane.kube.objects import Raw


def _checked(_policy: Raw, _now: str) -> Raw:
    """The expressions of a policy were compiled when it was validated."""
    return {"observedGeneration": 1, "typeChecking": {}}


ROWS = (
    Definition(
        kind=kinds.MUTATINGWEBHOOKS,
        defaults=defaults.mutating_webhooks,
        checks=check_webhooks,
        generation=True,
        columns=columns.WEBHOOKS,
    ),
    Definition(
        kind=kinds.VALIDATINGWEBHOOKS,
        defaults=defaults.validating_webhooks,
        checks=check_webhooks,
        generation=True,
        columns=columns.WEBHOOKS,
    ),
    Definition(
        kind=kinds.ADMISSIONPOLICY,
        defaults=defaults.admission_policy,
        checks=check_policy,
        birth=_checked,
        generation=True,
    ),
    Definition(
        kind=kinds.ADMISSIONPOLICYBINDING,
        defaults=defaults.admission_policy_binding,
        checks=check_policy_binding,
        generation=True,
    ),
)
