"""TLS of Ingresses: which of their hosts are served at port 443, and with which certificate.

Source: `IngressTLS` of the Ingress v1 API reference. ingress-nginx answers at 443 for every host, with its default
certificate where it has no other, and takes no certificate for a host that it does not cover:
https://kubernetes.github.io/ingress-nginx/user-guide/tls/
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import TYPE_CHECKING

from sealane.kube.objects import Key
from sealane.network.certificates.pairs import Pair, covers
from sealane.network.provenance import Provenance
from sealane.network.routes import hosts
from sealane.network.routes.ingress.classes import Served
from sealane.network.routes.model.l4 import INGRESS_PROXY
from sealane.network.routes.model.tls import CertificateRef, Chain
from sealane.reactive.collections import Collection, Fetch

if TYPE_CHECKING:
    from sealane.kube.shapes import Ingress
    from sealane.kube.shapes.networking_v1 import IngressTLS

PORT = 443
LISTENER = "https"
DEFAULT = Key("", "Secret", INGRESS_PROXY.namespace, "ingress-default-certificate")
"""The Secret with the certificate for whatever has no other. One that signed itself is put there if there is none."""
DEFAULT_CHAIN = Chain(
    hosts.ANY, LISTENER, Provenance(INGRESS_PROXY), (CertificateRef(DEFAULT, Provenance(INGRESS_PROXY)),), own=False
)


def chain(hostname: str, ref: CertificateRef) -> Chain:
    """What a connection for `hostname` gets."""
    return Chain(hostname, LISTENER, ref.origin, (ref,), own=False)


def named_by(ingress: Ingress, served: Served) -> tuple[Key, ...]:
    """The Secrets that matter to an Ingress that is served here."""
    entries = ingress.spec.get("tls") or ()
    named = [_secret(ingress, entry) for entry in entries if entry.get("secretName")]
    return (*dict.fromkeys(named), DEFAULT) if entries or served.nginx else ()


def certificates(
    ingress: Ingress, served: Served, names: Iterable[str], pairs: Collection[Key, Pair], fetch: Fetch
) -> dict[str, CertificateRef]:
    """The certificate of each of `names`, hostnames of the Ingress, that it serves with TLS.

    An entry that lists the host comes first, then one whose certificate covers it. An entry without hosts is for all
    hosts ("If unspecified, this field defaults to the wildcard host setting for the loadbalancer controller").
    """
    entries = ingress.spec.get("tls") or ()
    found: dict[str, CertificateRef] = {}
    for name in names if entries else ():
        number = _entry(ingress, entries, name, served, pairs, fetch)
        if number is not None:
            good = _usable(ingress, entries[number], name, served, pairs, fetch)
            secret = _secret(ingress, entries[number]) if good else DEFAULT
            found[name] = CertificateRef(secret, Provenance(ingress.key, ("spec", "tls", number)))
        elif served.nginx and name != hosts.ANY:
            found[name] = CertificateRef(DEFAULT, Provenance(ingress.key, ("spec", "tls")))
    return found


def problems(
    ingress: Ingress,
    served: Served,
    shown: Mapping[str, CertificateRef],
    pairs: Collection[Key, Pair],
    fetch: Fetch,
) -> list[str]:
    """Why hosts of the Ingress that ask for a certificate get the default one. Not yet, while none is known at all:
    Secrets are only asked for once somebody names one."""
    found: list[str] = []
    for number, entry in enumerate(ingress.spec.get("tls") or ()):
        secret = _secret(ingress, entry)
        if not secret.name or fetch.get(pairs, DEFAULT) is None:
            continue
        at = f"spec.tls[{number}].secretName"
        pair = fetch.get(pairs, secret)
        names = [
            name for name, ref in shown.items() if ref.secret == DEFAULT and ref.origin.path == ("spec", "tls", number)
        ]
        if pair is None:
            found.append(f"{at}: {secret} does not exist: the default certificate is shown")
        elif pair.problem:
            found.append(f"{at}: {secret}: {pair.problem}: the default certificate is shown")
        elif names and served.nginx:
            text = f"the certificate of {secret} is not for {', '.join(names)}"
            found.append(f"{at}: {text}: the default certificate is shown")
    return found


def _entry(
    ingress: Ingress,
    entries: Iterable[IngressTLS],
    name: str,
    served: Served,
    pairs: Collection[Key, Pair],
    fetch: Fetch,
) -> int | None:
    listed = [[each.lower() for each in entry.get("hosts") or ()] for entry in entries]
    for number, those in enumerate(listed):
        if name in those:
            return number
    for number, entry in enumerate(entries):
        if not listed[number] and not served.nginx:
            return number
        pair = fetch.get(pairs, _secret(ingress, entry))
        if pair is not None and not pair.problem and covers(pair.names, name):
            return number
    return None


def _usable(
    ingress: Ingress, entry: IngressTLS, name: str, served: Served, pairs: Collection[Key, Pair], fetch: Fetch
) -> bool:
    pair = fetch.get(pairs, _secret(ingress, entry))
    return pair is not None and not pair.problem and (not served.nginx or covers(pair.names, name))


def _secret(ingress: Ingress, entry: IngressTLS) -> Key:
    return Key("", "Secret", ingress.namespace, entry.get("secretName") or "")
