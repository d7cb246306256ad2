"""A container's environment variables. Pure.

Sources: https://kubernetes.io/docs/tasks/inject-data-application/define-environment-variable-container/,
https://kubernetes.io/docs/concepts/services-networking/service/#environment-variables and, for $(VAR),
https://kubernetes.io/docs/tasks/inject-data-application/define-interdependent-environment-variables/.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping

from sealane.dataplane.pods.fields import UnknownField, pod_field, resource_field
from sealane.dataplane.pods.files import MissingReference, References, configmap_data, kernel_name, secret_data
from sealane.kube.objects import Object, Raw

PATH = "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

_REFERENCE = re.compile(r"\$(?:\$|\(([A-Za-z_.\-][\w.\-]*)\))")


def environment(
    container: Raw,
    refs: References,
    services: Iterable[Object],
    missing: list[MissingReference] | None = None,
    path: str = PATH,
) -> dict[str, str]:
    """All variables of `container`. services: those of the pod's namespace, and default/kubernetes. path: its PATH,
    unless it has one of its own.

    Raises MissingReference for a ConfigMap, Secret or key that is not there and not optional; with `missing`, adds it
    there instead and leaves the variable out.
    """
    found = {"PATH": path, "HOME": "/root", "HOSTNAME": kernel_name(refs.pod)}
    links = refs.pod.spec.get("enableServiceLinks", True)
    for service in services:
        if links or (service.namespace == "default" and service.name == "kubernetes"):
            found.update(service_variables(service))
    for source in container.get("envFrom") or ():
        prefix = source.get("prefix") or ""
        try:
            for key, value in _from(source, refs).items():
                found[prefix + key] = value.decode("utf-8", "replace")
        except MissingReference as error:
            if missing is None:
                raise
            missing.append(error)
    for variable in container.get("env") or ():
        if "valueFrom" in variable:
            value_from = None
            try:
                value_from = _value_from(variable["valueFrom"], container, refs)
            except MissingReference as error:
                if missing is None:
                    raise
                missing.append(error)
            if value_from is not None:
                found[variable["name"]] = value_from
        else:
            found[variable["name"]] = expand(str(variable.get("value") or ""), found)
    return found


def expand(text: str, variables: Mapping[str, str]) -> str:
    """$(NAME) → its value when there is one; $$ → $."""

    def replaced(match: re.Match[str]) -> str:
        name = match[1]
        return "$" if name is None else variables.get(name, match[0])

    return _REFERENCE.sub(replaced, text)


def _from(source: Raw, refs: References) -> Mapping[str, bytes]:
    if "configMapRef" in source:
        reference, kind, found = source["configMapRef"], "configmap", refs.configmaps(source["configMapRef"]["name"])
        data = None if found is None else configmap_data(found)
    else:
        reference, kind, found = source["secretRef"], "secret", refs.secrets(source["secretRef"]["name"])
        data = None if found is None else secret_data(found)
    if data is None:
        if not reference.get("optional"):
            raise MissingReference(f'{kind} "{reference["name"]}" not found')
        return {}
    return data


def _value_from(source: Raw, container: Raw, refs: References) -> str | None:
    try:
        if "fieldRef" in source:
            return pod_field(refs.pod, source["fieldRef"]["fieldPath"], refs.ips, refs.node_ips)
        if "resourceFieldRef" in source:
            reference = source["resourceFieldRef"]
            return resource_field(container, reference["resource"], str(reference.get("divisor") or "1"))
    except UnknownField as error:
        raise MissingReference(str(error)) from None
    for key, kind, find, data in (
        ("configMapKeyRef", "configmap", refs.configmaps, configmap_data),
        ("secretKeyRef", "secret", refs.secrets, secret_data),
    ):
        if key in source:
            reference = source[key]
            found = find(reference["name"])
            value = None if found is None else data(found).get(reference["key"])
            if value is not None:
                return value.decode("utf-8", "replace")
            if reference.get("optional"):
                return None
            if found is None:
                raise MissingReference(f'{kind} "{reference["name"]}" not found')
            raise MissingReference(
                f"couldn't find key {reference['key']} in {kind} {refs.pod.namespace}/{reference['name']}"
            )
    return None


def service_variables(service: Object) -> dict[str, str]:
    """KUBERNETES_SERVICE_HOST and the like, and the older Docker link variables; nothing for a headless Service."""
    address = service.spec.get("clusterIP") or ""
    ports = service.spec.get("ports") or ()
    if address in ("", "None") or not ports:
        return {}
    name = service.name.upper().replace("-", "_")
    host = f"[{address}]" if ":" in address else address
    first = ports[0]
    found = {f"{name}_SERVICE_HOST": address, f"{name}_SERVICE_PORT": str(first["port"])}
    for port in ports:
        if port.get("name"):
            found[f"{name}_SERVICE_PORT_{port['name'].upper().replace('-', '_')}"] = str(port["port"])
    found[f"{name}_PORT"] = f"{(first.get('protocol') or 'TCP').lower()}://{host}:{first['port']}"
    for port in ports:
        protocol: str = port.get("protocol") or "TCP"
        prefix = f"{name}_PORT_{port['port']}_{protocol}"
        found[prefix] = f"{protocol.lower()}://{host}:{port['port']}"
        found[f"{prefix}_PROTO"] = protocol.lower()
        found[f"{prefix}_PORT"] = str(port["port"])
        found[f"{prefix}_ADDR"] = address
    return found
