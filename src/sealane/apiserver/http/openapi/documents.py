"""The documents of OpenAPI, and their contents.

Source: https://kubernetes.io/docs/concepts/overview/kubernetes-api/#openapi-v3 (KEP-2896)
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable

from sealane.apiserver.http.openapi.paths import paths
from sealane.apiserver.http.openapi.schemas import listed, schemas
from sealane.apiserver.http.openapi.swagger import as_swagger
from sealane.apiserver.registry.resources import Resources, Served
from sealane.kube.objects import Raw

INFO = {"title": "Kubernetes", "version": "v1.34.0+sealane"}


def document(path: str, resources: Resources) -> Raw | None:
    """The document at `path`; None when there is none."""
    groups: dict[str, list[Served]] = {}
    for served in resources.all():
        groups.setdefault(_prefix(served), []).append(served)
    if path == "/openapi/v2":
        return as_swagger(_document(resources.all()), INFO)
    if path == "/openapi/v3":
        found = {
            prefix: {"serverRelativeURL": f"/openapi/v3/{prefix}?hash={_hash(kinds)}"}
            for prefix, kinds in groups.items()
        }
        return {"paths": found}
    kinds = groups.get(path.removeprefix("/openapi/v3/"))
    return None if kinds is None else _document(kinds)


def _document(kinds: Iterable[Served]) -> Raw:
    found: Raw = {}
    components: Raw = {}
    for served in kinds:
        components |= schemas(served)
        components |= listed(served)
        found |= paths(served)
    ordered = dict(sorted(components.items()))
    return {"openapi": "3.0.0", "info": INFO, "paths": found, "components": {"schemas": ordered}}


def _hash(kinds: Iterable[Served]) -> str:
    """Clients keep a document for as long as its hash is the same, also across clusters."""
    digest = hashlib.sha256(INFO["version"].encode())
    for served in kinds:
        digest.update(repr((served.kind, served.list_kind)).encode())
        if served.schema is not None:
            digest.update(json.dumps(served.schema.schema, sort_keys=True).encode())
    return digest.hexdigest().upper()


def _prefix(served: Served) -> str:
    kind = served.kind
    return f"apis/{kind.api_version}" if kind.group else f"api/{kind.version}"
