"""How large the whole numbers of built-in kinds may be: as their fields are in Go, int32 or int64.

Published schemas say so as a format, which the facts leave out. Source: the API types of k8s.io/api.
"""

from __future__ import annotations

from typing import Any, Literal

GoInteger = Literal["int32", "int64"]

_LONG = frozenset(
    {
        *("activeDeadlineSeconds", "deletionGracePeriodSeconds", "gracePeriodSeconds", "terminationGracePeriodSeconds"),
        *("startingDeadlineSeconds", "tolerationSeconds", "nodeAllocatableUpdatePeriodSeconds"),
        *("generation", "observedGeneration", "remainingItemCount", "resourceSliceCount", "sizeBytes"),
        *("fsGroup", "runAsGroup", "runAsUser", "supplementalGroups", "uid", "gid", "user", "defaultUser"),
        *("int", "ints", "revision"),
        *("SleepAction.seconds", "NodeSwapStatus.capacity", "ExactDeviceRequest.count", "DeviceSubRequest.count"),
        *("ServiceAccountTokenProjection.expirationSeconds", "TokenRequest.expirationSeconds"),
        "TokenRequestSpec.expirationSeconds",
    }
)
"""Fields that are int64, by name or with their type; all others are int32."""


def go_integer(owner: str, name: str) -> GoInteger:
    """The type of the field `name` of the type `owner`, such as "core.v1.Event"."""
    return "int64" if name in _LONG or f"{owner.rpartition('.')[2]}.{name}" in _LONG else "int32"


def fits(value: float, type_: GoInteger) -> bool:
    """Whether a whole number can be of that type."""
    half = 1 << (31 if type_ == "int32" else 63)
    return -half <= value < half


def whole_numbers(value: Any) -> Any:
    """JSON values in which a number such as 1.0 is 1, as Go writes the numbers that it has read from YAML.

    JSON is read into its fields as it stands: there 1.0 is no whole number. Source: sigs.k8s.io/yaml, encoding/json
    """
    if isinstance(value, dict):
        return {key: whole_numbers(each) for key, each in value.items()}
    if isinstance(value, list):
        return [whole_numbers(each) for each in value]
    return int(value) if isinstance(value, float) and value.is_integer() and abs(value) < 1e21 else value
