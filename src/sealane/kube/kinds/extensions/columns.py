"""Columns of `kubectl get crds`."""

from __future__ import annotations

from sealane.kube.kinds.column import CREATED, NAME

DEFINITION = (NAME, CREATED)
