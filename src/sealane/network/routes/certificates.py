"""References to certificates: may they, do they resolve.

Source: https://gateway-api.sigs.k8s.io/reference/spec/ (v1): `SecretObjectReference`, `ObjectReference`; GEP-709.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sealane.kube.objects import Key
from sealane.network.certificates.authorities import Authority
from sealane.network.certificates.pairs import Pair
from sealane.network.routes.backends import permitted
from sealane.network.routes.sources import Sources
from sealane.reactive.collections import Collection, Fetch


@dataclass(frozen=True, slots=True)
class Certificates:
    """What references to certificates lead to, of those that somebody of ours names.

    pairs: certificates with keys, of Secrets. authorities: bundles of CAs, of ConfigMaps and Secrets.
    """

    pairs: Collection[Key, Pair]
    authorities: Collection[Key, Authority]


@dataclass(frozen=True, slots=True)
class Problem:
    """kind: "grant" (no ReferenceGrant), "kind" (it cannot be one) or "missing" (not there, or not what it should)."""

    kind: str
    message: str


def named(from_: Key, ref: Mapping[str, Any], kind: str = "Secret") -> Key:
    """The object that a reference in `from_` names. kind: when it says none."""
    return Key(
        str(ref.get("group") or ""),
        str(ref.get("kind") or kind),
        str(ref.get("namespace") or from_.namespace),
        str(ref.get("name") or ""),
    )


def pair_problem(from_: Key, secret: Key, sources: Sources, certificates: Certificates, fetch: Fetch) -> Problem | None:
    """Why `from_` cannot show the certificate of `secret`.

    Whether a Secret of another namespace is there is told only to who may refer to it.
    """
    if (secret.group, secret.kind) != ("", "Secret"):
        kind = f"{secret.group or 'core'}/{secret.kind}"
        return Problem("kind", f"{kind} cannot be a certificate, only a Secret can")
    if (problem := _grant(from_, secret, sources, fetch)) is not None:
        return problem
    pair = fetch.get(certificates.pairs, secret)
    if pair is None:
        return Problem("missing", f"{secret} does not exist")
    return Problem("missing", f"{secret}: {pair.problem}") if pair.problem else None


def authority(
    from_: Key, bundle: Key, sources: Sources, certificates: Certificates, fetch: Fetch
) -> Authority | Problem:
    """The CAs in a ConfigMap or Secret that `from_` names."""
    if bundle.group or bundle.kind not in ("ConfigMap", "Secret"):
        kind = f"{bundle.group or 'core'}/{bundle.kind}"
        return Problem("kind", f"{kind} cannot hold certificates of CAs, only a ConfigMap or a Secret can")
    if (problem := _grant(from_, bundle, sources, fetch)) is not None:
        return problem
    found = fetch.get(certificates.authorities, bundle)
    if found is None:
        return Problem("missing", f"{bundle} does not exist")
    return Problem("missing", f"{bundle}: {found.problem}") if found.problem else found


def _grant(from_: Key, to: Key, sources: Sources, fetch: Fetch) -> Problem | None:
    if to.namespace == from_.namespace or permitted(from_, to, sources, fetch):
        return None
    return Problem("grant", f"no ReferenceGrant in {to.namespace} lets {from_} refer to {to}")
