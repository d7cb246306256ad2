"""The command line's end of the agent socket."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from sealane.dataplane.pods import exec as agent
from sealane.dataplane.pods.exec import AgentError, logs, run_outside

GREAT = ["x" * 4_000_000]
"""A command that does not fit what the kernel keeps."""


@contextlib.contextmanager
def an_agent(path: Path, serve: Callable[[socket.socket], None]) -> Iterator[Path]:
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)

        def once() -> None:
            with listener.accept()[0] as connection:
                serve(connection)

        serving = threading.Thread(target=once)
        serving.start()
        try:
            yield path
        finally:
            serving.join()


@pytest.mark.parametrize("command", [["true"], GREAT])
def test_an_agent_that_closes_the_connection_is_an_error_and_not_an_exit_code(
    tmp_path: Path, command: list[str]
) -> None:
    with (
        an_agent(tmp_path / "agent.sock", lambda connection: None) as path,
        pytest.raises(AgentError, match="the node agent went away"),
    ):
        run_outside(path, command)


def test_an_agent_that_answers_and_closes_at_once_is_heard(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Its answer counts, also where it left before the caller went on: sending nothing more is no broken pipe."""
    served = threading.Event()

    class Slow(socket.socket):
        def sendmsg(self, *sent: object) -> int:
            length = super().sendmsg(*sent)  # type: ignore[arg-type]
            assert served.wait(10)
            return length

    def serve(connection: socket.socket) -> None:
        assert json.loads(connection.recv(4096))["op"] == "logs"
        connection.sendall(b'{"ok": true}\nthe log\n')
        connection.close()
        served.set()

    monkeypatch.setattr(agent.socket, "socket", Slow)
    with an_agent(tmp_path / "agent.sock", serve) as path:
        assert b"".join(logs(path, "n", "p")) == b"the log\n"


def test_an_error_said_before_the_whole_request_was_read_is_heard(tmp_path: Path) -> None:
    def refuse(connection: socket.socket) -> None:
        connection.sendall(b'{"error": "too long"}\n')
        connection.shutdown(socket.SHUT_RD)

    with an_agent(tmp_path / "agent.sock", refuse) as path, pytest.raises(AgentError, match="too long"):
        run_outside(path, GREAT)
