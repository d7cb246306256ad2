"""Logs through the agent's socket: a real socket, an agent of a few lines."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path

import pytest

from sealane.apiserver.node_agent import LogOptions
from sealane.apiserver.pods.logs import agent_logs, log_options
from sealane.kube.client.protocol import ApiError


async def collect(path: Path, pod: str, tail: int = -1) -> bytes:
    reader = agent_logs(path)
    return b"".join([piece async for piece in reader("shop", pod, "web", LogOptions(tail=tail))])


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


def test_the_options_of_a_request() -> None:
    assert log_options("web", {}) == LogOptions()
    asked = {"follow": "true", "tailLines": "0", "limitBytes": "10", "sinceSeconds": "5", "timestamps": "1"}
    assert log_options("web", asked, lambda: 100.0) == LogOptions(True, False, 0, 95.0, True, 10)
    assert log_options("web", {"sinceTime": "1970-01-01T00:01:00Z"}).since == 60.0


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ({"tailLines": "-1"}, "tailLines: Invalid value: -1: must be greater than or equal to 0"),
        ({"limitBytes": "0"}, "limitBytes: Invalid value: 0: must be greater than 0"),
        ({"sinceSeconds": "1", "sinceTime": "1970-01-01T00:01:00Z"}, "at most one of `sinceTime` or `sinceSeconds`"),
        ({"sinceTime": "yesterday"}, 'parsing time "yesterday"'),
        ({"tailLines": "many"}, 'parsing "many": invalid syntax'),
    ],
)
def test_options_that_make_no_sense_are_refused(query: dict[str, str], message: str) -> None:
    with pytest.raises(ApiError) as refused:
        log_options("web", query)
    assert message in refused.value.message
    assert refused.value.code in (400, 422)
