"""Services written for Kubernetes before 1.22: spec.topologyKeys becomes the fields of today, with a warning."""

from __future__ import annotations

from sealane.apiserver.admission.attempts import Attempt, Step
from sealane.kube import kinds
from sealane.kube.kinds.services.topology_keys import explained, keys_of, without_keys
from sealane.kube.objects import Raw


def step() -> Step:
    def mutate(attempt: Attempt) -> Raw:
        assert attempt.new is not None
        keys = keys_of(attempt.new)
        if not keys or attempt.subresource:
            return attempt.new
        attempt.options.warn(explained(keys))
        return without_keys(attempt.new)

    return Step("ServiceTopologyKeys", frozenset({(kinds.SERVICE.group, kinds.SERVICE.plural)}), mutate=mutate)
