"""The subresource `proxy` of pods and services: requests go on to what answers there, over HTTP/1.1.

Sources: k8s.io/apimachinery/pkg/util/proxy (UpgradeAwareHandler, Transport) for what becomes of a request and its
answer; ResourceLocation in k8s.io/kubernetes/pkg/registry/core/{pod,service} for where it goes.
"""

from __future__ import annotations

import asyncio
import ipaddress
import posixpath
import random
from collections.abc import Iterator
from urllib.parse import unquote, urlsplit, urlunsplit

import msgspec
from aiohttp import web
from multidict import CIMultiDict, MultiMapping
from yarl import URL

from sealane.apiserver import errors
from sealane.apiserver.admission.webhooks.calls import reason
from sealane.apiserver.api import Api
from sealane.apiserver.pods.streams.upgrade import Feed, switched
from sealane.apiserver.requests import Target
from sealane.kube import kinds
from sealane.kube.client._aiohttp import aiohttp
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Object, Raw
from sealane.network.pods import addresses
from sealane.network.services.endpoints import endpoints_for, slice_service

OPTIONS = {"pods": "PodProxyOptions", "services": "ServiceProxyOptions"}

_BEFORE_PATH = 7  # segments of /api/v1/namespaces/NS/services/NAME/proxy
_CONNECT_SECONDS = 30.0
_PIECE = 1 << 16
_HOP_BY_HOP = frozenset(
    ("connection", "keep-alive", "proxy-authenticate", "proxy-authorization", "proxy-connection", "te", "trailer")
) | {"transfer-encoding", "upgrade"}
"""Headers about one connection: RFC 9110, section 7.6.1."""
_OURS = frozenset({"authorization", "expect"})
"""Headers of a request that are for this server: who asks must not become known to whom they ask."""


class Place(msgspec.Struct, frozen=True):
    """The target of a request. scheme: http or https. port None: that of the scheme."""

    scheme: str
    address: str
    port: str | None

    @property
    def netloc(self) -> str:
        host = f"[{self.address}]" if ":" in self.address else self.address
        return host if self.port is None else f"{host}:{self.port}"


def split(name: str) -> tuple[str, str, str] | None:
    """(scheme, name, port) of "NAME", "NAME:PORT" or "SCHEME:NAME:PORT"; "" for what it does not say."""
    parts = name.split(":")
    if len(parts) > 3:
        return None
    scheme, name, port = parts if len(parts) == 3 else ("", *parts, "")[:3]
    return (scheme, name, port) if name and scheme in ("", "http", "https") else None


def path_of(raw_path: str) -> str:
    """The path after …/proxy, encoded as the client did. Raises ApiError 404 when /proxy is no segment of its own."""
    parts = raw_path.lstrip("/").split("/", _BEFORE_PATH)
    if len(parts) < _BEFORE_PATH or unquote(parts[_BEFORE_PATH - 1]) != "proxy":
        raise errors.no_path()
    return "/" + parts[_BEFORE_PATH] if len(parts) > _BEFORE_PATH else ""


def options(target: Target, path: str) -> Raw:
    """The options about which webhooks are asked."""
    return {"apiVersion": "v1", "kind": OPTIONS[target.plural], **({"path": unquote(path)} if path else {})}


async def serve(request: web.BaseRequest, api: Api, target: Target, path: str) -> web.StreamResponse:
    """path: see `path_of`. Raises ApiError 400, 404 or 503."""
    place = await (_pod if target.plural == "pods" else _service)(api, target)
    raw_path = request.rel_url.raw_path
    if not path and request.method in ("GET", "HEAD"):
        query = request.rel_url.raw_query_string
        return web.Response(status=301, headers={"Location": f"{raw_path}/{'?' if query else ''}{query}"})
    query = request.rel_url.raw_query_string
    url = f"{place.scheme}://{place.netloc}{path or '/'}{'?' if query else ''}{query}"
    opened = api.open_socket
    connector = aiohttp.TCPConnector(
        force_close=True,
        ssl=False,  # as kube-apiserver: the signer of a pod's certificate is not known here
        socket_factory=(lambda info: opened(info[0], info[1], info[2])) if opened is not None else None,
    )
    async with aiohttp.ClientSession(
        connector=connector,
        cookie_jar=aiohttp.DummyCookieJar(),
        auto_decompress=False,
        skip_auto_headers=("User-Agent", "Accept", "Accept-Encoding", "Content-Type"),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=_CONNECT_SECONDS),
    ) as session:
        try:
            answer = await session.request(
                request.method,
                URL(url, encoded=True),
                headers=_onward(request),
                data=request.content if request.body_exists else None,
                allow_redirects=False,
                read_until_eof=not _upgrades(request),
            )
        except (aiohttp.ClientError, OSError, ValueError) as error:
            raise _unavailable(f"error trying to reach service: {reason(error, url)}") from None
        prefix = raw_path.removesuffix(path)
        async with answer:
            if answer.status == 101:
                return await _tunnelled(request, answer)
            return await _carried_back(request, answer, prefix, place.netloc)


async def _carried_back(
    request: web.BaseRequest, answer: aiohttp.ClientResponse, prefix: str, netloc: str
) -> web.StreamResponse:
    headers = _end_to_end(answer.headers)
    if "Location" in headers:
        headers["Location"] = redirected(headers["Location"], prefix, (netloc, request.headers.get("Host", "")))
    response = web.StreamResponse(status=answer.status, reason=answer.reason, headers=headers)
    await response.prepare(request)
    try:
        async for piece in answer.content.iter_any():
            await response.write(piece)
        await response.write_eof()
    except (aiohttp.ClientError, OSError):
        if request.transport is not None:
            request.transport.close()  # half an answer must not look like a whole one
    return response


async def _tunnelled(request: web.BaseRequest, answer: aiohttp.ClientResponse) -> web.StreamResponse:
    """Bytes both ways, until one side ends."""
    inside = answer.connection
    if inside is None or inside.protocol is None or inside.transport is None:
        raise _unavailable("error trying to reach service: EOF")
    protocol, transport = inside.protocol, inside.transport
    reader = asyncio.StreamReader()
    reader.set_transport(transport)
    headers = _end_to_end(answer.headers)
    headers.update(_switching(answer.headers))
    client = await switched(request, headers)
    protocol.set_parser(Feed(reader), reader)

    async def inward() -> None:
        while data := await client.receive():
            transport.write(data)
            await protocol._drain_helper()

    async def outward() -> None:
        while data := await reader.read(_PIECE):
            await client.send(data)

    ways = [asyncio.ensure_future(inward()), asyncio.ensure_future(outward())]
    try:
        await asyncio.wait(ways, return_when=asyncio.FIRST_COMPLETED)
    finally:
        for way in ways:
            way.cancel()
        await asyncio.gather(*ways, return_exceptions=True)
        inside.close()
    return client.response


def _upgrades(request: web.BaseRequest) -> bool:
    return "Upgrade" in request.headers and "upgrade" in request.headers.get("Connection", "").lower()


def _switching(headers: MultiMapping[str]) -> dict[str, str]:
    return {"Connection": "Upgrade", "Upgrade": headers.get("Upgrade", "")}


def redirected(location: str, prefix: str, hosts: tuple[str, ...]) -> str:
    """`location` as the client reaches it: what is on one of `hosts` is under `prefix` for them."""
    found = urlsplit(location)
    if (found.netloc and found.netloc not in hosts) or not found.path.startswith("/"):
        return location
    path = found.path
    if not path.startswith(prefix):
        path = posixpath.normpath(prefix + path) + ("/" if path.endswith("/") else "")
    return urlunsplit(("", "", path, found.query, found.fragment))


def _onward(request: web.BaseRequest) -> CIMultiDict[str]:
    headers = _end_to_end(request.headers)
    for name in {name for name in headers if name.lower() in _OURS or name.lower().startswith("impersonate-")}:
        headers.popall(name, None)
    if _upgrades(request):
        headers.update(_switching(request.headers))
    headers["X-Forwarded-Uri"] = request.rel_url.raw_path
    if request.remote:
        headers["X-Forwarded-For"] = ", ".join([*headers.getall("X-Forwarded-For", []), request.remote])
    return headers


def _end_to_end(headers: MultiMapping[str]) -> CIMultiDict[str]:
    named = {name.strip().lower() for line in headers.getall("Connection", []) for name in line.split(",")}
    return CIMultiDict((name, value) for name, value in headers.items() if name.lower() not in _HOP_BY_HOP | named)


async def _pod(api: Api, target: Target) -> Place:
    found = split(target.name)
    if found is None:
        raise errors.bad_request(f'invalid pod request "{target.name}"')
    scheme, name, port = found
    pod = (await api.get(kinds.POD, target.namespace or "", name)).object
    if not port:
        ports = (each["ports"][0] for each in pod.spec.get("containers") or () if each.get("ports"))
        first = next(ports, None)
        port = str(first["containerPort"]) if first else ""
    address = next(iter(addresses(pod)), "")
    if not _may_be_asked(address) or not (port.isdigit() or not port):
        raise errors.bad_request("address not allowed")
    return Place(scheme or "http", address, port or None)


async def _service(api: Api, target: Target) -> Place:
    found = split(target.name)
    if found is None:
        raise errors.bad_request(f'invalid service request "{target.name}"')
    scheme, name, port = found
    service = (await api.get(kinds.SERVICE, target.namespace or "", name)).object
    if port.isdigit():
        names = (each.get("name") or "" for each in service.spec.get("ports") or () if each.get("port") == int(port))
        named = next(names, None)
        if named is None:
            raise _unavailable(f'no service port {int(port)} found for service "{name}"')
        port = named
    slices = list(_slices(api, service))
    if not any(each.raw.get("endpoints") for each in slices):
        raise _unavailable(f'no endpoints available for service "{name}"')
    ready = list(_ready(api, service, slices, port))
    if not ready:
        raise _unavailable(f'no endpoints available for service "{target.name}"')
    address, number = random.choice(ready)
    return Place(scheme or "http", address, str(number))


def _slices(api: Api, service: Object) -> Iterator[Object]:
    for stored in api.store.items(("discovery.k8s.io", "endpointslices"), service.namespace):
        if (service.namespace, service.name) in slice_service(stored.object):
            yield stored.object


def _ready(api: Api, service: Object, slices: list[Object], port: str) -> Iterator[tuple[str, int]]:
    """Only pods are asked: a client that writes a slice by hand could reach anything through this server."""
    for each in endpoints_for(slices, port, "TCP"):
        target = each.target
        if not each.ready or target is None or target.namespace != service.namespace or not _may_be_asked(each.address):
            continue
        pod = api.store.get(("", "pods"), target.namespace, target.name)
        if pod is not None and each.address in addresses(pod.object):
            yield each.address, each.port


def _may_be_asked(address: str) -> bool:
    """Go's IP.IsGlobalUnicast: not this machine's own, nor of a link, nor of a group."""
    try:
        ip = ipaddress.ip_address(address)
    except ValueError:
        return False
    return not (ip.is_loopback or ip.is_link_local or ip.is_multicast or ip.is_unspecified)


def _unavailable(message: str) -> ApiError:
    return ApiError(503, "ServiceUnavailable", message)
