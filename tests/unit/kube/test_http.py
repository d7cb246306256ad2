"""HttpClient against a real HTTP server on loopback that plays scripted answers of an API server."""

from __future__ import annotations

import asyncio
import datetime
import json
import ssl
from collections.abc import Awaitable, Callable
from dataclasses import replace
from pathlib import Path

import pytest
from aiohttp import web
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sealane.kube import kinds
from sealane.kube.client import kubeconfig
from sealane.kube.client.http import HttpClient
from sealane.kube.client.kubeconfig import Access
from sealane.kube.client.protocol import ApiError, WatchEvent
from sealane.kube.objects import Raw

Handler = Callable[[web.Request], Awaitable[web.StreamResponse]]


def pod(name: str, version: str = "1") -> Raw:
    return {"metadata": {"name": name, "namespace": "shop", "resourceVersion": version}}


def converse(handler: Handler, talk: Callable[[HttpClient], Awaitable[None]], **access: str) -> None:
    """Runs `talk` with a client of a server whose every request `handler` answers."""

    async def main() -> None:
        runner = web.ServerRunner(web.Server(handler))
        await runner.setup()
        site = web.TCPSite(runner, "127.0.0.1", 0)
        await site.start()
        port = runner.addresses[0][1]
        async with HttpClient(Access(server=f"http://127.0.0.1:{port}", **access)) as client:  # type: ignore[arg-type]
            await talk(client)
        await runner.cleanup()

    asyncio.run(asyncio.wait_for(main(), 60))


def test_list_names_the_kind_of_each_item_and_sends_selectors() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.path == "/api/v1/namespaces/shop/pods"
        assert dict(request.query) == {"labelSelector": "app in (a,b)", "fieldSelector": "spec.nodeName=node-1"}
        assert request.headers["Authorization"] == "Bearer t0ken"
        return web.json_response({"metadata": {"resourceVersion": "7"}, "items": [pod("a"), pod("b")]})

    async def talk(client: HttpClient) -> None:
        found = await client.list(kinds.POD, "shop", labels="app in (a,b)", fields="spec.nodeName=node-1")
        assert found.resource_version == "7"
        assert [str(each.key) for each in found.items] == ["Pod shop/a", "Pod shop/b"]

    converse(handler, talk, token="t0ken")


def test_a_watch_yields_all_lines_of_one_read_as_one_batch() -> None:
    def line(kind: str, name: str) -> bytes:
        return json.dumps({"type": kind, "object": pod(name)}).encode() + b"\n"

    go_on = asyncio.Event()

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.query["resourceVersion"] == "5"
        assert request.query["watch"] == "1"
        response = web.StreamResponse()
        await response.prepare(request)
        last = line("MODIFIED", "split")
        await response.write(line("ADDED", "a") + line("ADDED", "b") + last[:20])
        await go_on.wait()
        await response.write(last[20:])
        return response

    async def talk(client: HttpClient) -> None:
        batches: list[list[WatchEvent]] = []
        async for batch in client.watch(kinds.POD, resource_version="5"):
            batches.append(list(batch))
            go_on.set()
        assert [[(e.type, e.object.name) for e in batch] for batch in batches] == [
            [("ADDED", "a"), ("ADDED", "b")],
            [("MODIFIED", "split")],
        ]

    converse(handler, talk)


def test_a_watch_from_too_old_a_version_raises_410() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        status = {"kind": "Status", "code": 410, "reason": "Expired", "message": "too old resource version: 1 (9)"}
        return web.Response(text=json.dumps({"type": "ERROR", "object": status}) + "\n")

    async def talk(client: HttpClient) -> None:
        with pytest.raises(ApiError, match="too old") as caught:
            async for _ in client.watch(kinds.POD, resource_version="1"):
                pass
        assert (caught.value.code, caught.value.reason) == (410, "Expired")

    converse(handler, talk)


def test_status_bodies_become_api_errors() -> None:
    conflict = ApiError(409, "Conflict", "the object has been modified", {"name": "a"})

    async def handler(request: web.Request) -> web.StreamResponse:
        if request.method == "PUT":
            return web.json_response(conflict.status(), status=409)
        return web.Response(status=502, text="<html>bad gateway</html>")

    async def talk(client: HttpClient) -> None:
        with pytest.raises(ApiError) as caught:
            await client.update(kinds.POD, pod("a"))
        assert caught.value.status() == conflict.status()
        with pytest.raises(ApiError, match="502") as caught:
            await client.get(kinds.POD, "shop", "a")
        assert caught.value.code == 502

    converse(handler, talk)


def test_patches_and_deletes_speak_the_api_s_words() -> None:
    seen: list[tuple[str, str, str, object]] = []

    async def handler(request: web.Request) -> web.StreamResponse:
        seen.append((request.method, request.path, request.content_type, json.loads(await request.read())))
        return web.json_response(pod("a"))

    async def talk(client: HttpClient) -> None:
        await client.patch(kinds.POD, "shop", "a", [{"op": "remove", "path": "/x"}], type="json", subresource="status")
        await client.patch(kinds.NODE, "", "node-1", {"spec": {}}, type="strategic")
        await client.delete(kinds.POD, "shop", "a", grace_seconds=0, propagation="Foreground", uid="u")

    converse(handler, talk)
    assert seen == [
        (
            "PATCH",
            "/api/v1/namespaces/shop/pods/a/status",
            "application/json-patch+json",
            [{"op": "remove", "path": "/x"}],
        ),
        ("PATCH", "/api/v1/nodes/node-1", "application/strategic-merge-patch+json", {"spec": {}}),
        (
            "DELETE",
            "/api/v1/namespaces/shop/pods/a",
            "application/json",
            {
                "apiVersion": "v1",
                "kind": "DeleteOptions",
                "gracePeriodSeconds": 0,
                "propagationPolicy": "Foreground",
                "preconditions": {"uid": "u"},
            },
        ),
    ]


def test_an_unreachable_server_is_an_os_error() -> None:
    async def main() -> None:
        async with HttpClient(Access(server="http://127.0.0.1:1")) as client:
            with pytest.raises(OSError, match=r"127\.0\.0\.1"):
                await client.get(kinds.POD, "shop", "a")

    asyncio.run(main())


def test_a_server_that_hangs_up_is_an_os_error() -> None:
    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        request.transport.abort()
        return web.Response()

    async def talk(client: HttpClient) -> None:
        with pytest.raises(OSError, match=r"127\.0\.0\.1"):
            await client.create(kinds.POD, pod("a"))

    converse(handler, talk)


def issue(name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None) -> tuple[str, str, tuple]:  # type: ignore[type-arg]
    """(certificate PEM, key PEM, itself as an issuer)."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    builder = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(hours=1))
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
    )
    made = builder.sign(issuer[1] if issuer else key, hashes.SHA256())
    pem = made.public_bytes(serialization.Encoding.PEM).decode()
    secret = key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    ).decode()
    return pem, secret, (made, key)


def test_tls_with_a_client_certificate_and_a_server_name(tmp_path: Path) -> None:
    ca_pem, _, ca = issue("ca", None)
    server_pem, server_key, _ = issue("kubernetes.default", ca)
    client_pem, client_key, _ = issue("alice", ca)
    (tmp_path / "server.pem").write_text(server_pem + server_key)

    async def handler(request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        subject = dict(item[0] for item in request.transport.get_extra_info("peercert")["subject"])
        return web.json_response(pod(subject["commonName"]))

    async def main() -> None:
        context = ssl.create_default_context(ssl.Purpose.CLIENT_AUTH, cadata=ca_pem)
        context.load_cert_chain(tmp_path / "server.pem")
        context.verify_mode = ssl.CERT_REQUIRED
        context.verify_flags &= ~ssl.VERIFY_X509_STRICT  # `issue` writes no key identifiers, as not every CA does
        runner = web.ServerRunner(web.Server(handler))
        await runner.setup()
        await web.TCPSite(runner, "127.0.0.1", 0, ssl_context=context).start()
        access = Access(
            server=f"https://127.0.0.1:{runner.addresses[0][1]}",
            ca=ca_pem,
            tls_server_name="kubernetes.default",
            client_certificate=client_pem,
            client_key=client_key,
        )
        kubeconfig.write(tmp_path / "config", access, "test")
        async with HttpClient.from_kubeconfig(tmp_path / "config") as client:
            assert (await client.get(kinds.POD, "shop", "x")).name == "alice"
        async with HttpClient(replace(access, tls_server_name="")) as client:
            with pytest.raises(OSError, match="certificate"):
                await client.get(kinds.POD, "shop", "x")
        await runner.cleanup()

    asyncio.run(asyncio.wait_for(main(), 60))
