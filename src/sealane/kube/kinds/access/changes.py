"""The fields of bindings and CertificateSigningRequests that may change."""

from __future__ import annotations

from collections.abc import Iterator

from sealane.kube.objects import Raw
from sealane.kube.problems import Part, Problem

_ROLE_REF = (("APIGroup", "apiGroup"), ("Kind", "kind"), ("Name", "name"))
_DECISIONS = ("Approved", "Denied")


def check_binding_change(binding: Part, old: Raw) -> Iterator[Problem]:
    """Source: ValidateRoleBindingUpdate of k8s.io/kubernetes/pkg/apis/rbac/validation."""
    reference = binding["roleRef"]
    if reference.value != old.get("roleRef"):
        yield Problem(reference.path, f"Invalid value: {_go(reference.value or {})}: cannot change roleRef")


def _go(reference: Raw) -> str:
    """As upstream prints the structure."""
    said = (f'{field}:"{reference.get(key, "")}"' for field, key in _ROLE_REF)
    return f"rbac.RoleRef{{{', '.join(said)}}}"


def check_decision(request: Part, old: Raw) -> Iterator[Problem]:
    """Approving or denying a request takes back no earlier decision."""
    yield from _check_kept(request, old, (*_DECISIONS, "Failed"))


def check_signed(request: Part, old: Raw) -> Iterator[Problem]:
    """A write of a request's status decides nothing: that is for the subresource approval, and its permission.

    Source: ValidateCertificateSigningRequestStatusUpdate of k8s.io/kubernetes/pkg/apis/certificates/validation.
    """
    yield from _check_kept(request, old, (*_DECISIONS, "Failed"))
    conditions, before = request["status"]["conditions"], _types(Part(old))
    for type_ in _DECISIONS:
        if type_ in _types(request) and type_ not in before:
            yield conditions.forbidden(f'updates may not add a condition of type "{type_}"')


def _check_kept(request: Part, old: Raw, types: tuple[str, ...]) -> Iterator[Problem]:
    now, before = _types(request), _types(Part(old))
    for type_ in types:
        if type_ in before and type_ not in now:
            why = f'updates may not remove a condition of type "{type_}"'
            yield request["status"]["conditions"].forbidden(why)


def _types(request: Part) -> set[str]:
    return {each.text("type") for each in request["status"].each("conditions")}
