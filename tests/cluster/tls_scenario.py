"""HTTPS listeners, a scenario of test_envoy.py: the real curl and openssl against the real Envoy."""

from __future__ import annotations

import asyncio
import ssl
from base64 import b64encode
from datetime import UTC, datetime, timedelta
from typing import Any

from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat
from envoy_world import GATEWAY_UID, World


async def tls(world: World) -> None:
    def listener(secret: str, hostname: str) -> dict[str, Any]:
        refs = {"certificateRefs": [{"name": secret}]}
        return {"port": 443, "protocol": "HTTPS", "hostname": hostname, "tls": refs}

    def renew(name: str, host: str) -> bytes:
        chain, key = self_signed(host)
        (world.folder / f"{name}.pem").write_bytes(chain)
        data = {"tls.crt": b64encode(chain).decode(), "tls.key": b64encode(key).decode()}
        world.set({"apiVersion": "v1", "kind": "Secret", "metadata": {"namespace": "shop", "name": name}, "data": data})
        return chain

    await world.backend("a")
    world.service("s", ["a"])
    world.gateway({"port": 80})
    assert "Secret" not in [kind.kind for kind in world.objects], "nobody asked for Secrets"
    world.gateway({"port": 80}, listener("shop", "shop.example"), listener("wild", "*.wild.example"))
    world.route("r", [], [{"backendRefs": [{"name": "s", "port": 80}]}])
    renew("shop", "shop.example")
    renew("wild", "*.wild.example")
    await world.until("any.test", 200)
    while f"{GATEWAY_UID}/443" not in world.listening:
        await asyncio.sleep(0.01)

    async def client(*argv: str) -> tuple[int, str]:
        made = await asyncio.create_subprocess_exec(
            "nsenter",
            f"--net={world.netns('client')}",
            *argv,
            stdin=asyncio.subprocess.DEVNULL,
            stdout=asyncio.subprocess.PIPE,
            stderr=asyncio.subprocess.DEVNULL,
        )
        out, _ = await made.communicate()
        return await made.wait(), out.decode(errors="replace")

    async def curl(name: str, trusted: str, *options: str) -> tuple[int, str]:
        resolve = f"{name}:443:{world.gateway_ip}"
        wanted = (
            "--cacert",
            str(world.folder / f"{trusted}.pem"),
            "--resolve",
            resolve,
            "-w",
            "%{http_code} %{http_version}",
        )
        return await client("curl", "-s", "-o", "/dev/null", "--max-time", "10", *wanted, *options, f"https://{name}/")

    assert await curl("shop.example", "shop") == (0, "200 2")
    assert await curl("shop.example", "shop", "--http1.1") == (0, "200 1.1")
    assert await curl("a.wild.example", "wild") == (0, "200 2")
    assert (await curl("shop.example", "wild"))[0] == 60  # another certificate than the one that is trusted
    assert (await curl("other.test", "shop"))[0] == 35  # no listener for this name: the handshake ends
    code, _ = await client("openssl", "s_client", "-connect", f"{world.gateway_ip}:443", "-servername", "other.test")
    assert code != 0
    # A connection is for the hosts of its listener; one of another listener asks for a connection of its own.
    assert await curl("shop.example", "shop", "-H", "Host: a.wild.example") == (0, "421 2")
    assert await curl("a.wild.example", "wild", "-H", "Host: shop.example") == (0, "421 2")
    assert await curl("a.wild.example", "wild", "-H", "Host: B.Wild.Example:443") == (0, "200 2")
    assert await curl("shop.example", "shop", "-H", "Host: other.test") == (0, "404 2")

    unverified = ssl.create_default_context()
    unverified.check_hostname, unverified.verify_mode = False, ssl.CERT_NONE
    served, stopping = 0, False

    async def ask() -> None:
        nonlocal served
        kept = await world.connect(443, tls=(unverified, "shop.example"))  # from before the first renewal
        while not stopping:
            fresh = await world.connect(443, tls=(unverified, "shop.example"))
            for each in (kept, fresh):
                answer = await each.request("shop.example")
                assert answer.status == 200, answer
                assert answer.seen["headers"]["x-forwarded-proto"] == "https", answer.seen
                served += 1
            fresh.close()
        kept.close()

    askers = [asyncio.create_task(ask()) for _ in range(2)]
    for _ in range(10):
        chain, before = renew("shop", "shop.example"), served
        while True:
            fresh = await world.connect(443, tls=(unverified, "shop.example"))
            shown = fresh.certificate()
            fresh.close()
            if shown == ssl.PEM_cert_to_DER_cert(chain.decode()):
                break
        while served < before + 10 and not any(each.done() for each in askers):
            await asyncio.sleep(0.01)
    stopping = True
    await asyncio.gather(*askers)
    assert await curl("shop.example", "shop") == (0, "200 2")

    # A Secret that goes takes its listener along, and no other; once it is back, it serves again.
    world.remove("Secret", "shop", "shop")
    while (await curl("shop.example", "shop"))[0] == 0:
        await asyncio.sleep(0.05)
    assert await curl("a.wild.example", "wild") == (0, "200 2")
    renew("shop", "shop.example")
    while (await curl("shop.example", "shop"))[0] != 0:
        await asyncio.sleep(0.05)


def self_signed(host: str) -> tuple[bytes, bytes]:
    """A certificate of its own and its key, in PEM."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, host)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(host)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    secret = key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    return made.public_bytes(Encoding.PEM), secret
