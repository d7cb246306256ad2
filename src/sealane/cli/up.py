"""`sealane up`: start, apply, wait, say what is where."""

from __future__ import annotations

import json
import sys
import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import TYPE_CHECKING

from sealane.cli.say import (
    BAD_INPUT,
    INTERRUPTED,
    OK,
    Exit,
    complain,
    console,
    guarded,
    progress,
    terminable,
    undisturbed,
)
from sealane.cluster import lifecycle, state
from sealane.cluster.state import Folder, Options, Record

if TYPE_CHECKING:
    from sealane.kube.manifests import Manifests


@dataclass(frozen=True, slots=True)
class UpOptions:
    """What the user said; None is nothing.

    timeout: seconds; None is `applying.PATIENCE`, and what probes ask for themselves.
    """

    nodes: int | None
    dns_upstream: str | None
    populate: bool
    keep_going: bool
    timeout: float | None
    store: str | None = None
    strict_probes: bool | None = None
    allow_host: bool | None = None
    private: bool | None = None
    namespace: str = ""
    gateway_classes: tuple[str, ...] = ()
    ingress_classes: tuple[str, ...] = ()

    @classmethod
    def unsaid(cls, timeout: float | None) -> UpOptions:
        """When the user said nothing but how long to wait."""
        return cls(None, None, False, False, timeout)


def up(paths: list[str], options: UpOptions, name: str, *, as_json: bool) -> int:
    return guarded(lambda: _up(paths, options, name, as_json=as_json))


def _up(paths: list[str], options: UpOptions, name: str, *, as_json: bool) -> int:
    began = time.monotonic()
    with terminable():
        code = None
        try:
            with progress(not as_json) as say:
                folder, code = bring_up(paths, options, name, say)
            if code != BAD_INPUT or options.keep_going:
                _print_up(folder, code, began, as_json=as_json)
        except KeyboardInterrupt:
            if code is None:  # `bring_up` has said what becomes of the cluster
                raise
            raise _goes_on(name) from None
    return code


def _print_up(folder: Folder, code: int, began: float, *, as_json: bool) -> None:
    from sealane.cli import status

    name = folder.name
    if as_json:
        print(json.dumps(status.describe(folder), indent=1))
    else:
        status.print_reachable(folder, console())
        _print_answered(folder, time.time() - (time.monotonic() - began))
        took = time.monotonic() - began
        print(f"\nCluster {folder.name!r} is {'ready' if code == OK else 'up'} after {took:.2f} s. Next:")
        hint = "" if name == state.DEFAULT_NAME else f" --name {name}"
        print(f"  export KUBECONFIG=$(sealane kubeconfig{hint})   then kubectl get pods -A -o wide")
        print(f"  sealane status{hint} · sealane trace{hint} FROM TO · sealane verify{hint} · sealane down{hint}")


def _print_answered(folder: Folder, since: float) -> None:
    from sealane.cli import answered

    if lines := answered.notes(answered.events(folder), since):
        print("\nIn place of what only images have:")
        print("\n".join(lines))


def bring_up(paths: list[str], options: UpOptions, name: str, say: Callable[[str], None]) -> tuple[Folder, int]:
    """Starts (or finds) the cluster, applies `paths`, waits. Exit codes: OK, NOT (not ready in time), BAD_INPUT.

    With bad input nothing is applied, and a cluster that this call started is stopped again, with the objects that it
    was started with.
    """
    folder = state.folder(name)
    _check_upstream(options.dns_upstream)
    _check_store(options.store, name)
    with folder.lock():
        kept, damaged = folder.store.exists(), folder.damaged
        chosen = choose(folder.read(), options)
        ours = lifecycle.listening(folder) is None
        try:
            started = lifecycle.start(folder, chosen)
        except KeyboardInterrupt:
            raise _interrupted(folder, ours, kept) from None
        if started and damaged:
            complain(
                f"{folder.record_path} was damaged and is written anew, for {chosen.nodes} nodes; objects are kept"
            )
        try:
            manifests, good = _load(paths, options, folder if kept or not started else None)
        except KeyboardInterrupt:
            raise _interrupted(folder, started, kept) from None
        except BaseException:
            if started:
                lifecycle.stop(folder, keep=kept)
            raise
        if not good and not options.keep_going:
            if started:
                lifecycle.stop(folder, keep=kept)
            return folder, BAD_INPUT
        say("starting the API, nodes and DNS")
        try:
            from sealane.cli.applying import apply_and_wait  # takes as long as the cluster needs to start

            lifecycle.wait(folder)
        except KeyboardInterrupt:
            raise _interrupted(folder, started, kept) from None
        except BaseException:
            if started:
                lifecycle.stop(folder, keep=True)  # with its logs
            raise
    try:
        code = apply_and_wait(folder, manifests, options, say)
    except KeyboardInterrupt:
        raise _goes_on(name) from None
    return folder, code if good else BAD_INPUT


def _interrupted(folder: Folder, started: bool, kept: bool) -> Exit:
    """After Ctrl-C before anything was applied: what this command started is stopped again, whatever else comes."""
    if not started:
        return Exit(INTERRUPTED, "interrupted; nothing was done")
    with undisturbed():
        lifecycle.stop(folder, keep=kept)
    return Exit(INTERRUPTED, "interrupted; stopped again")


def _goes_on(name: str) -> Exit:
    """After Ctrl-C while or after objects were applied."""
    return Exit(
        INTERRUPTED, f"interrupted; cluster {name!r} runs with what was applied so far (sealane down --name {name})"
    )


def _check_upstream(text: str | None) -> None:
    if text not in (None, "host", "none"):
        from sealane.dataplane.dns.upstream import parse_upstream

        try:
            parse_upstream(text)
        except ValueError as error:
            raise Exit(BAD_INPUT, f"--dns-upstream: {error}") from None


def _check_store(url: str | None, name: str) -> None:
    if url:
        from sealane.apiserver.storage.backends.location import Location

        try:
            Location.parse(url, name)
        except ValueError as error:
            raise Exit(BAD_INPUT, f"--store: {error}") from None


def choose(record: Record | None, asked: UpOptions) -> Options:
    """What to start with: what the user asked for, else what the cluster had, else the defaults.

    Raises Exit when the cluster runs with something else: its nodes are made when it starts.
    """
    had = record.options if record is not None else Options()
    chosen = Options(
        had.nodes if asked.nodes is None else asked.nodes,
        had.dns_upstream if asked.dns_upstream is None else asked.dns_upstream,
        had.store if asked.store is None else asked.store,
        had.strict_probes if asked.strict_probes is None else asked.strict_probes,
        had.allow_host if asked.allow_host is None else asked.allow_host,
        had.private if asked.private is None else asked.private,
    )
    if record is not None and record.running and chosen != had:
        options = (
            ("--nodes", had.nodes, chosen.nodes),
            ("--dns-upstream", had.dns_upstream, chosen.dns_upstream),
            ("--store", had.store, chosen.store),
            ("--strict-probes", had.strict_probes, chosen.strict_probes),
            ("--allow-host", had.allow_host, chosen.allow_host),
            ("--private", had.private, chosen.private),
        )
        option, has, wants = next(each for each in options if each[1] != each[2])
        if isinstance(has, bool):
            raise Exit(
                BAD_INPUT,
                f"cluster {record.name!r} runs {'with' if has else 'without'} {option}; to change that, first: "
                f"sealane down --keep --name {record.name}",
            )
        raise Exit(
            BAD_INPUT,
            f"cluster {record.name!r} runs with {option} {has}; to have {wants}, first: "
            f"sealane down --keep --name {record.name}",
        )
    return chosen


def _load(paths: list[str], options: UpOptions, before: Folder | None) -> tuple[Manifests | None, bool]:
    """The manifests, if any; every problem is printed. False when there was one.

    before: a cluster that may have CustomResourceDefinitions of its own.
    """
    if not paths:
        return None, True
    from sealane.kube import manifests

    stdin = list(sys.stdin) if "-" in paths else None
    namespace = options.namespace or "default"
    loaded = manifests.load(paths, stdin=stdin, namespace=namespace)
    if loaded.problems and before is not None:
        from sealane.cli.applying import definitions

        lifecycle.wait(before)
        loaded = manifests.load(paths, stdin=stdin, namespace=namespace, known=definitions(before))
    for warning in loaded.warnings:
        print(f"warning: {warning}", file=sys.stderr)
    for problem in loaded.problems:
        print(problem, file=sys.stderr)
    if loaded.problems:
        count = len(loaded.problems)
        what = "applying the rest" if options.keep_going else "nothing was applied (--keep-going applies the rest)"
        complain(f"{count} problem{'s' if count > 1 else ''}; {what}")
    return loaded, not loaded.problems
