"""Columns of `kubectl get` for ConfigMaps and Secrets."""

from __future__ import annotations

from sealane.kube.kinds.column import AGE, NAME, count, text

CONFIG_MAP = (NAME, count("Data", "data", "binaryData"), AGE)
SECRET = (NAME, text("Type", "type"), count("Data", "data"), AGE)
