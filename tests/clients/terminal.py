"""A terminal with a program in it, as a person has it: type, and wait for what appears."""

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
from collections.abc import Mapping, Sequence
from contextlib import suppress
from pathlib import Path
from types import TracebackType


def _interruptible() -> None:
    """What runs in the background of a script (nohup, &) inherits that Ctrl-C is ignored; in a shell it is not."""
    signal.signal(signal.SIGINT, signal.SIG_DFL)


class Terminal:
    """Starts `argv` in a terminal of its own. `screen` is all that appeared, with plain line ends."""

    def __init__(self, argv: Sequence[str], env: Mapping[str, str], cwd: Path, *, columns: int = 200) -> None:
        self._fd, inner = pty.openpty()
        fcntl.ioctl(inner, termios.TIOCSWINSZ, struct.pack("HHHH", 40, columns, 0, 0))
        try:
            self._process = subprocess.Popen(
                argv,
                stdin=inner,
                stdout=inner,
                stderr=inner,
                env=env,
                cwd=cwd,
                start_new_session=True,
                preexec_fn=_interruptible,
            )
        finally:
            os.close(inner)
        self._raw = b""

    @property
    def screen(self) -> str:
        return re.sub(r"\r+\n", "\n", self._raw.decode(errors="replace"))

    def type(self, text: str) -> None:
        os.write(self._fd, text.encode())

    def expect(self, pattern: str, seconds: float = 30, *, after: int = 0) -> str:
        """What appears from position `after` of the screen on, once it matches. AssertionError with it, if not in time.

        (A program's end is not waited for here.)
        """
        deadline = time.monotonic() + seconds
        while not re.search(pattern, self.screen[after:], re.MULTILINE):
            assert time.monotonic() < deadline, f"no {pattern!r} in:\n{self.screen}"
            if not self._read(deadline):
                assert re.search(pattern, self.screen[after:], re.MULTILINE), f"no {pattern!r} in:\n{self.screen}"
        return self.screen[after:]

    def wait(self, seconds: float = 60) -> int:
        """The program's exit code, after all that it says."""
        deadline = time.monotonic() + seconds
        while self._read(deadline):
            assert time.monotonic() < deadline, f"still running after {seconds:g} s:\n{self.screen}"
        return self._process.wait(max(0.1, deadline - time.monotonic()))

    def _read(self, deadline: float) -> bool:
        """Reads what is there, or waits a moment. False when the program has closed the terminal."""
        if select.select([self._fd], [], [], max(0.0, min(0.5, deadline - time.monotonic())))[0]:
            try:
                data = os.read(self._fd, 65536)
            except OSError:  # EIO: nobody has the other end any more
                return False
            self._raw += data
            return bool(data)
        return True

    def __enter__(self) -> Terminal:
        return self

    def __exit__(self, *_: type[BaseException] | BaseException | TracebackType | None) -> None:
        if self._process.poll() is None:
            with suppress(ProcessLookupError):
                os.killpg(self._process.pid, signal.SIGKILL)
            self._process.wait()
        os.close(self._fd)
