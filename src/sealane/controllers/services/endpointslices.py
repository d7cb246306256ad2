"""EndpointSlices and Endpoints, written where they differ from what `network.services.derive_slices` says."""

from __future__ import annotations

from sealane.kube.client.protocol import Client
from sealane.kube.kinds import ENDPOINTS, ENDPOINTSLICE
from sealane.kube.objects import Key, Object
from sealane.network.services.derive_slices import EndpointModel
from sealane.network.services.mirroring import MIRRORING_CONTROLLER
from sealane.network.services.slices import (
    ENDPOINTS_CONTROLLER,
    ENDPOINTS_MANAGED_BY,
    MANAGED_BY,
    OVER_CAPACITY,
    SLICE_CONTROLLER,
    TRIGGER_TIME,
)
from sealane.reactive.collections import Collection
from sealane.reactive.writer import Writer


def endpoint_writers(
    client: Client, model: EndpointModel, slices: Collection[Key, Object], endpoints: Collection[Key, Object]
) -> list[Writer]:
    """The writers that make the API agree with the model."""
    labelled = ("metadata.labels",)
    return [
        Writer(
            client,
            ENDPOINTSLICE,
            model.slices,
            slices,
            fields=(*labelled, _annotation(TRIGGER_TIME), "metadata.ownerReferences", "endpoints", "ports"),
            owns=lambda each: each.labels.get(MANAGED_BY) == SLICE_CONTROLLER,
            whole=True,
        ),
        Writer(
            client,
            ENDPOINTSLICE,
            model.mirrored,
            slices,
            fields=(*labelled, "metadata.annotations", "metadata.ownerReferences", "endpoints", "ports"),
            owns=lambda each: each.labels.get(MANAGED_BY) == MIRRORING_CONTROLLER,
            whole=True,
        ),
        Writer(
            client,
            ENDPOINTS,
            model.endpoints,
            endpoints,
            fields=(*labelled, _annotation(OVER_CAPACITY), "subsets"),
            owns=lambda each: each.labels.get(ENDPOINTS_MANAGED_BY) == ENDPOINTS_CONTROLLER,
            whole=True,
        ),
    ]


def _annotation(name: str) -> tuple[str, ...]:
    """One annotation: the others may be anybody's."""
    return ("metadata", "annotations", name)
