"""The notes of `up` on pods that run something other than their manifests ask for."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from typing import TYPE_CHECKING

from sealane.kube.objects import Object
from sealane.kube.times import seconds

if TYPE_CHECKING:
    from sealane.cluster.state import Folder

REASONS = ("TakenAsDone", "StartedWithout", "WrittenInItsPlace", "PassedOver")
"""Events that nobody expects who reads the manifests only; that a stand-in answers is the rule."""
SHOWN = 8


def events(folder: Folder) -> list[Object]:
    """Those of the cluster."""
    from sealane.kube import kinds
    from sealane.kube.client.http import HttpClient

    async def listed() -> list[Object]:
        async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client:
            return list((await client.list(kinds.EVENT)).items)

    return asyncio.run(listed())


def notes(found: Iterable[Object], since: float) -> list[str]:
    """One line each, replicas together, of what was said since then (seconds since 1970); at most SHOWN, and one."""
    said: dict[tuple[str, str], list[str]] = {}
    for each in found:
        raw = each.raw
        if raw.get("reason") in REASONS and seconds(raw.get("lastTimestamp") or "") >= int(since):
            about = raw["involvedObject"]
            name = "/".join(part for part in (about.get("namespace"), about.get("name")) if part)
            message = (
                str(raw.get("message", "")).partition(": ")[2] if about["kind"] == "Pod" else raw.get("message", "")
            )
            said.setdefault((about.get("namespace", ""), message or raw["message"]), []).append(name)
    lines = [
        f"  {names[0]}{f' (and {len(names) - 1} more)' if len(names) > 1 else ''}: {message}"
        for (_, message), names in said.items()
    ]
    more = len(lines) - SHOWN
    return [*lines[:SHOWN], *([f"  … and {more} more: kubectl get events -A"] if more > 0 else [])]
