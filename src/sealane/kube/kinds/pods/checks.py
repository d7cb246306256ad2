"""Pods and pod templates: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/"""

from __future__ import annotations

from collections.abc import Collection, Iterator

from sealane.kube import names
from sealane.kube.checks.common import check_not_negative, check_port, check_text, check_unique
from sealane.kube.checks.metadata import check_labels, check_selector
from sealane.kube.kinds.pods.volumes import check_mounts, check_volume
from sealane.kube.problems import Part, Problem

_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")
_HANDLERS = ("exec", "httpGet", "tcpSocket", "grpc", "sleep")
_NAMESERVERS = 3
_SEARCHES = 32
_MOST_ID = (1 << 31) - 1


def check_pod(obj: Part) -> Iterator[Problem]:
    yield from check_pod_spec(obj["spec"])


def check_pod_spec(spec: Part, claims: Collection[str] = ()) -> Iterator[Problem]:
    """`claims`: names of volumes that come from a StatefulSet's claim templates."""
    if spec["containers"].empty:
        yield spec["containers"].required()
    volumes = spec.each("volumes")
    for volume in volumes:
        yield from check_volume(volume)
    yield from check_unique(volumes, "name")
    mountable = {volume.text("name") for volume in volumes} | set(claims)
    containers = [*spec.each("containers"), *spec.each("initContainers")]
    for container in containers:
        yield from _check_container(container, mountable, spec["hostNetwork"].value is True)
    ephemeral = spec.each("ephemeralContainers")
    for container in ephemeral:
        yield from _check_container(container, mountable, spec["hostNetwork"].value is True, ephemeral=True)
    yield from check_unique([*containers, *ephemeral], "name")
    yield from _check_ids(spec["securityContext"], "runAsUser", "runAsGroup", "fsGroup")
    for index, group in enumerate(spec["securityContext"]["supplementalGroups"].value or ()):
        yield from _check_id(Part(group, (*spec["securityContext"]["supplementalGroups"].path, index)))
    for field in ("hostname", "subdomain"):
        yield from check_text(spec[field], names.dns_label)
    yield from check_text(spec["nodeName"], names.dns_subdomain)
    yield from check_text(spec["serviceAccountName"], names.dns_subdomain)
    yield from check_labels(spec["nodeSelector"])
    yield from check_not_negative(spec, "terminationGracePeriodSeconds")
    yield from _check_dns(spec)
    for alias in spec.each("hostAliases"):
        yield from check_text(alias["ip"], names.address)
        for hostname in alias.each("hostnames"):
            yield from check_text(hostname, names.dns_subdomain)
    for toleration in spec.each("tolerations"):
        yield from check_text(toleration["key"], names.qualified_name)
    for constraint in spec.each("topologySpreadConstraints"):
        yield from check_selector(constraint["labelSelector"])


def _check_container(
    container: Part, mountable: Collection[str], host_network: bool, *, ephemeral: bool = False
) -> Iterator[Problem]:
    yield from check_text(container["name"], names.dns_label)
    if container["image"].empty:
        yield container["image"].required()
    elif container.text("image") != container.text("image").strip():
        yield container["image"].invalid("must not have leading or trailing whitespace")
    ports = container.each("ports")
    for port in ports:
        yield from check_port(port["containerPort"], None)
        yield from check_port(port["hostPort"], None)
        yield from check_text(port["name"], names.port_name)
        yield from check_text(port["hostIP"], names.address)
        number, host = port.number("containerPort"), port.number("hostPort")
        if host_network and host is not None and host != number:
            yield port["containerPort"].invalid("must match `hostPort` when `hostNetwork` is true")
    yield from check_unique(ports, "name")
    for variable in container.each("env"):
        yield from _check_variable(variable)
    yield from _check_security(container["securityContext"])
    yield from check_mounts(container, mountable, ephemeral=ephemeral)
    for name in _PROBES:
        if name in container:
            yield from _check_probe(container[name], name)
    for hook in ("postStart", "preStop"):
        if hook in container["lifecycle"]:
            yield from _check_handler(container["lifecycle"][hook])


def _check_security(context: Part) -> Iterator[Problem]:
    yield from _check_ids(context, "runAsUser", "runAsGroup")
    if context["allowPrivilegeEscalation"].value is not False:
        return
    if context["privileged"].value is True:
        yield context.invalid("cannot set `allowPrivilegeEscalation` to false and `privileged` to true")
    if "SYS_ADMIN" in (context["capabilities"]["add"].value or ()):
        yield context.invalid("cannot set `allowPrivilegeEscalation` to false and `capabilities.Add` CAP_SYS_ADMIN")


def _check_ids(context: Part, *fields: str) -> Iterator[Problem]:
    for field in fields:
        yield from _check_id(context[field])


def _check_id(number: Part) -> Iterator[Problem]:
    """Of a user or group (IsValidUserID of k8s.io/apimachinery/pkg/util/validation)."""
    value = number.value
    if isinstance(value, int) and not isinstance(value, bool) and not 0 <= value <= _MOST_ID:
        yield number.invalid(f"must be between 0 and {_MOST_ID}, inclusive")


def _check_variable(variable: Part) -> Iterator[Problem]:
    name = variable.text("name")
    if "=" in name:
        yield variable["name"].invalid("a valid environment variable name must not contain '='")
    source = variable["valueFrom"]
    if not source.present:
        return
    if variable.text("value"):
        yield source.invalid("may not be specified when `value` is not empty", "")
    given = [key for key, value in source.items() if value is not None]
    if not given:
        yield source.invalid(
            "must specify one of: `fieldRef`, `resourceFieldRef`, `configMapKeyRef` or `secretKeyRef`", ""
        )
    elif len(given) > 1:
        yield source.invalid("may not have more than one field specified at a time", "")


def _check_probe(probe: Part, name: str) -> Iterator[Problem]:
    yield from _check_handler(probe)
    times = ("initialDelaySeconds", "timeoutSeconds", "periodSeconds", "successThreshold", "failureThreshold")
    yield from check_not_negative(probe, *times)
    if name != "readinessProbe" and probe.number("successThreshold") not in (None, 0, 1):
        yield probe["successThreshold"].invalid("must be 1")


def _check_handler(handler: Part) -> Iterator[Problem]:
    given = [each for each in _HANDLERS if each in handler]
    if not given:
        yield handler.required("must specify a handler type")
    for extra in given[1:]:
        yield handler[extra].forbidden("may not specify more than 1 handler type")
    if "exec" in handler and handler["exec"]["command"].empty:
        yield handler["exec"]["command"].required()
    for each in ("httpGet", "tcpSocket"):
        yield from check_port(handler[each]["port"])
    yield from check_port(handler["grpc"]["port"], None)


def _check_dns(spec: Part) -> Iterator[Problem]:
    config = spec["dnsConfig"]
    servers, searches = config.each("nameservers"), config.each("searches")
    if spec.text("dnsPolicy") == "None" and not servers:
        yield config["nameservers"].required("must provide at least one DNS nameserver when `dnsPolicy` is None")
    if len(servers) > _NAMESERVERS:
        yield config["nameservers"].invalid(f"must not have more than {_NAMESERVERS} nameservers")
    if len(searches) > _SEARCHES:
        yield config["searches"].invalid(f"must not have more than {_SEARCHES} search paths")
    for server in servers:
        yield from check_text(server, names.address)
    for option in config.each("options"):
        if option["name"].empty:
            yield option["name"].required("must not be empty")
