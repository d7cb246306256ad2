"""Roles and bindings of the store, found by user: kept current with each commit.

Source: k8s.io/kubernetes/plugin/pkg/auth/authorizer/rbac
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import msgspec

from sealane.apiserver.access.action import Action
from sealane.apiserver.access.refusal import not_allowed
from sealane.apiserver.access.rules import Rule, allows
from sealane.apiserver.access.user import User
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Event
from sealane.kube import kinds
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object, Raw


def _resource(kind: Kind) -> Resource:
    return (kind.group, kind.plural)


_ROLES = {_resource(kinds.ROLE), _resource(kinds.CLUSTERROLE)}
_BINDINGS = {_resource(kinds.ROLEBINDING), _resource(kinds.CLUSTERROLEBINDING)}

RoleKey = tuple[str, str]
"""Namespace ("" for a ClusterRole) and name."""

SubjectKey = tuple[str, str]
"""Kind (User or Group; ServiceAccounts are the Users that they act as) and name."""


class Binding(msgspec.Struct, frozen=True):
    """The rules that one subject has from one binding. namespace "": everywhere."""

    namespace: str
    role: RoleKey
    text: str


class Decision(msgspec.Struct, frozen=True):
    """reason: why, where there is more to say than yes or no."""

    allowed: bool
    reason: str = ""


class Authorizer:
    """Belongs to the event loop of its store."""

    def __init__(self, store: Store) -> None:
        self._rules: dict[RoleKey, tuple[Rule, ...]] = {}
        self._held: dict[SubjectKey, dict[Address, list[Binding]]] = {}
        for resource in _ROLES | _BINDINGS:
            for stored in store.items(resource):
                found = stored.object
                self._add(Address(resource, found.namespace, found.name), found)
        store.subscribe(self._committed)

    def decide(self, action: Action) -> Decision:
        """Whether `action` is allowed. Members of system:masters may do everything."""
        user = action.user
        if user.is_master:
            return Decision(True)
        missing: list[str] = []
        for binding in self._bindings(user, action.namespace):
            rules = self._rules.get(binding.role)
            if rules is None:
                missing.append(_not_found(binding.role))
            elif any(allows(rule, action) for rule in rules):
                return Decision(True, f"RBAC: allowed by {binding.text}")
        return Decision(False, _aggregate(missing))

    def check(self, action: Action) -> None:
        """Raises ApiError 403 for what is not allowed."""
        decision = self.decide(action)
        if not decision.allowed:
            raise not_allowed(action, decision.reason)

    def check_create(self, user: User, kind: Kind, namespace: str, name: str) -> None:
        """Raises ApiError 403 for a user that may patch, and not create, an object that an apply would make."""
        if not user.is_master:
            self.check(Action(user, "create", kind.group, kind.version, kind.plural, "", namespace, name))

    def rules(self, user: User, namespace: str) -> tuple[list[Rule], str]:
        """Every rule that `user` has in `namespace` ("": at the cluster's scope), and which roles are missing."""
        if user.is_master:
            return [Rule(("*",), ("*",), ("*",)), Rule(("*",), urls=("*",))], ""
        found: dict[Rule, None] = {}
        missing: list[str] = []
        for binding in self._bindings(user, namespace):
            rules = self._rules.get(binding.role)
            if rules is None:
                missing.append(_not_found(binding.role))
            else:
                found.update(dict.fromkeys(rules))
        return list(found), ", ".join(missing)

    def of_role(self, role: RoleKey) -> Sequence[Rule] | None:
        return self._rules.get(role)

    def _bindings(self, user: User, namespace: str) -> Iterator[Binding]:
        """Those of the cluster first, as upstream asks them."""
        subjects = [("User", user.name), *(("Group", group) for group in user.groups)]
        held = [self._held[subject] for subject in subjects if subject in self._held]
        for scope in ("", namespace) if namespace else ("",):
            for by_address in held:
                for bindings in by_address.values():
                    yield from (binding for binding in bindings if binding.namespace == scope)

    def _committed(self, events: Sequence[Event]) -> None:
        for event in events:
            resource = event.address.resource
            if resource in _ROLES or resource in _BINDINGS:
                if event.before is not None:
                    self._remove(event.address, event.before.object)
                if event.type != "DELETED":
                    self._add(event.address, event.stored.object)

    def _add(self, address: Address, found: Object) -> None:
        if address.resource in _ROLES:
            self._rules[(address.namespace, address.name)] = tuple(map(Rule.of, found.raw.get("rules") or ()))
            return
        for subject, binding in _bound(address, found.raw):
            self._held.setdefault(subject, {}).setdefault(address, []).append(binding)

    def _remove(self, address: Address, found: Object) -> None:
        if address.resource in _ROLES:
            self._rules.pop((address.namespace, address.name), None)
            return
        for subject, _ in _bound(address, found.raw):
            by_address = self._held.get(subject, {})
            by_address.pop(address, None)
            if not by_address:
                self._held.pop(subject, None)


def role_key(binding: Raw) -> RoleKey:
    """The role to which a binding refers."""
    reference = binding.get("roleRef") or {}
    namespace = str(binding["metadata"].get("namespace") or "") if reference.get("kind") == "Role" else ""
    return (namespace, str(reference.get("name") or ""))


def _bound(address: Address, raw: Raw) -> Iterator[tuple[SubjectKey, Binding]]:
    reference = raw.get("roleRef") or {}
    cluster = address.resource == _resource(kinds.CLUSTERROLEBINDING)
    name = address.name if cluster else f"{address.name}/{address.namespace}"
    what = f'{"ClusterRoleBinding" if cluster else "RoleBinding"} "{name}" of {reference.get("kind")}'
    role = role_key(raw)
    for subject in raw.get("subjects") or ():
        kind, who = str(subject.get("kind") or ""), str(subject.get("name") or "")
        key = (kind, who)
        if kind == "ServiceAccount":  # a kind of subject: it acts as a user
            namespace = str(subject.get("namespace") or address.namespace)
            key = ("User", f"system:serviceaccount:{namespace}:{who}")
            who = f"{who}/{namespace}"
        yield key, Binding(address.namespace, role, f'{what} "{reference.get("name")}" to {kind} "{who}"')


def _not_found(role: RoleKey) -> str:
    kind = kinds.ROLE if role[0] else kinds.CLUSTERROLE
    return f'{kind.singular}.{kind.group} "{role[1]}" not found'


def _aggregate(missing: Sequence[str]) -> str:
    """As k8s.io/apimachinery/pkg/util/errors.Aggregate prints."""
    unique = list(dict.fromkeys(missing))
    if not unique:
        return ""
    return f"RBAC: {unique[0] if len(unique) == 1 else '[' + ', '.join(unique) + ']'}"
