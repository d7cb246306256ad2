"""Columns of `kubectl get` for webhook configurations."""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, count

WEBHOOKS = (NAME, count("Webhooks", "webhooks", integer=True), AGE)
