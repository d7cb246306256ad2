"""What kubectl does to workloads in one line: set, expose, autoscale, taint, label, wait, proxy, create secret."""

from __future__ import annotations

import base64
import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any
from urllib.request import urlopen

import pytest

from sealane.testing.cluster import Cluster, eventually, kubectl_path

pytestmark = pytest.mark.sealane(nodes=2)


@pytest.fixture(scope="module", autouse=True)
def _web(sealane: Cluster) -> None:
    sealane.kubectl("create", "deployment", "web", "--image=web:1", "--port=8080", "--replicas=2").check()
    sealane.kubectl("rollout", "status", "deploy/web", "--timeout=30s").check()


def container(sealane: Cluster) -> dict[str, Any]:
    found: dict[str, Any] = sealane.get("deploy", "web", "default")["spec"]["template"]["spec"]["containers"][0]
    return found


def test_set_image_env_resources_serviceaccount_and_selector(sealane: Cluster) -> None:
    sealane.kubectl("set", "image", "deploy/web", "web=web:2").check()
    sealane.kubectl("set", "env", "deploy/web", "MODE=fast").check()
    sealane.kubectl("set", "resources", "deploy/web", "--requests=cpu=10m,memory=16Mi", "--limits=memory=64Mi").check()
    sealane.kubectl("create", "serviceaccount", "runner").check()
    sealane.kubectl("set", "serviceaccount", "deploy/web", "runner").check()
    sealane.kubectl("rollout", "status", "deploy/web", "--timeout=30s").check()
    found = container(sealane)
    assert (found["image"], found["env"]) == ("web:2", [{"name": "MODE", "value": "fast"}])
    assert found["resources"] == {"requests": {"cpu": "10m", "memory": "16Mi"}, "limits": {"memory": "64Mi"}}
    assert "MODE=fast" in sealane.kubectl("set", "env", "deploy/web", "--list").check().out
    pods = eventually(lambda: living(sealane))
    assert all(pod["spec"]["serviceAccountName"] == "runner" for pod in pods)
    sealane.kubectl("create", "service", "clusterip", "picked", "--tcp=80:8080").check()
    sealane.kubectl("set", "selector", "service", "picked", "app=web").check()
    assert sealane.get("svc", "picked", "default")["spec"]["selector"] == {"app": "web"}


def living(sealane: Cluster) -> list[dict[str, Any]]:
    """The pods of the newest template, when there are no others."""
    pods = sealane.kubectl("get", "pods", "-l", "app=web", "-o", "json").check().json()["items"]
    return pods if len(pods) == 2 else []


def test_rollout_pause_resume_undo_and_history(sealane: Cluster) -> None:
    sealane.kubectl("rollout", "pause", "deploy/web").check()
    sealane.kubectl("set", "image", "deploy/web", "web=web:3").check()
    status = sealane.kubectl("rollout", "status", "deploy/web", "--watch=false").check().out
    assert "Waiting for deployment" in status
    sealane.kubectl("rollout", "resume", "deploy/web").check()
    sealane.kubectl("rollout", "status", "deploy/web", "--timeout=30s").check()
    sealane.kubectl("rollout", "undo", "deploy/web").check()
    sealane.kubectl("rollout", "status", "deploy/web", "--timeout=30s").check()
    assert container(sealane)["image"] != "web:3"
    history = sealane.kubectl("rollout", "history", "deploy/web").check().out
    revision = history.split("\n")[-3].split()[0]
    assert "Image:" in sealane.kubectl("rollout", "history", "deploy/web", f"--revision={revision}").check().out


def test_expose_and_wait(sealane: Cluster) -> None:
    sealane.kubectl("expose", "deploy/web", "--port=80", "--target-port=8080", "--name=exposed").check()
    sealane.kubectl("wait", "--for=jsonpath={.spec.clusterIP}", "svc/exposed", "--timeout=10s").check()
    sealane.kubectl("wait", "--for=condition=Available", "deploy/web", "--timeout=30s").check()
    said = sealane.kubectl("run", "asks", "-i", "--rm", "--restart=Never", "--image=curlimages/curl", "-q", "--", "-s",
                           "http://exposed/").check().out  # fmt: skip
    assert '"pod": "web-' in said
    late = sealane.kubectl("wait", "--for=condition=Never", "deploy/web", "--timeout=1s")
    assert "timed out waiting for the condition on deployments/web" in late.err
    sealane.kubectl("delete", "svc", "exposed").check()
    sealane.kubectl("wait", "--for=delete", "svc/exposed", "--timeout=10s").check()


def test_autoscale_is_stored_and_shown(sealane: Cluster) -> None:
    sealane.kubectl("autoscale", "deploy/web", "--min=1", "--max=4", "--cpu-percent=80").check()
    v2 = sealane.kubectl("get", "hpa", "web", "-o", "json").check().json()
    assert (v2["spec"]["minReplicas"], v2["spec"]["maxReplicas"]) == (1, 4)
    assert v2["spec"]["scaleTargetRef"] == {"apiVersion": "apps/v1", "kind": "Deployment", "name": "web"}
    v1 = sealane.kubectl("get", "--raw", "/apis/autoscaling/v1/namespaces/default/horizontalpodautoscalers/web")
    assert json.loads(v1.check().out)["spec"]["targetCPUUtilizationPercentage"] == 80
    assert "Deployment/web" in sealane.kubectl("get", "hpa").check().out


def test_cordon_and_taint_keep_pods_away(sealane: Cluster) -> None:
    sealane.kubectl("cordon", "node-2").check()
    assert "SchedulingDisabled" in sealane.kubectl("get", "node", "node-2").check().out
    sealane.kubectl("taint", "node", "node-1", "key=value:NoSchedule").check()
    sealane.kubectl("run", "nowhere", "--image=web:1").check()
    why = "0/2 nodes are available: 1 node(s) had untolerated taint {key: value}, 1 node(s) were unschedulable. "

    def told() -> bool:
        conditions = sealane.get("pod", "nowhere", "default")["status"].get("conditions") or ()
        return any(each.get("message", "").startswith(why) for each in conditions)

    eventually(told)
    sealane.kubectl("taint", "node", "node-1", "key:NoSchedule-").check()
    sealane.kubectl("wait", "--for=condition=Ready", "pod/nowhere", "--timeout=30s").check()
    sealane.kubectl("uncordon", "node-2").check()


def test_secrets_of_each_type(sealane: Cluster, tmp_path: Path) -> None:
    if shutil.which("openssl") is None:
        pytest.skip("no openssl to make a certificate with")
    key, certificate = tmp_path / "tls.key", tmp_path / "tls.crt"
    argv = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "1"]
    subprocess.run(
        [*argv, "-subj", "/CN=web", "-keyout", str(key), "-out", str(certificate)], check=True, capture_output=True
    )
    words = ("create", "secret", "tls", "cert", f"--cert={certificate}", f"--key={key}")
    sealane.kubectl(*words).check()
    assert sealane.get("secret", "cert", "default")["type"] == "kubernetes.io/tls"
    sealane.kubectl("create", "secret", "generic", "plain", "--from-literal=a=b").check()
    assert base64.b64decode(sealane.get("secret", "plain", "default")["data"]["a"]) == b"b"
    words = ("create", "secret", "docker-registry", "reg", "--docker-server=r.example", "--docker-username=u")
    sealane.kubectl(*words, "--docker-password=p").check()
    raw = sealane.get("secret", "reg", "default")
    assert raw["type"] == "kubernetes.io/dockerconfigjson"
    assert "r.example" in json.loads(base64.b64decode(raw["data"][".dockerconfigjson"]))["auths"]


def test_proxy(sealane: Cluster) -> None:
    env = {**os.environ, "KUBECONFIG": sealane.kubeconfig}
    argv = [kubectl_path(), "proxy", "--port=0"]
    with subprocess.Popen(argv, env=env, stdout=subprocess.PIPE, text=True) as process:
        assert process.stdout is not None
        found = re.search(r"127\.0\.0\.1:\d+", process.stdout.readline())
        assert found
        try:
            with urlopen(f"http://{found[0]}/api/v1/namespaces/default/pods", timeout=60) as answer:
                assert json.load(answer)["kind"] == "PodList"
        finally:
            process.terminate()
