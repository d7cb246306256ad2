"""Defaults of Secrets."""

from __future__ import annotations

import base64

from sealane.kube.edit import filled
from sealane.kube.objects import Raw


def secret(raw: Raw) -> Raw:
    """stringData is write-only: it goes into data, over what is there."""
    raw = filled(raw, {"type": "Opaque"})
    plain = raw.get("stringData")
    if not isinstance(plain, dict):
        return raw
    data = dict(raw.get("data") or {})
    data |= {key: base64.b64encode(str(value).encode()).decode() for key, value in plain.items()}
    return {**{key: value for key, value in raw.items() if key != "stringData"}, "data": data}
