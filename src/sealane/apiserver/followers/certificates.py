"""Approved CertificateSigningRequests of the cluster's own signers get their certificate.

Source: k8s.io/kubernetes/pkg/controller/certificates/signer
"""

from __future__ import annotations

import asyncio
import base64
from collections.abc import Sequence
from pathlib import Path

import msgspec

from sealane.apiserver.api import Api
from sealane.apiserver.clock import timestamp
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.storage.backends import Resource
from sealane.apiserver.storage.values import Event
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.objects import Raw

SIGNERS = tuple(
    f"kubernetes.io/{name}" for name in ("kube-apiserver-client", "kube-apiserver-client-kubelet", "kubelet-serving")
)
"""Those that `requests` knows."""

_REQUESTS: Resource = (kinds.CSR.group, kinds.CSR.plural)
_WRITE = Write(manager="kube-controller-manager")


class Authority(msgspec.Struct, frozen=True):
    """certificate: PEM text. key: a PEM file."""

    certificate: str
    key: Path


class Signing:
    """Follows one Api. authority: who signs."""

    def __init__(self, api: Api, authority: Authority) -> None:
        self._api = api
        self._authority = authority
        self._work = Worklist("certificate signing", self._look)
        self._work.add(stored.object.name for stored in api.store.items(_REQUESTS))
        api.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        self._work.add(
            event.address.name
            for event in events
            if event.address.resource == _REQUESTS and event.type != "DELETED" and _waits(event.stored.object.raw)
        )

    async def _look(self, name: str) -> None:
        stored = self._api.store.get(_REQUESTS, "", name)
        if stored is not None and _waits(stored.object.raw):
            await self._sign(stored.object.raw)

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

        await self._api.change(self._api.resources.of(kinds.CSR), "", name, change, "status", _WRITE)


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
