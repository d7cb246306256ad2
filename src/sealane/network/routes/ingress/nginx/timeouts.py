"""proxy-read-timeout: how long the backend may say nothing before it is given up with 504."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from sealane.network.routes.ingress.nginx.reading import Reader
from sealane.network.routes.model.http import Forward, Rule

DEFAULT = 60
"""Seconds."""


def read(annotations: Reader) -> int | None:
    return annotations.number("proxy-read-timeout", DEFAULT, 1)


def expand(seconds: int, rule: Rule) -> Iterator[Rule]:
    if isinstance(rule.action, Forward):
        rule = replace(rule, action=replace(rule.action, idle_timeout=float(seconds)))
    yield rule
