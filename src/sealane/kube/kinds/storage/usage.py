"""How much claims use of quotas.

Source: https://kubernetes.io/docs/concepts/policy/resource-quotas/#quota-for-storage
"""

from __future__ import annotations

from sealane.kube.objects import Raw
from sealane.kube.quantities import thousandths

_ONE = 1000


def usage(claim: Raw) -> dict[str, int]:
    found = {"persistentvolumeclaims": _ONE}
    asked = (((claim.get("spec") or {}).get("resources") or {}).get("requests") or {}).get("storage")
    if asked:
        found["requests.storage"] = thousandths(str(asked))
    return found
