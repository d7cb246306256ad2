"""The order in which webhooks are asked, and the effects of their answers.

Source: k8s.io/apiserver/pkg/admission/plugin/webhook/{mutating,validating}/dispatcher.go
"""

from __future__ import annotations

import logging
import uuid
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import TypeVar

from sealane.apiserver.admission.attempts import Attempt, Question, Unanswered
from sealane.apiserver.admission.webhooks import review
from sealane.apiserver.admission.webhooks.calls import Caller
from sealane.apiserver.admission.webhooks.conditions import ConditionError, hold
from sealane.apiserver.admission.webhooks.configuration import EXEMPT_GROUP, Hook, Service, hooks
from sealane.apiserver.admission.webhooks.review import Answer, CallFailed, PassedOver
from sealane.apiserver.admission.webhooks.servers import served_by_stand_in
from sealane.apiserver.errors import forbidden
from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import encode
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw
from sealane.kube.patches.json_patch import json_patch

T = TypeVar("T")

log = logging.getLogger("sealane.webhooks")

Replay = Callable[[Raw], Raw]
"""What the server itself fills in, once more, after webhooks changed the object."""
Complete = Callable[[Attempt, Raw], Raw]
"""complete(attempt, patched): with the defaults of its kind."""

_RESOURCES: dict[bool, Resource] = {
    mutating: (kind.group, kind.plural)
    for mutating, kind in ((True, kinds.MUTATINGWEBHOOKS), (False, kinds.VALIDATINGWEBHOOKS))
}


@dataclass(frozen=True, slots=True)
class _Asking(Question):
    """One question to one webhook. Its answer is an `Answer`, or the `CallFailed` or `PassedOver` in its place."""

    store: Store
    caller: Caller
    hook: Hook
    attempt: Attempt
    key: tuple[object, ...]

    async def answer(self) -> object:
        if isinstance(self.hook.target, Service) and served_by_stand_in(self.store, self.hook.target):
            where = f"{self.hook.target.namespace}/{self.hook.target.name}"
            return PassedOver(
                f'webhook "{self.hook.name}" of {self.hook.configuration} is passed over: its server, Service {where}, '
                f"is a stand-in, and an echo cannot judge"
            )
        uid = str(uuid.uuid4())
        try:
            found = await self.caller.ask(self.hook, review.question(self.hook, self.attempt, uid))
            return review.answer(self.hook, uid, found)
        except CallFailed as error:
            return error


class Dispatch:
    """The webhooks that `store` has configured when it is told to `read`."""

    def __init__(self, store: Store, caller: Caller, complete: Complete) -> None:
        self._store = store
        self._caller = caller
        self._complete = complete
        self._hooks: dict[bool, list[Hook]] = {}
        self.on_passed_over: Callable[[Hook, str], None] = lambda hook, why: log.info("%s", why)
        self.read()

    @property
    def active(self) -> bool:
        return any(self._hooks.values())

    async def close(self) -> None:
        await self._caller.close()

    def read(self) -> None:
        """Takes the configurations as they are now."""
        for mutating, resource in _RESOURCES.items():
            configurations = [stored.object.raw for stored in self._store.items(resource)]
            self._hooks[mutating] = hooks(mutating, configurations)

    def mutated(self, attempt: Attempt, replay: Replay) -> Raw:
        """`attempt.new` after every mutating webhook. Raises ApiError, Unanswered."""
        changed, asked = False, set[int]()
        again = set[int]()  # after them another one changed the object
        for index, hook in enumerate(self._hooks[True]):
            if not self._concerns(hook, attempt):
                continue
            before = attempt
            attempt = self._patched(hook, attempt, 0)
            if attempt.new != before.new:
                changed, again = True, again | asked
            if hook.reinvocable:
                asked.add(index)
        new = attempt.new
        assert new is not None
        if not changed:
            return new
        replayed = replay(new)
        if replayed != new:
            again = asked
        attempt = attempt.having(replayed)
        for index in sorted(again):
            if self._concerns(self._hooks[True][index], attempt):
                attempt = self._patched(self._hooks[True][index], attempt, 1)
        assert attempt.new is not None
        return attempt.new

    def check(self, attempt: Attempt) -> None:
        """Raises ApiError when a validating webhook refuses, Unanswered."""
        if attempt.operation in ("DELETE", "CONNECT"):
            for hook in self._hooks[True]:
                if self._concerns(hook, attempt):
                    self._patched(hook, attempt, 0)
        concerned = [hook for hook in self._hooks[False] if self._concerns(hook, attempt)]
        questions = [self._asking(hook, attempt, 0) for hook in concerned]
        answers = attempt.options.answers or {}
        waiting = [each for each in questions if each.key not in answers]
        if waiting:
            raise Unanswered(*waiting)
        for hook in concerned:
            self._answered(hook, attempt, 0)

    def _concerns(self, hook: Hook, attempt: Attempt) -> bool:
        """Raises ApiError for conditions that cannot be judged, and for a dry run that the webhook cannot do."""
        if attempt.served.kind.group == EXEMPT_GROUP or not hook.concerns(attempt, self._labels(attempt.namespace)):
            return False
        try:
            if hook.conditions and not hold(hook.conditions, attempt):
                return False
        except ConditionError as error:
            if hook.fails_open:
                return False
            raise forbidden(attempt.served.kind, attempt.name, str(error)) from None
        if attempt.options.dry_run and not hook.dry_runs:
            raise review.no_dry_run(hook)
        return True

    def _labels(self, namespace: str) -> Mapping[str, str]:
        found = self._store.head(("", "namespaces"), "", namespace) if namespace else None
        return found.object.raw["metadata"].get("labels") or {} if found is not None else {}

    def _patched(self, hook: Hook, attempt: Attempt, turn: int) -> Attempt:
        found = self._answered(hook, attempt, turn)
        if found is None or not found.patch:
            return attempt
        if attempt.new is None:
            why = (
                f'admission webhook "{hook.name}" attempted to modify the object, which is not supported for this '
                "operation"
            )
            raise _internal(why)
        try:
            patched = json_patch(attempt.new, found.patch)
        except ApiError as error:
            raise _internal(error.message) from None
        if not isinstance(patched, dict) or not isinstance(patched.get("metadata"), dict):
            raise _internal(f'admission webhook "{hook.name}" left no object')
        return attempt.having(self._complete(attempt, patched))

    def _answered(self, hook: Hook, attempt: Attempt, turn: int) -> Answer | None:
        """None when it could not be asked and that does not matter. Raises ApiError, Unanswered."""
        asking = self._asking(hook, attempt, turn)
        answers = attempt.options.answers
        if answers is None or asking.key not in answers:
            raise Unanswered(asking)
        found = answers[asking.key]
        if isinstance(found, CallFailed):
            if hook.fails_open:
                log.warning("failing open: %s: %s", hook.name, found)
                return None
            raise review.failed(hook, str(found))
        if isinstance(found, PassedOver):
            attempt.options.warn(found.why)
            if not attempt.options.dry_run:
                self.on_passed_over(hook, found.why)
            return None
        assert isinstance(found, Answer)
        for warning in found.warnings:
            attempt.options.warn(warning)
        if not found.allowed:
            raise review.denied(hook, found.status)
        return found

    def _asking(self, hook: Hook, attempt: Attempt, turn: int) -> _Asking:
        content = (encode(attempt.new), encode(attempt.old))
        return _Asking(
            self._store, self._caller, hook, attempt, (hook.mutating, hook.configuration, hook.name, turn, *content)
        )


def _internal(why: str) -> ApiError:
    return ApiError(500, "InternalError", f"Internal error occurred: {why}", {"causes": [{"message": why}]})
