"""Reading a request: what its path is about, its options, its body."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote

import msgspec
import yaml
from aiohttp import web

from sealane.apiserver import cbor, errors, listing, protobuf
from sealane.apiserver.access.action import Action, name_selected, verb_of
from sealane.apiserver.access.user import User
from sealane.apiserver.attempts import Write
from sealane.apiserver.deletion import Deletion
from sealane.apiserver.listing import ListOptions
from sealane.kube.client import ApiError
from sealane.kube.objects import Raw, without_nulls

_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})
_NUMBER = re.compile(r"[+-]?[0-9]+")


@dataclass(frozen=True, slots=True)
class Target:
    """A collection (name ""), an object or a subresource. namespace None: the path names none."""

    group: str
    version: str
    plural: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""
    rest: str = ""


def parse_path(path: str) -> Target | None:
    """None for a path that is about no resource, such as discovery."""
    parts = [unquote(part) for part in path.strip("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2 and not (len(rest) == 3 and rest[2] in _NAMESPACE_SUBRESOURCES):
        namespace, rest = rest[1], rest[2:]
    padded = [*rest, "", ""]
    return Target(group, version, padded[0], namespace, padded[1], padded[2], "/".join(rest[3:]))


class Request(web.BaseRequest):
    """user: who asks, once that is known."""

    user: User | None = None


def user_of(request: web.BaseRequest) -> User:
    """Who asks: nothing is done for nobody."""
    assert isinstance(request, Request)
    assert request.user is not None
    return request.user


def action_of(request: web.BaseRequest, user: User, target: Target | None) -> Action:
    """What `user` wants, as roles name it: k8s.io/apiserver/pkg/endpoints/request (RequestInfo)."""
    if target is None:
        return Action(user, request.method.lower(), path=request.path)
    name, namespace = target.name, target.namespace or ""
    verb = verb_of(request.method, name, watching=flag(request.query, "watch"))
    if target.plural == "namespaces" and not target.group:
        namespace = name  # who may read a namespace by a role inside it, may read it
    if not name and verb in ("list", "watch", "deletecollection"):
        name = name_selected(request.query)
    return Action(user, verb, target.group, target.version, target.plural, target.subresource, namespace, name)


def flag(query: Mapping[str, str], name: str) -> bool:
    """Source: k8s.io/apimachinery/pkg/runtime (Convert_Slice_string_To_bool): said is yes, unless it says no."""
    text = query.get(name)
    return text is not None and text.lower() not in ("false", "0")


def number(query: Mapping[str, str], name: str) -> int | None:
    """Raises ApiError 400 when it is there and no number of 64 bits."""
    text = query.get(name)
    if not text:
        return None
    if _NUMBER.fullmatch(text) is None:
        raise errors.bad_request(f"strconv.ParseInt: parsing {encoded(text)}: invalid syntax")
    found = int(text) if len(text) < 32 else 1 << 63
    if not -(1 << 63) <= found < 1 << 63:
        raise errors.bad_request(f"strconv.ParseInt: parsing {encoded(text)}: value out of range")
    return found


def encoded(text: str) -> str:
    """As a message quotes it."""
    return msgspec.json.encode(text).decode()


def list_options(query: Mapping[str, str]) -> ListOptions:
    """Raises ApiError 400 and 422."""
    options = ListOptions(
        version=query.get("resourceVersion", ""),
        match=query.get("resourceVersionMatch", ""),  # type: ignore[arg-type]  # `check` says whether it is one
        limit=number(query, "limit") or 0,
        token=query.get("continue", ""),
        watch=flag(query, "watch"),
        initial_events=flag(query, "sendInitialEvents") if "sendInitialEvents" in query else None,
        bookmarks=flag(query, "allowWatchBookmarks"),
        timeout=number(query, "timeoutSeconds") or 0,
    )
    listing.check(options)
    return options


def write_options(request: web.BaseRequest) -> Write:
    """Raises ApiError 400 for an option that no API server knows."""
    query = request.query
    dry_run = query.get("dryRun", "")
    if dry_run not in ("", "All"):
        raise errors.bad_request(f'invalid dryRun: Unsupported value: "{dry_run}": supported values: "All"')
    validation = query.get("fieldValidation", "")
    if validation not in ("", "Strict", "Warn", "Ignore"):
        raise errors.bad_request(
            f'invalid fieldValidation: Unsupported value: "{validation}": supported values: "Ignore", "Strict", "Warn"'
        )
    return Write(
        dry_run == "All",
        validation or "Warn",
        query.get("fieldManager", ""),
        flag(query, "force"),
        warnings=[],
        user=user_of(request),
    )


def deletion_options(request: web.BaseRequest, body: Any) -> Deletion:
    """From a DeleteOptions body or, without one, the query. Raises ApiError 400."""
    query, body = request.query, body or {}
    try:
        asked = msgspec.convert(body, _DeleteOptions)
    except msgspec.ValidationError as error:
        raise errors.bad_request(f"DeleteOptions cannot be handled: {error}") from None
    grace = asked.gracePeriodSeconds if asked.gracePeriodSeconds is not None else number(query, "gracePeriodSeconds")
    policy = asked.propagationPolicy or query.get("propagationPolicy") or None
    if policy is None and asked.orphanDependents is not None:
        policy = "Orphan" if asked.orphanDependents else "Background"
    if policy not in (None, "Background", "Foreground", "Orphan"):
        raise errors.bad_request(
            f'invalid propagationPolicy: Unsupported value: "{policy}": supported values: '
            '"Background", "Foreground", "Orphan"'
        )
    conditions = asked.preconditions or {}
    return Deletion(
        grace,
        policy,  # type: ignore[arg-type]  # one of the three
        conditions.get("uid"),
        conditions.get("resourceVersion"),
        "All" in (asked.dryRun or ()) or query.get("dryRun") == "All",
        user_of(request),
    )


class _DeleteOptions(msgspec.Struct):
    gracePeriodSeconds: int | None = None
    propagationPolicy: str | None = None
    orphanDependents: bool | None = None
    preconditions: dict[str, str | None] | None = None
    dryRun: list[str] | None = None


async def body_of(request: web.BaseRequest, *, nulls: bool = False) -> Any:
    """The body as JSON values, without fields that are null unless `nulls`. Raises ApiError 400 or 415."""
    data = await request.read()
    media = request.content_type
    if not data:
        return None
    try:
        if media == protobuf.MEDIA_TYPE:
            return protobuf.decode(data)
        if media in (cbor.MEDIA_TYPE, cbor.APPLY):
            value = cbor.decode(data)
            return value if nulls else without_nulls(value)
        if media.endswith("yaml"):
            value = yaml.load(data, yaml.CSafeLoader)
            return value if nulls else without_nulls(value)
        if media.endswith("json") or media == "application/octet-stream":
            value = msgspec.json.decode(data)
            return without_nulls(value) if not nulls and b"null" in data and "patch" not in media else value
    except (msgspec.DecodeError, yaml.YAMLError, UnicodeDecodeError) as error:
        raise errors.bad_request(f"the body of the request is not valid: {' '.join(str(error).split())}") from None
    raise ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: application/json, "
        f"application/yaml, application/vnd.kubernetes.protobuf; got {media}",
    )


def object_in(body: Any) -> Raw:
    """Raises ApiError 400 when `body` is not a JSON object."""
    if not isinstance(body, dict):
        raise errors.bad_request("the body of the request is not an object")
    return body
