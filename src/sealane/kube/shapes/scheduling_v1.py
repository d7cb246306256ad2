"""Types of scheduling/v1.

Written by tools/shapes.py from the facts; for the type checker only, never imported at run time.
"""

from __future__ import annotations

from typing import TypedDict

from sealane.kube.shapes import meta_v1


class PriorityClass(TypedDict, total=False):
    apiVersion: str
    description: str
    globalDefault: bool
    kind: str
    metadata: meta_v1.ObjectMeta
    preemptionPolicy: str
    value: int
