"""Reading a request: the resource of its path, its user, its body."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from functools import lru_cache
from typing import Any
from urllib.parse import unquote

import msgspec
from aiohttp import web

from sealane.apiserver import errors
from sealane.apiserver.access.action import Action, name_selected, verb_of
from sealane.apiserver.access.user import User
from sealane.apiserver.encodings import cbor, protobuf
from sealane.kube.bounds import DEEPEST, too_deep, yaml_problem
from sealane.kube.checks.integers import whole_numbers
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw, without_nulls

_NAMESPACE_SUBRESOURCES = frozenset({"status", "finalize"})


class Target(msgspec.Struct, frozen=True):
    """A collection (name ""), an object or a subresource. namespace None: the path names none."""

    group: str
    version: str
    plural: str
    namespace: str | None = None
    name: str = ""
    subresource: str = ""
    rest: str = ""


@lru_cache(maxsize=512)  # of those asked for again and again: lists, watches, what a few clients follow
def parse_path(path: str) -> Target | None:
    """None for a path that is about no resource: discovery, or a path with an empty segment."""
    parts = [unquote(part) for part in path.removeprefix("/").removesuffix("/").split("/")]
    if parts[0] == "api" and len(parts) > 2:
        group, version, rest = "", parts[1], parts[2:]
    elif parts[0] == "apis" and len(parts) > 3:
        group, version, rest = parts[1], parts[2], parts[3:]
    else:
        return None
    namespace = None
    if rest[0] == "namespaces" and len(rest) > 2 and not (len(rest) == 3 and rest[2] in _NAMESPACE_SUBRESOURCES):
        namespace, rest = rest[1], rest[2:]
    if "" in (*parts[: len(parts) - len(rest)], *rest[:3]):
        return None
    padded = [*rest, "", ""]
    return Target(group, version, padded[0], namespace, padded[1], padded[2], "/".join(rest[3:]))


class Request(web.BaseRequest):
    """user: who asks, once that is known."""

    user: User | None = None


def user_of(request: web.BaseRequest) -> User:
    """The user of the request: no request is served without a user."""
    assert isinstance(request, Request)
    assert request.user is not None
    return request.user


def action_of(request: web.BaseRequest, user: User, target: Target | None) -> Action:
    """The action that `user` asks for, as roles name it: k8s.io/apiserver/pkg/endpoints/request (RequestInfo)."""
    if target is None:
        return Action(user, request.method.lower(), path=request.path)
    name, namespace = target.name, target.namespace or ""
    verb = verb_of(request.method, name, watching=flag(request.query, "watch"))
    if target.plural == "namespaces" and not target.group:
        namespace = name  # a user with a role inside a namespace to read it may read it
    if not name and verb in ("list", "watch", "deletecollection"):
        name = name_selected(request.query)
    return Action(user, verb, target.group, target.version, target.plural, target.subresource, namespace, name)


def flag(query: Mapping[str, str], name: str) -> bool:
    """A given flag means yes unless it says no: Convert_Slice_string_To_bool in k8s.io/apimachinery/pkg/runtime."""
    text = query.get(name)
    return text is not None and text.lower() not in ("false", "0")


async def body_of(request: web.BaseRequest, *, nulls: bool = False) -> Any:
    """The body as JSON values, without fields that are null unless `nulls`. Raises ApiError 400 or 415."""
    data = await request.read()
    if not data:
        return None
    try:
        value = _decoded(request.content_type, data, nulls)
    except RecursionError:
        raise _too_deep() from None
    if too_deep(value):
        raise _too_deep()
    return value


def _decoded(media: str, data: bytes, nulls: bool) -> Any:
    try:
        if media == protobuf.MEDIA_TYPE:
            return protobuf.decode(data)
        if media in (cbor.MEDIA_TYPE, cbor.APPLY):
            value = cbor.decode(data)
            return value if nulls else without_nulls(value)
        if media.endswith("yaml"):
            value = whole_numbers(_from_yaml(data))
            return value if nulls else without_nulls(value)
        if media.endswith("json") or media == "application/octet-stream":
            value = msgspec.json.decode(data)
            if "strategic" in media and b"." in data:
                value = whole_numbers(value)
            return without_nulls(value) if not nulls and b"null" in data and "patch" not in media else value
    except (msgspec.DecodeError, UnicodeDecodeError) as error:
        raise _invalid(error) from None
    raise ApiError(
        415,
        "UnsupportedMediaType",
        f"the body of the request was in an unknown format - accepted media types include: application/json, "
        f"application/yaml, application/vnd.kubernetes.protobuf; got {media}",
    )


def _from_yaml(data: bytes) -> Any:
    if data.lstrip()[:1] == b"{":  # JSON is YAML, and what clients send who apply
        with suppress(msgspec.DecodeError):
            return msgspec.json.decode(data)
    import yaml  # few clients send it

    try:
        if problem := yaml_problem(data):
            raise errors.bad_request(f"the body of the request is not valid: {problem}")
        return yaml.load(data, yaml.CSafeLoader)
    except yaml.YAMLError as error:
        raise _invalid(error) from None


def _too_deep() -> ApiError:
    return errors.bad_request(f"the body of the request is not valid: exceeded max depth of {DEEPEST}")


def _invalid(error: Exception) -> ApiError:
    return errors.bad_request(f"the body of the request is not valid: {' '.join(str(error).split())}")


async def duplicates(request: web.BaseRequest) -> list[str]:
    """Fields that the JSON body says twice, e.g. "spec.replicas"; of these the last one counts."""
    if not request.content_type.endswith("json"):
        return []
    twice: dict[int, list[str]] = {}

    def made(pairs: list[tuple[str, Any]]) -> Raw:
        found = dict(pairs)
        if len(found) < len(pairs):
            names = [name for name, _ in pairs]
            twice[id(found)] = sorted({name for name in names if names.count(name) > 1})
        return found

    try:
        body = json.loads(await request.read(), object_pairs_hook=made)
    except (ValueError, RecursionError):
        return []
    return list(_placed(body, "", twice)) if twice else []


def _placed(value: Any, path: str, twice: Mapping[int, list[str]]) -> Iterator[str]:
    if isinstance(value, dict):
        yield from (f"{path}{name}" for name in twice.get(id(value), ()))
        for name, each in value.items():
            yield from _placed(each, f"{path}{name}.", twice)
    elif isinstance(value, list):
        for number, each in enumerate(value):
            yield from _placed(each, f"{path.removesuffix('.')}[{number}].", twice)


def object_in(body: Any) -> Raw:
    """Raises ApiError 400 when `body` is not a JSON object."""
    if not isinstance(body, dict):
        raise errors.bad_request("the body of the request is not an object")
    return body
