"""Listeners of proxies: ports, whatever protocol is spoken there."""

from __future__ import annotations

from dataclasses import dataclass
from typing import NamedTuple

from sealane.kube.objects import Key

INGRESS_PROXY = Key("networking.k8s.io", "Ingress", "sealane-system", "ingress")
"""The one proxy of all Ingresses of our class."""


class PortKey(NamedTuple):
    """A port on which a proxy listens."""

    proxy: Key
    port: int


@dataclass(frozen=True, slots=True)
class OpenPort:
    """listeners: names of the listeners that share the port."""

    key: PortKey
    listeners: tuple[str, ...]
