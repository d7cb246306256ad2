"""Applying manifests: create, or bring what is there to what the file says.

Server-side apply: fields of the last applied manifest that the new one lacks are removed, fields of other writers kept.
Where `kubectl apply` left its annotation, the manifest in it counts as the last one too and becomes this one, so that
both tools can be used on one object in turn. A manifest that names an element of a list twice cannot be applied so; it
is merged three ways, as by `kubectl apply`.
"""

from __future__ import annotations

import asyncio
import json
from collections.abc import Awaitable, Callable, Iterable, Mapping
from typing import Any, Protocol

import msgspec

from sealane.kube import kinds
from sealane.kube.client.protocol import ApiError, Client
from sealane.kube.kinds import Kind
from sealane.kube.objects import Key, Object, Raw

LAST_APPLIED = "kubectl.kubernetes.io/last-applied-configuration"
MANAGER = "sealane"
"""Who manages the fields of manifests, in metadata.managedFields."""

IN_FLIGHT = 8
_LONGEST = 262_144
"""Bytes of all annotations together (TotalAnnotationSizeLimitB of k8s.io/apimachinery)."""

_SERVERS = ("uid", "resourceVersion", "creationTimestamp", "generation", "managedFields", "selfLink")


class Applying(Client, Protocol):
    """A client that can do server-side apply."""

    async def apply(self, kind: Kind, raw: Raw, *, manager: str) -> Object: ...


class Applied(msgspec.Struct, frozen=True):
    object: Object


class Failed(msgspec.Struct, frozen=True):
    object: Object
    error: ApiError


async def apply(
    client: Applying,
    objects: Iterable[Object],
    kind_of: Callable[[Object], Kind],
    on_done: Callable[[Applied | Failed], None] | None = None,
) -> list[Applied | Failed]:
    """Applies `objects`, what others need first: namespaces, then definitions and classes, then the rest."""
    results: list[Applied | Failed] = []
    gate = asyncio.Semaphore(IN_FLIGHT)

    async def one(found: Object) -> None:
        async with gate:
            try:
                result: Applied | Failed = Applied(await _apply_one(client, kind_of(found), found))
            except ApiError as error:
                result = Failed(found, error)
        results.append(result)
        if on_done is not None:
            on_done(result)

    stages: dict[int, list[Awaitable[None]]] = {}
    for found in objects:
        stages.setdefault(_stage(found), []).append(one(found))
    for _, stage in sorted(stages.items()):
        await asyncio.gather(*stage)
    return results


def _stage(found: Object) -> int:
    early = {
        kinds.NAMESPACE.kind: 0,
        kinds.CRD.kind: 0,
        kinds.GATEWAYCLASS.kind: 1,
        kinds.INGRESSCLASS.kind: 1,
        kinds.CONFIGMAP.kind: 1,
        kinds.SECRET.kind: 1,
        kinds.SERVICEACCOUNT.kind: 1,
        kinds.SERVICE.kind: 2,  # before pods, so that their FOO_SERVICE_HOST variables are complete
    }
    return early.get(found.kind, 3)


async def _apply_one(client: Applying, kind: Kind, wanted: Object) -> Object:
    raw = _manifest(wanted.raw)
    namespace = wanted.namespace or ("default" if kind.namespaced else "")
    if kind.namespaced and not wanted.namespace:
        raw = {**raw, "metadata": {**raw["metadata"], "namespace": namespace}}
    if not wanted.name:
        return await client.create(kind, raw)  # each time another, of its generateName
    try:
        found = await client.apply(kind, raw, manager=MANAGER)
    except ApiError as error:
        if "duplicate entries for key" not in error.message:
            raise
        return await _merged(client, kind, namespace, raw)
    said = found.annotations.get(LAST_APPLIED)
    if said is None:
        return found
    noted = with_last_applied(raw)
    if len(noted["metadata"]["annotations"][LAST_APPLIED]) > _LONGEST // 2:
        noted = raw  # then without
    patch = three_way(_read(said), noted, found.raw)
    if noted is raw:
        patch.setdefault("metadata", {}).setdefault("annotations", {})[LAST_APPLIED] = None
    return await client.patch(kind, namespace, wanted.name, patch, type="merge") if patch else found


def _manifest(raw: Raw) -> Raw:
    """`raw` without what the server wrote into it, as in a manifest that `kubectl get -o yaml` made."""
    metadata = {key: value for key, value in raw["metadata"].items() if key not in _SERVERS}
    annotations = metadata.get("annotations") or {}
    if LAST_APPLIED in annotations:
        metadata["annotations"] = {key: value for key, value in annotations.items() if key != LAST_APPLIED}
    return {**raw, "metadata": metadata}


def _read(annotation: str) -> Raw:
    try:
        found = json.loads(annotation)
    except ValueError:
        return {}
    return found if isinstance(found, dict) else {}


async def _merged(client: Client, kind: Kind, namespace: str, raw: Raw) -> Object:
    raw = with_last_applied(raw)
    try:
        return await client.create(kind, raw)
    except ApiError as error:
        if error.reason != "AlreadyExists":
            raise
    name = raw["metadata"]["name"]
    current = await client.get(kind, namespace, name)
    patch = three_way(_read(current.annotations.get(LAST_APPLIED, "")), raw, current.raw)
    return await client.patch(kind, namespace, name, patch, type="merge") if patch else current


def with_last_applied(raw: Raw) -> Raw:
    """`raw` with itself in the annotation, as kubectl writes it."""
    metadata = {**raw.get("metadata", {})}
    annotations = {key: value for key, value in (metadata.get("annotations") or {}).items() if key != LAST_APPLIED}
    plain = {**raw, "metadata": {**metadata, "annotations": annotations}}
    text = json.dumps(plain, separators=(",", ":"), sort_keys=True) + "\n"
    return {**raw, "metadata": {**metadata, "annotations": {**annotations, LAST_APPLIED: text}}}


def three_way(previous: Mapping[str, Any], wanted: Mapping[str, Any], current: Mapping[str, Any]) -> Raw:
    """The JSON merge patch (RFC 7386) that brings `current` to `wanted` and drops what only `previous` held.

    Lists are replaced whole; a list in which `current` only adds defaults to what `wanted` says is left alone.
    """
    patch: Raw = {}
    for key, value in wanted.items():
        have = current.get(key)
        if isinstance(value, Mapping) and isinstance(have, Mapping):
            nested = three_way(previous.get(key) or {}, value, have)
            if nested:
                patch[key] = nested
        elif key not in current or not _within(value, have):
            patch[key] = value
    for key in previous:
        if key not in wanted and key in current:
            patch[key] = None
    return patch


def _within(wanted: Any, current: Any) -> bool:
    """Whether `current` says all that `wanted` says (it may say more: defaults)."""
    if isinstance(wanted, Mapping):
        return isinstance(current, Mapping) and all(
            key in current and _within(value, current[key]) for key, value in wanted.items()
        )
    if isinstance(wanted, list):
        return (
            isinstance(current, list)
            and len(wanted) == len(current)
            and all(_within(one, other) for one, other in zip(wanted, current, strict=True))
        )
    return bool(wanted == current)


def origins(objects: Iterable[Object]) -> dict[str, Any]:
    """The origins from which `trace` names file and line of an applied object: str(key) → {file, line, lines}."""
    found: dict[str, Any] = {}
    for each in objects:
        if each.origin is not None and each.origin.file:
            key = each.key if each.namespace else Key(each.key.group, each.key.kind, "", each.key.name)
            found[str(key)] = {
                "file": each.origin.file,
                "line": each.origin.line,
                "lines": [[list(path), line] for path, line in each.origin.lines.items()],
            }
    return found
