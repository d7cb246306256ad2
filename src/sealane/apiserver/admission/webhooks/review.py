"""AdmissionReview: what a webhook is asked, and what its answer means. Pure.

Source: admission.k8s.io/v1 in the API reference; k8s.io/apiserver/pkg/admission/plugin/webhook/{request,errors}
"""

from __future__ import annotations

import base64
import binascii
from typing import Any

import msgspec

from sealane.apiserver.admission.attempts import Attempt
from sealane.apiserver.admission.webhooks.configuration import Hook
from sealane.kube.client.protocol import ApiError
from sealane.kube.objects import Raw

_GROUP = "admission.k8s.io"
KNOWN = ("v1", "v1beta1")
PARTS = frozenset({"scale", "binding", "eviction", "exec", "attach", "portforward", "proxy"})
"""Subresources that are objects of a kind of their own."""
_OPTIONS = {"CREATE": "CreateOptions", "UPDATE": "UpdateOptions", "DELETE": "DeleteOptions"}


class CallFailed(Exception):
    """A webhook could not be asked, or its answer means nothing; the message says why."""


class PassedOver(msgspec.Struct, frozen=True):
    """In place of an answer: the webhook was not asked; `why` is for a Warning."""

    why: str


class Answer(msgspec.Struct, frozen=True):
    """patch: operations of a JSON patch (RFC 6902)."""

    allowed: bool
    status: Raw
    patch: Any = None
    warnings: tuple[str, ...] = ()


def version_of(hook: Hook) -> str:
    """Of AdmissionReview, that both sides understand. Raises CallFailed."""
    found = next((each for each in hook.reviews if each in KNOWN), None)
    if found is None:
        raise CallFailed(
            "could not create admission objects: webhook does not accept known AdmissionReview versions (v1, v1beta1)"
        )
    return found


def question(hook: Hook, attempt: Attempt, uid: str) -> Raw:
    """The AdmissionReview to send. Raises CallFailed."""
    kind, options = attempt.served.kind, attempt.options
    as_kind = {"group": kind.group, "version": kind.version, "kind": kind.kind}
    if attempt.subresource in PARTS:
        group, _, version = str(attempt.object["apiVersion"]).rpartition("/")
        as_kind = {"group": group, "version": version, "kind": attempt.object["kind"]}
    as_resource = {"group": kind.group, "version": kind.version, "resource": kind.plural}
    namespace = attempt.name if (kind.group, kind.kind) == ("", "Namespace") else attempt.namespace
    sent: Raw = {"kind": _OPTIONS.get(attempt.operation, ""), "apiVersion": "meta.k8s.io/v1"}
    if options.dry_run:
        sent["dryRun"] = ["All"]
    if options.manager and attempt.operation != "DELETE":
        sent["fieldManager"] = options.manager
    request: Raw = {
        "uid": uid,
        "kind": as_kind,
        "resource": as_resource,
        **({"subResource": attempt.subresource} if attempt.subresource else {}),
        "requestKind": as_kind,
        "requestResource": as_resource,
        **({"requestSubResource": attempt.subresource} if attempt.subresource else {}),
        **({"name": attempt.name} if attempt.name else {}),
        **({"namespace": namespace} if namespace else {}),
        "operation": attempt.operation,
        "userInfo": options.user.info(),
        "object": _sent(attempt, attempt.new),
        "oldObject": _sent(attempt, attempt.old),
        "dryRun": options.dry_run,
        "options": sent,
    }
    return {"kind": "AdmissionReview", "apiVersion": f"{_GROUP}/{version_of(hook)}", "request": request}


def _sent(attempt: Attempt, raw: Raw | None) -> Raw | None:
    """In the version that was asked for; the options of a connection have no metadata."""
    if raw is None:
        return None
    if attempt.operation == "CONNECT":
        return {key: value for key, value in raw.items() if key != "metadata"}
    version = attempt.served.kind.api_version
    if attempt.subresource in PARTS or raw.get("apiVersion") == version:
        return raw
    return {**raw, "apiVersion": version}


def answer(hook: Hook, uid: str, raw: Any) -> Answer:
    """The answer of a webhook. Raises CallFailed for an AdmissionReview that is none."""
    version = version_of(hook)
    if not isinstance(raw, dict):
        raise _invalid("webhook response was absent")
    wanted = f"{_GROUP}/{version}, Kind=AdmissionReview"
    got = f"{raw.get('apiVersion') or '/'}, Kind={raw.get('kind') or ''}"
    if version == "v1" and got != wanted:
        raise _invalid(f"expected webhook response of {wanted}, got {got}")
    response = raw.get("response")
    if not isinstance(response, dict):
        raise _invalid("webhook response was absent")
    if version == "v1" and response.get("uid") != uid:
        raise _invalid(f'expected response.uid="{uid}", got "{response.get("uid") or ""}"')
    warnings = tuple(str(each) for each in response.get("warnings") or ())
    status = response.get("status") or {}
    allowed = response.get("allowed") is True
    return Answer(allowed, status if isinstance(status, dict) else {}, _patch(hook, version, response), warnings)


def _patch(hook: Hook, version: str, response: Raw) -> Any:
    patch, patch_type = response.get("patch"), response.get("patchType")
    if not hook.mutating:
        if version == "v1" and patch:
            raise _invalid("validating webhook may not return response.patch")
        if version == "v1" and patch_type:
            raise _invalid("validating webhook may not return response.patchType")
        return None
    if version == "v1" and patch and patch_type is None:
        raise _invalid("webhook returned response.patch but not response.patchType")
    if version == "v1" and not patch and patch_type is not None:
        raise _invalid("webhook returned response.patchType but not response.patch")
    if not patch:
        return None
    if patch_type not in (None, "JSONPatch"):
        raise CallFailed(f'unsupported patch type "{patch_type}"')
    try:
        return msgspec.json.decode(base64.b64decode(patch, validate=True))
    except (binascii.Error, msgspec.DecodeError, TypeError, ValueError) as error:
        raise CallFailed(f"received undecodable patch in webhook response: {error}") from None


def _invalid(why: str) -> CallFailed:
    return CallFailed(f"received invalid webhook response: {why}")


def denied(hook: Hook, status: Raw) -> ApiError:
    """The error for the client when a webhook says no."""
    said = f'admission webhook "{hook.name}" denied the request'
    code, reason = status.get("code"), str(status.get("reason") or "")
    if status.get("message"):
        said += f": {status['message']}"
    elif reason:
        said += f": {reason}"
    else:
        said += " without explanation"
    code = code if isinstance(code, int) and 400 <= code <= 599 else 400
    details = status.get("details")
    return ApiError(code, reason, said, details if isinstance(details, dict) else None)


def no_dry_run(hook: Hook) -> ApiError:
    return ApiError(400, "BadRequest", f'admission webhook "{hook.name}" does not support dry run')


def failed(hook: Hook, why: str) -> ApiError:
    """The error for the client when a webhook that has to be asked cannot be."""
    said = f'failed calling webhook "{hook.name}": {why}'
    return ApiError(500, "InternalError", f"Internal error occurred: {said}", {"causes": [{"message": said}]})
