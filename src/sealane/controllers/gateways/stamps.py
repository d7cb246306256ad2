"""Statuses as they are written: conditions with their times, beside what other controllers have written. Pure."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from sealane.kube.objects import Object, Raw
from sealane.network.routes.classes import GATEWAY_CONTROLLER


def stamped(item: Object, status: Mapping[str, Any], now: str) -> Raw:
    """`item` as it should be, with this status. A condition keeps its lastTransitionTime while its status is the same.

    Conditions of other types and a route's parents of other controllers stay. now: RFC 3339.
    """
    merged: Raw = dict(status)
    if "conditions" in status:
        merged["conditions"] = conditions(item.status.get("conditions") or (), status["conditions"], now)
    if "listeners" in status:
        known = {entry.get("name"): entry for entry in item.status.get("listeners") or ()}
        merged["listeners"] = [_inner(known.get(entry["name"]) or {}, entry, now) for entry in status["listeners"]]
    if "parents" in status:
        merged["parents"] = _ours(item.status.get("parents") or (), status["parents"], "parentRef", now)
    if "ancestors" in status:
        merged["ancestors"] = _ours(item.status.get("ancestors") or (), status["ancestors"], "ancestorRef", now)
    raw = {name: value for name, value in item.raw.items() if name in ("apiVersion", "kind", "metadata")}
    return {**raw, "status": merged}


def conditions(known: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]], now: str) -> list[Raw]:
    before = {item.get("type"): item for item in known}
    made: list[Raw] = []
    for item in wanted:
        old = before.pop(item["type"], {})
        since = old.get("lastTransitionTime") if old.get("status") == item["status"] else None
        made.append({**item, "lastTransitionTime": since or now})
    return made + [dict(item) for item in before.values() if item.get("type") not in _OWN]


_OWN = frozenset(
    ("Accepted", "Programmed", "ResolvedRefs", "Conflicted", "PartiallyInvalid", "InsecureFrontendValidationMode")
)


def _inner(known: Mapping[str, Any], wanted: Mapping[str, Any], now: str) -> Raw:
    return {**wanted, "conditions": conditions(known.get("conditions") or (), wanted["conditions"], now)}


def _ours(
    known: Iterable[Mapping[str, Any]], wanted: Iterable[Mapping[str, Any]], reference: str, now: str
) -> list[Raw]:
    """Ours in the order in which they are wanted, then those of others as they are. reference: which field tells."""
    mine = [item for item in known if item.get("controllerName") == GATEWAY_CONTROLLER]
    made: list[Raw] = []
    for item in wanted:
        old = next((one for one in mine if one.get(reference) == item[reference]), {})
        made.append(_inner(old, item, now))
    return made + [dict(item) for item in known if item.get("controllerName") != GATEWAY_CONTROLLER]
