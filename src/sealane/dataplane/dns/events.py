"""Events that the DNS server writes on what configures it."""

from __future__ import annotations

import asyncio
import logging
from datetime import UTC, datetime
from uuid import uuid4

from sealane.kube.client import ApiError, Client
from sealane.kube.kinds import EVENT
from sealane.kube.objects import Object, Raw

log = logging.getLogger(__name__)
COMPONENT = "coredns"


class Events:
    """`tell` never blocks and never fails."""

    def __init__(self, client: Client) -> None:
        self._client = client
        self._writing: set[asyncio.Task[None]] = set()

    def tell(self, about: Object, type_: str, reason: str, message: str) -> None:
        """type_: "Normal" or "Warning"."""
        now = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        raw: Raw = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {"name": f"{about.name[:220]}.{uuid4().hex[:16]}", "namespace": about.namespace},
            "involvedObject": {
                "apiVersion": about.raw.get("apiVersion", "v1"),
                "kind": about.kind,
                "namespace": about.namespace,
                "name": about.name,
                "uid": about.uid,
            },
            "type": type_,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": COMPONENT},
            "reportingComponent": COMPONENT,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        task = asyncio.create_task(self._write(raw))
        self._writing.add(task)
        task.add_done_callback(self._writing.discard)

    async def close(self) -> None:
        for task in self._writing:
            task.cancel()
        await asyncio.gather(*self._writing, return_exceptions=True)

    async def _write(self, raw: Raw) -> None:
        try:
            await self._client.create(EVENT, raw)
        except (ApiError, OSError) as error:
            log.warning("event not written: %s", error)
