"""The official Python client: typed and dynamic, watching, electing, streaming, from inside a pod."""

from __future__ import annotations

import json
import socket
import subprocess
import sys
import uuid
from collections.abc import Iterator
from typing import Any

import pytest
from kubernetes import client, config, dynamic, watch
from kubernetes.client.exceptions import ApiException
from kubernetes.stream import portforward, stream

from sealane.testing.cluster import Cluster, eventually

pytestmark = pytest.mark.sealane(nodes=2)

WEB: dict[str, Any] = {
    "apiVersion": "apps/v1",
    "kind": "Deployment",
    "metadata": {"name": "web"},
    "spec": {
        "replicas": 2,
        "selector": {"matchLabels": {"app": "web"}},
        "template": {
            "metadata": {"labels": {"app": "web"}},
            "spec": {"containers": [{"name": "web", "image": "nginx", "ports": [{"containerPort": 80}]}]},
        },
    },
}


@pytest.fixture(scope="module")
def api(sealane: Cluster) -> Iterator[client.ApiClient]:
    with config.new_client_from_config(sealane.kubeconfig) as found:
        yield found


@pytest.fixture(scope="module")
def web(sealane: Cluster, api: client.ApiClient) -> str:
    """A pod of a running Deployment `web`."""
    apps, core = client.AppsV1Api(api), client.CoreV1Api(api)
    apps.create_namespaced_deployment("default", WEB)
    eventually(lambda: apps.read_namespaced_deployment_status("web", "default").status.ready_replicas == 2)
    return str(core.list_namespaced_pod("default", label_selector="app=web").items[0].metadata.name)


def test_typed_objects_go_there_and_back(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    wanted = client.V1Service(
        metadata=client.V1ObjectMeta(name="typed", labels={"a": "b"}),
        spec=client.V1ServiceSpec(
            selector={"app": "web"}, ports=[client.V1ServicePort(name="http", port=80, target_port="http")]
        ),
    )
    made = core.create_namespaced_service("default", wanted)
    assert made.spec.cluster_ip.startswith("10.96.")
    made.spec.ports[0].target_port = 8080
    assert core.replace_namespaced_service("typed", "default", made).spec.ports[0].target_port == 8080
    patched = core.patch_namespaced_service("typed", "default", {"metadata": {"labels": {"a": None, "c": "d"}}})
    assert patched.metadata.labels == {"c": "d"}
    with pytest.raises(ApiException) as refused:
        core.replace_namespaced_service("typed", "default", made)
    assert (refused.value.status, json.loads(refused.value.body)["reason"]) == (409, "Conflict")
    assert core.delete_namespaced_service("typed", "default").metadata.name == "typed"


def test_every_list_of_the_core_api_is_typed(api: client.ApiClient, web: str) -> None:
    """Deserialising a list checks every field of every object against the client's model."""
    core, discovery = client.CoreV1Api(api), client.DiscoveryV1Api(api)
    for found in (
        core.list_node(),
        core.list_namespace(),
        core.list_pod_for_all_namespaces(),
        core.list_service_for_all_namespaces(),
        core.list_endpoints_for_all_namespaces(),
        core.list_config_map_for_all_namespaces(),
        core.list_event_for_all_namespaces(),
        core.list_service_account_for_all_namespaces(),
        discovery.list_endpoint_slice_for_all_namespaces(),
        client.AppsV1Api(api).list_deployment_for_all_namespaces(),
        client.AppsV1Api(api).list_replica_set_for_all_namespaces(),
        client.RbacAuthorizationV1Api(api).list_cluster_role(),
        client.CoordinationV1Api(api).list_lease_for_all_namespaces(),
    ):
        assert found.metadata.resource_version
    nodes = core.list_node().items
    assert {each.status.node_info.operating_system for each in nodes} == {"linux"}


def test_pages_are_one_list(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    core.create_namespace({"metadata": {"name": "pages"}})
    names = [f"page-{number:02}" for number in range(25)]
    for name in names:
        core.create_namespaced_config_map("pages", {"metadata": {"name": name, "labels": {"paged": "yes"}}})
    found: list[str] = []
    token: str | None = None
    versions = set()
    while token != "":
        page = core.list_namespaced_config_map("pages", label_selector="paged=yes", limit=10, _continue=token)
        found += [each.metadata.name for each in page.items]
        versions.add(page.metadata.resource_version)
        token = page.metadata._continue or ""
    assert found == names
    assert len(versions) == 1


def test_a_watch_goes_on_where_it_was(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    namespace = f"watch-{uuid.uuid4().hex[:6]}"
    core.create_namespace({"metadata": {"name": namespace}})
    start = core.list_namespaced_config_map(namespace).metadata.resource_version
    for number in range(6):
        core.create_namespaced_config_map(namespace, {"metadata": {"name": f"c{number}"}})
    seen: list[str] = []
    version = start
    while len(seen) < 6:
        watching = watch.Watch()
        for event in watching.stream(
            core.list_namespaced_config_map, namespace, resource_version=version, timeout_seconds=5
        ):
            if event["object"].metadata.name == "kube-root-ca.crt":
                continue
            assert event["type"] == "ADDED"
            seen.append(event["object"].metadata.name)
            version = event["object"].metadata.resource_version
            if len(seen) % 2 == 0:
                watching.stop()
    assert seen == [f"c{number}" for number in range(6)]


def test_the_dynamic_client_finds_kinds_and_applies(api: client.ApiClient) -> None:
    found = dynamic.DynamicClient(api)
    routes = found.resources.get(api_version="gateway.networking.k8s.io/v1", kind="HTTPRoute")
    assert routes.namespaced
    deployments = found.resources.get(api_version="apps/v1", kind="Deployment")
    mine = {**WEB, "metadata": {"name": "applied"}}
    mine["spec"] = {**WEB["spec"], "selector": {"matchLabels": {"app": "applied"}}}
    mine["spec"]["template"] = {**WEB["spec"]["template"], "metadata": {"labels": {"app": "applied"}}}
    made = deployments.server_side_apply(namespace="default", body=mine, field_manager="one")
    assert [each.manager for each in made.metadata.managedFields if each.operation == "Apply"] == ["one"]
    other = {"apiVersion": "apps/v1", "kind": "Deployment", "metadata": {"name": "applied"}, "spec": {"replicas": 7}}
    with pytest.raises(ApiException) as conflict:
        deployments.server_side_apply(namespace="default", body=other, field_manager="two")
    assert conflict.value.status == 409
    forced = deployments.server_side_apply(namespace="default", body=other, field_manager="two", force_conflicts=True)
    assert forced.spec.replicas == 7
    assert deployments.get(namespace="default", name="applied").spec.selector.matchLabels.app == "applied"
    deployments.delete(namespace="default", name="applied")


CANDIDATE = """
import logging, sys
from kubernetes import config
from kubernetes.leaderelection import electionconfig, leaderelection
from kubernetes.leaderelection.resourcelock.configmaplock import ConfigMapLock
logging.basicConfig(level=logging.INFO)
config.load_kube_config(sys.argv[1])
lock = ConfigMapLock("election", "default", sys.argv[2])
leaderelection.LeaderElection(electionconfig.Config(
    lock, lease_duration=4, renew_deadline=3, retry_period=1,
    onstarted_leading=lambda: print("leads", flush=True), onstopped_leading=lambda: None,
)).run()
"""


def test_one_of_two_leads_and_the_other_follows_when_it_goes(sealane: Cluster) -> None:
    def candidate(name: str) -> subprocess.Popen[str]:
        argv = [sys.executable, "-u", "-c", CANDIDATE, sealane.kubeconfig, name]
        return subprocess.Popen(argv, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)

    def says(process: subprocess.Popen[str], wanted: str) -> None:
        assert process.stdout is not None
        assert any(wanted in line for line in process.stdout)

    one, two = candidate("one"), None
    try:
        says(one, "leads")
        two = candidate("two")
        says(two, "lease held by one")
        one.kill()
        says(two, "leads")
    finally:
        for each in (one, two):
            if each is not None:
                each.kill()
                each.communicate()


def test_a_program_is_run_and_typed_to(api: client.ApiClient, web: str) -> None:
    core = client.CoreV1Api(api)
    talk = stream(
        core.connect_get_namespaced_pod_exec,
        web,
        "default",
        command=["sh", "-c", "read x; echo got $x; echo bad >&2; exit 5"],
        stdin=True,
        stdout=True,
        stderr=True,
        tty=False,
        _preload_content=False,
    )
    talk.write_stdin("this\n")
    talk.run_forever(timeout=60)
    assert (talk.read_stdout(timeout=1), talk.read_stderr(timeout=1), talk.returncode) == ("got this\n", "bad\n", 5)


def test_a_port_is_forwarded(api: client.ApiClient, web: str) -> None:
    core = client.CoreV1Api(api)
    forwarded = portforward(core.connect_get_namespaced_pod_portforward, web, "default", ports="80")
    connected = forwarded.socket(80)
    connected.setblocking(True)
    connected.sendall(b"GET /forwarded HTTP/1.1\r\nHost: web\r\nConnection: close\r\n\r\n")
    answer = b""
    while data := connected.recv(65536):
        answer += data
    connected.close()
    assert b'"path": "/forwarded"' in answer
    assert forwarded.error(80) is None


def test_logs_follow(api: client.ApiClient) -> None:
    core = client.CoreV1Api(api)
    command = ["sh", "-c", "for i in 1 2 3; do echo line $i; sleep 0.2; done"]
    container = {"name": "c", "image": "busybox", "command": command}
    pod = {"metadata": {"name": "liner"}, "spec": {"restartPolicy": "Never", "containers": [container]}}
    core.create_namespaced_pod("default", pod)
    eventually(lambda: core.read_namespaced_pod("liner", "default").status.phase in ("Running", "Succeeded"))
    lines = list(watch.Watch().stream(core.read_namespaced_pod_log, name="liner", namespace="default"))
    assert lines == ["line 1", "line 2", "line 3"]


IN_CLUSTER = """
import json, sys
sys.path[:0] = json.loads(sys.argv[1])
from kubernetes import client, config
config.load_incluster_config()
print("version", client.VersionApi().get_code().git_version)
try:
    print("pods", len(client.CoreV1Api().list_namespaced_pod("default").items))
except client.exceptions.ApiException as error:
    print("refused", error.status, json.loads(error.body)["message"])
"""


def test_a_pod_finds_its_own_api(sealane: Cluster, api: client.ApiClient) -> None:
    """By the variables, the token and the CA that every pod has; what it may do is said by RBAC."""
    core, rbac = client.CoreV1Api(api), client.RbacAuthorizationV1Api(api)
    container = {"name": "c", "image": "python", "command": ["sleep", "infinity"]}
    core.create_namespaced_pod("default", {"metadata": {"name": "inner"}, "spec": {"containers": [container]}})
    eventually(lambda: core.read_namespaced_pod("inner", "default").status.phase == "Running")
    argv = ["inner", "--", sys.executable, "-c", IN_CLUSTER, json.dumps(sys.path)]
    first = sealane.kubectl("exec", *argv).check().out
    assert first.startswith("version v1.")
    assert 'refused 403 pods is forbidden: User "system:serviceaccount:default:default" cannot list resource' in first
    binding = {
        "metadata": {"name": "inner"},
        "roleRef": {"apiGroup": "rbac.authorization.k8s.io", "kind": "ClusterRole", "name": "view"},
        "subjects": [{"kind": "ServiceAccount", "name": "default", "namespace": "default"}],
    }
    rbac.create_namespaced_role_binding("default", binding)
    eventually(lambda: "pods " in sealane.kubectl("exec", *argv).check().out)


def test_connections_are_few(api: client.ApiClient) -> None:
    """Keep-alive: many requests of one client need one connection."""
    core = client.CoreV1Api(api)
    host, _, port = api.configuration.host.removeprefix("https://").partition(":")
    with socket.create_connection((host, int(port))):
        for _ in range(50):
            core.read_namespace("default")
    pool = api.rest_client.pool_manager.connection_from_url(api.configuration.host)
    assert pool.num_connections <= 3
    assert pool.num_requests >= 50
