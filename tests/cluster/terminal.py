"""A program in a terminal of its own, as a person has one."""

from __future__ import annotations

import fcntl
import os
import pty
import re
import select
import signal
import struct
import subprocess
import termios
import time
from collections.abc import Iterator
from contextlib import contextmanager

from sealane.testing.cluster import Cluster, kubectl_path


class Terminal:
    """A program in a terminal of its own."""

    def __init__(self, argv: list[str], env: dict[str, str]) -> None:
        self._ours, theirs = pty.openpty()
        self.process = subprocess.Popen(
            argv, env=env, stdin=theirs, stdout=theirs, stderr=theirs, start_new_session=True, preexec_fn=_controlling
        )
        os.close(theirs)
        self.seen = ""

    def type(self, text: str) -> None:
        os.write(self._ours, text.encode())

    def resize(self, rows: int, columns: int) -> None:
        fcntl.ioctl(self._ours, termios.TIOCSWINSZ, struct.pack("HHHH", rows, columns, 0, 0))

    def until(self, pattern: str, *, seconds: float = 30) -> str:
        """Reads until what was shown matches."""
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.seen):
            ready, _, _ = select.select([self._ours], [], [], max(0.0, deadline - time.monotonic()))
            assert ready, f"no {pattern!r} in {self.seen!r}"
            self.seen += self._read()
        return self.seen

    def end(self) -> int:
        while piece := self._read():
            self.seen += piece
        return self.process.wait(20)

    def _read(self) -> str:
        try:
            return os.read(self._ours, 65536).decode("utf-8", "replace")
        except OSError:
            return ""

    def close(self) -> None:
        if self.process.poll() is None:
            self.process.kill()
        self.process.wait()
        os.close(self._ours)


def _controlling() -> None:
    fcntl.ioctl(0, termios.TIOCSCTTY, 0)
    signal.signal(signal.SIGINT, signal.SIG_DFL)  # whatever the tests' own parent ignores


@contextmanager
def terminal(sealane: Cluster, form: dict[str, str], *arguments: str) -> Iterator[Terminal]:
    """kubectl with these arguments; form: more of its environment."""
    opened = Terminal([kubectl_path(), *arguments], {**os.environ, **form, "KUBECONFIG": sealane.kubeconfig})
    try:
        yield opened
    finally:
        opened.close()
