"""The definitions of the network policy API."""

from __future__ import annotations

from sealane.kube.kinds import FAMILIES
from sealane.kube.kinds.defined import rows

ROWS = rows(FAMILIES["policies"])
