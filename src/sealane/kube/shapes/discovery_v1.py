"""Types of discovery/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Literal, Required, TypedDict

from sealane.kube.shapes import core_v1, meta_v1


class Endpoint(TypedDict, total=False):
    addresses: Required[list[str]]
    conditions: EndpointConditions
    deprecatedTopology: dict[str, str]
    hints: EndpointHints
    hostname: str
    nodeName: str
    targetRef: core_v1.ObjectReference
    zone: str


class EndpointConditions(TypedDict, total=False):
    ready: bool
    serving: bool
    terminating: bool


class EndpointHints(TypedDict, total=False):
    forNodes: list[ForNode]
    forZones: list[ForZone]


class EndpointPort(TypedDict, total=False):
    appProtocol: str
    name: str
    port: int
    protocol: Literal["TCP", "UDP", "SCTP"]


class EndpointSlice(TypedDict, total=False):
    addressType: Required[Literal["IPv4", "IPv6", "FQDN"]]
    apiVersion: str
    endpoints: list[Endpoint]
    kind: str
    metadata: meta_v1.ObjectMeta
    ports: list[EndpointPort]


class ForNode(TypedDict, total=False):
    name: Required[str]


class ForZone(TypedDict, total=False):
    name: Required[str]
