"""Plays, for protocols and machines without I/O: `play >> event << command`.

    play >> Networked(IPS, 1.0) << Start("web", 0)
    play >> Deletion(30.0) << [Drain(), Stop("web", 30.0)] >> Exited("web", 0, 0, 2.0) << ...

`>>` tells the machine an event. `<<` says all that has come out since: one command, a list of them in their order
([] for none), or `...` for something, whatever it is. An event without `<<` says nothing about what comes out.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from types import EllipsisType
from typing import Any


class Play:
    """answer: the machine, what comes out of an event. said: what came out of the last one."""

    def __init__(self, answer: Callable[[Any], Iterable[Any]]) -> None:
        self._answer = answer
        self.said: list[Any] = []

    def __rshift__(self, event: Any) -> Play:
        self.said = list(self._answer(event))
        return self

    def __lshift__(self, expected: Any | list[Any] | EllipsisType) -> Play:
        if expected is ...:
            assert self.said
        else:
            assert self.said == (expected if isinstance(expected, list) else [expected])
        return self
