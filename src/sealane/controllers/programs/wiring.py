"""Writes what `making` wants, once for each pod, and goes on until it is written."""

from __future__ import annotations

import asyncio
import base64
import logging
import secrets
from collections.abc import Callable, Mapping, Sequence

import msgspec

from sealane.controllers.programs.making import Certificate, Wanted, WantedBundle, WantedSecret, wanted
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import MUTATINGWEBHOOKS, SECRET, VALIDATINGWEBHOOKS
from sealane.kube.objects import Key, Object, Raw
from sealane.reactive.backoff import Backoff
from sealane.reactive.collections import Change, Collection
from sealane.reactive.recorder import Recorder

log = logging.getLogger(__name__)

TRIES = 12


class Authority(msgspec.Struct, frozen=True):
    """ca: PEM of the cluster's CA. issue(names): a server's certificate and its key, both PEM; slow."""

    ca: str
    issue: Callable[[Sequence[str]], tuple[bytes, bytes]]


class Programs:
    """Follows pods from `start` on."""

    def __init__(self, client: Client, pods: Collection[Key, Object], authority: Authority) -> None:
        self._client = client
        self._pods = pods
        self._authority = authority
        self._recorder = Recorder(client, "stand-ins")
        self._done: set[str] = set()
        self._tasks: set[asyncio.Task[None]] = set()

    def start(self) -> None:
        """Needs a running event loop and a synced informer."""
        self._pods.subscribe(self._receive)

    def _receive(self, changes: Sequence[Change[Key, Object]]) -> None:
        for change in changes:
            pod = change.new
            if pod is None:
                self._done.discard(change.old.uid if change.old is not None else "")
            elif pod.uid not in self._done and not pod.deleting and (things := wanted(pod)):
                self._done.add(pod.uid)
                for each in things:
                    task = asyncio.create_task(self._make(pod, each), name=f"what {pod.key} would write")
                    self._tasks.add(task)
                    task.add_done_callback(self._tasks.discard)

    async def _make(self, pod: Object, thing: Wanted) -> None:
        backoff = Backoff(first=0.2, longest=10.0)
        for failures in range(1, TRIES + 1):
            try:
                said = await (self._secret(thing) if isinstance(thing, WantedSecret) else self._bundles(thing))
            except (ApiError, OSError) as error:
                log.info("%s: %s: %s", pod.key, thing.name, error)
                await asyncio.sleep(backoff.delay(failures))
                continue
            for each in said:
                self._recorder.record(pod, "Normal", "WrittenInItsPlace", f"{each}, as the program in its image would")
            return

    async def _secret(self, thing: WantedSecret) -> list[str]:
        try:
            before = await self._client.get(SECRET, thing.namespace, thing.name)
        except ApiError as error:
            if error.code != 404:
                raise
            before = None
        data: Mapping[str, str] = (before.raw.get("data") or {}) if before is not None else {}
        certificate = thing.certificate
        added: dict[str, bytes] = {}
        if certificate is not None and not data.get(certificate.certificate):
            added = await asyncio.to_thread(self._issued, certificate)
        for key, size in thing.random.items():
            if not data.get(key):
                added[key] = base64.b64encode(secrets.token_bytes(size))
        if not added:
            return []
        text = {key: base64.b64encode(value).decode() for key, value in added.items()}
        if before is None:
            metadata = {"name": thing.name, "namespace": thing.namespace}
            await self._client.create(SECRET, {"metadata": metadata, "type": "Opaque", "data": text})
        else:
            await self._client.patch(SECRET, thing.namespace, thing.name, {"data": text})
        return [f"Secret {thing.name} is {'made' if before is None else 'filled'}"]

    def _issued(self, wanted: Certificate) -> dict[str, bytes]:
        certificate, key = self._authority.issue([name for name in wanted.names if name] or ["localhost"])
        return {wanted.certificate: certificate, wanted.key: key, wanted.ca: self._authority.ca.encode()}

    async def _bundles(self, thing: WantedBundle) -> list[str]:
        said: list[str] = []
        for kind, meant in ((VALIDATINGWEBHOOKS, thing.validating), (MUTATINGWEBHOOKS, thing.mutating)):
            if not meant:
                continue
            found = await self._client.get(kind, "", thing.name)
            bundle = base64.b64encode(self._authority.ca.encode()).decode()
            hooks: list[Raw] = [
                {
                    **hook,
                    "clientConfig": {**(hook.get("clientConfig") or {}), "caBundle": bundle},
                    **({"failurePolicy": thing.policy} if thing.policy else {}),
                }
                for hook in found.raw.get("webhooks") or ()
            ]
            if hooks != found.raw.get("webhooks"):
                await self._client.patch(kind, "", thing.name, {"webhooks": hooks})
                said.append(f"the CA is written into {kind.kind} {thing.name}")
        return said
