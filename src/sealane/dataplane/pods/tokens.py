"""The tokens that pods find in their volumes: asked for as the pod's own ServiceAccount, bound to the pod, kept fresh.

Source: https://kubernetes.io/docs/concepts/storage/projected-volumes/#serviceaccounttoken and
k8s.io/kubernetes/pkg/kubelet/token (token_manager.go: refreshed after 80 % of its time, or after a day)
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence

import msgspec

from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.objects import Object, Raw
from sealane.kube.times import seconds

_HOUR = 3600
_DAY = 24 * 3600.0
_PART = 0.8

Wanted = tuple[str, int]
"""Audience ("" for the API's own) and seconds, of one serviceAccountToken source."""


class Token(msgspec.Struct, frozen=True):
    """due: when to ask for the next one, expires: until when it counts, both in seconds since the epoch."""

    text: str
    due: float
    expires: float


def wanted(source: Raw) -> Wanted:
    return (str(source.get("audience") or ""), int(source.get("expirationSeconds") or _HOUR))


def sources(pod: Object, container: Raw) -> Iterator[tuple[str, Raw]]:
    """Volume name and serviceAccountToken source, of every token that `container` finds in its mounts."""
    mounted = {mount["name"] for mount in container.get("volumeMounts") or ()}
    for volume in pod.spec.get("volumes") or ():
        if volume["name"] in mounted:
            for source in (volume.get("projected") or {}).get("sources") or ():
                if "serviceAccountToken" in source:
                    yield volume["name"], source["serviceAccountToken"]


def due(issued: float, expires: float) -> float:
    """When a token is to be asked for anew."""
    return min(issued + _PART * (expires - issued), issued + _DAY)


class Tokens(msgspec.Struct):
    """What this agent has asked for, by pod and what is wanted; a fresh one serves all containers of its pod."""

    client: Client
    _held: dict[tuple[str, Wanted], Token] = msgspec.field(default_factory=dict)

    async def of(self, pod: Object, container: Raw) -> Mapping[Wanted, Token]:
        """The tokens that `container` mounts; the old ones while there are no new ones and they still count.

        Raises ApiError, OSError.
        """
        found: dict[Wanted, Token] = {}
        for _, source in sources(pod, container):
            want = wanted(source)
            held = self._held.get((pod.uid, want))
            if held is None or held.due <= time.time():
                try:
                    held = self._held[pod.uid, want] = await self._ask(pod, want)
                except (ApiError, OSError):
                    if held is None or held.expires <= time.time():
                        raise
            found[want] = held
        return found

    async def _ask(self, pod: Object, want: Wanted) -> Token:
        audience, lasting = want
        bound = {"kind": "Pod", "apiVersion": "v1", "name": pod.name, "uid": pod.uid}
        spec: Raw = {"expirationSeconds": lasting, "boundObjectRef": bound}
        if audience:
            spec["audiences"] = [audience]
        account = str(pod.spec.get("serviceAccountName") or "default")
        status = await self.client.account_token(pod.namespace, account, spec)
        expires = seconds(status["expirationTimestamp"])
        return Token(str(status["token"]), due(time.time(), expires), expires)

    def forget(self, uids: Sequence[str]) -> None:
        """These pods are gone."""
        for key in [key for key in self._held if key[0] in uids]:
            del self._held[key]
