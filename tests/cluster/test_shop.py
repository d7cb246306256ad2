"""The shop of examples/shop, seen as its users see it."""

from __future__ import annotations

import json
import re
import subprocess
import time
from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from http.client import HTTPConnection, HTTPException
from pathlib import Path

import pytest

from sealane.testing.cluster import Cluster, eventually

SHOP = Path(__file__).parents[2] / "examples/shop"
HOST = "shop.example.com"
pytestmark = pytest.mark.sealane(SHOP, nodes=3)


def ready_pods(sealane: Cluster, app: str) -> set[str]:
    pods = sealane.get("pods", namespace="shop")["items"]
    return {
        pod["metadata"]["name"]
        for pod in pods
        if pod["metadata"]["labels"].get("app") == app
        and "deletionTimestamp" not in pod["metadata"]
        and any(c["type"] == "Ready" and c["status"] == "True" for c in pod["status"].get("conditions", ()))
    }


def gateway(sealane: Cluster) -> tuple[str, int]:
    [found] = [each for each in sealane.status()["reachable"] if each["what"] == "Gateway cluster-system/shop-gateway"]
    host, _, port = found["host"].partition(":")
    return host, int(port)


def test_requests_through_a_service_spread_over_all_ready_pods_and_none_other(sealane: Cluster) -> None:
    loop = "for i in $(seq 300); do curl -sS --max-time 5 http://cart-service/items; echo; done"
    done = sealane.exec("deploy/frontend", "sh", "-c", loop, namespace="shop").check()
    answered = Counter(re.findall(r'"pod": "(.*?)"', done.out))
    assert set(answered) == ready_pods(sealane, "cart")
    assert sum(answered.values()) == 300
    assert min(answered.values()) > 50  # 3 pods, 100 expected; below 50 has a chance of 1e-9


def test_stateful_pods_have_names_of_their_own(sealane: Cluster) -> None:
    curl = ("curl", "-sS", "--max-time", "5", "http://database-1.database:5432/")
    assert sealane.exec("deploy/cart", *curl, namespace="shop").check().json()["pod"] == "database-1"


def test_policy_refuses_what_it_does_not_allow(sealane: Cluster) -> None:
    refused = sealane.exec("deploy/frontend", "curl", "-sS", "-m", "1", "http://database:5432/", namespace="shop")
    assert refused.code == 28, refused  # curl: timed out
    allowed = sealane.exec("deploy/cart", "curl", "-sS", "-m", "5", "http://database:5432/", namespace="shop")
    assert allowed.ok, allowed


def test_kubectl_shows_what_any_cluster_shows(sealane: Cluster) -> None:
    nodes = sealane.kubectl("get", "nodes", "-o", "wide").check().out
    assert nodes.splitlines()[0].split()[:5] == ["NAME", "STATUS", "ROLES", "AGE", "VERSION"]
    assert nodes.count(" Ready ") == 3
    pods = sealane.kubectl("get", "pods", "-n", "shop", "-o", "wide").check().out
    assert pods.splitlines()[0].split()[:7] == ["NAME", "READY", "STATUS", "RESTARTS", "AGE", "IP", "NODE"]
    assert pods.count("1/1") == 9
    assert "80/TCP" in sealane.kubectl("get", "svc", "-n", "shop").check().out
    described = sealane.kubectl("describe", "svc", "cart-service", "-n", "shop").check().out
    assert "app=cart" in described
    assert ":8080" in next(line for line in described.splitlines() if line.startswith("Endpoints:"))


def test_endpoints_follow_scale_and_labels(sealane: Cluster) -> None:
    def addresses() -> int:
        return sum(
            len(each["endpoints"] or ())
            for each in sealane.get("endpointslices", namespace="shop")["items"]
            if each["metadata"]["labels"]["kubernetes.io/service-name"] == "checkout-service"
        )

    sealane.kubectl("scale", "deploy/checkout", "-n", "shop", "--replicas=4").check()
    eventually(lambda: addresses() == 4 and len(ready_pods(sealane, "checkout")) == 4)
    one = min(ready_pods(sealane, "checkout"))
    sealane.kubectl("label", "pod", one, "-n", "shop", "app=out-of-order", "--overwrite").check()
    eventually(lambda: one not in json.dumps(sealane.get("endpointslices", namespace="shop")))
    sealane.kubectl("delete", "pod", one, "-n", "shop", "--wait=true").check()
    sealane.kubectl("scale", "deploy/checkout", "-n", "shop", "--replicas=2").check()
    eventually(lambda: addresses() == 2)


def test_the_gateway_routes_by_path_from_the_host(sealane: Cluster) -> None:
    host, port = gateway(sealane)

    def ask(path: str, hostname: str = HOST) -> tuple[int, str]:
        connection = HTTPConnection(host, port, timeout=60)
        connection.request("GET", path, headers={"Host": hostname})
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        return answer.status, json.loads(body)["pod"] if answer.status == 200 else ""

    assert ask("/cart/items")[1].startswith("cart-")
    assert ask("/checkout")[1].startswith("checkout-")
    assert ask("/")[1].startswith("frontend-")
    assert ask("/", "other.example.com")[0] == 404


def test_no_request_fails_while_a_deployment_rolls(sealane: Cluster) -> None:
    host, port = gateway(sealane)
    total, workers = 10_000, 8

    def ask(count: int) -> list[int | str]:
        found: list[int | str] = []
        connection = HTTPConnection(host, port, timeout=60)
        for _ in range(count):
            try:
                connection.request("GET", "/cart/items", headers={"Host": HOST})
                answer = connection.getresponse()
                answer.read()
                found.append(answer.status)
            except (OSError, HTTPException) as error:
                found.append(repr(error))
                connection.close()
        return found

    before = ready_pods(sealane, "cart")
    with ThreadPoolExecutor(workers) as pool:
        asked = [pool.submit(ask, total // workers) for _ in range(workers)]
        time.sleep(0.2)
        sealane.kubectl("rollout", "restart", "deploy/cart", "-n", "shop").check()
        sealane.kubectl("rollout", "status", "deploy/cart", "-n", "shop", "--timeout=60s").check()
        outcomes = Counter(outcome for each in asked for outcome in each.result())
    assert outcomes == {200: total}
    assert not before & ready_pods(sealane, "cart")


def test_pods_reach_the_real_api(sealane: Cluster) -> None:
    curl = ("curl", "-sk", "-m", "5", "-o", "/dev/null", "-w", "%{http_code}", "https://10.96.0.1/api/v1/namespaces")
    assert sealane.exec("deploy/coredns", *curl, namespace="kube-system").check().out == "403"


def test_logs_name_the_requests(sealane: Cluster) -> None:
    curl = ("curl", "-sS", "-m", "5", "http://checkout-service/marker")
    sealane.exec("deploy/frontend", *curl, namespace="shop").check()
    texts = [sealane.sealane("logs", "-n", "shop", pod).check().out for pod in ready_pods(sealane, "checkout")]
    assert any("/marker" in text for text in texts)


def test_run_executes_outside_with_kubeconfig(sealane: Cluster) -> None:
    done = sealane.sealane("run", "--", "kubectl", "get", "nodes", "-o", "name").check()
    assert done.out.split() == ["node/node-1", "node/node-2", "node/node-3"]


def test_the_host_network_namespace_is_untouched(sealane: Cluster) -> None:
    assert sealane.status()["phase"] == "running"
    links = subprocess.run(["ip", "-br", "link"], capture_output=True, text=True, check=True).stdout
    assert "underlay" not in links
    assert "veth" not in links
    tables = subprocess.run(["nft", "list", "tables"], capture_output=True, text=True).stdout
    assert "sealane" not in tables
