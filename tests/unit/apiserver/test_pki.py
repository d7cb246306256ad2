"""Credentials: made once, private, and good for TLS at every name and address of the API."""

from __future__ import annotations

import socket
import ssl
import stat
import sys
import threading
from pathlib import Path

import pytest

from sealane.cluster import pki
from sealane.kube.client import kubeconfig


def test_made_once_kept_and_private(tmp_path: Path) -> None:
    made = pki.ensure(tmp_path / "pki")
    assert len(made.token) >= 32
    assert pki.ensure(tmp_path / "pki") == made
    for path in (tmp_path / "pki").iterdir():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600, path


def test_reading_needs_no_cryptography(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    made = pki.ensure(tmp_path)
    monkeypatch.setitem(sys.modules, "cryptography", None)
    assert pki.ensure(tmp_path) == made


def test_the_kubeconfig_is_complete(tmp_path: Path) -> None:
    made = pki.ensure(tmp_path / "pki")
    path = tmp_path / "kubeconfig"
    pki.write_kubeconfig(path, "https://127.0.0.1:6443", made, "lab")
    access = kubeconfig.load(path, "lab")
    assert (access.server, access.ca, access.token) == ("https://127.0.0.1:6443", made.ca, made.token)
    assert stat.S_IMODE(path.stat().st_mode) == 0o600


@pytest.mark.parametrize("name", [*pki.NAMES, *pki.ADDRESSES])
def test_the_certificate_stands_for_every_name(tmp_path: Path, name: str) -> None:
    made = pki.ensure(tmp_path)
    ours, theirs = socket.socketpair()
    server = pki.server_context(made)

    def serve() -> None:
        with server.wrap_socket(theirs, server_side=True) as sock:
            sock.sendall(b"hello")

    thread = threading.Thread(target=serve)
    thread.start()
    with ssl.create_default_context(cadata=made.ca).wrap_socket(ours, server_hostname=name) as sock:
        assert sock.recv(5) == b"hello"
    thread.join()
