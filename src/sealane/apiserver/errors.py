"""The refusals of the API, in the words that kubectl's users know.

Source: k8s.io/apimachinery/pkg/api/errors
"""

from __future__ import annotations

from typing import Any

from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.problems import quoted


def qualified(kind: Kind) -> str:
    """ "pods", "deployments.apps": how messages name a resource."""
    return f"{kind.plural}.{kind.group}" if kind.group else kind.plural


def _details(kind: Kind, name: str, **more: Any) -> dict[str, Any]:
    details: dict[str, Any] = {"name": name, "kind": kind.plural, **more}
    if kind.group:
        details["group"] = kind.group
    return details


def not_found(kind: Kind, name: str) -> ApiError:
    return ApiError(404, "NotFound", f'{qualified(kind)} "{name}" not found', _details(kind, name))


def already_exists(kind: Kind, name: str, *, deleting: bool = False) -> ApiError:
    """deleting: what is there is on its way out, as Store.Create of k8s.io/apiserver says before the rest."""
    why = "object is being deleted: " if deleting else ""
    return ApiError(409, "AlreadyExists", f'{why}{qualified(kind)} "{name}" already exists', _details(kind, name))


def conflict(kind: Kind, name: str, why: str) -> ApiError:
    message = f'Operation cannot be fulfilled on {qualified(kind)} "{name}": {why}'
    return ApiError(409, "Conflict", message, _details(kind, name))


def modified(kind: Kind, name: str) -> ApiError:
    return conflict(
        kind, name, "the object has been modified; please apply your changes to the latest version and try again"
    )


def forbidden(kind: Kind, name: str, why: str) -> ApiError:
    return ApiError(403, "Forbidden", f'{qualified(kind)} "{name}" is forbidden: {why}', _details(kind, name))


def terminating(kind: Kind, name: str, namespace: str) -> ApiError:
    """As upstream's NamespaceLifecycle admission: the cause tells clients that it is no use to try again."""
    why = f"unable to create new content in namespace {namespace} because it is being terminated"
    cause = {
        "reason": "NamespaceTerminating",
        "message": f"namespace {namespace} is being terminated",
        "field": "metadata.namespace",
    }
    refused = forbidden(kind, name, why)
    return ApiError(403, "Forbidden", refused.message, {**refused.details, "causes": [cause]})


def invalid(kind: Kind, name: str, *causes: tuple[str, str, str]) -> ApiError:
    """causes: (field path, reason such as "FieldValueInvalid", message such as "Invalid value: …")."""
    full = f"{kind.kind}.{kind.group}" if kind.group else kind.kind
    return _invalid(full, name, _details(kind, name) | {"kind": kind.kind}, causes)


def invalid_options(kind: str, *causes: tuple[str, str, str]) -> ApiError:
    """Of meta.k8s.io: "ListOptions", "DeleteOptions", "PatchOptions", …; causes as in `invalid`."""
    return _invalid(f"{kind}.meta.k8s.io", "", {"group": "meta.k8s.io", "kind": kind}, causes)


def _invalid(full: str, name: str, details: dict[str, Any], causes: tuple[tuple[str, str, str], ...]) -> ApiError:
    said = [f"{field}: {message}" for field, _, message in causes]
    text = said[0] if len(said) == 1 else f"[{', '.join(said)}]"
    found = [{"reason": reason, "message": message, "field": field} for field, reason, message in causes]
    return ApiError(422, "Invalid", f'{full} "{name}" is invalid: {text}', {**details, "causes": found})


def required(kind: Kind, name: str, field: str, why: str = "") -> ApiError:
    return invalid(kind, name, (field, "FieldValueRequired", f"Required value{': ' if why else ''}{why}"))


def immutable(kind: Kind, name: str, field: str, value: Any) -> ApiError:
    return invalid(kind, name, (field, "FieldValueInvalid", f"Invalid value: {quoted(value)}: field is immutable"))


def bad_request(message: str) -> ApiError:
    return ApiError(400, "BadRequest", message)


def no_path() -> ApiError:
    return ApiError(404, "NotFound", "the server could not find the requested resource")


def method_not_allowed() -> ApiError:
    return ApiError(405, "MethodNotAllowed", "the server does not allow this method on the requested resource")
