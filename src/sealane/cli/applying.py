"""What `up` does in a cluster that has started: apply, and wait until nothing is waited for.

Its imports take as long as a cluster needs to start: `up` imports it when the start is under way.
"""

from __future__ import annotations

import asyncio
import json
import sys
import time
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING

from sealane.cli import taking
from sealane.cli.say import BAD_INPUT, NOT, OK, Exit, complain
from sealane.cluster import lifecycle, state
from sealane.cluster.apply import Failed, apply, origins
from sealane.cluster.readiness import WATCHED, Waiting, patience, pod_of, running_job, waiting
from sealane.cluster.state import Folder
from sealane.kube import kinds
from sealane.kube.client.http import HttpClient
from sealane.kube.client.protocol import Client
from sealane.kube.kinds import POD
from sealane.kube.objects import Key, Object, Raw
from sealane.reactive.collections import Graph
from sealane.reactive.informer import inform

if TYPE_CHECKING:
    from sealane.cli.up import UpOptions
    from sealane.kube.manifests import Manifests

PATIENCE = 60.0
"""Seconds for what has no delays of its own."""

SETTLING = 1.0
"""Seconds in which a Job that is bound to fail has mostly done so."""


def definitions(folder: Folder) -> list[Raw]:
    """The CustomResourceDefinitions of a running cluster."""
    return asyncio.run(_definitions(folder))


async def _definitions(folder: Folder) -> list[Raw]:
    client = HttpClient.from_kubeconfig(folder.local_kubeconfig)
    try:
        return [each.raw for each in (await client.list(kinds.CRD)).items]
    finally:
        await client.close()


def apply_and_wait(folder: Folder, manifests: Manifests | None, options: UpOptions, say: Callable[[str], None]) -> int:
    """The exit code: OK, NOT (not ready in time), BAD_INPUT (the API refused an object)."""
    return asyncio.run(_apply_and_wait(folder, manifests, options, say))


async def _apply_and_wait(
    folder: Folder, manifests: Manifests | None, options: UpOptions, say: Callable[[str], None]
) -> int:
    client = HttpClient.from_kubeconfig(folder.local_kubeconfig)
    try:
        code = OK
        applied: set[Key] | None = None
        if manifests is not None:
            objects = list(manifests.objects)
            if options.namespace:
                objects = await taking.with_namespace(client, objects, options.namespace)
            objects = await taking.with_classes(client, objects, options.gateway_classes, options.ingress_classes)
            if options.populate:
                objects += await taking.populated(client, objects)
            applied = {each.key._replace(namespace=each.namespace or "default") for each in objects}
            say(f"applying {len(objects)} objects")
            _remember_origins(folder, objects)
            for result in await apply(client, objects, manifests.kind_of):
                if isinstance(result, Failed):
                    code = BAD_INPUT
                    where = result.object.origin.at() if result.object.origin else ""
                    complain(f"{where + ': ' if where else ''}{result.object.key}: {result.error.message}")
        ready = await _wait(folder, client, options.timeout, say, applied)
        return code or ready
    except OSError as error:
        _still_running(folder)
        raise Exit(NOT, f"the API of cluster {folder.name!r} cannot be reached: {error}; see {folder.logs}") from None
    finally:
        await client.close()


def _remember_origins(folder: Folder, objects: Iterable[Object]) -> None:
    """Adds file and line of `objects` to origins.json, for `trace` and `verify` on the running cluster."""
    try:
        known = json.loads(folder.origins.read_text())
    except (FileNotFoundError, ValueError):
        known = {}
    state.replace(folder.origins, json.dumps({**known, **origins(objects)}))


def _still_running(folder: Folder) -> None:
    if lifecycle.listening(folder) is None:
        raise Exit(NOT, f"cluster {folder.name!r} was stopped or killed while up waited for it")


async def _wait(
    folder: Folder, client: Client, timeout: float | None, say: Callable[[str], None], applied: set[Key] | None
) -> int:
    """Until nothing is waited for. Prints what is not ready when the time is over, or when waiting would not help.

    timeout: seconds; None is `PATIENCE`, and as long as the probes of what is not ready ask. applied: wait for these
    (and the cluster's own parts) only; None is for all.
    """

    def concerns(each: Waiting) -> bool:
        return applied is None or each.key in applied or each.key.namespace in ("", "kube-system")

    began, settled = time.monotonic(), False
    while True:
        objects = {each.key: each for kind in WATCHED for each in (await client.list(kind)).items}
        pending = [each for each in waiting(objects.values()) if concerns(each)]
        if not pending:
            if not settled and any(running_job(each) for key, each in objects.items() if applied and key in applied):
                say("looking whether the Jobs fail")
                await asyncio.sleep(SETTLING)
                settled = True
                continue
            return OK
        own = max((patience(objects[each.key]) for each in pending), default=0.0)
        seconds = PATIENCE + own if timeout is None else timeout
        deadline = began + seconds
        first = min(pending, key=lambda each: each.final)
        pods = [each for each in objects.values() if each.kind == POD.kind]

        def why(each: Waiting, pods: list[Object] = pods, objects: dict[Key, Object] = objects) -> str:
            return "; ".join(filter(None, (each.reason, pod_of(objects[each.key], pods))))

        say(f"waiting for {len(pending)}: {first.key} ({why(first)})")
        if first.final or time.monotonic() >= deadline:
            complain("not ready:" if first.final else f"not ready after {seconds:g} s:")
            for each in pending:
                print(f"  {each.key}: {why(each)}", file=sys.stderr)
            return NOT
        await _change(folder, client, {each.key for each in pending if not each.final}, deadline)


async def _change(folder: Folder, client: Client, keys: set[Key], deadline: float) -> None:
    """Returns when waiting for `keys` ended, when nothing changes for a second, or when the time is over."""
    kinds = {key.kind for key in keys}
    informers = inform(client, Graph(), [kind for kind in WATCHED if kind.kind in kinds])
    changed = asyncio.Event()
    for source in informers.values():
        source.subscribe(lambda _changes: changed.set())
    informers.start()

    def left() -> float:
        return max(0.0, deadline - time.monotonic())

    try:
        await asyncio.wait_for(informers.synced(), left())
        while any(
            each.key in keys and not each.final
            for each in waiting(each for source in informers.values() for each in source.values())
        ):
            changed.clear()
            try:
                await asyncio.wait_for(changed.wait(), min(left(), 1.0))
            except TimeoutError:
                _still_running(folder)
                return
    except TimeoutError:
        _still_running(folder)
    finally:
        await informers.stop()
