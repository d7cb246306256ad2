"""Kubernetes' authorizer library: `authorizer.group("").resource("pods").namespace("a").check("get").allowed()`.

A question is a map that each function adds to; `check` has it answered by the caller of the evaluation (see
`answering`). Source: https://kubernetes.io/docs/reference/using-api/cel/#kubernetes-authorizer-library
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

Question = Mapping[str, Any]
Answer = Callable[[Question], tuple[bool, str]]
"""Whether what is asked is allowed, and why."""

_answer: ContextVar[Answer] = ContextVar("answer")


@contextmanager
def answering(answer: Answer) -> Iterator[None]:
    """Within it, `check` asks `answer`."""
    token = _answer.set(answer)
    try:
        yield
    finally:
        _answer.reset(token)


def asker() -> Answer | None:
    """The one that `check` asks now."""
    return _answer.get(None)


def with_path(question: Question, path: str) -> Question:
    return {**question, "path": path}


def with_group(question: Question, group: str) -> Question:
    return {**question, "group": group}


def with_service_account(question: Question, namespace: str, name: str) -> Question:
    return {**question, "serviceAccount": [namespace, name]}


def with_resource(question: Question, resource: str) -> Question:
    return {**question, "resource": resource}


def with_subresource(question: Question, subresource: str) -> Question:
    return {**question, "subresource": subresource}


def with_namespace(question: Question, namespace: str) -> Question:
    return {**question, "namespace": namespace}


def with_name(question: Question, name: str) -> Question:
    return {**question, "name": name}


def with_selector(question: Question, _selector: str) -> Question:
    """RBAC, which answers here, does not look at selectors."""
    return question


def checked(question: Question, verb: str) -> dict[str, Any]:
    allowed, reason = _answer.get()({**question, "verb": verb})
    return {"allowed": allowed, "reason": reason}
