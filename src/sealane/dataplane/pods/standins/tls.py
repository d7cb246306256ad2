"""TLS of a stand-in, on whichever port a client begins it: with a certificate of its own for the name it is asked by.

Imported when the first client speaks it.
"""

from __future__ import annotations

import contextlib
import datetime
import ssl
import tempfile
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

ALPN = ["h2", "http/1.1"]


class Transport(Protocol):
    """The part of the lower connection that a connection needs."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def is_closing(self) -> bool: ...


class Secured:
    """Between a connection and its client: `feed` takes what the client sent, `write` what it shall be told.

    deliver: gets what came through. A client that breaks the protocol is let go.
    """

    def __init__(self, below: Transport, deliver: Callable[[bytes], None]) -> None:
        self._below = below
        self._deliver = deliver
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        self._tls = _context().wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._shaken = False

    def feed(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
            while plain := self._tls.read(65536):
                self._deliver(plain)
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLError:
            self._flush()
            self._below.close()
            return
        self._flush()

    def write(self, data: bytes) -> None:
        self._tls.write(data)
        self._flush()

    def close(self) -> None:
        with contextlib.suppress(ssl.SSLError):
            self._tls.unwrap()  # says that nothing follows; the client's word is not waited for
        self._flush()
        self._below.close()

    def is_closing(self) -> bool:
        return self._below.is_closing()

    def _flush(self) -> None:
        if self._outgoing.pending and not self._below.is_closing():
            self._below.write(self._outgoing.read())


@lru_cache(maxsize=1)
def _context() -> ssl.SSLContext:
    context = _with_certificate("stand-in")
    context.sni_callback = _choose
    return context


def _choose(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    if name:
        tls.context = _with_certificate(name)


@lru_cache(maxsize=256)
def _with_certificate(name: str) -> ssl.SSLContext:
    key = ec.generate_private_key(ec.SECP256R1())
    now = datetime.datetime.now(datetime.UTC)
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name[:64])])
    certificate = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=365))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.set_alpn_protocols(ALPN)
    with tempfile.NamedTemporaryFile("wb", suffix=".pem") as file:  # the only way in for a certificate
        plain = serialization.NoEncryption()
        pem = (serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
        file.write(key.private_bytes(*pem) + certificate.public_bytes(serialization.Encoding.PEM))
        file.flush()
        context.load_cert_chain(file.name)
    return context
