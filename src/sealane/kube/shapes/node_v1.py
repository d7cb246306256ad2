"""Types of node/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import Required, TypedDict

from sealane.kube.shapes import core_v1, meta_v1


class Overhead(TypedDict, total=False):
    podFixed: dict[str, str | int | float]


class RuntimeClass(TypedDict, total=False):
    apiVersion: str
    handler: Required[str]
    kind: str
    metadata: meta_v1.ObjectMeta
    overhead: Overhead
    scheduling: Scheduling


class Scheduling(TypedDict, total=False):
    nodeSelector: dict[str, str]
    tolerations: list[core_v1.Toleration]
