"""Approved CertificateSigningRequests of the cluster's own signers get their certificate.

Source: k8s.io/kubernetes/pkg/controller/certificates/signer
"""

from __future__ import annotations

import asyncio
import base64
import logging
from collections.abc import Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from sealane.apiserver.clock import timestamp
from sealane.apiserver.storage.backends import Resource, StorageError
from sealane.apiserver.storage.values import Event
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

if TYPE_CHECKING:
    from sealane.apiserver.api import Api

SIGNERS = tuple(
    f"kubernetes.io/{name}" for name in ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving")
)
"""Those that `requests` knows."""

log = logging.getLogger("sealane.certificates")

_REQUESTS: Resource = (kinds.CSR.group, kinds.CSR.plural)
_WRITE = Write(manager="kube-controller-manager")


@dataclass(frozen=True, slots=True)
class Authority:
    """certificate: PEM text. key: a PEM file."""

    certificate: str
    key: Path


class Signing:
    """Belongs to one Api. Works in a task of the event loop that commits."""

    def __init__(self, api: Api, authority: Authority) -> None:
        self._api = api
        self._authority = authority
        self._task: asyncio.Task[None] | None = None
        self._due = any(True for _ in api.store.items(_REQUESTS))
        api.store.subscribe(self._committed)
        self.wake()

    def _committed(self, events: Sequence[Event]) -> None:
        if any(event.address.resource == _REQUESTS and event.type != "DELETED" for event in events):
            self._due = True
            self.wake()

    def wake(self) -> None:
        if self._due and self._task is None:
            with suppress(RuntimeError):  # no event loop yet: the first commit wakes it
                self._task = asyncio.get_running_loop().create_task(self._run(), name="certificate signing")

    async def _run(self) -> None:
        try:
            while self._due:
                self._due = False
                for stored in list(self._api.store.items(_REQUESTS)):
                    if _waits(stored.object.raw):
                        await self._sign(stored.object.raw)
        except StorageError as error:
            log.warning("%s", error)
        finally:
            self._task = None

    async def _sign(self, raw: Raw) -> None:
        from sealane.apiserver.access import requests  # few clusters see one

        spec, name = raw["spec"], raw["metadata"]["name"]
        signer = requests.SIGNERS[spec["signerName"]]
        try:
            made = await asyncio.to_thread(
                requests.sign,
                spec["request"],
                signer,
                spec.get("usages") or (),
                spec.get("expirationSeconds"),
                self._authority.certificate,
                self._authority.key,
            )
            part: Raw = {"certificate": base64.b64encode(made.encode()).decode()}
        except requests.Refused as error:
            now = timestamp()
            failed = {
                "type": "Failed",
                "status": "True",
                "reason": "SignerValidationFailure",
                "message": str(error),
                "lastUpdateTime": now,
                "lastTransitionTime": now,
            }
            part = {"conditions": [*(raw["status"].get("conditions") or ()), failed]}

        def change(old: Raw) -> Raw:
            return {**old, "status": {**(old.get("status") or {}), **part}} if _waits(old) else old

        try:
            await self._api.change(self._api.resources.of(kinds.CSR), "", name, change, "status", _WRITE)
        except ApiError as error:
            log.debug("%s: %s", name, error)


def _waits(raw: Raw) -> bool:
    """Approved for one of our signers, without a certificate and without a reason why not."""
    status = raw.get("status") or {}
    types = {condition.get("type") for condition in status.get("conditions") or ()}
    return (
        raw["spec"].get("signerName") in SIGNERS
        and "Approved" in types
        and not types & {"Denied", "Failed"}
        and not status.get("certificate")
    )
