"""Events on pods, written behind everything else: they inform people, and nothing waits for them."""

from __future__ import annotations

import asyncio
import logging
import time
from collections.abc import Mapping
from dataclasses import dataclass

from sealane.kube.client import ApiError, Client
from sealane.kube.kinds import EVENT
from sealane.kube.objects import Object, Raw
from sealane.kube.times import timestamp

log = logging.getLogger(__name__)

MAX_WAITING = 5_000
MAX_KNOWN = 20_000


@dataclass(slots=True)
class _Known:
    name: str
    count: int


class Recorder:
    """`tell` never blocks and never fails; `run` writes. The same thing said again raises the count of its Event.

    component: `source.component` of the Events, "kubelet" for what a kubelet would say.
    """

    def __init__(self, client: Client, component: str = "kubelet") -> None:
        self._client = client
        self._component = component
        self._queue: asyncio.Queue[tuple[tuple[str, str, str], Raw]] = asyncio.Queue(MAX_WAITING)
        self._known: dict[tuple[str, str, str], _Known] = {}
        self._serial = 0

    def tell(self, about: Object, type_: str, reason: str, message: str, *, host: str = "", field: str = "") -> None:
        """field: the part of the object it is about, e.g. "spec.containers{web}"."""
        now = timestamp(time.time())
        reference = {
            "apiVersion": about.raw.get("apiVersion", "v1"),
            "kind": about.kind,
            "namespace": about.namespace,
            "name": about.name,
            "uid": about.uid,
        }
        if field:
            reference["fieldPath"] = field
        self._serial = max(self._serial + 1, time.time_ns())  # as in client-go: the names of its Events sort by time
        raw: Raw = {
            "apiVersion": EVENT.api_version,
            "kind": EVENT.kind,
            "metadata": {
                "name": f"{about.name[:220]}.{self._serial:x}",
                "namespace": about.namespace or "default",
            },
            "involvedObject": reference,
            "type": type_,
            "reason": reason,
            "message": message[:1024],
            "source": {"component": self._component, **({"host": host} if host else {})},
            "reportingComponent": self._component,
            "reportingInstance": host,
            "firstTimestamp": now,
            "lastTimestamp": now,
            "count": 1,
        }
        try:
            self._queue.put_nowait(((about.uid, reason, message), raw))
        except asyncio.QueueFull:
            log.warning("event dropped: %s %s: %s", about.key, reason, message)

    async def run(self) -> None:
        """Writes until cancelled, one Event at a time."""
        while True:
            key, raw = await self._queue.get()
            try:
                await self._write(key, raw)
            except ApiError as error:
                log.debug("event not written: %s", error)  # its namespace is going, most often
            except OSError as error:
                log.debug("event not written: %s", error)
                await asyncio.sleep(0.5)

    async def _write(self, key: tuple[str, str, str], raw: Raw) -> None:
        known = self._known.get(key)
        namespace: str = raw["metadata"]["namespace"]
        if known is not None:
            known.count += 1
            patch: Mapping[str, object] = {"count": known.count, "lastTimestamp": raw["lastTimestamp"]}
            await self._client.patch(EVENT, namespace, known.name, patch)
            return
        await self._client.create(EVENT, raw)
        if len(self._known) >= MAX_KNOWN:
            self._known.clear()
        self._known[key] = _Known(raw["metadata"]["name"], 1)
