"""The caller's half of the agent socket, blocking: for the command line and for tests."""

from __future__ import annotations

import array
import contextlib
import fcntl
import json
import os
import selectors
import signal
import socket
import struct
import termios
import tty
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO

from sealane.dataplane.linux.probe import Outcome

FORWARDED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP, signal.SIGQUIT, signal.SIGUSR1, signal.SIGUSR2)

PROBES_AT_ONCE = 1000
"""Of one request, which is at most 160 kB."""


class AgentError(Exception):
    """The agent does not answer, or says why it cannot do what was asked."""


def exec_in_pod(
    agent_socket: Path,
    namespace: str,
    pod: str,
    argv: Sequence[str],
    *,
    container: str = "",
    env: Mapping[str, str] | None = None,
    cwd: str = "",
    terminal: bool = False,
    stdio: tuple[int, int, int] = (0, 1, 2),
) -> int:
    """Runs `argv` in a pod's namespaces with these descriptors; its exit code (128 + N when signal N ended it).

    env: in addition to the container's own. terminal: give it a terminal of its own, coupled to stdin and stdout.
    Signals that this process gets meanwhile are passed on. Raises AgentError.
    """
    request: dict[str, Any] = {"op": "exec", "namespace": namespace, "pod": pod, "argv": list(argv)}
    request |= {"container": container, "env": dict(env or {}), "cwd": cwd, "tty": terminal}
    return _run(agent_socket, request, stdio, terminal)


def run_outside(
    agent_socket: Path,
    argv: Sequence[str],
    *,
    env: Mapping[str, str] | None = None,
    cwd: str = "",
    terminal: bool = False,
    stdio: tuple[int, int, int] = (0, 1, 2),
) -> int:
    """Runs `argv` on the host's file system in the network namespace *outside*; its exit code. Raises AgentError.

    env: the whole environment (default: this process's). cwd: default this process's.
    """
    request: dict[str, Any] = {"op": "run_outside", "argv": list(argv), "tty": terminal}
    request |= {"env": dict(os.environ if env is None else env), "cwd": cwd or os.getcwd()}
    return _run(agent_socket, request, stdio, terminal)


def logs(
    agent_socket: Path,
    namespace: str,
    pod: str,
    *,
    container: str = "",
    follow: bool = False,
    tail: int = -1,
    previous: bool = False,
) -> Iterator[bytes]:
    """A container's log in pieces, as they come. tail: only so many last lines. Raises AgentError."""
    request = {"op": "logs", "namespace": namespace, "pod": pod, "container": container}
    with _connect(agent_socket) as connection:
        options = {"follow": follow, "tail": tail, "previous": previous}
        _send(connection, request | options, ())
        with connection.makefile("rb") as stream:
            _answer(stream)
            with _went_away():
                while piece := stream.read1(65536):
                    yield piece


def probe(
    agent_socket: Path, requests: Sequence[Mapping[str, Any]], progress: Callable[[int], None] = lambda done: None
) -> list[Outcome]:
    """The outcome of each connection tried from inside a pod or outside; see `linux.probe`. Raises AgentError.

    progress: told how many are done, now and then.
    """
    outcomes: list[Outcome] = []
    for start in range(0, len(requests), PROBES_AT_ONCE):
        with _connect(agent_socket) as connection:
            request = {"op": "probe", "probes": list(requests[start : start + PROBES_AT_ONCE])}
            _send(connection, request, ())
            with connection.makefile("rb") as stream:
                outcomes += _answer(stream)["outcomes"]
        progress(len(outcomes))
    return outcomes


def _run(agent_socket: Path, request: dict[str, Any], stdio: tuple[int, int, int], terminal: bool) -> int:
    with _connect(agent_socket) as connection, _forwarding(connection):
        if terminal:
            return _in_terminal(connection, request, stdio)
        _send(connection, request, stdio)
        with connection.makefile("rb") as stream:
            return int(_answer(stream)["exit"])


@contextlib.contextmanager
def _connect(agent_socket: Path) -> Iterator[socket.socket]:
    """A connection to the agent. Raises AgentError when the agent does not answer."""
    with socket.socket(socket.AF_UNIX, socket.SOCK_STREAM) as connection:
        try:
            connection.connect(str(agent_socket))
        except OSError as error:
            raise AgentError(f"the node agent does not answer at {agent_socket}: {error.strerror}") from None
        yield connection


def _send(connection: socket.socket, request: dict[str, Any], stdio: Sequence[int]) -> None:
    """The agent may answer and close before all is sent, so its answer or the lack of one counts, not a broken pipe.

    No empty rest is sent: to an end that is closed, that too is a broken pipe.
    """
    data = json.dumps(request).encode() + b"\n"
    ancillary = [(socket.SOL_SOCKET, socket.SCM_RIGHTS, array.array("i", stdio))] if stdio else []
    with contextlib.suppress(ConnectionError):
        if rest := data[connection.sendmsg([data], ancillary) :]:
            connection.sendall(rest)


def _answer(stream: BinaryIO) -> dict[str, Any]:
    """Raises AgentError."""
    with _went_away():
        return _checked(stream.readline())


@contextlib.contextmanager
def _went_away() -> Iterator[None]:
    """The agent's end of a connection may break while we read: no broken pipe of ours."""
    try:
        yield
    except ConnectionError:
        raise AgentError("the node agent went away") from None


def _checked(line: bytes) -> dict[str, Any]:
    if not line:
        raise AgentError("the node agent went away")
    answer: dict[str, Any] = json.loads(line)
    if "error" in answer:
        raise AgentError(answer["error"])
    return answer


@contextlib.contextmanager
def _forwarding(connection: socket.socket) -> Iterator[None]:
    def forward(number: int, _frame: object) -> None:
        with contextlib.suppress(OSError):
            connection.sendall(json.dumps({"signal": number}).encode() + b"\n")

    try:
        former = {number: signal.signal(number, forward) for number in FORWARDED}
    except ValueError:  # not the main thread: signals are not ours to handle
        former = {}
    try:
        yield
    finally:
        for number, handler in former.items():
            signal.signal(number, handler)


def _in_terminal(connection: socket.socket, request: dict[str, Any], stdio: tuple[int, int, int]) -> int:
    """The program gets a terminal of its own; ours becomes a mere line to it."""
    ours, theirs = os.openpty()
    keyboard, screen, _ = stdio
    former = termios.tcgetattr(keyboard) if os.isatty(keyboard) else None
    try:
        if former is not None:
            tty.setraw(keyboard)
            _copy_size(keyboard, ours)
            signal.signal(signal.SIGWINCH, lambda *_: _copy_size(keyboard, ours))
        _send(connection, request, (theirs, theirs, theirs))
        os.close(theirs)
        return _couple(connection, keyboard, screen, ours)
    finally:
        if former is not None:
            signal.signal(signal.SIGWINCH, signal.SIG_DFL)
            termios.tcsetattr(keyboard, termios.TCSADRAIN, former)
        os.close(ours)


def _copy_size(source: int, target: int) -> None:
    with contextlib.suppress(OSError):
        size = fcntl.ioctl(source, termios.TIOCGWINSZ, struct.pack("HHHH", 0, 0, 0, 0))
        fcntl.ioctl(target, termios.TIOCSWINSZ, size)


def _couple(connection: socket.socket, keyboard: int, screen: int, terminal: int) -> int:
    answer = b""
    with selectors.DefaultSelector() as selector:
        for fd in (connection.fileno(), terminal):
            selector.register(fd, selectors.EVENT_READ)
        with contextlib.suppress(PermissionError, ValueError, KeyError):  # a file as stdin cannot be waited for
            selector.register(keyboard, selectors.EVENT_READ)
        while True:
            for key, _ in selector.select():
                if key.fd == terminal:
                    try:
                        data = os.read(terminal, 65536)
                    except OSError:  # the program's end is closed
                        data = b""
                    if data:
                        os.write(screen, data)
                    else:
                        selector.unregister(terminal)
                elif key.fd == keyboard:
                    data = os.read(keyboard, 65536)
                    if data:
                        os.write(terminal, data)
                    else:
                        selector.unregister(keyboard)
                        os.write(terminal, b"\x04")
                else:
                    with _went_away():
                        data = connection.recv(4096)
                    answer += data
                    if not data or answer.endswith(b"\n"):
                        _drain(terminal, screen)
                        return int(_checked(answer)["exit"])


def _drain(terminal: int, screen: int) -> None:
    """The last output of the program."""
    os.set_blocking(terminal, False)
    with contextlib.suppress(OSError):
        while data := os.read(terminal, 65536):
            os.write(screen, data)
