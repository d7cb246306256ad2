"""The log of a container, a line for each piece of output: when it came, from which stream, whether its line goes on.

    2026-11-21T14:00:00.123456789Z stdout F the text of a line
    2026-11-21T14:00:01.000000000Z stderr P the beginning of a line that

Source: the CRI logging format
(https://github.com/kubernetes/design-proposals-archive/blob/main/node/kubelet-cri-logging.md); what `Query` does to it
is PodLogOptions of the API reference, as k8s.io/kubernetes/pkg/kubelet/kuberuntime/logs does it.
"""

from __future__ import annotations

import os
import time
from pathlib import Path
from typing import Literal

import msgspec

CHUNK = 65536
FORMAT_BYTES = 30
"""Length of a timestamp as written here: always nine digits of a second, so that times sort as text."""


class Query(msgspec.Struct):
    """The wanted part of a log. tail: the last so many lines, -1 for all. since: seconds since the epoch, 0 for all.

    limit: bytes of the answer, 0 for no limit.
    """

    follow: bool = False
    tail: int = -1
    since: float = 0.0
    timestamps: bool = False
    limit: int = 0


def stamp(now_ns: int) -> bytes:
    """RFC 3339 with nanoseconds, in UTC."""
    seconds, rest = divmod(now_ns, 1_000_000_000)
    return b"%s.%09dZ" % (time.strftime("%Y-%m-%dT%H:%M:%S", time.gmtime(seconds)).encode(), rest)


def encode(data: bytes, stream: Literal["stdout", "stderr"], now_ns: int) -> bytes:
    """The lines of the log for output that came at `now_ns`."""
    head = stamp(now_ns) + b" " + stream.encode()
    *whole, rest = data.split(b"\n")
    full, part = head + b" F ", head + b" P "
    lines = [full + line + b"\n" for line in whole]
    if rest:
        lines.append(part + rest + b"\n")
    return b"".join(lines)


class Shown:
    """Turns pieces of a log into what `query` wants to see of it."""

    def __init__(self, query: Query) -> None:
        self._query = query
        self._since = stamp(int(query.since * 1e9)) if query.since else b""
        self._rest = b""
        self._goes_on = False  # the line before was a part of one
        self._left = query.limit or None

    @property
    def is_over(self) -> bool:
        """The limit is reached."""
        return self._left == 0

    def feed(self, data: bytes) -> bytes:
        *lines, self._rest = (self._rest + data).split(b"\n")
        shown = b"".join(self._line(line) for line in lines)
        if self._left is not None:
            shown = shown[: self._left]
            self._left -= len(shown)
        return shown

    def _line(self, line: bytes) -> bytes:
        when, _, tagged = line.partition(b" ")
        _, _, tagged = tagged.partition(b" ")
        tag, _, text = tagged.partition(b" ")
        if when < self._since:
            return b""
        head = when + b" " if self._query.timestamps and not self._goes_on else b""
        self._goes_on = tag == b"P"
        return head + text if self._goes_on else head + text + b"\n"


def start_of_tail(path: Path, lines: int) -> int:
    """The position where the last `lines` lines of output begin; 0 for all of them (lines < 0)."""
    if lines < 0 or not path.exists():
        return 0
    with path.open("rb") as file:
        position = file.seek(0, os.SEEK_END)
        if lines == 0:
            return position
        tail = b""
        while position > 0:
            step = min(CHUNK, position)
            position -= step
            file.seek(position)
            tail = file.read(step) + tail
            if tail.count(b"\n") > lines and (found := _tail_in(tail, lines)) is not None:
                return position + found
    return 0


def _tail_in(log: bytes, lines: int) -> int | None:
    """The start of the last `lines` lines of output, when the end of the line before them is in `log` too."""
    end = len(log)
    ended = 0
    while (start := log.rfind(b"\n", 0, end - 1) + 1) or end:
        entry = log[start:end]
        is_end = entry[FORMAT_BYTES + 8 : FORMAT_BYTES + 9] == b"F"
        if is_end and ended == lines:
            return end
        ended += is_end or end == len(log)
        if not start:
            return None
        end = start
    return None


def read(path: Path, position: int) -> bytes:
    """A piece from `position` on; b"" at the end, and where there is no file."""
    try:
        with path.open("rb") as file:
            file.seek(position)
            return file.read(CHUNK)
    except FileNotFoundError:
        return b""


def begun_anew(path: Path, position: int) -> bool:
    """Whether the log is shorter than what was read of it: another has taken its place."""
    try:
        return path.stat().st_size < position
    except FileNotFoundError:
        return False
