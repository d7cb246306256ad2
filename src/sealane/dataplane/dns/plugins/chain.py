"""A server block as the plugins it names, in CoreDNS' order, which is not the one they are written in.

Source: https://github.com/coredns/coredns/blob/master/plugin.cfg.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from posixpath import basename

from sealane.dataplane.dns.corefile import CorefileError, Directive, ServerBlock
from sealane.dataplane.dns.plugins import (
    autopath,
    cache,
    errors,
    forward,
    hosts,
    kubernetes,
    log,
    server,
    transfer,
)
from sealane.dataplane.dns.plugins.cache import Cache
from sealane.dataplane.dns.plugins.errors import Errors
from sealane.dataplane.dns.plugins.forward import Forward
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.plugins.log import Log
from sealane.dataplane.dns.plugins.server import Endpoint
from sealane.dataplane.dns.plugins.step import Step
from sealane.dataplane.dns.plugins.transfer import Transfer

SILENT = (
    "debug",
    "bufsize",
    "cancel",
    "local",
    "metadata",
    "minimal",
    "nsid",
    "pprof",
    "root",
    "timeouts",
    "trace",
    "multisocket",
    "any",
)
"""Plugins without a part in answers here: what they do is always done, or of no use."""
SERVED = (
    "autopath",
    "bind",
    "cache",
    "errors",
    "forward",
    "health",
    "hosts",
    "kubernetes",
    "loadbalance",
    "log",
    "loop",
    "prometheus",
    "ready",
    "reload",
    "rewrite",
    "template",
    "transfer",
)
OTHERS = (
    "acl",
    "auto",
    "azure",
    "chaos",
    "clouddns",
    "dns64",
    "dnssec",
    "dnstap",
    "erratic",
    "etcd",
    "file",
    "geoip",
    "grpc",
    "header",
    "k8s_external",
    "nomad",
    "on",
    "quic",
    "route53",
    "secondary",
    "sign",
    "tls",
    "tsig",
    "view",
    "whoami",
)
ONCE = ("kubernetes", "cache", "reload", "hosts", "autopath", "health", "ready", "loop", "loadbalance", "errors")


@dataclass(frozen=True, slots=True)
class Chain:
    """One server block for one of its zones and ports.

    bind: the addresses that are listened on, () for all. cache: None remembers nothing. loop: whether a question that
    comes back is looked for. balanced: whether the records of an answer take turns. plugins: all that are named.
    """

    zone: str
    port: int = server.DNS_PORT
    bind: tuple[str, ...] = ()
    steps: tuple[Step, ...] = ()
    kubernetes: Kubernetes | None = None
    forwards: tuple[Forward, ...] = ()
    cache: Cache | None = None
    transfers: tuple[Transfer, ...] = ()
    logs: tuple[Log, ...] = ()
    errors: Errors | None = None
    loop: bool = False
    balanced: bool = False
    plugins: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Configuration:
    """All of a Corefile. reload: whether a changed one is read.

    health, ready, metrics: where they are answered. lameduck: seconds that a server which ends goes on answering.
    warnings: directives without effect here, each with file and line.
    """

    chains: tuple[Chain, ...]
    reload: bool = False
    health: tuple[Endpoint, ...] = ()
    lameduck: float = 0.0
    ready: tuple[Endpoint, ...] = ()
    metrics: tuple[Endpoint, ...] = ()
    warnings: tuple[str, ...] = ()


def configuration(blocks: Sequence[ServerBlock], files: Mapping[str, str] | None = None) -> Configuration:
    """Raises CorefileError. files: text by name of what is mounted beside the Corefile."""
    found: dict[tuple[str, int, tuple[str, ...]], Chain] = {}
    warnings: list[str] = []
    health: list[server.Health] = []
    ready: list[Endpoint] = []
    metrics: list[Endpoint] = []
    for block in blocks:
        by_name = _by_name(block)
        chain = _chain(tuple(one.zone for one in block.servers), by_name, files or {})
        for each in by_name.get("hosts", ()):
            path = hosts.file_of(each, files or {})
            if path and basename(path) not in (files or {}):
                why = f"hosts: there is no file {path} in the ConfigMaps that are mounted"
                warnings.append(f"{each.file}:{each.line}: {why}")
        health += [server.health(one) for one in by_name.get("health", ())]
        ready += [server.endpoint(one, server.READY) for one in by_name.get("ready", ())]
        metrics += [server.endpoint(one, server.METRICS) for one in by_name.get("prometheus", ())]
        for one in block.servers:
            key = one.zone, one.port, chain.bind
            if one.scheme != "dns":
                what = f"{one.scheme}://{one.zone}.:{one.port}"
                warnings.append(f"{block.file}:{block.line}: {what} is not listened on, only dns is spoken")
            elif key in found:
                raise CorefileError(f"zone {one.zone or '.'}:{one.port} is served twice", block.file, block.line)
            else:
                found[key] = replace(chain, zone=one.zone, port=one.port)
    return Configuration(
        tuple(found.values()),
        any(one.name == "reload" for block in blocks for one in block.directives),
        tuple(dict.fromkeys(one.endpoint for one in health)),
        max((one.lameduck for one in health), default=0.0),
        tuple(dict.fromkeys(ready)),
        tuple(dict.fromkeys(metrics)),
        tuple(warnings),
    )


def _by_name(block: ServerBlock) -> dict[str, list[Directive]]:
    found: dict[str, list[Directive]] = {}
    for directive in block.directives:
        if directive.name not in (*SILENT, *SERVED):
            if directive.name in OTHERS:
                raise directive.error(f"plugin {directive.name!r} is not built in")
            raise directive.unknown("plugin", directive.name, (*SILENT, *SERVED, *OTHERS))
        found.setdefault(directive.name, []).append(directive)
    for name in ONCE:
        if len(found.get(name, ())) > 1:
            raise found[name][1].error(f"{name} is there twice")
    return found


def _chain(zones: tuple[str, ...], by_name: Mapping[str, list[Directive]], files: Mapping[str, str]) -> Chain:
    names = next((kubernetes.read(one, zones) for one in by_name.get("kubernetes", ())), None)
    steps: list[Step] = []
    if "rewrite" in by_name:
        from sealane.dataplane.dns.plugins import rewrite  # As `template`, only where used: it needs much of dnspython.

        steps.append(rewrite.read(by_name["rewrite"]))
    steps += [autopath.read(one, zones, names, files) for one in by_name.get("autopath", ())]
    if "template" in by_name:
        from sealane.dataplane.dns.plugins import template

        steps += [template.read(one, zones) for one in by_name["template"]]
    steps += [hosts.read(one, zones, files) for one in by_name.get("hosts", ())]
    for one in by_name.get("reload", ()):
        server.check_reload(one)
    return Chain(
        "",
        bind=tuple(address for one in by_name.get("bind", ()) for address in server.bind(one)),
        steps=tuple(steps),
        kubernetes=names,
        forwards=tuple(forward.read(one, files) for one in by_name.get("forward", ())),
        cache=next((cache.read(one, zones) for one in by_name.get("cache", ())), None),
        transfers=tuple(transfer.read(one, zones) for one in by_name.get("transfer", ())),
        logs=tuple(rule for one in by_name.get("log", ()) for rule in log.read(one)),
        errors=next((errors.read(one) for one in by_name.get("errors", ())), None),
        loop="loop" in by_name,
        balanced=any(server.balances(one) for one in by_name.get("loadbalance", ())),
        plugins=tuple(by_name),
    )
