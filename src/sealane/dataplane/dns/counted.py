"""The API's client, whose requests are counted as CoreDNS' client counts them (https://coredns.io/plugins/kubernetes/)."""

from __future__ import annotations

import contextlib
import time
from collections.abc import AsyncIterator, Iterator, Sequence
from typing import Any, cast

from sealane.dataplane.dns.metrics import Metrics
from sealane.kube.client.protocol import ApiError, Client, ObjectList, WatchEvent
from sealane.kube.kinds import Kind
from sealane.kube.objects import Object
from sealane.network.addresses import KUBERNETES_SERVICE

HOST = f"{KUBERNETES_SERVICE}:443"
"""What the API is called, whichever way it is reached."""
FAILED = "<error>"
"""In place of a response code when there was no response, as client-go has it."""


def counted(client: Client, metrics: Metrics) -> Client:
    """`client`, what it reads being counted in `metrics`."""
    return cast(Client, _Counted(client, metrics))


class _Counted:
    def __init__(self, client: Client, metrics: Metrics) -> None:
        self._client = client
        self._metrics = metrics

    def __getattr__(self, name: str) -> Any:  # What writes is not counted.
        return getattr(self._client, name)

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        with self._counting():
            return await self._client.get(kind, namespace, name)

    async def list(self, kind: Kind, namespace: str | None = None, **options: Any) -> ObjectList:
        with self._counting():
            return await self._client.list(kind, namespace, **options)

    async def watch(
        self, kind: Kind, namespace: str | None = None, **options: Any
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        with self._counting(lasts=True):
            async for events in self._client.watch(kind, namespace, **options):
                yield events

    @contextlib.contextmanager
    def _counting(self, *, lasts: bool = False) -> Iterator[None]:
        """lasts: it is a watch, whose duration says nothing."""
        started, code = time.perf_counter(), "200"
        if lasts:
            self._count(code)
        try:
            yield
        except ApiError as error:
            code = str(error.code)
            raise
        except OSError:
            code = FAILED
            raise
        finally:
            if not lasts or code != "200":
                self._count(code)
            if not lasts:
                took = time.perf_counter() - started
                self._metrics.observe(
                    "coredns_kubernetes_rest_client_request_duration_seconds", "GET", HOST, value=took
                )

    def _count(self, code: str) -> None:
        self._metrics.add("coredns_kubernetes_rest_client_requests_total", code, "GET", HOST)
