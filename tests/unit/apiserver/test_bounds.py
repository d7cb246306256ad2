"""One request takes no more than its share: what kube-apiserver bounds is bounded."""

from __future__ import annotations

import pytest
from tests.unit.apiserver.asking import PATH, Asker, run
from tests.unit.apiserver.conftest import Cluster


def test_a_collection_is_deleted_in_one_namespace_only(cluster: Cluster) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        refused = await ask("/api/v1/configmaps", "DELETE")
        assert (refused["http"], refused["reason"]) == (405, "MethodNotAllowed")
        assert (await ask(f"{PATH}/a"))["http"] == 200

    run(cluster, test)


@pytest.mark.parametrize("path", ["/api/v1/namespaces//configmaps", f"{PATH}//a", f"{PATH}//", "/api/v1//configmaps"])
def test_a_path_with_an_empty_segment_is_not_found(cluster: Cluster, path: str) -> None:
    async def test(ask: Asker) -> None:
        await ask.make("a")
        assert (await ask(path))["http"] == 404

    run(cluster, test)
