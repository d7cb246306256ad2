"""Defaults of pods, of pod templates and of the claims that pods bring.

Source: SetDefaults_* of k8s.io/kubernetes/pkg/apis/core/v1/defaults.go
"""

from __future__ import annotations

from sealane.kube.edit import each, filled, inside
from sealane.kube.objects import Raw

_MODE = 0o644
_PROBE = {"timeoutSeconds": 1, "periodSeconds": 10, "successThreshold": 1, "failureThreshold": 3}
_PROBES = ("livenessProbe", "readinessProbe", "startupProbe")


def pod(raw: Raw) -> Raw:
    spec = raw.get("spec")
    if not isinstance(spec, dict):
        return raw
    # Links and requests from limits are defaults of pods, not of templates.
    spec = filled(pod_spec(spec), {"enableServiceLinks": True})
    for field in ("containers", "initContainers"):
        spec = each(spec, field, lambda container: inside(container, "resources", _requests))
    return {**raw, "spec": spec}


def _requests(resources: Raw) -> Raw:
    limits = resources.get("limits")
    if not isinstance(limits, dict) or not limits:
        return resources
    return filled(resources, {"requests": {}}) | {"requests": {**limits, **(resources.get("requests") or {})}}


def pod_template(template: Raw) -> Raw:
    return inside(filled(template, {"spec": {}}), "spec", pod_spec)


def pod_spec(spec: Raw) -> Raw:
    spec = filled(
        spec,
        {
            "restartPolicy": "Always",
            "terminationGracePeriodSeconds": 30,
            "dnsPolicy": "ClusterFirst",
            "securityContext": {},
            "schedulerName": "default-scheduler",
        },
    )
    name = spec.get("serviceAccountName") or spec.get("serviceAccount")
    if name:  # two names of one field
        spec = {**spec, "serviceAccountName": name, "serviceAccount": name}
    host_network = spec.get("hostNetwork") is True
    for field in ("containers", "initContainers", "ephemeralContainers"):
        spec = each(spec, field, lambda container: _container(container, host_network))
    return each(spec, "volumes", _volume)


def _container(container: Raw, host_network: bool) -> Raw:
    image = container.get("image")
    container = filled(
        container,
        {
            "imagePullPolicy": _pull_policy(image if isinstance(image, str) else ""),
            "resources": {},
            "terminationMessagePath": "/dev/termination-log",
            "terminationMessagePolicy": "File",
        },
    )
    container = inside(container, "resources", _quantities)
    container = each(container, "ports", lambda port: _port(port, host_network))
    container = each(container, "env", lambda variable: inside(variable, "valueFrom", _source))
    for field in _PROBES:
        container = inside(container, field, _probe)
    return inside(
        container, "lifecycle", lambda hooks: inside(inside(hooks, "postStart", _handler), "preStop", _handler)
    )


def _pull_policy(image: str) -> str:
    """Always for the tag latest, which no tag and no digest means too."""
    name, digest, _ = image.partition("@")
    tag = name.rpartition("/")[2].partition(":")[2]
    return "Always" if tag == "latest" or not (tag or digest) else "IfNotPresent"


def _quantities(resources: Raw) -> Raw:
    """Quantities are written as strings, whatever the manifest has."""

    def texts(amounts: Raw) -> Raw:
        return {key: str(each) if isinstance(each, int | float) else each for key, each in amounts.items()}

    return inside(inside(resources, "limits", texts), "requests", texts)


def _port(port: Raw, host_network: bool) -> Raw:
    port = filled(port, {"protocol": "TCP"})
    if host_network and "containerPort" in port:
        port = filled(port, {"hostPort": port["containerPort"]})
    return port


def _source(source: Raw) -> Raw:
    source = inside(source, "fieldRef", lambda field: filled(field, {"apiVersion": "v1"}))
    return inside(source, "resourceFieldRef", lambda field: filled(field, {"divisor": "0"}))


def _probe(probe: Raw) -> Raw:
    # A zero means "not given" in these, as in the API.
    given = {key: value for key, value in probe.items() if value != 0 or key not in _PROBE}
    return filled(_handler(given), _PROBE)


def _handler(handler: Raw) -> Raw:
    handler = inside(handler, "httpGet", lambda get: filled(get, {"path": "/", "scheme": "HTTP"}))
    return inside(handler, "grpc", lambda grpc: filled(grpc, {"service": ""}))


def _volume(volume: Raw) -> Raw:
    if not volume.keys() - {"name"}:
        return {**volume, "emptyDir": {}}
    for field in ("configMap", "secret", "downwardAPI", "projected"):
        volume = inside(volume, field, lambda source: filled(source, {"defaultMode": _MODE}))
    volume = inside(volume, "downwardAPI", lambda source: each(source, "items", _source))
    volume = inside(volume, "hostPath", lambda source: filled(source, {"type": ""}))
    return inside(volume, "projected", lambda source: each(source, "sources", _projection))


def _projection(source: Raw) -> Raw:
    source = inside(source, "downwardAPI", lambda found: each(found, "items", _source))
    return inside(source, "serviceAccountToken", lambda token: filled(token, {"expirationSeconds": 3600}))


def claim(raw: Raw) -> Raw:
    """A PersistentVolumeClaim, also one of a template."""
    return inside(raw, "spec", lambda spec: filled(spec, {"volumeMode": "Filesystem"}))
