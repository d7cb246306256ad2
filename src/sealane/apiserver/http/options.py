"""Options of requests, from their query and body, checked as meta/v1's validation does.

Source: k8s.io/apimachinery/pkg/apis/meta/v1/validation and k8s.io/apimachinery/pkg/runtime (conversion of queries)
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from functools import lru_cache
from typing import Any

import msgspec
from aiohttp import web

from sealane.apiserver import errors
from sealane.apiserver.objects.deletion import Deletion
from sealane.apiserver.requests import duplicates, flag, user_of
from sealane.apiserver.storage import listing
from sealane.apiserver.storage.listing import ListOptions
from sealane.apiserver.write import Write
from sealane.kube.kinds import Kind

_NUMBER = re.compile(r"[+-]?[0-9]+")
_LONGEST_MANAGER = 128
_POLICIES = ("Background", "Foreground", "Orphan")
Cause = tuple[str, str, str]


def number(query: Mapping[str, str], name: str) -> int | None:
    """Raises ApiError 400 when it is there and no number of 64 bits."""
    text = query.get(name)
    if not text:
        return None
    if not text.isascii() or _NUMBER.fullmatch(text) is None:
        raise errors.bad_request(f"strconv.ParseInt: parsing {_quoted(text)}: invalid syntax")
    found = int(text) if len(text) < 32 else 1 << 63
    if not -(1 << 63) <= found < 1 << 63:
        raise errors.bad_request(f"strconv.ParseInt: parsing {_quoted(text)}: value out of range")
    return found


def _quoted(text: str) -> str:
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


def write_options(request: web.BaseRequest, kind: str = "UpdateOptions", *, applies: bool = False) -> Write:
    """kind: "CreateOptions", "UpdateOptions" or "PatchOptions". applies: a server-side apply. Raises ApiError 422."""
    agent = request.headers.get("User-Agent", "")
    if not request.query_string and not applies:
        return Write(False, "Warn", manager_of(agent), False, warnings=[], user=user_of(request))
    query = request.query
    wrong = _dry_run_causes(query.getall("dryRun", []))
    manager = query.get("fieldManager", "")
    if len(manager.encode()) > _LONGEST_MANAGER:
        wrong.append(("fieldManager", "FieldValueTooLong", f"Too long: may not be more than {_LONGEST_MANAGER} bytes"))
    if not manager.isprintable():
        why = f"Invalid value: {_quoted(manager)}: should only contain printable characters"
        wrong.append(("fieldManager", "FieldValueInvalid", why))
    validation = query.get("fieldValidation", "")
    if validation not in ("", "Strict", "Warn", "Ignore"):
        why = f'Unsupported value: {_quoted(validation)}: supported values: "Ignore", "Strict", "Warn"'
        wrong.append(("fieldValidation", "FieldValueNotSupported", why))
    force = flag(query, "force")
    if kind == "PatchOptions":  # an apply is a patch; other writes cannot be forced
        if applies and not manager:
            wrong.append(("fieldManager", "FieldValueRequired", "Required value: is required for apply patch"))
        if "force" in query and not applies:
            wrong.append(("force", "FieldValueForbidden", "Forbidden: may not be specified for non-apply patch"))
    if wrong:
        raise errors.invalid_options(kind, *wrong)
    return Write(
        bool(query.get("dryRun")),
        validation or "Warn",
        manager or manager_of(agent),
        force,
        warnings=[],
        user=user_of(request),
    )


async def check_duplicates(request: web.BaseRequest, kind: Kind, options: Write) -> None:
    """Fields that the body has twice: told for "Warn", refused with ApiError 400 for "Strict".

    Finding it costs more than reading the body, so only where the client has asked for either.
    """
    if not request.query.get("fieldValidation") or options.field_validation == "Ignore":
        return
    found = [f'duplicate field "{each}"' for each in await duplicates(request)]
    if found and options.field_validation == "Strict":
        raise errors.bad_request(
            f'{kind.kind} in version "{kind.version}" cannot be handled as a {kind.kind}: strict decoding error: '
            f"{', '.join(found)}"
        )
    for each in found:
        options.warn(each)


@lru_cache(maxsize=256)
def manager_of(agent: str) -> str:
    """The name under which a client without a fieldManager writes: its User-Agent up to the first slash.

    Source: managerOrUserAgent in k8s.io/apiserver/pkg/endpoints/handlers
    """
    name = "".join(filter(str.isprintable, agent.partition("/")[0]))
    return name.encode()[:_LONGEST_MANAGER].decode(errors="ignore") or "unknown"


class _Preconditions(msgspec.Struct):
    uid: str | None = None
    resourceVersion: str | None = None


class _DeleteOptions(msgspec.Struct):
    gracePeriodSeconds: int | None = None
    propagationPolicy: str | None = None
    orphanDependents: bool | None = None
    preconditions: _Preconditions | None = None
    dryRun: list[str] | None = None


def deletion_options(request: web.BaseRequest, body: Any) -> Deletion:
    """From a DeleteOptions body or, without one, the query. Raises ApiError 400 and 422."""
    query = request.query
    if body is None:
        body = {key: query[key] for key in ("propagationPolicy",) if query.get(key)}
        body |= {"dryRun": query.getall("dryRun")} if "dryRun" in query else {}
        body |= {"orphanDependents": flag(query, "orphanDependents")} if "orphanDependents" in query else {}
        seconds = number(query, "gracePeriodSeconds")
        body |= {} if seconds is None else {"gracePeriodSeconds": seconds}
    try:
        asked = msgspec.convert(body, _DeleteOptions)
    except msgspec.ValidationError as error:
        raise errors.bad_request(
            f'DeleteOptions in version "v1" cannot be handled as a DeleteOptions: {error}'
        ) from None
    grace = asked.gracePeriodSeconds
    wrong = _dry_run_causes(asked.dryRun or [])
    policy = asked.propagationPolicy
    if policy is not None and asked.orphanDependents is not None:
        why = f"Invalid value: {_quoted(policy)}: orphanDependents and deletionPropagation cannot be both set"
        wrong.append(("propagationPolicy", "FieldValueInvalid", why))
    if policy not in (None, *_POLICIES):
        values = ", ".join(f'"{each}"' for each in (*_POLICIES, "nil"))
        why = f"Unsupported value: {_quoted(policy)}: supported values: {values}"
        wrong.append(("propagationPolicy", "FieldValueNotSupported", why))
    if wrong:
        raise errors.invalid_options("DeleteOptions", *wrong)
    if policy is None and asked.orphanDependents is not None:
        policy = "Orphan" if asked.orphanDependents else "Background"
    conditions = asked.preconditions or _Preconditions()
    return Deletion(
        grace,
        policy,  # type: ignore[arg-type]  # one of the three
        conditions.uid,
        conditions.resourceVersion,
        bool(asked.dryRun),
        user_of(request),
    )


def _dry_run_causes(said: list[str]) -> list[Cause]:
    wrong = [each for each in said if each not in ("", "All")]
    return [
        ("dryRun", "FieldValueNotSupported", f'Unsupported value: {_quoted(each)}: supported values: "All"')
        for each in wrong
    ]
