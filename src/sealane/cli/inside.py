"""`sealane exec` and `sealane logs`."""

from __future__ import annotations

import asyncio
import os
import sys

from sealane.cli.connect import answering, find_pod, require, running
from sealane.cli.say import BAD_INPUT, NOT, OK, Exit, guarded
from sealane.cluster.state import Folder


def exec_(name: str, namespace: str, pod: str, container: str, command: list[str]) -> int:
    return guarded(lambda: _exec(name, namespace, pod, container, command))


def _exec(name: str, namespace: str, pod: str, container: str, command: list[str]) -> int:
    from sealane.dataplane.pods.exec import AgentError, exec_in_pod

    command = command[1:] if command[0] == "--" else command
    if not command:
        raise Exit(BAD_INPUT, "exec: nothing follows --")
    folder, _ = running(name)
    found = asyncio.run(_find(folder, namespace, pod))
    require(folder, "nodes")
    try:
        return exec_in_pod(
            folder.agent_socket,
            namespace,
            found,
            command,
            container=container,
            terminal=all(os.isatty(fd) for fd in (0, 1, 2)),
        )
    except AgentError as error:
        raise Exit(NOT, str(error)) from None


def logs(name: str, namespace: str, pod: str, container: str, *, follow: bool, tail: int, previous: bool) -> int:
    return guarded(lambda: _logs(name, namespace, pod, container, follow=follow, tail=tail, previous=previous))


def _logs(name: str, namespace: str, pod: str, container: str, *, follow: bool, tail: int, previous: bool) -> int:
    from sealane.dataplane.pods import exec as agent

    folder, _ = running(name)
    found = asyncio.run(_find(folder, namespace, pod))
    require(folder, "nodes")
    try:
        for piece in agent.logs(
            folder.agent_socket, namespace, found, container=container, follow=follow, tail=tail, previous=previous
        ):
            sys.stdout.buffer.write(piece)
            sys.stdout.buffer.flush()
    except agent.AgentError as error:
        raise Exit(NOT, str(error)) from None
    return OK


async def _find(folder: Folder, namespace: str, reference: str) -> str:
    async with answering(folder) as client:
        try:
            return (await find_pod(client, namespace, reference)).name
        except OSError as error:
            raise Exit(NOT, f"the API of cluster {folder.name!r} cannot be reached: {error}") from None
