"""The store on etcd v3: everything it does on SQLite, servers that follow one another, TLS and users."""

from __future__ import annotations

import asyncio
import datetime
import ipaddress
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID
from etcd_process import Etcd, needs_etcd

from sealane.apiserver.encodings.wire import chunk
from sealane.apiserver.storage.backends import Address, StorageError, etcd, snapshots
from sealane.apiserver.storage.backends import etcd_wire as wire
from sealane.apiserver.storage.backends.connecting import connect
from sealane.apiserver.storage.backends.etcd import EtcdBackend
from sealane.apiserver.storage.backends.location import Location
from sealane.apiserver.storage.store import Store
from sealane.testing.cluster import Cluster, Done, run

pytestmark = needs_etcd
CONFIGMAPS = ("", "configmaps")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Etcd]:
    with Etcd(tmp_path_factory.mktemp("etcd")) as found:
        yield found


def opened(url: str, cluster: str) -> Store:
    return Store.on(connect(url, "", cluster))


async def fill(store: Store, count: int, size: int = 100) -> None:
    for number in range(count):
        name = f"c-{number}"
        raw = {"metadata": {"name": name, "namespace": "ns", "uid": name}, "data": {"k": "v" * size}}
        store.enqueue(Address(CONFIGMAPS, "ns", name), store.stamped(raw))
    await store.flush()


def contents(store: Store) -> dict[str, bytes]:
    return {each.object.name: each.data for each in store.items(CONFIGMAPS)}


def test_what_was_written_is_loaded_again_also_in_many_pages(server: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd, "PAGE", 97)

    async def test() -> None:
        store = opened(server.url, "pages")
        await fill(store, 1000)  # more than one transaction takes
        await fill(store, 5, 600_000)  # more bytes than one transaction takes
        stored = store.get(CONFIGMAPS, "ns", "c-7")
        assert stored is not None
        await store.write(Address(CONFIGMAPS, "ns", "c-7"), store.stamped(stored.object.raw), deleted=True)
        before, version = contents(store), store.version
        store.close()
        again = opened(server.url, "pages")
        assert (contents(again), again.version) == (before, version)
        assert len(before) == 999
        assert contents(opened(server.url, "other")) == {}
        again.close()

    asyncio.run(test())


def test_a_server_that_was_taken_over_from_writes_nothing_more(server: Etcd) -> None:
    async def test() -> None:
        old = opened(server.url, "two")
        await fill(old, 3)
        new = opened(server.url, "two")
        with pytest.raises(StorageError, match="was taken over by another server"):
            await fill(old, 4)
        assert len(contents(old)) == 3
        await fill(new, 5)
        assert len(contents(new)) == 5
        old.close()
        new.close()

    asyncio.run(test())


def test_a_write_that_is_too_large_is_refused_and_the_store_goes_on(server: Etcd) -> None:
    async def test() -> None:
        store = opened(server.url, "large")
        raw = {"metadata": {"name": "big", "namespace": "ns", "uid": "big"}, "data": {"k": "v" * 2_500_000}}
        others = asyncio.ensure_future(fill(store, 2))
        with pytest.raises(StorageError, match="takes at most"):
            await store.write(Address(CONFIGMAPS, "ns", "big"), store.stamped(raw))
        await others
        assert contents(store).keys() == {"c-0", "c-1"}
        store.close()

    asyncio.run(test())


def test_history_of_etcd_is_compacted(server: Etcd, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(etcd, "COMPACT_WRITES", 10)

    async def test() -> None:
        store = opened(server.url, "compact")
        for _ in range(40):
            await fill(store, 1)
        store.close()

    asyncio.run(test())
    backend = EtcdBackend.connect(server.url, "compact")
    with pytest.raises(StorageError, match="compacted"):
        list(backend._rows(2))
    backend.close()


def test_snapshots_go_between_sqlite_and_etcd(server: Etcd, tmp_path: Path) -> None:
    async def test() -> None:
        store = opened(server.url, "snap")
        await fill(store, 30)
        reader = EtcdBackend.connect(server.url, "snap")
        snapshots.save(reader, tmp_path / "saved", {})
        reader.close()
        before, version = contents(store), store.version
        await fill(store, 40)  # reading took nothing over
        store.close()
        snapshots.restore(tmp_path / "saved", tmp_path / "store.db")
        kept = Store.open(tmp_path / "store.db")
        assert contents(kept) == before
        kept.close()
        target = EtcdBackend.connect(server.url, "snap")
        snapshots.restore(tmp_path / "saved", target)
        target.close()
        again = opened(server.url, "snap")
        assert contents(again) == before
        assert again.version > version
        again.close()
        backend = EtcdBackend.connect(server.url, "snap")
        backend.purge()
        assert backend.read()[0] == 0
        backend.close()

    asyncio.run(test())


def certificate(folder: Path, name: str, issuer: tuple[x509.Name, ec.EllipticCurvePrivateKey] | None) -> None:
    """NAME.crt and NAME.key in `folder`, of a CA of its own when there is no issuer."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0] if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(hours=1))
        .not_valid_after(now + datetime.timedelta(days=1))
        .add_extension(x509.BasicConstraints(issuer is None, None), critical=True)
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False)
        .sign(issuer[1] if issuer else key, hashes.SHA256())
    )
    (folder / f"{name}.crt").write_bytes(made.public_bytes(serialization.Encoding.PEM))
    plain = serialization.NoEncryption()
    (folder / f"{name}.key").write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, plain)
    )


def test_client_certificates(tmp_path: Path) -> None:
    certificate(tmp_path, "ca", None)
    authority = x509.load_pem_x509_certificate((tmp_path / "ca.crt").read_bytes()).subject
    signer = serialization.load_pem_private_key((tmp_path / "ca.key").read_bytes(), None)
    assert isinstance(signer, ec.EllipticCurvePrivateKey)
    for name in ("server", "client"):
        certificate(tmp_path, name, (authority, signer))
    arguments = ["--cert-file", "server.crt", "--key-file", "server.key", "--trusted-ca-file", "ca.crt"]
    arguments = [str(tmp_path / each) if each.endswith((".crt", ".key")) else each for each in arguments]
    with Etcd(tmp_path / "data", *arguments, "--client-cert-auth", scheme="https") as found:
        query = f"?ca={tmp_path}/ca.crt&cert={tmp_path}/client.crt&key={tmp_path}/client.key"

        async def test() -> None:
            store = opened(found.url + query, "tls")
            await fill(store, 3)
            store.close()
            assert len(contents(opened(found.url + query, "tls"))) == 3

        asyncio.run(test())
        stranger = EtcdBackend(Location.parse(f"{found.url}?ca={tmp_path}/ca.crt", "tls"), patience=1.0)
        with pytest.raises(StorageError, match="etcd at"):
            Store.on(stranger)


def test_users_and_passwords(tmp_path: Path) -> None:
    (tmp_path / "password").write_text("secret\n")
    with Etcd(tmp_path / "data") as found:
        backend = EtcdBackend.connect(found.url, "users")
        backend._call("/etcdserverpb.Auth/UserAdd", wire.authenticate_request("root", "secret"))
        backend._call("/etcdserverpb.Auth/UserGrantRole", chunk(1, b"root") + chunk(2, b"root"))
        backend._call("/etcdserverpb.Auth/AuthEnable", b"")
        with pytest.raises(StorageError, match="user name is empty"):
            backend.load()
        backend.close()

        async def test() -> None:
            store = opened(f"{found.url}?user=root&password-file={tmp_path}/password", "users")
            await fill(store, 3)
            store.close()

        asyncio.run(test())


def snapshot(cluster: Cluster, what: str, file: Path) -> Done:
    return run([sys.executable, "-m", "sealane", "snapshot", what, str(file), "--name", cluster.name], env=cluster.env)


def test_a_cluster_on_etcd(server: Etcd, tmp_path: Path) -> None:
    cluster = Cluster("on-etcd", {"SEALANE_HOME": str(tmp_path / "home")})
    up = ("up", "--nodes", "1", "--dns-upstream", "none")
    try:
        assert cluster.sealane(*up, "--store", server.url).code == 0
        raw = "{apiVersion: v1, kind: ConfigMap, metadata: {name: kept, namespace: default}, data: {a: b}}"
        assert cluster.sealane("up", "-", stdin=raw).code == 0
        saved = snapshot(cluster, "save", tmp_path / "saved")
        assert "objects of cluster 'on-etcd'" in saved.out, saved
        refused = snapshot(cluster, "restore", tmp_path / "saved")
        assert (refused.code, "first: sealane down --keep" in refused.err) == (2, True)
        assert not (tmp_path / "home/on-etcd/store.db").exists()
        assert cluster.sealane("down", "--keep").code == 0
        assert cluster.sealane(*up).code == 0
        assert cluster.get("configmap", "kept", "default")["data"] == {"a": "b"}
        cluster.sealane("down", "--keep")
        moved = Cluster("moved", cluster.env)
        try:
            assert snapshot(moved, "restore", tmp_path / "saved").code == 0
            assert moved.sealane(*up).code == 0
            assert moved.get("configmap", "kept", "default")["data"] == {"a": "b"}
            root = moved.get("configmap", "kube-root-ca.crt", "default")["data"]["ca.crt"]
            assert root == (tmp_path / "home/moved/pki/ca.crt").read_text()
        finally:
            moved.sealane("down")
    finally:
        cluster.sealane("down")
    backend = EtcdBackend.connect(server.url, "on-etcd")
    assert list(backend.read()[1]) == []
    backend.close()


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("http://127.0.0.1", "is not etcd://HOST:PORT"),
        ("etcd://", "is not etcd://HOST:PORT"),
        ("etcd://user:secret@127.0.0.1", "can be seen by others"),
        ("etcd://127.0.0.1?tls=1", "unknown tls; there are ca, cert, key, password-file, user"),
        ("etcd://127.0.0.1?cert=x", "cert and key go together"),
    ],
)
def test_wrong_urls_are_refused_before_anything_starts(tmp_path: Path, url: str, why: str) -> None:
    cluster = Cluster("wrong", {"SEALANE_HOME": str(tmp_path / "home")})
    done = cluster.sealane("up", "--store", url)
    assert (done.code, why in done.err) == (2, True), done
