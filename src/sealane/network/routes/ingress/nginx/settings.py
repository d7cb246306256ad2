"""All that the annotations of one Ingress of the class of ingress-nginx say."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from sealane.network.routes.ingress.nginx import body_size, canary
from sealane.network.routes.ingress.nginx.canary import Canary
from sealane.network.routes.ingress.nginx.features import INSIDE, OUTSIDE, Feature
from sealane.network.routes.ingress.nginx.reading import Reader

_HOST = re.compile(r"(\*\.)?[a-z0-9]([-a-z0-9.]*[a-z0-9])?")


@dataclass(frozen=True, slots=True)
class Settings:
    """regex: paths are regular expressions, those of all Ingresses of the host. rewrite: what a path becomes.

    aliases: more hosts. www: the host with, or without, "www." is redirected. app_root: where "/" is redirected to.
    to_https: requests without TLS to hosts that have it are; forced: to others as well. body_size: the largest body in
    bytes, 0 for any. inside, outside: features with what the annotations say of them. remarks: on annotations.
    """

    regex: bool
    rewrite: str
    aliases: tuple[str, ...]
    www: bool
    app_root: str
    canary: Canary | None
    to_https: bool
    forced: bool
    body_size: int
    inside: tuple[tuple[Feature, Any], ...]
    outside: tuple[tuple[Feature, Any], ...]
    remarks: tuple[str, ...]


def settings(annotations: Mapping[str, str]) -> Settings:
    read = Reader(annotations)
    inside, outside = (
        tuple((each, said) for each in features if (said := each.read(read)) is not None)
        for features in (INSIDE, OUTSIDE)
    )
    rewrite = read.text("rewrite-target")
    if rewrite and (not rewrite.startswith("/") or "?" in rewrite):
        read.refuse("rewrite-target", "a path without a query", "")
        rewrite = ""
    root = read.text("app-root")
    if root and not root.startswith("/"):
        read.refuse("app-root", "a path", "")
        root = ""
    aliases = [each.lower() for each in read.listed("server-alias")]
    if any(not _HOST.fullmatch(each) for each in aliases):
        read.refuse("server-alias", "a list of hosts", "the others")
    return Settings(
        read.flag("use-regex") or bool(rewrite),
        rewrite,
        tuple(each for each in aliases if _HOST.fullmatch(each)),
        read.flag("from-to-www-redirect"),
        root,
        canary.read(read),
        read.flag("ssl-redirect", True),
        read.flag("force-ssl-redirect"),
        body_size.read(read),
        inside,
        outside,
        tuple(read.remarks),
    )
