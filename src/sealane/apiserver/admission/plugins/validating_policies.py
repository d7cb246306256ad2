"""ValidatingAdmissionPolicy: https://kubernetes.io/docs/reference/access-authn-authz/validating-admission-policy/"""

from __future__ import annotations

import logging
from collections.abc import Callable, Iterator
from typing import TYPE_CHECKING, TypeVar

from sealane.apiserver.access.action import Action
from sealane.apiserver.access.rbac import Authorizer
from sealane.apiserver.access.user import User, account_user
from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.apiserver.errors import forbidden
from sealane.apiserver.registry.resources import NAMESPACES, Resources
from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

if TYPE_CHECKING:
    from sealane.apiserver.admission.policies.policy import Binding, Policy
    from sealane.kube.cel.authorization import Question

log = logging.getLogger("sealane.audit")

_GROUP = kinds.ADMISSIONPOLICY.group
_POLICIES: Resource = (_GROUP, kinds.ADMISSIONPOLICY.plural)
_BINDINGS: Resource = (_GROUP, kinds.ADMISSIONPOLICYBINDING.plural)
_CODES = {"Unauthorized": 401, "Forbidden": 403, "RequestEntityTooLarge": 413}
_Read = TypeVar("_Read")


def step(store: Store, resources: Resources, authorizer: Authorizer) -> Step:
    return Step("ValidatingAdmissionPolicy", check=_Check(store, resources, authorizer))


class _Check:
    """Remembers what it read: a policy is parsed once for each of its states."""

    def __init__(self, store: Store, resources: Resources, authorizer: Authorizer) -> None:
        self._store = store
        self._authorizer = authorizer
        self._resources = resources
        self._policies: dict[str, tuple[int, Policy]] = {}
        self._bindings: dict[str, tuple[int, Binding]] = {}

    def __call__(self, attempt: Attempt) -> None:
        """Raises ApiError when a policy denies it."""
        if not self._store.namespaces(_BINDINGS):
            return
        if attempt.served.kind.group == _GROUP:
            return  # or a wrong policy could not be put right
        from sealane.apiserver.admission.policies.policy import Binding, Policy  # only where policies are bound

        policies = {each.name: each for each in self._read(_POLICIES, self._policies, Policy.of)}
        denied: ApiError | None = None
        for binding in self._read(_BINDINGS, self._bindings, Binding.of):
            policy = policies.get(binding.policy)
            if policy is not None:
                found = self._bound(attempt, policy, binding)
                denied = denied or found
        if denied is not None:
            raise denied

    def _read(
        self, resource: Resource, known: dict[str, tuple[int, _Read]], made: Callable[[Raw], _Read]
    ) -> Iterator[_Read]:
        for stored in self._store.items(resource):
            name = stored.object.name
            found = known.get(name)
            if found is None or found[0] != stored.version:
                found = known[name] = (stored.version, made(stored.object.raw))
            yield found[1]

    def _bound(self, attempt: Attempt, policy: Policy, binding: Binding) -> ApiError | None:
        """The words for the client when the policy denies by this binding."""
        around = self._store.head(NAMESPACES, "", attempt.namespace) if attempt.namespace else None
        namespace = around.object.raw if around is not None else None
        if not policy.matcher.matches(attempt, namespace):
            return None
        if binding.matcher is not None and not binding.matcher.matches(attempt, namespace):
            return None
        # These import CEL.
        from sealane.apiserver.admission.policies.evaluation import evaluated
        from sealane.apiserver.admission.policies.params import Misconfigured, collected
        from sealane.kube.cel.authorization import answering

        try:
            params = collected(policy.param_kind, binding.param, attempt.namespace, self._resources, self._store)
        except Misconfigured as error:
            if policy.fails_open:
                return None
            return _denial(attempt, policy, binding, f"failed to configure binding: {error}", "Invalid")

        def allowed(question: Question) -> tuple[bool, str]:
            decision = self._authorizer.decide(_action(attempt.options.user, question))
            return decision.allowed, decision.reason

        denial: ApiError | None = None
        for each in params:
            with answering(allowed):
                refusals = evaluated(policy, attempt, namespace, each)
            for refusal in refusals:
                about = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}'"
                if "Deny" in binding.actions and denial is None:
                    denial = _denial(attempt, policy, binding, refusal.message, refusal.reason)
                if "Warn" in binding.actions:
                    attempt.options.warn(f"Validation failed for {about}: {refusal.message}")
                if "Audit" in binding.actions:
                    log.info("%s %s: %s: %s", attempt.operation, attempt.name, about, refusal.message)
        return denial


def _action(user: User, question: Question) -> Action:
    if "serviceAccount" in question:
        user = account_user(*question["serviceAccount"])
    names = ("group", "resource", "subresource", "namespace", "name", "path")
    return Action(user, str(question["verb"]), **{name: str(question.get(name) or "") for name in names})


def _denial(attempt: Attempt, policy: Policy, binding: Binding, message: str, reason: str) -> ApiError:
    said = f"ValidatingAdmissionPolicy '{policy.name}' with binding '{binding.name}' denied request: {message}"
    found = forbidden(attempt.served.kind, attempt.name, said)
    details = {**(found.details or {}), "causes": [{"message": said}]}
    return ApiError(_CODES.get(reason, 422), reason, found.message, details)
