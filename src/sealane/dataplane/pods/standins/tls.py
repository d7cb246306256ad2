"""TLS of a stand-in, on whichever port a client begins it: with a certificate of its own for the name it is asked by.

Imported when the first client speaks it.
"""

from __future__ import annotations

import contextlib
import datetime
import logging
import ssl
import tempfile
from collections.abc import Callable
from functools import lru_cache
from typing import Protocol
from weakref import WeakKeyDictionary

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sealane.dataplane.pods.standins.behaviours import Facts, Session

log = logging.getLogger(__name__)

ALPN = ["h2", "http/1.1"]


class Transport(Protocol):
    """The part of the lower connection that a connection needs."""

    def write(self, data: bytes) -> None: ...

    def close(self) -> None: ...

    def is_closing(self) -> bool: ...


class Secured:
    """Between a connection and its client: `feed` takes what the client sent, `write` what it shall be told.

    deliver: gets what came through. begun: called once hands are shaken. A client that breaks the protocol is let go.
    """

    def __init__(
        self,
        below: Transport,
        deliver: Callable[[bytes], None],
        facts: Facts,
        *,
        alpn: bool = True,
        begun: Callable[[], None] = lambda: None,
    ) -> None:
        self._below = below
        self._deliver = deliver
        self._begun = begun
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        context = _configured(facts.certificate, facts.clients, alpn) if facts.certificate else _own()
        self._tls = context.wrap_bio(self._incoming, self._outgoing, server_side=True)
        self._shaken = False

    def session(self) -> Session:
        shown = self._tls.getpeercert(True)
        cipher = self._tls.cipher()
        return Session(
            self._tls.version() or "",
            _ASKED.get(self._tls, ""),
            self._tls.selected_alpn_protocol() or "",
            cipher[0] if cipher else "",
            (ssl.DER_cert_to_PEM_cert(shown),) if shown else (),
        )

    def feed(self, data: bytes) -> None:
        self._incoming.write(data)
        try:
            if not self._shaken:
                self._tls.do_handshake()
                self._shaken = True
                self._begun()
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
def _own() -> ssl.SSLContext:
    context = _with_certificate("stand-in")
    context.sni_callback = _choose
    return context


_ASKED: WeakKeyDictionary[ssl.SSLObject | ssl.SSLSocket, str] = WeakKeyDictionary()
"""The server name that each client asked for, which ssl tells nobody later."""


def _choose(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    if name:
        _ASKED[tls] = name
        tls.context = _with_certificate(name)


def _remember(tls: ssl.SSLObject | ssl.SSLSocket, name: str | None, _context: ssl.SSLContext) -> None:
    if name:
        _ASKED[tls] = name


@lru_cache(maxsize=64)
def _configured(certificate: str, clients: str, alpn: bool) -> ssl.SSLContext:
    """With the certificate of the container's environment, whatever name is asked for. What cannot be used is said."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    if alpn:
        context.set_alpn_protocols(ALPN)
    context.sni_callback = _remember
    try:
        with tempfile.NamedTemporaryFile("w", suffix=".pem") as file:
            file.write(certificate)
            file.flush()
            context.load_cert_chain(file.name)
        if clients:
            context.verify_mode = ssl.CERT_OPTIONAL
            context.load_verify_locations(cadata=clients)
    except (ssl.SSLError, ValueError) as error:
        log.warning("a container's certificate for TLS cannot be used: %s", error)
        return _own()
    return context


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
