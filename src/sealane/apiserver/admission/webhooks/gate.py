"""The door to the webhooks: shut, and what is behind it not even imported, while none is configured."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Mapping, Sequence
from typing import TYPE_CHECKING, Any, TypeVar

from msgspec.structs import replace

from sealane.apiserver.admission.attempts import Attempt, Unanswered
from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.storage.store import Store
from sealane.apiserver.storage.values import Event
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.cel.budget import Task, elsewhere
from sealane.kube.objects import Raw

if TYPE_CHECKING:
    from sealane.apiserver.admission.evaluator import Evaluator
    from sealane.apiserver.admission.webhooks.calls import OpenSocket
    from sealane.apiserver.admission.webhooks.configuration import Hook
    from sealane.apiserver.admission.webhooks.dispatch import Complete, Dispatch

T = TypeVar("T")

_CONFIGURATIONS: frozenset[Resource] = frozenset(
    (kind.group, kind.plural) for kind in (kinds.MUTATINGWEBHOOKS, kinds.VALIDATINGWEBHOOKS)
)


class Webhooks:
    """Of one API; follows the configurations as they are committed.

    open_socket: see `calls.Caller`. complete(attempt, patched): gives a patched object the defaults of its kind.
    `on_passed_over` is told each time that a webhook was passed over, and why.
    """

    def __init__(self, store: Store, open_socket: OpenSocket | None, complete: Complete) -> None:
        self._store = store
        self._open_socket = open_socket
        self._complete = complete
        self._dispatch: Dispatch | None = None
        self._evaluator: Evaluator | None = None
        self.on_passed_over: Callable[[Hook, str], None] = lambda hook, why: None
        if any(True for resource in _CONFIGURATIONS for _ in store.items(resource)):
            self._read()
        store.subscribe(self._committed)

    @property
    def active(self) -> bool:
        return self._dispatch is not None and self._dispatch.active

    async def close(self) -> None:
        if self._dispatch is not None:
            await self._dispatch.close()
        if self._evaluator is not None:
            await self._evaluator.close()

    def _committed(self, events: Sequence[Event]) -> None:
        if any(event.address.resource in _CONFIGURATIONS for event in events):
            self._read()

    def _read(self) -> None:
        if self._dispatch is None:
            from sealane.apiserver.admission.webhooks.calls import Caller
            from sealane.apiserver.admission.webhooks.dispatch import Dispatch

            self._dispatch = Dispatch(self._store, Caller(self._store, self._open_socket), self._complete)
            self._dispatch.on_passed_over = lambda hook, why: self.on_passed_over(hook, why)
        self._dispatch.read()

    async def decided(self, options: Write, decide: Callable[[Write], T]) -> T:
        """The result of `decide`, which runs anew each time that its questions (see `Unanswered`) are answered.

        Nothing comes between the last time and the return. Raises ApiError.
        """
        answers: dict[object, object] = {}
        options = replace(options, answers=answers)
        told = len(options.warnings or ())
        while True:
            if options.warnings is not None:
                del options.warnings[told:]
            try:
                with elsewhere(lambda task: self._evaluated(task, answers)):
                    return decide(options)
            except Unanswered as unanswered:
                questions = unanswered.questions
            found = await asyncio.gather(*(question.answer() for question in questions))
            answers.update(zip((question.key for question in questions), found, strict=True))

    def _evaluated(self, task: Task, answers: Mapping[object, object]) -> Any:
        if self._evaluator is None:
            from sealane.apiserver.admission.evaluator import Evaluator  # few expressions might take long

            self._evaluator = Evaluator()
        return self._evaluator.found(task, answers)

    def mutated(self, attempt: Attempt, replay: Callable[[Raw], Raw]) -> Raw:
        """`attempt.new` after every mutating webhook. Raises ApiError, Unanswered."""
        assert self._dispatch is not None
        return self._dispatch.mutated(attempt, replay)

    def check(self, attempt: Attempt) -> None:
        """Raises ApiError when a validating webhook refuses, Unanswered."""
        assert self._dispatch is not None
        self._dispatch.check(attempt)
