"""Asking a webhook over HTTPS: a Service is reached through the cluster's network, a URL from this machine.

Source: k8s.io/apiserver/pkg/util/webhook (client.go) and k8s.io/kube-aggregator (ResolveCluster)
"""

from __future__ import annotations

import asyncio
import base64
import binascii
import os
import socket
import ssl
from collections.abc import Callable
from functools import lru_cache
from typing import Any
from urllib.parse import urlsplit

import msgspec

from sealane.apiserver.admission.webhooks.configuration import Hook, Service
from sealane.apiserver.admission.webhooks.review import CallFailed
from sealane.apiserver.storage.store import Store
from sealane.kube.client._aiohttp import aiohttp
from sealane.kube.objects import Object, Raw
from sealane.network.services.endpoints import endpoints_for, slice_service

OpenSocket = Callable[[int, int, int], socket.socket]
"""socket.socket(family, type, protocol), in the network from which Services can be reached."""

_MAX_ANSWER = 3 << 20
_IDLE_SECONDS = 30.0


class Caller:
    """Keeps connections open between calls. Belongs to one event loop.

    open_socket None: Services are reached from this process's own network.
    """

    def __init__(self, store: Store, open_socket: OpenSocket | None = None) -> None:
        self._store = store
        self._open = open_socket
        self._sessions: dict[bool, aiohttp.ClientSession] = {}  # is it for Services?

    async def close(self) -> None:
        for session in self._sessions.values():
            await session.close()
        self._sessions.clear()

    async def ask(self, hook: Hook, review: Raw) -> Any:
        """The webhook's answer to an AdmissionReview, as JSON. Raises CallFailed."""
        body, timeout = msgspec.json.encode(review), f"?timeout={hook.seconds}s"
        if not isinstance(hook.target, Service):
            return await self._post(hook, hook.target + timeout, hook.target + timeout, body)
        name = f"{hook.target.name}.{hook.target.namespace}.svc"
        path = "/" + hook.target.path.lstrip("/") + timeout
        shown = f"https://{name}:{hook.target.port}{path}"
        try:
            address, port = self._address(hook.target)
        except CallFailed as error:
            raise CallFailed(f'failed to call webhook: Post "{shown}": {error}') from None
        host = f"[{address}]" if ":" in address else address
        return await self._post(hook, f"https://{host}:{port}{path}", shown, body, name)

    async def _post(self, hook: Hook, url: str, shown: str, body: bytes, service: str = "") -> Any:
        headers = {"Content-Type": "application/json", "Accept": "application/json"}
        if service:
            headers["Host"] = urlsplit(shown).netloc
        try:
            async with (
                asyncio.timeout(hook.seconds),
                self._session(bool(service)).post(
                    url,
                    data=body,
                    headers=headers,
                    ssl=trusting(hook.ca),
                    server_hostname=service or None,
                    allow_redirects=False,
                ) as response,
            ):
                answer = await response.content.read(_MAX_ANSWER)
                while chunk := await response.content.read(_MAX_ANSWER):
                    answer += chunk
                    if len(answer) > _MAX_ANSWER:
                        raise CallFailed("failed to call webhook: the answer is too long")
        except TimeoutError:
            raise CallFailed(f'failed to call webhook: Post "{shown}": context deadline exceeded') from None
        except (aiohttp.ClientError, OSError) as error:
            raise CallFailed(f'failed to call webhook: Post "{shown}": {reason(error, url)}') from None
        if response.status != 200:
            raise CallFailed(f"failed to call webhook: {_unexpected(response.status, answer)}")
        try:
            return msgspec.json.decode(answer)
        except msgspec.DecodeError as error:
            raise CallFailed(f"failed to call webhook: couldn't get version/kind; json parse error: {error}") from None

    def _session(self, inside: bool) -> aiohttp.ClientSession:
        session = self._sessions.get(inside)
        if session is None:
            opened = self._open if inside else None
            factory = (lambda info: opened(info[0], info[1], info[2])) if opened is not None else None
            connector = aiohttp.TCPConnector(limit=0, keepalive_timeout=_IDLE_SECONDS, socket_factory=factory)
            session = self._sessions[inside] = aiohttp.ClientSession(
                connector=connector, cookie_jar=aiohttp.DummyCookieJar()
            )
        return session

    def _address(self, wanted: Service) -> tuple[str, int]:
        """The address at which a Service answers. Raises CallFailed."""
        stored = self._store.get(("", "services"), wanted.namespace, wanted.name)
        if stored is None:
            raise CallFailed(f'service "{wanted.name}" not found')
        service = stored.object
        if service.spec.get("type") == "ExternalName":
            return str(service.spec.get("externalName")), wanted.port
        port = next((each for each in service.spec.get("ports") or () if each.get("port") == wanted.port), None)
        if port is None:
            raise CallFailed(f'no service port {wanted.port} found for service "{wanted.name}"')
        address = str(service.spec.get("clusterIP") or "")
        return (address, wanted.port) if address not in ("", "None") else self._endpoint(service, port)

    def _endpoint(self, service: Object, port: Raw) -> tuple[str, int]:
        """A ready one of a headless Service."""
        stored = self._store.items(("discovery.k8s.io", "endpointslices"), service.namespace)
        own = (each.object for each in stored if (service.namespace, service.name) in slice_service(each.object))
        for found in endpoints_for(own, port.get("name") or "", port.get("protocol") or "TCP"):
            if found.ready:
                return found.address, found.port
        raise CallFailed(f'no endpoints available for service "{service.name}"')


@lru_cache(maxsize=64)
def trusting(ca: str) -> ssl.SSLContext:
    """For servers whose certificate comes from `ca` (base64 of PEM; "": from an authority of this machine).

    Raises CallFailed.
    """
    try:
        pem = base64.b64decode(ca).decode() if ca else None
        context = ssl.create_default_context(cadata=pem)
    except (binascii.Error, UnicodeDecodeError, ssl.SSLError):
        raise CallFailed("could not get REST client: unable to load root certificates: no valid certificate") from None
    context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # as Go: see kube.kubeconfig
    return context


def reason(error: BaseException, url: str) -> str:
    """Why no answer came, in the words of Go's net and crypto/tls."""
    where = urlsplit(url).netloc
    if isinstance(error, aiohttp.ClientConnectorCertificateError):
        return f"tls: failed to verify certificate: {_certificate(error.certificate_error)}"
    if isinstance(error, aiohttp.ClientConnectorDNSError):
        return f"dial tcp: lookup {urlsplit(url).hostname}: no such host"
    if isinstance(error, aiohttp.ClientConnectorSSLError):
        return "tls: first record does not look like a TLS handshake"
    if isinstance(error, aiohttp.ClientConnectorError):
        number = error.os_error.errno
        return f"dial tcp {where}: connect: {os.strerror(number).lower() if number else error.os_error}"
    if isinstance(error, aiohttp.ServerDisconnectedError | aiohttp.ClientPayloadError):
        return "EOF"
    return str(error) or type(error).__name__


def _certificate(error: Exception) -> str:
    said = str(getattr(error, "verify_message", "") or error)
    if "self-signed" in said or "unable to get" in said:
        return "x509: certificate signed by unknown authority"
    if "expired" in said:
        return "x509: certificate has expired or is not yet valid"
    return f"x509: {said[:1].lower()}{said[1:]}"


def _unexpected(status: int, body: bytes) -> str:
    if status == 404:
        return "the server could not find the requested resource"
    text = " ".join(body.decode(errors="replace").split())[:300]
    if status >= 500:
        shown = text.replace('"', '\\"') or "unknown"
        return f'an error on the server ("{shown}") has prevented the request from succeeding'
    return text or f"the server responded with the status code {status} but did not return more information"
