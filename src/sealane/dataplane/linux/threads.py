"""A thread that lives in a network namespace.

A namespace is a property of a thread, so one worker thread for each node does that node's netlink and nftables work
while the rest of the process stays where it is.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from typing import ParamSpec, TypeVar

from sealane.dataplane.linux.libc import enter

P = ParamSpec("P")
T = TypeVar("T")


class NamespaceThread:
    """One thread inside the network namespace at `path`; calls run there one after another."""

    def __init__(self, path: str, name: str) -> None:
        self.path = path
        self.name = name
        self._executor = ThreadPoolExecutor(1, thread_name_prefix=name, initializer=enter, initargs=(path,))

    def call(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `function` in the namespace and waits for it (for callers without an event loop)."""
        return self._executor.submit(function, *args, **kwargs).result()

    async def run(self, function: Callable[P, T], *args: P.args, **kwargs: P.kwargs) -> T:
        """Runs `function` in the namespace without blocking the event loop."""
        return await asyncio.wrap_future(self._executor.submit(function, *args, **kwargs))

    def close(self) -> None:
        self._executor.shutdown(wait=True)
