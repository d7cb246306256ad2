"""What a pod's programs find in its files: resolv.conf, hosts, and the contents of its volumes. Pure.

Sources: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/ (dnsPolicy, dnsConfig),
https://kubernetes.io/docs/tasks/network/customize-hosts-file-for-pods/,
https://kubernetes.io/docs/concepts/storage/volumes/ and projected-volumes/.
"""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator, Mapping, Sequence

import msgspec

from sealane.dataplane.pods.fields import pod_field, resource_field
from sealane.dataplane.pods.tokens import Token, Wanted, wanted
from sealane.kube.objects import Object, Raw
from sealane.network.addresses import CLUSTER_DOMAIN
from sealane.network.names import Resolver, pod_resolver

HOST_HOSTS = "# Kubernetes-managed hosts file (host network)."
LONGEST_NAME = 64
"""Of a host, in bytes (uname(2))."""

Find = Callable[[str], Object | None]
"""A ConfigMap or Secret of the pod's namespace, by name."""


class MissingReference(Exception):
    """A ConfigMap, Secret or key that the pod refers to does not exist (yet). volume: the one that is made of it."""

    def __init__(self, message: str, volume: str = "") -> None:
        super().__init__(message)
        self.volume = volume

    def of(self, volume: str) -> MissingReference:
        return MissingReference(str(self), volume)


class References(msgspec.Struct, frozen=True):
    """The objects from which the files and variables of one pod are made. ips: IPv4 first.

    tokens: of the pod's ServiceAccount, by what is wanted; None where none are written.
    """

    pod: Object
    ips: Sequence[str]
    node_ips: Sequence[str]
    configmaps: Find
    secrets: Find
    tokens: Mapping[Wanted, Token] | None = None


def hostname(pod: Object) -> str:
    """spec.hostname, else the pod's name, cut to the 63 characters of a DNS label."""
    return str(pod.spec.get("hostname") or pod.name)[:63].rstrip("-.")


def fqdn(pod: Object) -> str:
    """The name under its headless Service, or "" without spec.subdomain."""
    subdomain = pod.spec.get("subdomain")
    return f"{hostname(pod)}.{subdomain}.{pod.namespace}.svc.{CLUSTER_DOMAIN}" if subdomain else ""


def kernel_name(pod: Object) -> str:
    """The host's name in the pod's kernel: the FQDN with setHostnameAsFQDN, when there is one.

    Raises OSError for one that the kernel does not take, in kubelet's words.
    Source: https://kubernetes.io/docs/concepts/services-networking/dns-pod-service/#pod-sethostnameasfqdn-field
    """
    name = fqdn(pod) if pod.spec.get("setHostnameAsFQDN") else ""
    if len(name) > LONGEST_NAME:
        raise OSError(
            f"Failed to construct FQDN from Pod hostname and cluster domain, FQDN {name} is too long "
            f"({LONGEST_NAME} characters is the max, {len(name)} characters requested)"
        )
    return name or hostname(pod)


def resolv_conf(pod: Object, dns_servers: Sequence[str], host: str) -> str:
    """The pod's /etc/resolv.conf. dns_servers: addresses of the cluster's DNS. host: the host's resolv.conf."""
    return pod_resolver(pod, Resolver.parse(host), dns_servers).text()


def outside_resolv_conf(dns_servers: Sequence[str], host: str) -> str:
    """The /etc/resolv.conf of programs outside: the cluster's DNS, which asks the host's resolver for other names.

    A Service may be said as NAME.NAMESPACE. dns_servers, host: as of `resolv_conf`.
    """
    searches = (f"svc.{CLUSTER_DOMAIN}", CLUSTER_DOMAIN, *Resolver.parse(host).searches)
    return Resolver(tuple(dns_servers), tuple(dict.fromkeys(searches)), ("ndots:5",)).text()


def hosts_file(pod: Object, ips: Sequence[str], host: str = "") -> str:
    """The pod's /etc/hosts in the kubelet's layout, hostAliases last. host: the host's, for pods of its network."""
    if pod.spec.get("hostNetwork"):
        return "\n".join([HOST_HOSTS, host.rstrip("\n"), *_aliases(pod)]) + "\n"
    lines = [
        "# Kubernetes-managed hosts file.",
        "127.0.0.1\tlocalhost",
        "::1\tlocalhost ip6-localhost ip6-loopback",
        "fe00::\tip6-localnet",
        "fe00::\tip6-mcastprefix",
        "fe00::1\tip6-allnodes",
        "fe00::2\tip6-allrouters",
    ]
    names = "\t".join(filter(None, (fqdn(pod), hostname(pod))))
    lines += [f"{ip}\t{names}" for ip in ips]
    return "\n".join([*lines, *_aliases(pod)]) + "\n"


def _aliases(pod: Object) -> list[str]:
    aliases = pod.spec.get("hostAliases") or ()
    if not aliases:
        return []
    entries = ["\t".join((alias["ip"], *(alias.get("hostnames") or ()))) for alias in aliases]
    return ["", "# Entries added by HostAliases.", *entries]


class File(msgspec.Struct, frozen=True):
    """One file of a volume: path relative to the volume, content, permission bits."""

    path: str
    content: bytes
    mode: int = 0o644


def volume_files(volume: Raw, refs: References) -> list[File] | None:
    """The files of a configMap, secret, downwardAPI or projected volume; None for a volume that begins as it is.

    Raises MissingReference.
    """
    if "configMap" in volume:
        source = volume["configMap"]
        return list(_configmap({**source, "name": source.get("name", "")}, refs, source.get("defaultMode", 0o644)))
    if "secret" in volume:
        source = volume["secret"]
        return list(_secret({**source, "name": source.get("secretName", "")}, refs, source.get("defaultMode", 0o644)))
    if "downwardAPI" in volume:
        source = volume["downwardAPI"]
        return list(_downward(source, refs, source.get("defaultMode", 0o644)))
    if "projected" not in volume:
        return None
    found: list[File] = []
    mode = volume["projected"].get("defaultMode", 0o644)
    for source in volume["projected"].get("sources") or ():
        if "configMap" in source:
            found += _configmap(source["configMap"], refs, mode)
        elif "secret" in source:
            found += _secret(source["secret"], refs, mode)
        elif "downwardAPI" in source:
            found += _downward(source["downwardAPI"], refs, mode)
        elif "serviceAccountToken" in source and refs.tokens is not None:
            found.append(token_file(source["serviceAccountToken"], refs.tokens, mode))
    return found


def token_file(source: Raw, tokens: Mapping[Wanted, Token], mode: int) -> File:
    """Of a serviceAccountToken source."""
    return File(source.get("path", "token"), tokens[wanted(source)].text.encode(), mode)


def configmap_data(configmap: Object) -> dict[str, bytes]:
    data = {key: str(value).encode() for key, value in (configmap.raw.get("data") or {}).items()}
    data.update((key, base64.b64decode(value)) for key, value in (configmap.raw.get("binaryData") or {}).items())
    return data


def secret_data(secret: Object) -> dict[str, bytes]:
    return {key: base64.b64decode(value) for key, value in (secret.raw.get("data") or {}).items()}


def _configmap(source: Raw, refs: References, mode: int) -> Iterator[File]:
    found = refs.configmaps(source.get("name", ""))
    yield from _items("configmap", source, None if found is None else configmap_data(found), mode)


def _secret(source: Raw, refs: References, mode: int) -> Iterator[File]:
    found = refs.secrets(source.get("name", ""))
    yield from _items("secret", source, None if found is None else secret_data(found), mode)


def _items(kind: str, source: Raw, data: Mapping[str, bytes] | None, mode: int) -> Iterator[File]:
    name, optional = source.get("name", ""), bool(source.get("optional"))
    if data is None:
        if not optional:
            raise MissingReference(f'{kind} "{name}" not found')
        return
    items = source.get("items")
    if items is None:
        items = [{"key": key, "path": key} for key in data]
    for item in items:
        if item["key"] in data:
            yield File(item["path"], data[item["key"]], item.get("mode") or mode)
        elif not optional:
            what = "config" if kind == "configmap" else kind
            raise MissingReference(f"references non-existent {what} key: {item['key']}")


def _downward(source: Raw, refs: References, mode: int) -> Iterator[File]:
    for item in source.get("items") or ():
        if "fieldRef" in item:
            value = pod_field(refs.pod, item["fieldRef"]["fieldPath"], refs.ips, refs.node_ips)
        elif "resourceFieldRef" in item:
            wanted = item["resourceFieldRef"]
            containers = refs.pod.spec.get("containers") or ()
            container: Raw = next((one for one in containers if one["name"] == wanted.get("containerName")), {})
            value = resource_field(container, wanted["resource"], str(wanted.get("divisor") or "1"))
        else:
            continue
        yield File(item["path"], value.encode(), item.get("mode") or mode)
