"""Descriptions of types and fields for `kubectl explain`: our own words where they matter, else what the facts say."""

from __future__ import annotations

import re
from functools import cache
from importlib.resources import files

import msgspec

from sealane.kube.schema import Field

_WORDS = re.compile(r"[A-Z]{2,}s(?![a-z])|[A-Z]+(?![a-z])|[A-Z]?[a-z0-9]+")


@cache
def _texts() -> dict[str, str]:
    """ "core.v1.ServiceSpec" or "core.v1.ServiceSpec.type" -> text."""
    data = (files("sealane.apiserver.http.openapi") / "descriptions.json").read_bytes()
    found: dict[str, str] = msgspec.json.decode(data, type=dict[str, str])
    return found


def of_type(name: str) -> str:
    text = _texts().get(name)
    return text if text is not None else f"{spoken(name.rpartition('.')[2])}."


def of_field(owner: str, field: Field) -> str:
    texts = _texts()
    common = texts.get(field.name) if field.name in _COMMON else None
    text = texts.get(f"{owner}.{field.name}") or common or f"{spoken(field.name)}."
    return " ".join([text, *_facts(field)])


_COMMON = frozenset({"apiVersion", "kind", "metadata", "spec", "status"})


def spoken(name: str) -> str:
    """ "terminationGracePeriodSeconds" -> "Termination grace period seconds"."""
    words = _WORDS.findall(name)
    lowered = [word if word[:2].isupper() else word.lower() for word in words]
    text = " ".join(lowered)
    return text[:1].upper() + text[1:]


def _facts(field: Field) -> list[str]:
    found = []
    if field.default is not None and field.default not in ({}, []):
        found.append(f"Default: {msgspec.json.encode(field.default).decode()}.")
    if field.minimum is not None and field.maximum is not None:
        found.append(f"From {field.minimum:g} to {int(field.maximum)}.")
    if field.list_keys:
        found.append(f"Elements are told apart by {' and '.join(field.list_keys)}.")
    elif field.list_type == "set":
        found.append("No value stands in it twice.")
    if field.max_items is not None:
        found.append(f"At most {field.max_items}.")
    if field.type == "quantity" or field.type == "{}quantity":
        found.append("Amounts such as 500m, 2 or 1Gi.")
    return found
