"""What the network sees of a pod."""

from __future__ import annotations

import pytest

from sealane.kube.objects import Object
from sealane.network.names.records import records_of_pod
from sealane.network.pods import addresses, own_addresses
from sealane.network.policies.resolve import policy_pod
from sealane.network.services.slices import pod_endpoint


def pod(phase: str, **spec: object) -> Object:
    status = {"phase": phase, "podIP": "10.244.1.2", "podIPs": [{"ip": "10.244.1.2"}, {"ip": "fd00:10:244:1::2"}]}
    return Object({"metadata": {"name": "a", "namespace": "shop", "uid": "u"}, "spec": spec, "status": status})


def test_addresses_of_a_pod_are_those_its_status_states() -> None:
    assert addresses(pod("Running")) == ("10.244.1.2", "fd00:10:244:1::2")
    assert addresses(pod("Running", hostNetwork=True)) == ("10.244.1.2", "fd00:10:244:1::2")
    assert own_addresses(pod("Running", hostNetwork=True)) == ()


@pytest.mark.parametrize("phase", ["Succeeded", "Failed"])
def test_nothing_of_a_pod_that_has_ended_is_seen(phase: str) -> None:
    ended = pod(phase)
    assert addresses(ended) == own_addresses(ended) == ()
    assert pod_endpoint(ended) is None
    assert policy_pod(ended, ("u", ("10.244.1.2",))) is None
    assert records_of_pod(ended).records == ()
