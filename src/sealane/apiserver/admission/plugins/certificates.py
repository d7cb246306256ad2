"""CertificateSigningRequests: the server writes their user; approving and signing need permission.

Sources: https://kubernetes.io/docs/reference/access-authn-authz/certificate-signing-requests/ and
k8s.io/kubernetes/plugin/pkg/admission/certificates/{approval,signing,subjectrestriction}
"""

from __future__ import annotations

from sealane.apiserver import errors
from sealane.apiserver.access.action import Action
from sealane.apiserver.access.rbac import Authorizer
from sealane.apiserver.access.user import MASTERS
from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.apiserver.clock import timestamp
from sealane.kube import kinds
from sealane.kube.objects import Raw
from sealane.kube.problems import quoted

_OWN = ("username", "uid", "groups", "extra")
_DECISIONS = ("Approved", "Denied")


def step(authorizer: Authorizer) -> Step:
    def mutate(attempt: Attempt) -> Raw:
        new = attempt.new
        assert new is not None
        if attempt.operation == "CREATE":
            return _asked_by(attempt, new)
        if attempt.subresource:
            return _dated(new)
        return {**new, "spec": (attempt.old or {}).get("spec")}  # the request itself stays

    def check(attempt: Attempt) -> None:
        new, old = attempt.new, attempt.old
        if new is None:
            return
        if attempt.operation == "CREATE":
            _check_subject(attempt, new)
        elif attempt.subresource == "approval":
            _check_may(authorizer, attempt, "approve")
        elif attempt.subresource == "status" and old is not None and _certificate(new) != _certificate(old):
            _check_may(authorizer, attempt, "sign")

    return Step("CertificateSigning", frozenset({(kinds.CSR.group, kinds.CSR.plural)}), mutate, check)


def _asked_by(attempt: Attempt, new: Raw) -> Raw:
    user = attempt.options.user
    spec = {key: value for key, value in (new.get("spec") or {}).items() if key not in _OWN}
    spec["username"] = user.name
    if user.uid:
        spec["uid"] = user.uid
    if user.groups:
        spec["groups"] = list(user.groups)
    if user.extra:
        spec["extra"] = {key: list(values) for key, values in user.extra.items()}
    return {**new, "spec": spec}


def _dated(new: Raw) -> Raw:
    status, now = new.get("status") or {}, timestamp()
    conditions = [
        {"lastUpdateTime": now, "lastTransitionTime": now, **condition} for condition in status.get("conditions") or ()
    ]
    return {**new, "status": {**status, "conditions": conditions}} if conditions else new


def _certificate(raw: Raw) -> str:
    return str((raw.get("status") or {}).get("certificate") or "")


def _check_subject(attempt: Attempt, new: Raw) -> None:
    from sealane.apiserver.access import requests  # few clusters see one

    spec = new.get("spec") or {}
    try:
        requests.read(spec.get("request") or "")
    except requests.Refused as error:
        message = f"Invalid value: {quoted(spec.get('request'))}: {error}"
        raise errors.invalid(kinds.CSR, attempt.name, ("spec.request", "FieldValueInvalid", message)) from None
    if spec.get("signerName") == requests.CLIENT and MASTERS in requests.organizations(spec.get("request") or ""):
        why = f"use of {requests.CLIENT} signer with {MASTERS} group is not allowed"
        raise errors.forbidden(kinds.CSR, attempt.name, why)


def _check_may(authorizer: Authorizer, attempt: Attempt, verb: str) -> None:
    signer = str((attempt.object.get("spec") or {}).get("signerName") or "")
    for name in (signer, f"{signer.partition('/')[0]}/*"):
        if authorizer.decide(Action(attempt.options.user, verb, kinds.CSR.group, "", "signers", name=name)).allowed:
            return
    why = f'user not permitted to {verb} requests with signerName "{signer}"'
    raise errors.forbidden(kinds.CSR, attempt.name, why)
