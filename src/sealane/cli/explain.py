"""`sealane trace` and `sealane verify`."""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Any

from sealane.cli.say import BAD_INPUT, NOT, OK, UNKNOWN, Exit, console, guarded, progress
from sealane.cluster.state import Folder
from sealane.kube import kinds
from sealane.kube.objects import Key, Object, Origin

if TYPE_CHECKING:
    from sealane.explain.world import World
    from sealane.kube.client.protocol import Client
    from sealane.kube.kinds import Kind


def trace(
    source: str,
    target: str,
    paths: list[str],
    namespace: str,
    port: str,
    name: str,
    context: str,
    *,
    as_json: bool,
    suggest: bool = False,
) -> int:
    return guarded(
        lambda: _trace(source, target, paths, namespace, port, name, context, as_json=as_json, suggest=suggest)
    )


def _trace(
    source: str,
    target: str,
    paths: list[str],
    namespace: str,
    port: str,
    name: str,
    context: str,
    *,
    as_json: bool,
    suggest: bool,
) -> int:
    from sealane.explain.parties import Unknown
    from sealane.explain.render import render
    from sealane.explain.trace import trace as find

    world = _world("trace", paths, name, context)
    try:
        found = find(world, source, target, namespace, port or None)
    except Unknown as error:
        raise Exit(BAD_INPUT, str(error)) from None
    said: dict[str, Any] = found.json()
    if not as_json:
        console().print(render(found))
    if suggest:
        from sealane.explain.suggest import suggest as smallest

        changes, then = smallest(world, lambda each: find(each, source, target, namespace, port or None))
        said |= {"suggest": [each.json() for each in changes], "then": {"verdict": then.verdict, "reason": then.reason}}
        if not as_json:
            for change in changes:
                print(f"\n{change.at}: {change.policy}: {change.text}".replace("\n: ", "\n") + f"\n  {change.command}")
            print(f"\nthen {then.verdict}: {then.reason}" if changes else "\nno change of a policy is suggested")
    if as_json:
        print(json.dumps(said, indent=1))
    return found.exit_code


def reach(paths: list[str], namespace: str, name: str, context: str, form: str, *, everything: bool) -> int:
    return guarded(lambda: _reach(paths, namespace, name, context, form, everything=everything))


def _reach(paths: list[str], namespace: str, name: str, context: str, form: str, *, everything: bool) -> int:
    from sealane.cli.say import table
    from sealane.explain import reach_report
    from sealane.explain.world import left_out

    world = _world("reach", paths, name, context)
    leave_out = () if everything or namespace in OWN else OWN
    found = reach_report.rows(world, namespace, leave_out)
    if form == "json":
        print(json.dumps(reach_report.as_json(found), indent=1))
    elif form in ("csv", "dot"):
        print(reach_report.as_csv(found) if form == "csv" else reach_report.as_dot(found), end="")
    else:
        shown = table("From", "To", "Open", "Closed")
        for row in reach_report.as_table(found):
            shown.add_row(*row)
        console().print(shown)
    return OK if all(each.domain for each in left_out(world)) else UNKNOWN


OWN = ("kube-system", "sealane-system")
"""Namespaces of the cluster itself."""


def _world(command: str, paths: list[str], name: str, context: str) -> World:
    """The models of manifests, of a live cluster, or of the running one. Raises Exit."""
    from sealane.explain.world import warnings

    found = _read_world(command, paths, name, context)
    for what in warnings(found):
        print(f"warning: {what}", file=sys.stderr)
    return found


def _read_world(command: str, paths: list[str], name: str, context: str) -> World:
    from sealane.explain.world import World

    if paths and context:
        raise Exit(BAD_INPUT, f"{command}: manifests or --context, not both")
    if paths:
        from sealane.kube import manifests
        from sealane.library import world_of
        from sealane.network.policies.foreign import is_foreign

        loaded = manifests.load(paths, taken=is_foreign)
        for warning in loaded.warnings:
            print(f"warning: {warning}", file=sys.stderr)
        for problem in loaded.problems:
            print(problem, file=sys.stderr)
        if loaded.problems:
            raise Exit(BAD_INPUT, "")
        return world_of(loaded.objects)
    if context:
        return World(asyncio.run(_read_live(context)))
    from sealane.cli.connect import running

    folder, _ = running(name)
    return World(asyncio.run(read(folder)), origins(folder))


async def read(folder: Folder) -> list[Object]:
    """Everything of the running cluster that decides where a packet goes."""
    from sealane.kube.client.http import HttpClient

    async with HttpClient.from_kubeconfig(folder.local_kubeconfig) as client:
        try:
            return await deciding(client)
        except OSError as error:
            raise Exit(NOT, f"the API of cluster {folder.name!r} cannot be reached: {error}") from None


async def deciding(client: Client) -> list[Object]:
    """All objects of a cluster that decide where a packet goes. Raises ApiError and OSError."""
    from sealane.explain.world import named_secrets, read_kinds
    from sealane.kube.client.protocol import ApiError
    from sealane.network.policies.foreign import foreign_kinds
    from sealane.network.services.node_ports import CONFIGURED_BY

    async def listed(kind: Kind) -> Sequence[Object]:
        try:
            return (await client.list(kind)).items
        except ApiError as error:
            if error.code != 404:  # its CustomResourceDefinition is deleted
                raise
            return ()

    asked = (*read_kinds(), kinds.CRD)
    found = [each for items in await asyncio.gather(*map(listed, asked)) for each in items]
    foreign = foreign_kinds(each for each in found if each.kind == kinds.CRD.kind)
    found += [each for items in await asyncio.gather(*map(listed, foreign)) for each in items]
    single = [(kinds.CONFIGMAP, CONFIGURED_BY), *((kinds.SECRET, key) for key in named_secrets(found))]
    for kind, key in single:
        try:
            found.append(await client.get(kind, key.namespace, key.name))
        except ApiError as error:
            if error.code != 404:
                raise
    return found


async def _read_live(context: str) -> list[Object]:
    """Everything of a live cluster that decides where a packet goes."""
    from sealane.cli import live
    from sealane.explain.world import named_secrets, read_kinds
    from sealane.kube.client.protocol import ApiError
    from sealane.network.policies.foreign import foreign_kinds

    async with live.client(context) as client:
        objects, refused = await live.read(client, (*read_kinds(), kinds.CRD))
        foreign, unseen = await live.read(
            client, tuple(foreign_kinds(each for each in objects if each.kind == kinds.CRD.kind))
        )
        objects += foreign
        refused |= unseen
        for key in named_secrets(objects):
            try:
                objects.append(await client.get(kinds.SECRET, key.namespace, key.name))
            except ApiError as error:
                if error.code != 404:
                    refused[kinds.SECRET] = error.message
    for why in refused.values():
        print(f"warning: not seen: {why}", file=sys.stderr)
    return objects


def origins(folder: Folder) -> Callable[[Key], Origin | None]:
    """File and line of what `up` applied."""
    try:
        known = json.loads(folder.origins.read_text())
    except (FileNotFoundError, ValueError):
        known = {}

    def of(key: Key) -> Origin | None:
        found = known.get(str(key))
        if found is None:
            return None
        return Origin(found["file"], found["line"], {tuple(path): line for path, line in found["lines"]})

    return of


def verify(name: str, *, as_json: bool) -> int:
    return guarded(lambda: _verify(name, as_json=as_json))


def _verify(name: str, *, as_json: bool) -> int:
    from sealane.cli.connect import running
    from sealane.dataplane.pods.exec import AgentError, probe
    from sealane.explain import verify as explained
    from sealane.explain.render import render_report
    from sealane.explain.world import World

    folder, _ = running(name)
    with progress(not as_json) as say:
        say("reading the cluster")
        world = World(asyncio.run(read(folder)), origins(folder))

        async def attempt(attempts: Sequence[explained.Attempt]) -> list[explained.Outcome]:
            requests = [each.request() for each in attempts]
            return probe(folder.agent_socket, requests, lambda done: say(f"probed {done} of {len(requests)}"))

        try:
            report = asyncio.run(explained.verify(world, attempt))
        except AgentError as error:
            raise Exit(NOT, str(error)) from None
    if as_json:
        print(json.dumps(report.json(), indent=1))
    else:
        console().print(render_report(report))
    return report.exit_code
