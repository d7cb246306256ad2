"""resolv.conf, hosts, environment and volumes from objects."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from sealane.dataplane.pods.environment import environment, expand, service_variables
from sealane.dataplane.pods.fields import UnknownField, pod_field, resource_field
from sealane.dataplane.pods.files import (
    File,
    MissingReference,
    References,
    hosts_file,
    resolv_conf,
    volume_files,
)
from sealane.dataplane.pods.tokens import Token
from sealane.kube.objects import Object

HOST = "nameserver 192.0.2.1\nsearch corp.example\noptions timeout:1 rotate\n"
DNS = ["10.96.0.10"]
IPS = ("10.244.1.2", "fd00:10:244:1::2")
CONFIG = {"mode": "fast", "app.properties": "a=1\n"}


def pod(name: str = "web-0", **spec: Any) -> Object:
    metadata = {"name": name, "namespace": "shop", "uid": "u1", "labels": {"app": "web"}, "annotations": {"a": "b"}}
    return Object({"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": {"nodeName": "node-1", **spec}})


def references(about: Object) -> References:
    def of(kind: str, data: dict[str, str]) -> Object:
        return Object({"apiVersion": "v1", "kind": kind, "metadata": {"name": "known"}, "data": data})

    configmap = of("ConfigMap", CONFIG)
    secret = of("Secret", {"password": base64.b64encode(b"s3cret").decode()})
    return References(
        about,
        IPS,
        ("172.18.1.1", "fd00:172:18::1:1"),
        lambda name: configmap if name == "known" else None,
        lambda name: secret if name == "known" else None,
        {("", 3600): Token("the-token", 0, 0), ("vault", 700): Token("for-vault", 0, 0)},
    )


def test_resolv_conf_follows_the_pods_policy() -> None:
    cluster = "search shop.svc.cluster.local svc.cluster.local cluster.local corp.example\nnameserver 10.96.0.10\n"
    assert resolv_conf(pod(), DNS, HOST) == cluster + "options ndots:5\n"
    assert "nameserver 192.0.2.1\n" in resolv_conf(pod(dnsPolicy="Default"), DNS, HOST)


def test_hosts_name_the_pod_under_its_headless_service_and_hold_aliases() -> None:
    aliases = [{"ip": "192.0.2.5", "hostnames": ["foo.local", "bar.local"]}]
    text = hosts_file(pod(hostname="web-0", subdomain="web", hostAliases=aliases), IPS)
    assert "10.244.1.2\tweb-0.web.shop.svc.cluster.local\tweb-0\n" in text
    assert text.endswith("# Entries added by HostAliases.\n192.0.2.5\tfoo.local\tbar.local\n")
    assert "10.244.1.2\tweb-0\n" in hosts_file(pod(), IPS)


def service(name: str, address: str, *ports: dict[str, Any]) -> Object:
    metadata = {"name": name, "namespace": "shop"}
    spec = {"clusterIP": address, "ports": list(ports)}
    return Object({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})


def test_service_variables() -> None:
    # The example of https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables
    assert service_variables(service("redis-primary", "10.0.0.11", {"port": 6379, "protocol": "TCP"})) == {
        "REDIS_PRIMARY_SERVICE_HOST": "10.0.0.11",
        "REDIS_PRIMARY_SERVICE_PORT": "6379",
        "REDIS_PRIMARY_PORT": "tcp://10.0.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP": "tcp://10.0.0.11:6379",
        "REDIS_PRIMARY_PORT_6379_TCP_PROTO": "tcp",
        "REDIS_PRIMARY_PORT_6379_TCP_PORT": "6379",
        "REDIS_PRIMARY_PORT_6379_TCP_ADDR": "10.0.0.11",
    }
    named = service_variables(service("dns", "10.0.0.1", {"name": "dns-tcp", "port": 53}, {"name": "m", "port": 9}))
    assert named["DNS_SERVICE_PORT_DNS_TCP"] == "53"
    assert service_variables(service("headless", "None", {"port": 80})) == {}


def test_environment_from_everywhere_in_order() -> None:
    container = {
        "name": "c",
        "envFrom": [
            {"configMapRef": {"name": "known"}, "prefix": "CFG_"},
            {"secretRef": {"name": "no", "optional": True}},
        ],
        "resources": {"limits": {"memory": "64Mi"}},
        "env": [
            {"name": "IP", "valueFrom": {"fieldRef": {"fieldPath": "status.podIP"}}},
            {"name": "URL", "value": "http://$(IP):$(CACHE_SERVICE_PORT)/$(NOPE)/$$(IP)"},
            {"name": "PASSWORD", "valueFrom": {"secretKeyRef": {"name": "known", "key": "password"}}},
            {"name": "ABSENT", "valueFrom": {"configMapKeyRef": {"name": "known", "key": "x", "optional": True}}},
            {"name": "MIB", "valueFrom": {"resourceFieldRef": {"resource": "limits.memory", "divisor": "1Mi"}}},
        ],
    }
    found = environment(container, references(pod()), [service("cache", "10.96.3.4", {"port": 6379})])
    assert found["URL"] == "http://10.244.1.2:6379/$(NOPE)/$(IP)"
    assert (found["CFG_mode"], found["PASSWORD"], found["MIB"], found["HOSTNAME"]) == ("fast", "s3cret", "64", "web-0")
    assert "ABSENT" not in found


def test_service_links_can_be_turned_off() -> None:
    found = environment({}, references(pod(enableServiceLinks=False)), [service("cache", "10.96.3.4", {"port": 1})])
    assert "CACHE_SERVICE_HOST" not in found


@pytest.mark.parametrize(
    ("source", "message"),
    [
        ({"configMapKeyRef": {"name": "gone", "key": "x"}}, 'configmap "gone" not found'),
        ({"secretKeyRef": {"name": "known", "key": "x"}}, "couldn't find key x in secret shop/known"),
        ({"fieldRef": {"fieldPath": "status.color"}}, "the downward API has no field status.color"),
    ],
)
def test_missing_references_are_named(source: dict[str, Any], message: str) -> None:
    with pytest.raises(MissingReference, match=message):
        environment({"env": [{"name": "X", "valueFrom": source}]}, references(pod()), [])


@given(st.text())
def test_expansion_of_text_without_dollars_changes_nothing(text: str) -> None:
    plain = text.replace("$", "")
    assert expand(plain, {"A": "b"}) == plain


def test_fields() -> None:
    about = pod()
    ips = ("172.18.1.1",)
    assert pod_field(about, "metadata.labels['app']", IPS, ips) == "web"
    assert pod_field(about, "metadata.annotations", IPS, ips) == 'a="b"'
    assert pod_field(about, "status.podIPs", IPS, ips) == "10.244.1.2,fd00:10:244:1::2"
    with pytest.raises(UnknownField):
        pod_field(about, "metadata.color", IPS, ips)
    assert resource_field({"resources": {"requests": {"cpu": "250m"}}}, "requests.cpu", "1m") == "250"
    assert resource_field({"resources": {"requests": {"cpu": "250m"}}}, "requests.cpu", "1") == "1"


def test_volumes() -> None:
    refs = references(pod())
    items = [{"key": "mode", "path": "deep/mode", "mode": 0o400}]
    assert volume_files({"configMap": {"name": "known", "items": items}}, refs) == [File("deep/mode", b"fast", 0o400)]
    assert volume_files({"secret": {"secretName": "known"}}, refs) == [File("password", b"s3cret", 0o644)]
    assert volume_files({"emptyDir": {}}, refs) is None
    downward = {"path": "labels", "fieldRef": {"fieldPath": "metadata.labels"}}
    sources = [
        {"serviceAccountToken": {"path": "token"}},
        {"serviceAccountToken": {"path": "v/token", "audience": "vault", "expirationSeconds": 700}},
        {"downwardAPI": {"items": [downward]}},
        {"configMap": {"name": "gone", "optional": True}},
    ]
    assert volume_files({"projected": {"sources": sources, "defaultMode": 0o440}}, refs) == [
        File("token", b"the-token", 0o440),
        File("v/token", b"for-vault", 0o440),
        File("labels", b'app="web"', 0o440),
    ]
    with pytest.raises(MissingReference, match='secret "gone" not found'):
        volume_files({"secret": {"secretName": "gone"}}, refs)
