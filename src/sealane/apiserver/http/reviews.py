"""Reviews: objects that are asked, not kept: who am I, may I, may somebody, whose token is this?

Sources: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access and
k8s.io/kubernetes/pkg/registry/{authentication,authorization}
"""

from __future__ import annotations

from typing import Any

import msgspec

from sealane.apiserver import errors
from sealane.apiserver.access.action import Action
from sealane.apiserver.access.authentication import Authenticator
from sealane.apiserver.access.rbac import Authorizer
from sealane.apiserver.access.rules import Rule
from sealane.apiserver.access.user import User
from sealane.apiserver.requests import Target
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw

KINDS = {
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "v1", "subjectaccessreviews"): "SubjectAccessReview",
    ("authorization.k8s.io", "v1", "localsubjectaccessreviews"): "LocalSubjectAccessReview",
    ("authorization.k8s.io", "v1", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authentication.k8s.io", "v1", "selfsubjectreviews"): "SelfSubjectReview",
    ("authentication.k8s.io", "v1", "tokenreviews"): "TokenReview",
}
NAMESPACED = frozenset({"localsubjectaccessreviews"})


class Reviewers(msgspec.Struct, frozen=True):
    """The parts of the server that know the answers."""

    authenticator: Authenticator
    authorizer: Authorizer


class _Resource(msgspec.Struct):
    namespace: str = ""
    verb: str = ""
    group: str = ""
    version: str = ""
    resource: str = ""
    subresource: str = ""
    name: str = ""


class _Path(msgspec.Struct):
    path: str = ""
    verb: str = ""


class _AccessSpec(msgspec.Struct):
    resourceAttributes: _Resource | None = None
    nonResourceAttributes: _Path | None = None
    user: str = ""
    groups: list[str] = []
    uid: str = ""
    extra: dict[str, list[str]] = {}


class _RulesSpec(msgspec.Struct):
    namespace: str = ""


class _TokenSpec(msgspec.Struct):
    token: str = ""
    audiences: list[str] = []


def review(by: Reviewers, user: User, target: Target, body: Raw) -> Raw:
    """The answer to the review `body` that `user` posts at `target`. Raises ApiError 400 or 422."""
    kind = KINDS[(target.group, target.version, target.plural)]
    if body.get("kind", kind) != kind:
        raise errors.bad_request(f"the object provided is a {body.get('kind')}, not a {kind}")
    spec = body.get("spec") or {}
    if kind == "SelfSubjectReview":  # reviews are answered and never stored: they have no definition
        status: Raw = {"userInfo": user.info()}
    elif kind == "TokenReview":
        status = _token_status(by.authenticator, _read(_TokenSpec, kind, spec))
    elif kind == "SelfSubjectRulesReview":
        status = _rules_status(by.authorizer, user, _read(_RulesSpec, kind, spec))
    else:
        status = _access_status(by.authorizer, kind, user, target, _read(_AccessSpec, kind, spec))
    metadata = {"creationTimestamp": None, **(body.get("metadata") or {})}
    return {
        "kind": kind,
        "apiVersion": f"{target.group}/{target.version}",
        "metadata": metadata,
        **({"spec": spec} if kind != "SelfSubjectReview" else {}),
        "status": status,
    }


def _read(shape: type[Any], kind: str, spec: Any) -> Any:
    try:
        return msgspec.convert(spec, shape)
    except msgspec.ValidationError as error:
        raise errors.bad_request(f'{kind} in version "v1" cannot be handled as a {kind}: {error}') from None


def _access_status(authorizer: Authorizer, kind: str, user: User, target: Target, spec: _AccessSpec) -> Raw:
    resource, path = spec.resourceAttributes, spec.nonResourceAttributes
    if (resource is None) == (path is None):
        if resource is None:
            message = (
                "Invalid value: null: exactly one of nonResourceAttributes or resourceAttributes must be specified"
            )
        else:
            message = "Invalid value: cannot be specified in combination with resourceAttributes"
        field = "spec.resourceAttributes" if resource is None else "spec.nonResourceAttributes"
        raise _invalid(kind, field, message)
    if kind == "LocalSubjectAccessReview":
        if resource is None:
            raise _invalid(kind, "spec.nonResourceAttributes", "Invalid value: disallowed on this kind of request")
        if resource.namespace != (target.namespace or ""):
            raise errors.bad_request(f"spec.resourceAttributes.namespace must match namespace: {target.namespace}")
    if kind != "SelfSubjectAccessReview":
        if not spec.user and not spec.groups:
            raise _invalid(kind, "spec.user", 'Invalid value: "": at least one of user or group must be specified')
        extra = {key: tuple(values) for key, values in spec.extra.items()}
        user = User(spec.user, tuple(spec.groups), spec.uid, extra)
    if resource is not None:
        action = Action(
            user,
            resource.verb,
            resource.group,
            resource.version,
            resource.resource,
            resource.subresource,
            resource.namespace,
            resource.name,
        )
    else:
        assert path is not None
        action = Action(user, path.verb, path=path.path or "/")
    decision = authorizer.decide(action)
    return {"allowed": decision.allowed, **({"reason": decision.reason} if decision.reason else {})}


def _rules_status(authorizer: Authorizer, user: User, spec: _RulesSpec) -> Raw:
    if not spec.namespace:
        raise errors.bad_request("no namespace on request")
    rules, missing = authorizer.rules(user, spec.namespace)
    status: Raw = {
        "resourceRules": [_resource_rule(rule) for rule in rules if rule.resources],
        "nonResourceRules": [
            {"verbs": list(rule.verbs), "nonResourceURLs": list(rule.urls)} for rule in rules if rule.urls
        ],
        "incomplete": bool(missing),
    }
    return {**status, "evaluationError": missing} if missing else status


def _resource_rule(rule: Rule) -> Raw:
    return {key: value for key, value in rule.raw().items() if key != "nonResourceURLs"}


def _token_status(authenticator: Authenticator, spec: _TokenSpec) -> Raw:
    if not spec.token:
        raise errors.bad_request("token is required for TokenReview in authentication")
    try:
        vouched = authenticator.vouched(spec.token, spec.audiences)
    except ApiError as error:
        return {"user": {}, "error": f"[invalid bearer token, {error.message}]"}
    if vouched is None:
        return {"user": {}, "error": "invalid bearer token"}
    status: Raw = {"authenticated": True, "user": vouched.user.info()}
    return {**status, "audiences": list(vouched.audiences)} if vouched.audiences else status


def _invalid(kind: str, field: str, message: str) -> ApiError:
    reviewed = Kind("authorization.k8s.io", "v1", kind, f"{kind.lower()}s", subresources=())
    return errors.invalid(reviewed, "", (field, "FieldValueInvalid", message))
