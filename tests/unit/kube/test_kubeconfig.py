from __future__ import annotations

import base64
import json
import os
import stat
from pathlib import Path

import pytest

from sealane.kube.client import kubeconfig
from sealane.kube.client.kubeconfig import Access, KubeconfigError

TWO = """
apiVersion: v1
kind: Config
current-context: one
clusters:
- {name: c, cluster: {server: "https://127.0.0.1:6443/", certificate-authority: pki/ca.crt}}
users:
- {name: u, user: {token: t0ken}}
- {name: plugin, user: {exec: {command: aws}}}
contexts:
- {name: one, context: {cluster: c, user: u, namespace: shop}}
- {name: two, context: {cluster: missing, user: u}}
- {name: three, context: {cluster: c, user: plugin}}
"""


@pytest.fixture
def two(tmp_path: Path) -> Path:
    (tmp_path / "pki").mkdir()
    (tmp_path / "pki/ca.crt").write_text("PEM")
    path = tmp_path / "config"
    path.write_text(TWO)
    return path


def test_files_are_found_beside_the_kubeconfig(two: Path) -> None:
    assert kubeconfig.load(two) == Access("https://127.0.0.1:6443", "shop", ca="PEM", token="t0ken")
    assert kubeconfig.load(two).authorization() == "Bearer t0ken"


def test_errors_say_what_there_is(two: Path) -> None:
    with pytest.raises(KubeconfigError, match="no context 'four'; there is: one, three, two"):
        kubeconfig.load(two, "four")
    with pytest.raises(KubeconfigError, match="no cluster 'missing'; there is: c"):
        kubeconfig.load(two, "two")
    with pytest.raises(KubeconfigError, match=r"exec: apiVersion .*: expected one of client"):
        kubeconfig.load(two, "three")
    two.write_text("a: [")
    with pytest.raises(KubeconfigError, match="not YAML"):
        kubeconfig.load(two)


def test_of_several_files_the_first_to_name_a_thing_wins(
    two: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    first = tmp_path / "first"
    first.write_text(f"users: [{{name: u, user: {{client-key-data: {base64.b64encode(b'K').decode()}}}}}]")
    monkeypatch.setenv("KUBECONFIG", f"{first}{os.pathsep}{tmp_path}/absent{os.pathsep}{two}")
    access = kubeconfig.load()
    assert (access.token, access.client_key, access.server) == ("", "K", "https://127.0.0.1:6443")


def test_what_is_written_reads_back_and_is_private(tmp_path: Path) -> None:
    access = Access("https://127.0.0.1:6443", "default", ca="CA", client_certificate="C", client_key="K", token="t")
    path = tmp_path / "kubeconfig"
    kubeconfig.write(path, access, "sealane")
    assert kubeconfig.load(path) == access
    assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert [each.name for each in tmp_path.iterdir()] == ["kubeconfig"]


PLUGIN = """
apiVersion: v1
kind: Config
current-context: one
clusters: [{name: c, cluster: {server: "https://127.0.0.1:6443", certificate-authority-data: UEVN}}]
users:
- name: u
  user:
    as: bob
    as-groups: [devs, ops]
    as-user-extra: {example.com/why: [audit]}
    exec:
      apiVersion: client.authentication.k8s.io/v1
      command: ./bin/plugin
      args: [get, token]
      env: [{name: A, value: b}]
      interactiveMode: Never
      provideClusterInfo: true
      installHint: get it at example.com
contexts: [{name: one, context: {cluster: c, user: u}}]
"""


def test_credential_plugins_and_impersonation(tmp_path: Path) -> None:
    (tmp_path / "config").write_text(PLUGIN)
    access = kubeconfig.load(tmp_path / "config")
    plugin = access.plugin
    assert plugin is not None
    assert plugin.command == f"{tmp_path}/./bin/plugin"
    assert (plugin.arguments, plugin.environment) == (("get", "token"), (("A", "b"),))
    assert json.loads(plugin.cluster or "") == {
        "server": "https://127.0.0.1:6443",
        "certificate-authority-data": "UEVN",
    }
    assert access.impersonation == (
        ("Impersonate-User", "bob"),
        ("Impersonate-Group", "devs"),
        ("Impersonate-Group", "ops"),
        ("Impersonate-Extra-example.com%2Fwhy", "audit"),
    )
    (tmp_path / "config").write_text(PLUGIN.replace("interactiveMode: Never", ""))
    with pytest.raises(KubeconfigError, match="interactiveMode must be"):
        kubeconfig.load(tmp_path / "config")


def test_a_pod_finds_its_own_access(tmp_path: Path) -> None:
    environment = {"KUBERNETES_SERVICE_HOST": "10.96.0.1", "KUBERNETES_SERVICE_PORT": "443"}
    assert kubeconfig.in_cluster(environment, tmp_path) is None
    for name, text in (("token", "t1"), ("namespace", "shop"), ("ca.crt", "PEM")):
        (tmp_path / name).write_text(text)
    assert kubeconfig.in_cluster({}, tmp_path) is None
    access = kubeconfig.in_cluster(environment, tmp_path)
    assert access is not None
    assert (access.server, access.namespace, access.ca) == ("https://10.96.0.1:443", "shop", "PEM")
    assert access.authorization() == "Bearer t1"
    (tmp_path / "token").write_text("t2\n")  # it is replaced before it expires
    assert access.authorization() == "Bearer t2"


def test_proxies_that_cannot_be_used_are_said(two: Path) -> None:
    two.write_text(TWO.replace('6443/"', '6443/", proxy-url: "socks5://127.0.0.1:1080"'))
    with pytest.raises(KubeconfigError, match="only http:// and https:// proxies"):
        kubeconfig.load(two)
