"""A process that does tasks of `budget`: what might take long keeps nobody else waiting, and can be killed.

On its standard input come tasks, on its output go their ends: pickles, each with its length before it. Both sides are
this program. The client is in the API server (`apiserver/admission/evaluator`), which also answers what a task asks.
"""

from __future__ import annotations

import ctypes
import os
import pickle
import resource
import signal
import struct
import sys
from typing import Any, BinaryIO

from sealane.kube.cel import budget
from sealane.kube.cel.authorization import Question, answering

COMMAND = (sys.executable, "-P", "-m", "sealane.kube.cel.worker")
LENGTH = struct.Struct("!I")
_MEMORY = 2 << 30
_DIES_WITH_PARENT = 1  # PR_SET_PDEATHSIG


def frame(*said: Any) -> bytes:
    """A message as it is sent: ("done", value), ("failed", exception), ("ask", question) or an answer."""
    text = pickle.dumps(said)
    return LENGTH.pack(len(text)) + text


def _read(stream: BinaryIO) -> Any:
    head = stream.read(LENGTH.size)
    if len(head) < LENGTH.size:
        raise EOFError
    return pickle.loads(stream.read(LENGTH.unpack(head)[0]))  # from the process that started this one


def main() -> None:
    ctypes.CDLL(None).prctl(_DIES_WITH_PARENT, signal.SIGKILL)
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    os.nice(5)
    tasks, ends = sys.stdin.buffer, sys.stdout.buffer

    def say(*said: Any) -> None:
        ends.write(frame(*said))
        ends.flush()

    def asked(question: Question) -> tuple[bool, str]:
        say("ask", question)
        found: tuple[bool, str] = _read(tasks)
        return found

    while True:
        try:
            (task,) = _read(tasks)
        except EOFError:
            return
        try:
            with answering(asked):
                said = ("done", budget.result(task))
        except Exception as error:
            said = ("failed", error)
        say(*said)


if __name__ == "__main__":
    main()
