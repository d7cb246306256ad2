"""Secrets of type kubernetes.io/service-account-token: filled with a token without end, gone with their ServiceAccount.

Source: https://kubernetes.io/docs/concepts/configuration/secret/#serviceaccount-token-secrets and
k8s.io/kubernetes/pkg/controller/serviceaccount (tokens_controller.go)
"""

from __future__ import annotations

import base64
from collections.abc import Sequence

from sealane.apiserver.access.tokens import ACCOUNT_NAME, ACCOUNT_UID, TOKEN_SECRET, AccountTokens
from sealane.apiserver.api import Api
from sealane.apiserver.followers.worklist import Worklist
from sealane.apiserver.objects.deletion import Deletion
from sealane.apiserver.objects.metadata import with_metadata
from sealane.apiserver.storage.backends import Address, Resource
from sealane.apiserver.storage.values import Event, Stored
from sealane.apiserver.write import Write
from sealane.kube import kinds
from sealane.kube.objects import Object, Raw

_SECRETS: Resource = ("", "secrets")
_ACCOUNTS: Resource = ("", "serviceaccounts")
_WRITE = Write(manager="kube-controller-manager")


class TokenSecrets:
    """Follows one Api. tokens: who signs them."""

    def __init__(self, api: Api, tokens: AccountTokens) -> None:
        self._api = api
        self._tokens = tokens
        self._work = Worklist("token secrets", self._look)
        self._work.add(
            Address(_SECRETS, stored.object.namespace, stored.object.name)
            for stored in api.store.items(_SECRETS)
            if _is_one(stored)
        )
        api.store.subscribe(self._committed)

    def _committed(self, events: Sequence[Event]) -> None:
        touched: list[Address] = []
        for event in events:
            address = event.address
            if address.resource == _SECRETS and event.type != "DELETED" and _is_one(event.stored):
                touched.append(address)
            elif address.resource == _ACCOUNTS and event.type == "DELETED":
                for stored in self._api.store.items(_SECRETS, address.namespace):
                    if _is_one(stored):
                        touched.append(Address(_SECRETS, address.namespace, stored.object.name))
        self._work.add(touched)

    async def _look(self, address: Address) -> None:
        stored = self._api.store.get(*address)
        if stored is None or not _is_one(stored) or stored.object.deleting:
            return
        secret = stored.object
        name, uid = secret.annotations.get(ACCOUNT_NAME, ""), secret.annotations.get(ACCOUNT_UID)
        account = self._api.store.get(_ACCOUNTS, secret.namespace, name)
        if account is None or (uid and uid != account.object.uid):
            await self._api.delete(kinds.SECRET, secret.namespace, secret.name, Deletion(uid=secret.uid))
        elif not uid or not (secret.raw.get("data") or {}).get("token"):
            served, filled = self._api.resources.of(kinds.SECRET), self._filled(secret, account.object)
            await self._api.change(
                served, secret.namespace, secret.name, lambda old: _with(old, filled, account.object.uid), "", _WRITE
            )

    def _filled(self, secret: Object, account: Object) -> dict[str, str]:
        found = {
            "token": self._tokens.legacy(secret, account),
            "namespace": account.namespace,
            **({"ca.crt": self._api.root_ca} if self._api.root_ca else {}),
        }
        return {key: base64.b64encode(value.encode()).decode() for key, value in found.items()}


def _is_one(stored: Stored) -> bool:
    return bool(stored.object.raw.get("type") == TOKEN_SECRET)


def _with(old: Raw, data: dict[str, str], uid: str) -> Raw:
    annotations = {**(old["metadata"].get("annotations") or {}), ACCOUNT_UID: uid}
    return with_metadata({**old, "data": {**(old.get("data") or {}), **data}}, annotations=annotations)
