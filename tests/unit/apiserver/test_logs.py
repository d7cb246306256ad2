"""Logs through the agent's socket: a real socket, an agent of a few lines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sealane.apiserver.logs import agent_logs
from sealane.kube.client import ApiError


async def collect(path: Path, pod: str, tail: int | None = None) -> bytes:
    reader = agent_logs(path)
    return b"".join([piece async for piece in reader("shop", pod, "web", False, tail, False)])


def test_the_agent_is_asked_and_its_bytes_come_through(tmp_path: Path) -> None:
    asked = []

    async def agent(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        request = json.loads(await reader.readline())
        asked.append(request)
        if request["pod"] == "web-0":
            writer.write(b'{"ok": true}\n' + b"line\n" * 50_000)
        else:
            writer.write(b'{"error": "no pod shop/gone"}\n')
        writer.close()

    async def test() -> None:
        async with await asyncio.start_unix_server(agent, tmp_path / "agent.sock"):
            assert await collect(tmp_path / "agent.sock", "web-0", tail=5) == b"line\n" * 50_000
            assert (asked[0]["op"], asked[0]["tail"], asked[0]["container"]) == ("logs", 5, "web")
            with pytest.raises(ApiError, match="no pod shop/gone") as refused:
                await collect(tmp_path / "agent.sock", "gone")
            assert refused.value.code == 400
            assert asked[1]["tail"] == -1

    asyncio.run(test())


def test_without_an_agent_the_answer_is_503(tmp_path: Path) -> None:
    with pytest.raises(ApiError, match="the node agent cannot be reached") as refused:
        asyncio.run(collect(tmp_path / "agent.sock", "web-0"))
    assert refused.value.code == 503
