"""The form of an answer: the form and media type that the client accepts, compressed when that is worth it.

Sources: RFC 9110, sections 12.5.1 and 12.5.3; https://kubernetes.io/docs/reference/using-api/api-concepts/ and
k8s.io/apiserver/pkg/endpoints/handlers/{negotiation,responsewriters}
"""

from __future__ import annotations

import asyncio
import zlib
from collections.abc import Iterable
from functools import lru_cache

import msgspec
from aiohttp import web

from sealane.apiserver import errors
from sealane.apiserver.encodings import cbor, protobuf
from sealane.apiserver.http.render import PLAIN, Form, Media
from sealane.kube.client.protocol import ApiError
from sealane.kube.kinds import Kind

_MEDIA: dict[str, Media] = {
    "application/json": "json",
    "application/yaml": "yaml",
    cbor.MEDIA_TYPE: "cbor",
    "*/*": "json",
    "application/*": "json",
}
_STREAMS: dict[str, Media] = {
    "application/json": "json",
    cbor.MEDIA_TYPE: "cbor",
    cbor.SEQUENCE: "cbor",
    "*/*": "json",
    "application/*": "json",
}
_TYPES: dict[Media, str] = {
    "json": "application/json",
    "yaml": "application/yaml",
    "cbor": cbor.MEDIA_TYPE,
    "protobuf": protobuf.MEDIA_TYPE,
}
_SHAPES = {"Table": "Table", "PartialObjectMetadata": "PartialObjectMetadata"}
_SHAPES["PartialObjectMetadataList"] = _SHAPES["PartialObjectMetadata"]
_ACCEPTED = "application/json, application/yaml, application/cbor"
_ACCEPTED_STREAMS = "application/json;stream=watch, application/cbor-seq"
_ALSO = f", {protobuf.MEDIA_TYPE}"
_READERS = ("curl", "Wget", "Mozilla/5.0")
"""User agents behind which a person reads."""

GZIP_FROM = 128 << 10  # bytes, and level 1: as kube-apiserver
_GZIP_WINDOW = 16 + zlib.MAX_WBITS


def form_of(request: web.BaseRequest, kind: Kind, stream: bool = False) -> Form:
    """The form that the client likes best of those that this server can give. Raises ApiError 406 when there is none.

    stream: the answer is a watch. Protobuf is only for those who take nothing else.
    """
    accept = request.headers.get("Accept", "")
    include = request.query.get("includeObject") or "Metadata"
    if include not in ("None", "Metadata", "Object"):
        raise errors.bad_request(f"unrecognized includeObject value: {include!r}")
    form = PLAIN if not accept or accept == "application/json" else _form(accept, include, stream)
    if form is None:
        speaks = _speaks(kind)
        if speaks and any(media == protobuf.MEDIA_TYPE and "as" not in each for media, each in _clauses(accept)):
            return Form(media="protobuf")
        accepted = (_ACCEPTED_STREAMS if stream else _ACCEPTED) + (_ALSO if speaks else "")
        raise ApiError(406, "NotAcceptable", f"only the following media types are accepted: {accepted}")
    return form


@lru_cache(maxsize=256)
def _speaks(kind: Kind) -> bool:
    from sealane.apiserver.encodings import protobuf_answers

    return protobuf_answers.speaks(kind.api_version, kind.kind)


@lru_cache(maxsize=1024)
def _form(accept: str, include: str, stream: bool) -> Form | None:
    known = _STREAMS if stream else _MEDIA
    for media, parameters in _clauses(accept):
        found = known.get(media)
        shape = parameters.get("as", "")
        if found is None or (shape and (shape not in _SHAPES or parameters.get("v", "v1") not in ("v1", "v1beta1"))):
            continue
        if shape:
            return Form(_SHAPES[shape], include if shape == "Table" else "Metadata", found)  # type: ignore[arg-type]
        return Form(media=found)
    return None


def _clauses(accept: str) -> list[tuple[str, dict[str, str]]]:
    """Media types and their parameters, the most wanted first."""
    found: list[tuple[float, str, dict[str, str]]] = []
    for clause in accept.split(","):
        media, *rest = (piece.strip() for piece in clause.split(";"))
        parameters = {key.strip(): value.strip().strip('"') for key, _, value in (each.partition("=") for each in rest)}
        try:
            quality = float(parameters.pop("q", "1"))
        except ValueError:
            quality = 0.0
        if quality > 0:
            found.append((quality, media.lower(), parameters))
    return [(media, parameters) for _, media, parameters in sorted(found, key=lambda each: -each[0])]


def warning_header(text: str) -> str:
    """The value of a Warning header that tells `text` to the client's user (RFC 7234, 5.5)."""
    text = " ".join(text.split()).replace("\\", "\\\\").replace('"', '\\"')
    return f'299 - "{text}"'


async def answer(
    request: web.BaseRequest, body: bytes, media: Media = "json", status: int = 200, warnings: Iterable[str] = ()
) -> web.Response:
    """`body`, which is JSON, as the answer to `request`. warnings: texts for Warning headers."""
    if media != "json":
        body = transcoded(body, media)
    elif _pretty(request):
        body = msgspec.json.format(body, indent=2) + b"\n"
    response = web.Response(body=body, status=status, content_type=_TYPES[media])
    for warning in warnings:
        response.headers.add("Warning", warning_header(warning))
    if len(body) >= GZIP_FROM and _takes_gzip(request.headers.get("Accept-Encoding", "")):
        response.body = await asyncio.get_running_loop().run_in_executor(None, _compressed, body)
        response.headers["Content-Encoding"] = "gzip"
        response.headers["Vary"] = "Accept-Encoding"
    return response


def transcoded(body: bytes, media: Media) -> bytes:
    """JSON as another media type."""
    if media == "json":
        return body
    value = msgspec.json.decode(body)
    if media == "cbor":
        return cbor.encode(value)
    if media == "protobuf":
        from sealane.apiserver.encodings import protobuf_answers

        return protobuf_answers.encode(value)
    import yaml

    return yaml.dump(value, Dumper=yaml.CSafeDumper, encoding="utf-8", sort_keys=True, allow_unicode=True)


def refusal_media(request: web.BaseRequest) -> Media:
    """In what a Status is written: as the answer would have been, JSON where that cannot be."""
    accept = request.headers.get("Accept", "")
    if not accept or accept == "application/json":
        return "json"
    form = _form(accept, "Metadata", False)
    if form is not None:
        return form.media
    return "protobuf" if any(media == protobuf.MEDIA_TYPE for media, _ in _clauses(accept)) else "json"


async def refuse(request: web.BaseRequest, error: ApiError, headers: dict[str, str] | None = None) -> web.Response:
    response = await answer(request, msgspec.json.encode(error.status()), refusal_media(request), error.code)
    response.headers.update(headers or {})
    wait = error.details.get("retryAfterSeconds")
    if wait:
        response.headers["Retry-After"] = str(wait)
    return response


def _pretty(request: web.BaseRequest) -> bool:
    asked = request.query.get("pretty") if request.query_string else None
    if asked:
        return asked.lower() in ("1", "t", "true")
    return request.headers.get("User-Agent", "").startswith(_READERS)


@lru_cache(maxsize=64)
def _takes_gzip(accept: str) -> bool:
    return any(media == "gzip" for media, _ in _clauses(accept))


def _compressed(data: bytes) -> bytes:
    deflate = zlib.compressobj(1, zlib.DEFLATED, _GZIP_WINDOW)
    return deflate.compress(data) + deflate.flush()
