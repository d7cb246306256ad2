"""Users grant only rights of their own: a user who writes a role or binding holds every rule in it.

Sources: https://kubernetes.io/docs/reference/access-authn-authz/rbac/#privilege-escalation-prevention-and-bootstrapping,
k8s.io/kubernetes/pkg/registry/rbac/{role,clusterrole,rolebinding,clusterrolebinding}/policybased
"""

from __future__ import annotations

from collections.abc import Sequence

from sealane.apiserver import errors
from sealane.apiserver.access.action import Action
from sealane.apiserver.access.rbac import Authorizer, role_key
from sealane.apiserver.access.rules import Rule, uncovered
from sealane.apiserver.access.user import User
from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Raw

_GROUP = kinds.ROLE.group
_ROLES = (kinds.ROLE, kinds.CLUSTERROLE)
_EVERYTHING = (Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",)))


def step(authorizer: Authorizer) -> Step:
    def check(attempt: Attempt) -> None:
        user, new = attempt.options.user, attempt.new
        if new is None or attempt.subresource or user.is_master:
            return
        if attempt.served.kind in _ROLES:  # else it is a binding
            _check_role(authorizer, attempt, user, new)
        else:
            _check_binding(authorizer, attempt, user, new)

    resources = frozenset(
        (_GROUP, plural) for plural in ("roles", "clusterroles", "rolebindings", "clusterrolebindings")
    )
    return Step("RBACEscalation", resources, check=check)


def _check_role(authorizer: Authorizer, attempt: Attempt, user: User, new: Raw) -> None:
    old, kind = attempt.old or {}, attempt.served.kind
    fields = ("rules", "aggregationRule")
    if old and all(old.get(field) == new.get(field) for field in fields):
        return
    may = Action(user, "escalate", _GROUP, "v1", kind.plural, namespace=attempt.namespace, name=attempt.name)
    if authorizer.decide(may).allowed:
        return
    held, missing = authorizer.rules(user, attempt.namespace)
    if new.get("aggregationRule") and uncovered(held, _EVERYTHING):
        raise errors.forbidden(kind, attempt.name, "must have cluster-admin privileges to use the aggregationRule")
    _check_held(kind, attempt, user, held, missing, [Rule.of(raw) for raw in new.get("rules") or ()])


def _check_binding(authorizer: Authorizer, attempt: Attempt, user: User, new: Raw) -> None:
    old = attempt.old or {}
    if old and all(old.get(field) == new.get(field) for field in ("roleRef", "subjects")):
        return
    role = role_key(new)
    kind = kinds.ROLE if role[0] else kinds.CLUSTERROLE
    may = Action(user, "bind", _GROUP, "v1", kind.plural, namespace=attempt.namespace, name=role[1])
    if authorizer.decide(may).allowed:
        return
    rules = authorizer.of_role(role)
    if rules is None:
        raise errors.not_found(kind, role[1])
    held, missing = authorizer.rules(user, attempt.namespace)
    _check_held(attempt.served.kind, attempt, user, held, missing, rules)


def _check_held(
    kind: Kind, attempt: Attempt, user: User, held: Sequence[Rule], missing: str, wanted: Sequence[Rule]
) -> None:
    lacking = uncovered(held, wanted)
    if not lacking:
        return
    groups = " ".join(f'"{group}"' for group in user.groups)
    listed = "\n".join(sorted(map(str, lacking)))
    why = (
        f'user "{user.name}" (groups=[{groups}]) is attempting to grant RBAC permissions not currently held:\n{listed}'
    )
    if missing:
        why += f"; resolution errors: [{missing}]"
    raise errors.forbidden(kind, attempt.name, why)
