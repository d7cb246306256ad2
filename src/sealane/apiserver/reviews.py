"""Reviews: objects that are asked, not kept. Who has this cluster's token may do everything, so the answers are short.

Source: https://kubernetes.io/docs/reference/access-authn-authz/authorization/#checking-api-access
"""

from __future__ import annotations

from sealane.apiserver import errors
from sealane.kube.objects import Raw

USER: Raw = {"username": "kubernetes-admin", "groups": ["system:masters", "system:authenticated"]}

KINDS = {
    ("authorization.k8s.io", "v1", "selfsubjectaccessreviews"): "SelfSubjectAccessReview",
    ("authorization.k8s.io", "v1", "subjectaccessreviews"): "SubjectAccessReview",
    ("authorization.k8s.io", "v1", "localsubjectaccessreviews"): "LocalSubjectAccessReview",
    ("authorization.k8s.io", "v1", "selfsubjectrulesreviews"): "SelfSubjectRulesReview",
    ("authentication.k8s.io", "v1", "selfsubjectreviews"): "SelfSubjectReview",
}
NAMESPACED = frozenset({"localsubjectaccessreviews"})

_EVERYTHING: Raw = {"verbs": ["*"], "apiGroups": ["*"], "resources": ["*"]}


def review(key: tuple[str, str, str], body: Raw) -> Raw:
    """The answer to the review `body`, posted at the resource `key`. Raises ApiError 400."""
    kind = KINDS[key]
    if body.get("kind", kind) != kind:
        raise errors.bad_request(f"the object provided is a {body.get('kind')}, not a {kind}")
    if kind == "SelfSubjectReview":
        status: Raw = {"userInfo": USER}
    elif kind == "SelfSubjectRulesReview":
        urls = [{"verbs": ["*"], "nonResourceURLs": ["*"]}]
        status = {"resourceRules": [_EVERYTHING], "nonResourceRules": urls, "incomplete": False}
    else:
        status = {"allowed": True, "reason": "who holds the token of this cluster may do everything"}
    return {**body, "apiVersion": f"{key[0]}/{key[1]}", "kind": kind, "status": status}
