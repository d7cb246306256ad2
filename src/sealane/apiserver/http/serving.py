"""The API over HTTP and TLS: the meaning of a request, and its answer in bytes.

Source: https://kubernetes.io/docs/reference/using-api/api-concepts/
"""

from __future__ import annotations

import asyncio
import logging
import os
import socket
import ssl
from collections.abc import Awaitable, Callable
from typing import Any

import msgspec
from aiohttp import web

from sealane.apiserver import errors
from sealane.apiserver.access import oidc
from sealane.apiserver.access.authentication import Authenticator, impersonated
from sealane.apiserver.access.user import ADMIN
from sealane.apiserver.api import Api
from sealane.apiserver.http import discovery, negotiation, reviews
from sealane.apiserver.http.verbs import Verbs
from sealane.apiserver.pods import metrics
from sealane.apiserver.requests import Request, action_of, body_of, object_in, parse_path
from sealane.kube.client.protocol import ApiError

log = logging.getLogger("sealane.api")

MAX_BODY = 3 << 20  # as kube-apiserver


HEADER_SECONDS = 32.0  # as kube-apiserver (readHeaderTimeout in k8s.io/apiserver/pkg/server)


class _Server(web.Server):
    """Knows which connections have not sent a request yet, the oldest first."""

    def __init__(self, handler: Any, hears: Callable[[socket.socket], bool]) -> None:
        super().__init__(handler, request_factory=self._request, access_log=None)
        self._hears = hears
        self._silent: dict[Any, tuple[float, asyncio.Transport]] = {}

    def connection_made(self, handler: Any, transport: asyncio.Transport) -> None:
        super().connection_made(handler, transport)
        if not self._may_speak(transport):
            transport.abort()
            return
        self._silent[handler] = (asyncio.get_running_loop().time(), transport)

    def connection_lost(self, handler: Any, exc: BaseException | None = None) -> None:
        self._silent.pop(handler, None)
        super().connection_lost(handler, exc)

    def _may_speak(self, transport: asyncio.Transport) -> bool:
        found = transport.get_extra_info("socket")
        if found is None or found.family != socket.AF_UNIX:
            return True
        with socket.socket(fileno=os.dup(found.fileno())) as connection:
            return self._hears(connection)

    def end_silent(self, seconds: float) -> None:
        """Closes connections that have been without a request for so long."""
        since = asyncio.get_running_loop().time() - seconds
        for handler, (made, transport) in list(self._silent.items()):
            if made > since:
                break
            del self._silent[handler]
            transport.abort()

    def _request(self, message: Any, payload: Any, protocol: Any, writer: Any, task: Any) -> Request:
        self._silent.pop(protocol, None)
        loop = asyncio.get_running_loop()
        return Request(message, payload, protocol, writer, task, loop, client_max_size=MAX_BODY)


async def serve(
    api: Api,
    sockets: list[socket.socket],
    context: ssl.SSLContext,
    tokens: frozenset[str],
    patience: float = HEADER_SECONDS,
    hears: Callable[[socket.socket], bool] = lambda connection: True,
) -> None:
    """Answers on `sockets`, which listen already, until cancelled. A client with one of `tokens` is the admin.

    hears: whether who connected to a Unix socket may speak.
    patience: seconds after which a connection has to have sent the head of a request.
    TLS on all of them but Unix sockets, whose files keep strangers out.
    """
    server = _Server(_handler(api, tokens), hears)
    runner = web.ServerRunner(server, shutdown_timeout=0.5)
    await runner.setup()
    try:
        for sock in sockets:
            tls = None if sock.family == socket.AF_UNIX else context
            await web.SockSite(runner, sock, ssl_context=tls, backlog=1024).start()
        while True:
            await asyncio.sleep(patience / 4)
            server.end_silent(patience)
    finally:
        api.hub.close()
        await runner.cleanup()


Handler = Callable[[web.BaseRequest], Awaitable[web.StreamResponse]]


def _handler(api: Api, tokens: frozenset[str]) -> Handler:
    verbs = Verbs(api)
    documents = discovery.Documents(api.resources)
    authorizer = api.authorizer
    authenticator = Authenticator(dict.fromkeys(tokens, ADMIN), api.accounts)
    reviewers = reviews.Reviewers(authenticator, authorizer)

    async def answer(request: Request) -> web.StreamResponse:
        headers = request.headers
        user = authenticator.authenticate(headers, request.transport)
        request.user = user = impersonated(user, headers, authorizer.check)
        target = parse_path(request.path)
        if not user.is_master:
            authorizer.check(action_of(request, user, target))
        if target is not None and target.group == metrics.GROUP:
            return await metrics.answer(api, request, target)
        if target is not None:
            if (target.group, target.version, target.plural) in reviews.KINDS and request.method == "POST":
                body = reviews.review(reviewers, user, target, object_in(await body_of(request)))
                return web.Response(body=msgspec.json.encode(body), status=201, content_type="application/json")
            return await verbs.answer(request, target)
        document = oidc.document(request.path, api.accounts) or documents.get(request)
        if document is None:
            raise errors.no_path()
        return document

    async def handle(request: web.BaseRequest) -> web.StreamResponse:
        try:
            assert isinstance(request, Request)
            return await answer(request)
        except ApiError as error:
            return await _refused(request, error)
        except web.HTTPRequestEntityTooLarge:
            return await _refused(
                request, ApiError(413, "RequestEntityTooLarge", f"Request entity too large: limit is {MAX_BODY}")
            )
        except (ConnectionError, asyncio.CancelledError):
            raise
        except Exception as error:
            log.exception("%s %s", request.method, request.path_qs)
            return await _refused(
                request, ApiError(500, "InternalError", f"Internal error occurred: {type(error).__name__}: {error}")
            )

    return handle


async def _refused(request: web.BaseRequest, error: ApiError) -> web.Response:
    return await negotiation.refuse(request, error, {"WWW-Authenticate": "Bearer"} if error.code == 401 else None)
