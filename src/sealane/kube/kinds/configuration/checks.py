"""ConfigMap and Secret: https://kubernetes.io/docs/concepts/configuration/secret/#secret-types"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from typing import Any

from sealane.kube import names
from sealane.kube.problems import MapKey, Part, Problem

_MOST_BYTES = 1024 * 1024
_DOCKER = {"kubernetes.io/dockercfg": ".dockercfg", "kubernetes.io/dockerconfigjson": ".dockerconfigjson"}
_ACCOUNT = "kubernetes.io/service-account.name"


def check_config_map(obj: Part) -> Iterator[Problem]:
    total = 0
    for field, other in (("data", "binaryData"), ("binaryData", "data")):
        for key, value in obj[field].items():
            yield from (obj[field].at(key).invalid(why, key) for why in names.config_key(key))
            if field == "data" and key in obj[other]:
                yield obj[field].at(key).invalid(f"duplicate of key present in {other}", key)
            total += _size(value, field == "binaryData")
    yield from _check_size(total, ())


def check_secret(obj: Part) -> Iterator[Problem]:
    total = 0
    for field in ("data", "stringData"):
        for key, value in obj[field].items():
            yield from (Part(None, ("data", MapKey(key))).invalid(why, key) for why in names.config_key(key))
            total += _size(value, field == "data")
    yield from _check_size(total, ("data",))
    given = {key for field in ("data", "stringData") for key, _ in obj[field].items()}
    kind = obj.text("type")
    match kind:
        case "kubernetes.io/service-account-token":
            if obj["metadata"]["annotations"].at(_ACCOUNT).empty:
                yield obj["metadata"]["annotations"].at(_ACCOUNT).required()
        case "kubernetes.io/dockercfg" | "kubernetes.io/dockerconfigjson":
            yield from _check_docker(obj, _DOCKER[kind])
        case "kubernetes.io/basic-auth":
            if not given & {"username", "password"}:
                yield obj["data"].at("username").required()
                yield obj["data"].at("password").required()
        case "kubernetes.io/ssh-auth":
            if not any(obj[field].text("ssh-privatekey") for field in ("data", "stringData")):
                yield obj["data"].at("ssh-privatekey").required()
        case "kubernetes.io/tls":
            yield from (obj["data"].at(key).required() for key in ("tls.crt", "tls.key") if key not in given)


def _check_docker(obj: Part, key: str) -> Iterator[Problem]:
    plain, encoded = obj["stringData"].text(key), obj["data"].text(key)
    if key not in obj["data"] and key not in obj["stringData"]:
        yield obj["data"].at(key).required()
        return
    try:
        text = plain or base64.b64decode(encoded, validate=True).decode()
        found: Any = json.loads(text or "?")
    except (ValueError, UnicodeDecodeError):
        found = None
    if not isinstance(found, dict):
        yield obj["data"].at(key).invalid("it has to be a JSON object", "<secret contents redacted>")


def _size(value: Any, encoded: bool) -> int:
    if not isinstance(value, str):
        return 0
    return len(value) * 3 // 4 if encoded else len(value.encode())


def _check_size(total: int, path: tuple[str, ...]) -> Iterator[Problem]:
    if total > _MOST_BYTES:
        message = f"Too long: may not be more than {_MOST_BYTES} bytes"
        yield Problem(path, message, "FieldValueTooLong", f"at most {_MOST_BYTES} bytes", total)
