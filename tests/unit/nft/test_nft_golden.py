"""Objects in, nftables commands of node-1 out: pairs of NAME.in.yaml and NAME.out.nft.

`python tests/unit/nft/test_nft_golden.py` writes the .out.nft files anew, to be read before they are committed.
"""

from __future__ import annotations

from pathlib import Path

import pytest
import yaml

from sealane.dataplane.nft.ledger import Ledger, transaction
from sealane.dataplane.nft.policies import peer_facts, pod_facts, policy_facts
from sealane.dataplane.nft.services import node_facts, service_facts
from sealane.kube.objects import Key, Object
from sealane.network.policies import derive_policies
from sealane.network.services import Place, derive_services
from sealane.reactive.collections import Graph, Source

CASES = sorted(path.name.removesuffix(".in.yaml") for path in Path(__file__).with_name("golden").glob("*.in.yaml"))


def render(name: str) -> str:
    graph = Graph()
    kinds = ("Service", "EndpointSlice", "NetworkPolicy", "Pod", "Namespace")
    sources: dict[str, Source[Key, Object]] = {kind: Source(graph, kind) for kind in kinds}
    models = derive_services(sources["Service"], sources["EndpointSlice"])
    policies = derive_policies(sources["NetworkPolicy"], sources["Pod"], sources["Namespace"])
    for document in yaml.safe_load_all((Path(__file__).with_name("golden") / f"{name}.in.yaml").read_text()):
        one = Object(document)
        sources[one.kind].set(one.key, one)
    ledger = Ledger()
    for key, service in models.items():
        ledger.put(key, service_facts(service, Place("node-1"), {})[0])
    for key, resolved in policies.resolved.items():
        ledger.put(key, policy_facts(resolved))
    for peer, addresses in policies.members.items():
        ledger.put(peer, peer_facts(peer, addresses))
    for key, isolation in policies.isolation.items():
        if isolation.node == "node-1":
            ledger.put(key, pod_facts(isolation))
            ledger.put(("hairpin", key), node_facts(isolation.addresses))
    return transaction(ledger.everything())


@pytest.mark.parametrize("name", CASES)
def test_objects_become_these_commands(name: str) -> None:
    assert render(name) == (Path(__file__).with_name("golden") / f"{name}.out.nft").read_text()


if __name__ == "__main__":
    for case in CASES:
        (Path(__file__).with_name("golden") / f"{case}.out.nft").write_text(render(case))
