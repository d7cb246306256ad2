"""A server block as the plugins it names, in CoreDNS' order, which is not the one they are written in.

Source: https://github.com/coredns/coredns/blob/master/plugin.cfg.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from sealane.dataplane.dns.corefile import CorefileError, Directive, ServerBlock
from sealane.dataplane.dns.plugins import cache, forward, hosts, kubernetes, log, rewrite, template
from sealane.dataplane.dns.plugins.cache import Cache
from sealane.dataplane.dns.plugins.forward import Forward
from sealane.dataplane.dns.plugins.kubernetes import Kubernetes
from sealane.dataplane.dns.plugins.step import Step

PORT = 53
SILENT = (
    "errors",
    "health",
    "ready",
    "loop",
    "reload",
    "loadbalance",
    "prometheus",
    "debug",
    "bind",
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
"""Plugins without a part in answers here: what they do is always done (loadbalance, loop), or of no use (pprof)."""
SERVED = ("log", "cache", "rewrite", "template", "hosts", "kubernetes", "forward")
WITHOUT_EFFECT = ("autopath", "transfer")
"""Plugins that are known, and whose absence costs speed or a transfer, no answer."""
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


@dataclass(frozen=True, slots=True)
class Chain:
    """One server block for one of its zones. cache: None remembers nothing."""

    zone: str
    steps: tuple[Step, ...] = ()
    kubernetes: Kubernetes | None = None
    forwards: tuple[Forward, ...] = ()
    cache: Cache | None = None


@dataclass(frozen=True, slots=True)
class Configuration:
    """What answers on port 53. reload: whether a changed Corefile is read.

    warnings: what has no effect here, each with file and line.
    """

    chains: tuple[Chain, ...]
    reload: bool = False
    warnings: tuple[str, ...] = ()


def configuration(blocks: Sequence[ServerBlock], files: Mapping[str, str] | None = None) -> Configuration:
    """Raises CorefileError. files: text by name of what is mounted beside the Corefile."""
    found: dict[str, Chain] = {}
    warnings: list[str] = []
    for block in blocks:
        zones = tuple(server.zone for server in block.servers)
        by_name = _by_name(block)
        chain = _chain(zones, by_name, files or {})
        for name in WITHOUT_EFFECT:
            warnings += [str(one.error(f"{name} has no effect")) for one in by_name.get(name, ())]
        for server in block.servers:
            if (server.port, server.scheme) != (PORT, "dns"):
                what = f"{server.scheme}://{server.zone}.:{server.port}"
                warnings.append(f"{block.file}:{block.line}: {what} is not listened on, only dns on port {PORT}")
            elif server.zone in found:
                raise CorefileError(f"zone {server.zone or '.'} is served twice", block.file, block.line)
            else:
                found[server.zone] = replace(chain, zone=server.zone)
    reload = any(one.name == "reload" for block in blocks for one in block.directives)
    return Configuration(tuple(found.values()), reload, tuple(warnings))


def _by_name(block: ServerBlock) -> dict[str, list[Directive]]:
    found: dict[str, list[Directive]] = {}
    for directive in block.directives:
        if directive.name not in (*SILENT, *SERVED, *WITHOUT_EFFECT):
            if directive.name in OTHERS:
                raise directive.error(f"plugin {directive.name!r} is not built in")
            raise directive.unknown("plugin", directive.name, (*SILENT, *SERVED, *WITHOUT_EFFECT, *OTHERS))
        found.setdefault(directive.name, []).append(directive)
    for name in ("kubernetes", "cache", "reload", "hosts"):
        if len(found.get(name, ())) > 1:
            raise found[name][1].error(f"{name} is there twice")
    return found


def _chain(zones: tuple[str, ...], by_name: Mapping[str, list[Directive]], files: Mapping[str, str]) -> Chain:
    steps: list[Step] = [log.read(one, zones) for one in by_name.get("log", ())]
    if "rewrite" in by_name:
        steps.append(rewrite.read(by_name["rewrite"]))
    steps += [template.read(one, zones) for one in by_name.get("template", ())]
    steps += [hosts.read(one, zones, files) for one in by_name.get("hosts", ())]
    return Chain(
        "",
        tuple(steps),
        next((kubernetes.read(one, zones) for one in by_name.get("kubernetes", ())), None),
        tuple(forward.read(one) for one in by_name.get("forward", ())),
        next((cache.read(one) for one in by_name.get("cache", ())), None),
    )
