"""Attempts: the writes of clients as admission sees them, and the ordered steps that look at them.

Source: k8s.io/apiserver/pkg/admission (Attributes, MutationInterface, ValidationInterface).
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Literal, Protocol, TypeAlias

import msgspec

from sealane.apiserver.registry.resources import Served
from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.write import ORDINARY, Write
from sealane.kube.objects import Raw

Operation: TypeAlias = Literal["CREATE", "UPDATE", "DELETE", "CONNECT"]


class Attempt(msgspec.Struct, frozen=True):
    """One write. new is None for DELETE, old for CREATE; both have metadata with name (and namespace).

    Of a part (scale, eviction, exec, …) `new` and `old` are of the part's own kind: Scale, Eviction, PodExecOptions.
    """

    operation: Operation
    served: Served
    new: Raw | None
    old: Raw | None = None
    subresource: str = ""
    options: Write = ORDINARY

    @property
    def object(self) -> Raw:
        """The one that there is: `new`, or `old` for DELETE."""
        found = self.new if self.new is not None else self.old
        assert found is not None
        return found

    @property
    def name(self) -> str:
        return str(self.object["metadata"].get("name") or "")

    @property
    def namespace(self) -> str:
        return str(self.object["metadata"].get("namespace") or "")

    def having(self, new: Raw) -> Attempt:
        return Attempt(self.operation, self.served, new, self.old, self.subresource, self.options)


Mutate: TypeAlias = Callable[[Attempt], Raw]
Check: TypeAlias = Callable[[Attempt], None]


class Question(Protocol):
    """Something to be asked outside of this process before a write can be decided."""

    @property
    def key(self) -> object:
        """The key that tells this question from others."""

    async def answer(self) -> object: ...


class Unanswered(Exception):
    """A step needs answers that are not there yet: ask, put them into `Write.answers`, and decide anew."""

    def __init__(self, *questions: Question) -> None:
        super().__init__(*questions)
        self.questions = questions


class Outside(Protocol):
    """Who is asked outside of this process, after the steps: the webhooks. Both methods raise ApiError, Unanswered."""

    @property
    def active(self) -> bool:
        """Whether anybody may have to be asked."""

    def mutated(self, attempt: Attempt, replay: Callable[[Raw], Raw]) -> Raw: ...

    def check(self, attempt: Attempt) -> None: ...


class Step(msgspec.Struct, frozen=True):
    """One admission plugin. resources: what it looks at; empty is everything.

    mutate: gives back the object with what it fills in; it comes before validation. check: comes last, when the object
    is as it will be stored; it may call `attempt.options.warn`. Both raise ApiError to refuse.
    A step sees every operation (and the subresource) and passes over those that are not its own.
    """

    name: str
    resources: frozenset[Resource] = frozenset()
    mutate: Mutate | None = None
    check: Check | None = None


class Steps:
    """Steps in the order in which they are taken, found by resource; then those who are asked outside."""

    def __init__(self, steps: tuple[Step, ...], outside: Outside) -> None:
        self._steps = steps
        self._outside = outside
        self._of: dict[Resource, tuple[tuple[Mutate, ...], tuple[Check, ...]]] = {}

    def mutated(self, attempt: Attempt) -> Raw:
        """`attempt.new` after every mutating step. Raises ApiError, Unanswered."""
        new = self._filled(attempt)
        if not self._outside.active:
            return new
        return self._outside.mutated(attempt.having(new), lambda patched: self._filled(attempt.having(patched)))

    def part(self, attempt: Attempt) -> Raw:
        """`attempt.new`, a part of an object, as those who are asked outside let it through. ApiError, Unanswered."""
        assert attempt.new is not None
        if not self._outside.active:
            return attempt.new
        new = attempt.new if attempt.operation == "CONNECT" else self._outside.mutated(attempt, lambda raw: raw)
        self._outside.check(attempt.having(new))
        return new

    def _filled(self, attempt: Attempt) -> Raw:
        assert attempt.new is not None
        for mutate in self._for(attempt.served.resource)[0]:
            attempt = attempt.having(mutate(attempt))
        assert attempt.new is not None
        return attempt.new

    def check(self, attempt: Attempt) -> None:
        """Raises the ApiError of the first step that refuses, Unanswered."""
        for check in self._for(attempt.served.resource)[1]:
            check(attempt)
        if self._outside.active:
            self._outside.check(attempt)

    def _for(self, resource: Resource) -> tuple[tuple[Mutate, ...], tuple[Check, ...]]:
        found = self._of.get(resource)
        if found is None:
            steps = [step for step in self._steps if not step.resources or resource in step.resources]
            mutates = tuple(step.mutate for step in steps if step.mutate is not None)
            found = self._of[resource] = (mutates, tuple(step.check for step in steps if step.check is not None))
        return found
