"""The command line's end of the agent socket."""

from __future__ import annotations

import socket
import threading
from pathlib import Path

import pytest

from sealane.dataplane.pods.exec import AgentError, run_outside


def test_an_agent_that_closes_the_connection_is_an_error_and_not_an_exit_code(tmp_path: Path) -> None:
    """The request does not fit what the kernel keeps, so that it is sent to an end which is closed."""
    path = tmp_path / "agent.sock"
    with socket.socket(socket.AF_UNIX) as listener:
        listener.bind(str(path))
        listener.listen(1)
        closing = threading.Thread(target=lambda: listener.accept()[0].close())
        closing.start()
        with pytest.raises(AgentError, match="the node agent went away"):
            run_outside(path, ["x" * 4_000_000])
        closing.join()
