"""What every client needs: the shell's variables, and certificates."""

from __future__ import annotations

import datetime
import os
import sys
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from sealane.testing.cluster import Cluster


def variables(cluster: Cluster, home: Path) -> dict[str, str]:
    """Of a shell in which someone works with `cluster`: its kubeconfig, the commands of the environment, a home."""
    path = f"{Path(sys.executable).parent}:{os.environ['PATH']}"
    mine = {"PATH": path, "KUBECONFIG": cluster.kubeconfig, "HOME": str(home), "CURL_HOME": str(home), "TERM": "dumb"}
    state = str(Path(cluster.status()["folder"]).parent)  # which is in the home of who is not root
    return {**os.environ, **mine, "SEALANE_HOME": state}


def certificate(path: Path, key_path: Path, name: str) -> None:
    """A certificate for the host `name`, signed by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.datetime.now(datetime.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - datetime.timedelta(days=1))
        .not_valid_after(now + datetime.timedelta(days=30))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName(name)]), critical=False)
        .sign(key, hashes.SHA256())
    )
    path.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    key_path.write_bytes(
        key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
    )
