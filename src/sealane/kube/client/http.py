"""The client protocol over HTTP: any cluster that a kubeconfig can name.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from http import HTTPStatus
from pathlib import Path
from types import TracebackType
from typing import TYPE_CHECKING, Any, Literal

import msgspec

from sealane.kube.client import kubeconfig
from sealane.kube.client._aiohttp import aiohttp
from sealane.kube.client.credentials import Credential, Credentials
from sealane.kube.client.kubeconfig import Access
from sealane.kube.client.protocol import ApiError, Client, ObjectList, PatchType, WatchEvent, binding
from sealane.kube.kinds import POD, SERVICEACCOUNT, Kind
from sealane.kube.objects import Object, Raw

PATCH_TYPES: Mapping[PatchType, str] = {
    "json": "application/json-patch+json",
    "merge": "application/merge-patch+json",
    "strategic": "application/strategic-merge-patch+json",
}
_IDLE_SECONDS = 60.0
_CONNECT_SECONDS = 10.0
_UNIX = "unix:"
_UNIX_BASE = "http://localhost"
_REQUEST_SECONDS = 60.0
_RETRIES = 10
_WATCH_SECONDS = 540
"""After this the server ends a watch, so one whose connection died in silence is noticed not much later."""
_REQUEST_TIMEOUT = aiohttp.ClientTimeout(total=_REQUEST_SECONDS, sock_connect=_CONNECT_SECONDS)
_WATCH_TIMEOUT = aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS, sock_read=_WATCH_SECONDS + 30)


class _Event(msgspec.Struct):
    type: str
    object: Raw


_events = msgspec.json.Decoder(_Event)
_json: msgspec.json.Decoder[Raw] = msgspec.json.Decoder(Raw)


class HttpClient:
    """A `protocol.Client` for one cluster. Belongs to the event loop that first uses it; close() it when done.

    A server `unix:/PATH` is HTTP without TLS over that Unix socket: for a cluster's own processes.

    Connections are kept alive and shared; each running watch has one of its own.
    """

    def __init__(self, access: Access) -> None:
        self.access = access
        self._ssl = access.ssl_context()
        self._credentials = Credentials(access.plugin) if access.plugin is not None else None
        self._shown = Credential()  # with which the session's connections are made
        self._unix = access.server.removeprefix(_UNIX) if access.server.startswith(_UNIX) else ""
        self._session: aiohttp.ClientSession | None = None

    @classmethod
    def from_kubeconfig(cls, path: str | Path | None = None, context: str | None = None) -> HttpClient:
        """Raises KubeconfigError or OSError. path None: as kubectl looks for it."""
        return cls(kubeconfig.load(path, context))

    async def close(self) -> None:
        if self._session is not None:
            await self._session.close()
            self._session = None

    async def __aenter__(self) -> HttpClient:
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.close()

    async def get(self, kind: Kind, namespace: str, name: str) -> Object:
        return self._object(kind, await self.request("GET", kind.path(namespace, name)))

    async def list(self, kind: Kind, namespace: str | None = None, *, labels: str = "", fields: str = "") -> ObjectList:
        raw = await self.request("GET", kind.path(namespace), _selectors(labels, fields))
        items = tuple(self._object(kind, item) for item in raw.get("items") or ())
        return ObjectList(items, (raw.get("metadata") or {}).get("resourceVersion") or "")

    async def watch(
        self,
        kind: Kind,
        namespace: str | None = None,
        *,
        resource_version: str,
        labels: str = "",
        fields: str = "",
    ) -> AsyncIterator[Sequence[WatchEvent]]:
        """All events of one read from the socket are one batch. Ends when the server ends the watch."""
        query = {
            "watch": "1",
            "allowWatchBookmarks": "true",
            "resourceVersion": resource_version,
            "timeoutSeconds": str(_WATCH_SECONDS),
        }
        query |= _selectors(labels, fields)
        async with self._response("GET", kind.path(namespace), query, None, stream=True) as response:
            rest = b""
            async for chunk in response.content.iter_any():
                lines, newline, tail = chunk.rpartition(b"\n")
                if not newline:
                    rest += tail
                    continue
                events = [self._event(kind, event) for event in _events.decode_lines(rest + lines)]
                rest = tail
                if events:
                    yield events

    async def create(self, kind: Kind, raw: Raw) -> Object:
        path = kind.path((raw.get("metadata") or {}).get("namespace") or self.access.namespace)
        return self._object(kind, await self.request("POST", path, body=raw))

    async def bind(self, pod: Object, node: str) -> None:
        await self.request("POST", POD.path(pod.namespace, pod.name, "binding"), body=binding(pod, node))

    async def account_token(self, namespace: str, name: str, spec: Raw) -> Raw:
        body = {"apiVersion": "authentication.k8s.io/v1", "kind": "TokenRequest", "spec": spec}
        answer = await self.request("POST", SERVICEACCOUNT.path(namespace, name, "token"), body=body)
        status: Raw = answer["status"]
        return status

    async def update(self, kind: Kind, raw: Raw, *, subresource: str = "") -> Object:
        metadata = raw.get("metadata") or {}
        namespace = metadata.get("namespace") or self.access.namespace
        path = kind.path(namespace, metadata.get("name") or "", subresource)
        return self._object(kind, await self.request("PUT", path, body=raw))

    async def patch(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        patch: Any,
        *,
        type: PatchType = "merge",  # noqa: A002 - the API's own word
        subresource: str = "",
    ) -> Object:
        path = kind.path(namespace, name, subresource)
        return self._object(kind, await self.request("PATCH", path, body=patch, content_type=PATCH_TYPES[type]))

    async def apply(self, kind: Kind, raw: Raw, *, manager: str) -> Object:
        """Server-side apply of a named object; the fields are `manager`'s then, also those that others managed."""
        metadata = raw["metadata"]
        path = kind.path(metadata.get("namespace") or self.access.namespace, metadata["name"])
        query = {"fieldManager": manager, "force": "true"}
        return self._object(kind, await self.request("PATCH", path, query, raw, "application/apply-patch+yaml"))

    async def delete(
        self,
        kind: Kind,
        namespace: str,
        name: str,
        *,
        grace_seconds: int | None = None,
        propagation: Literal["Background", "Foreground", "Orphan"] | None = None,
        uid: str | None = None,
    ) -> None:
        options: Raw = {"apiVersion": "v1", "kind": "DeleteOptions"}
        if grace_seconds is not None:
            options["gracePeriodSeconds"] = grace_seconds
        if propagation is not None:
            options["propagationPolicy"] = propagation
        if uid is not None:
            options["preconditions"] = {"uid": uid}
        await self.request("DELETE", kind.path(namespace, name), body=options)

    async def request(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
    ) -> Raw:
        """One request to any path of the API; the JSON it answers. Raises ApiError or OSError."""
        async with self._response(method, path, query, body, content_type) as response:
            return _json.decode(await response.read())

    @asynccontextmanager
    async def _response(
        self,
        method: str,
        path: str,
        query: Mapping[str, str] | None,
        body: Any,
        content_type: str = "application/json",
        stream: bool = False,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        headers = [("Accept", "application/json"), *self.access.impersonation]
        if body is not None:
            headers.append(("Content-Type", content_type))
        data = msgspec.json.encode(body) if body is not None else None
        refused = 0
        try:
            while True:
                credential = await self._credential()
                authorization = f"Bearer {credential.token}" if credential.token else self.access.authorization()
                async with self._open().request(
                    method,
                    (_UNIX_BASE if self._unix else self.access.server) + path,
                    params=query,
                    data=data,
                    headers=[*headers, ("Authorization", authorization)] if authorization else headers,
                    proxy=self.access.proxy or None,
                    server_hostname=self.access.tls_server_name or None,
                    timeout=_WATCH_TIMEOUT if stream else _REQUEST_TIMEOUT,
                ) as response:
                    if response.status < HTTPStatus.BAD_REQUEST:
                        yield response
                        return
                    refused += 1
                    wait = self._patience(response, credential, refused)
                    if wait is None:
                        raise _error(response.status, response.reason or "", await response.read())
                await asyncio.sleep(wait)
        except aiohttp.ClientError as error:
            if isinstance(error, OSError):
                raise
            raise ConnectionError(f"{self.access.server}: {error or type(error).__name__}") from error

    def _patience(self, response: aiohttp.ClientResponse, credential: Credential, refused: int) -> float | None:
        """Seconds after which a refused request is sent again; None when it is not.

        As client-go: when the server says how long to wait (429 and 5xx with Retry-After), and once more after 401
        with what a credential plugin says then.
        """
        if response.status == HTTPStatus.UNAUTHORIZED and self._credentials is not None and refused == 1:
            self._credentials.forget(credential)
            return 0.0
        said = response.headers.get("Retry-After", "")
        if response.status != HTTPStatus.TOO_MANY_REQUESTS and response.status < HTTPStatus.INTERNAL_SERVER_ERROR:
            return None
        return float(said) if said.isdigit() and refused <= _RETRIES else None

    async def _credential(self) -> Credential:
        """The present answer of a plugin; its certificate is for new connections. Raises CredentialError."""
        if self._credentials is None:
            return self._shown
        credential = await self._credentials.get()
        if credential.certificate != self._shown.certificate:
            self._ssl = self.access.ssl_context(credential.certificate, credential.key)
            await self.close()
        self._shown = credential
        return credential

    def _open(self) -> aiohttp.ClientSession:
        if self._session is None:
            connector: aiohttp.BaseConnector
            if self._unix:
                connector = aiohttp.UnixConnector(self._unix, limit=0, keepalive_timeout=_IDLE_SECONDS)
            else:
                connector = aiohttp.TCPConnector(
                    limit=0, keepalive_timeout=_IDLE_SECONDS, ssl=True if self._ssl is None else self._ssl
                )
            self._session = aiohttp.ClientSession(
                connector=connector,
                auto_decompress=True,
                read_bufsize=1 << 20,
                cookie_jar=aiohttp.DummyCookieJar(),
            )
        return self._session

    @staticmethod
    def _object(kind: Kind, raw: Raw) -> Object:
        # Items of a list of a built-in kind come without kind and apiVersion.
        if "kind" not in raw or "apiVersion" not in raw:
            raw = {"apiVersion": kind.api_version, "kind": kind.kind, **raw}
        return Object(raw)

    def _event(self, kind: Kind, event: _Event) -> WatchEvent:
        match event.type:
            case "ADDED" | "MODIFIED" | "DELETED" | "BOOKMARK":
                return WatchEvent(event.type, self._object(kind, event.object))
            case _:
                raise _status_error(event.object)


if TYPE_CHECKING:
    _is_a_client: Client = HttpClient(Access(""))


def _selectors(labels: str, fields: str) -> dict[str, str]:
    found = {"labelSelector": labels, "fieldSelector": fields}
    return {key: value for key, value in found.items() if value}


def _status_error(status: Raw, code: int = 500) -> ApiError:
    message = status.get("message") or "the API server answered with an error and no message"
    return ApiError(status.get("code") or code, status.get("reason") or "", message, status.get("details"))


def _error(code: int, reason: str, body: bytes) -> ApiError:
    try:
        status = _json.decode(body)
    except msgspec.DecodeError:
        text = " ".join(body.decode(errors="replace").split())[:300]
        return ApiError(code, reason.replace(" ", ""), f"HTTP {code} {reason}{': ' if text else ''}{text}")
    if status.get("kind") == "Status":
        return _status_error(status, code)
    return ApiError(code, reason.replace(" ", ""), f"HTTP {code} {reason}")
