"""The budget of a request: what its expressions may cost, and what is not evaluated at once because it might cost much.

`within` is the way in. Sources: k8s.io/apiserver/pkg/apis/cel/config.go and, for what is spent, the same as `costs`.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any, TypeVar

import msgspec

from sealane.kube.cel.costs import Cost
from sealane.kube.cel.tracked import CelError

T = TypeVar("T")
AT_ONCE = 50_000
"""The cost up to which expressions are evaluated at once: some milliseconds."""


class Costly(Exception):
    """Evaluating this might take long: it is not begun."""


class Spent(CelError):
    """The budget is used up."""


class Task(msgspec.Struct, frozen=True):
    """An evaluation that can be done in another process. function: of a module; arguments: can be pickled.

    key: what tells it from others.
    """

    function: Callable[..., Any]
    arguments: tuple[Any, ...]
    limit: Cost
    key: Any

    def same(self, other: Task) -> bool:
        return self.function is other.function and self.key == other.key


class _Budget(msgspec.Struct):
    """tracked: evaluations go step by step, and what they cost is counted; else what they might cost."""

    limit: Cost
    tracked: bool
    cost: Cost = 0


_budget: ContextVar[_Budget | None] = ContextVar("budget", default=None)
_elsewhere: ContextVar[Callable[[Task], Any] | None] = ContextVar("elsewhere", default=None)


def within(limit: Cost, evaluate: Callable[[], T], function: Callable[..., T], *arguments: Any, key: Any) -> T:
    """The result of `evaluate`, or, where that might take long, of `function`, which gives the same elsewhere.

    Raises what they raise.
    """
    try:
        with _having(_Budget(AT_ONCE, False)):
            return evaluate()
    except Costly:
        task = Task(function, arguments, limit, key)
    elsewhere = _elsewhere.get()
    found: T = result(task) if elsewhere is None else elsewhere(task)
    return found


def result(task: Task) -> Any:
    """The task, done here, step by step."""
    with _having(_Budget(task.limit, True)):
        return task.function(*task.arguments)


@contextmanager
def _having(budget: _Budget) -> Iterator[None]:
    token = _budget.set(budget)
    try:
        yield
    finally:
        _budget.reset(token)


@contextmanager
def elsewhere(does: Callable[[Task], Any]) -> Iterator[None]:
    """Within it, `does` has tasks done that might take long."""
    token = _elsewhere.set(does)
    try:
        yield
    finally:
        _elsewhere.reset(token)


def charged(cost: Callable[[], Cost]) -> bool:
    """Whether an evaluation may be done in one go. cost: what it might cost. Raises Costly, Spent."""
    budget = _budget.get()
    if budget is None:
        return cost() <= AT_ONCE
    if budget.tracked:
        if budget.cost > budget.limit:
            raise Spent("running out of cost budget")
        return False
    budget.cost += cost()
    if budget.cost > budget.limit:
        raise Costly
    return True


def spent(cost: Cost) -> None:
    """Says what an evaluation has cost. Raises Spent."""
    budget = _budget.get()
    if budget is None:
        return
    budget.cost += cost
    if budget.cost > budget.limit:
        raise Spent("running out of cost budget")


def without_managers(value: Any) -> Any:
    """An object (or other value) as the key of a task: times of its managers change with each attempt."""
    metadata = value.get("metadata") if isinstance(value, dict) else None
    if not isinstance(metadata, dict) or "managedFields" not in metadata:
        return value
    return {**value, "metadata": {name: each for name, each in metadata.items() if name != "managedFields"}}
