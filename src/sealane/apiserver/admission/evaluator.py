"""Expressions that might take long, evaluated in a process of their own while other requests are answered.

A write that needs one is decided as one that needs a webhook: asked for, and decided anew with the answer.
"""

from __future__ import annotations

import asyncio
import pickle
from collections.abc import Callable, Mapping
from contextlib import suppress
from typing import Any

import msgspec

from sealane.apiserver.admission.attempts import Unanswered
from sealane.kube.cel.authorization import Answer, asker
from sealane.kube.cel.budget import Spent, Task
from sealane.kube.cel.worker import COMMAND, LENGTH, frame

_LONGEST = 30.0
"""Seconds of one task."""
_IDLE = 20.0
"""Seconds after which a process without a task ends."""


class Evaluator:
    """One process, started when there is something to do: one task at a time, the others wait."""

    def __init__(self) -> None:
        self._process: asyncio.subprocess.Process | None = None
        self._turn = asyncio.Lock()
        self._end: asyncio.TimerHandle | None = None

    def found(self, task: Task, answers: Mapping[object, object]) -> Any:
        """What the task gives, by `answers`. Raises what it raises, Unanswered when it was not done yet."""
        for question, result in answers.items():
            if isinstance(question, Evaluation) and question.task.same(task):
                assert callable(result)
                return result()
        raise Unanswered(Evaluation(task, asker(), self))

    async def result(self, task: Task, answer: Answer | None) -> Callable[[], Any]:
        """A function that gives what the task gives, or raises what it raises. answer: what `authorizer` is told."""
        async with self._turn:
            if self._end is not None:
                self._end.cancel()
            try:
                async with asyncio.timeout(_LONGEST):
                    return await self._done(task, answer)
            except (TimeoutError, asyncio.IncompleteReadError, ConnectionError):
                await self.close()  # it took too long, or too much memory
                return _spent
            except BaseException:
                await self.close()
                raise
            finally:
                self._end = asyncio.get_running_loop().call_later(_IDLE, self._kill)

    async def _done(self, task: Task, answer: Answer | None) -> Callable[[], Any]:
        if self._process is None or self._process.returncode is not None:
            pipe = asyncio.subprocess.PIPE
            self._process = await asyncio.create_subprocess_exec(*COMMAND, stdin=pipe, stdout=pipe)
        process = self._process
        assert process.stdin is not None
        assert process.stdout is not None
        process.stdin.write(frame(task))
        while True:
            await process.stdin.drain()
            (length,) = LENGTH.unpack(await process.stdout.readexactly(LENGTH.size))
            what, said = pickle.loads(await process.stdout.readexactly(length))
            if what == "done":
                return lambda: said
            if what == "failed":
                return lambda: _raise(said)
            process.stdin.write(frame(*(answer(said) if answer is not None else (False, ""))))

    def _kill(self) -> None:
        if self._process is not None:
            with suppress(ProcessLookupError):
                self._process.kill()

    async def close(self) -> None:
        """Ends the process, and what it does."""
        if self._end is not None:
            self._end.cancel()
        self._kill()
        process, self._process = self._process, None
        if process is not None:
            await process.wait()


def _raise(error: Exception) -> Any:
    raise error


def _spent() -> Any:
    raise Spent("running out of cost budget")


class Evaluation(msgspec.Struct, frozen=True, eq=False):
    """A task as a question."""

    task: Task
    answering: Answer | None
    evaluator: Evaluator

    @property
    def key(self) -> object:
        return self

    async def answer(self) -> object:
        return await self.evaluator.result(self.task, self.answering)
