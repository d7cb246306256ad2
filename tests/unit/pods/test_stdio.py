"""The streams of a program, on both event loops: an attachment in the way never keeps its output from its log."""

from __future__ import annotations

import asyncio
import os
from collections.abc import Awaitable, Callable
from pathlib import Path

import pytest
import uvloop

from sealane.dataplane.pods.stdio import Stdio


@pytest.mark.parametrize("run", [asyncio.run, uvloop.run])
def test_output_goes_to_an_attached_file_and_on_to_the_log(
    run: Callable[[Awaitable[None]], None], tmp_path: Path
) -> None:
    async def play() -> None:
        stdio = Stdio(tmp_path / "log", stdin=False, once=False, tty=False)
        program = os.dup(stdio.theirs[1])
        stdio.started()
        files = [os.open(tmp_path / name, os.O_RDWR | os.O_CREAT) for name in ("in", "out", "err")]
        attachment = stdio.attach((files[0], files[1], files[2]), types=False)
        for line in (b"one\n", b"two\n"):
            os.write(program, line)
            async with asyncio.timeout(60):
                while line.strip() not in (tmp_path / "log").read_bytes():
                    await asyncio.sleep(0.005)
        assert (tmp_path / "out").read_bytes() == b"one\ntwo\n"
        os.close(program)
        await stdio.drained()
        stdio.close()
        assert attachment.ended.is_set()
        attachment.close()

    run(play())


def test_the_first_who_attaches_to_an_ephemeral_container_sees_what_it_said_before(tmp_path: Path) -> None:
    async def play() -> None:
        stdio = Stdio(tmp_path / "log", stdin=True, once=False, tty=False, ephemeral=True)
        program = os.dup(stdio.theirs[1])
        stdio.started()
        os.write(program, b"said\n")
        os.close(program)
        await stdio.drained()
        for expected in (b"said\n", b""):
            read_end, write_end = os.pipe()
            nothing = os.open(os.devnull, os.O_RDONLY), os.open(os.devnull, os.O_WRONLY)
            attachment = stdio.attach((nothing[0], write_end, nothing[1]), types=False)
            attachment.finish()
            await asyncio.wait_for(attachment.ended.wait(), 60)
            attachment.close()
            assert os.read(read_end, 100) == expected
            os.close(read_end)
        stdio.close()

    asyncio.run(play())
