"""The pod security standards: the breaches of `baseline` and `restricted` in a pod. Pure.

Source: https://kubernetes.io/docs/concepts/security/pod-security-standards/ and k8s.io/pod-security-admission/policy
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import Any

from sealane.kube.objects import Raw

_CAPABILITIES = frozenset(
    (
        "AUDIT_WRITE",
        "CHOWN",
        "DAC_OVERRIDE",
        "FOWNER",
        "FSETID",
        "KILL",
        "MKNOD",
        "NET_BIND_SERVICE",
        "SETFCAP",
        "SETGID",
        "SETPCAP",
        "SETUID",
        "SYS_CHROOT",
    )
)
_SYSCTLS = frozenset(
    (
        "kernel.shm_rmid_forced",
        "net.ipv4.ip_local_port_range",
        "net.ipv4.ip_local_reserved_ports",
        "net.ipv4.ip_unprivileged_port_start",
        "net.ipv4.ping_group_range",
        "net.ipv4.tcp_fin_timeout",
        "net.ipv4.tcp_keepalive_intvl",
        "net.ipv4.tcp_keepalive_probes",
        "net.ipv4.tcp_keepalive_time",
        "net.ipv4.tcp_rmem",
        "net.ipv4.tcp_syncookies",
        "net.ipv4.tcp_wmem",
    )
)
_SELINUX = frozenset(("", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"))
_VOLUMES = frozenset(
    (
        "configMap",
        "csi",
        "downwardAPI",
        "emptyDir",
        "ephemeral",
        "image",
        "persistentVolumeClaim",
        "projected",
        "secret",
    )
)
_SECCOMP = ("RuntimeDefault", "Localhost")
_APPARMOR = "container.apparmor.security.beta.kubernetes.io/"

Check = Callable[["_Pod"], str]


class _Pod:
    """metadata: of the pod, empty for a template that has none."""

    def __init__(self, metadata: Raw, spec: Raw) -> None:
        self.annotations: Mapping[str, str] = metadata.get("annotations") or {}
        self.spec = spec
        self.security: Raw = spec.get("securityContext") or {}
        fields = ("initContainers", "containers", "ephemeralContainers")
        self.containers: list[Raw] = [each for field in fields for each in spec.get(field) or ()]

    def where(self, bad: Callable[[Raw], bool]) -> list[str]:
        """Names of the containers whose securityContext is `bad`."""
        return [str(each.get("name")) for each in self.containers if bad(each.get("securityContext") or {})]


def violations(level: str, metadata: Raw, spec: Raw) -> Iterator[str]:
    """level: "baseline" or "restricted". Each in the words of kube-apiserver, in their order."""
    pod = _Pod(metadata, spec)
    replaced = _BASELINE_REPLACED if level == "restricted" else ()
    checks = [check for check in _BASELINE if check not in replaced]
    for check in checks + (list(_RESTRICTED) if level == "restricted" else []):
        said = check(pod)
        if said:
            yield said


def _apparmor(pod: _Pod) -> str:
    wrong = [
        f'{key}="{value}"'
        for key, value in sorted(pod.annotations.items())
        if key.startswith(_APPARMOR) and value not in ("", "runtime/default") and not value.startswith("localhost/")
    ]
    return f"forbidden AppArmor profile{_s(wrong)} ({', '.join(wrong)})" if wrong else ""


def _capabilities(pod: _Pod) -> str:
    wrong = pod.where(lambda context: bool(_added(context) - _CAPABILITIES))
    if not wrong:
        return ""
    added = sorted({name for each in pod.containers for name in _added(each.get("securityContext") or {})})
    extra = [name for name in added if name not in _CAPABILITIES]
    return (
        f"non-default capabilities ({_containers(wrong)} must not include {_quoted(extra)} in "
        "securityContext.capabilities.add)"
    )


def _host_namespaces(pod: _Pod) -> str:
    found = [f"{field}=true" for field in ("hostNetwork", "hostPID", "hostIPC") if pod.spec.get(field)]
    return f"host namespaces ({', '.join(found)})" if found else ""


def _host_path(pod: _Pod) -> str:
    found = [str(each.get("name")) for each in pod.spec.get("volumes") or () if "hostPath" in each]
    return f"hostPath volumes (volume{_s(found)} {_quoted(found)})" if found else ""


def _host_ports(pod: _Pod) -> str:
    found: dict[str, list[int]] = {}
    for container in pod.containers:
        ports = [each["hostPort"] for each in container.get("ports") or () if each.get("hostPort")]
        if ports:
            found[str(container.get("name"))] = ports
    if not found:
        return ""
    ports = sorted({port for each in found.values() for port in each})
    listed = ", ".join(map(str, ports))
    return f"hostPort ({_containers(list(found))} use{'s' if len(found) == 1 else ''} hostPort{_s(ports)} {listed})"


def _privileged(pod: _Pod) -> str:
    found = pod.where(lambda context: context.get("privileged") is True)
    return f"privileged ({_containers(found)} must not set securityContext.privileged=true)" if found else ""


def _proc_mount(pod: _Pod) -> str:
    found = pod.where(lambda context: context.get("procMount") not in (None, "Default"))
    return f'procMount ({_containers(found)} must not set securityContext.procMount to "Unmasked")' if found else ""


def _seccomp_baseline(pod: _Pod) -> str:
    setters = _setters(pod, lambda context: (context.get("seccompProfile") or {}).get("type") == "Unconfined")
    return (
        f'seccompProfile ({setters} must not set securityContext.seccompProfile.type to "Unconfined")'
        if setters
        else ""
    )


def _selinux(pod: _Pod) -> str:
    def bad(context: Raw) -> bool:
        options = context.get("seLinuxOptions") or {}
        return options.get("type", "") not in _SELINUX or bool(options.get("user") or options.get("role"))

    setters = _setters(pod, bad)
    return f"seLinuxOptions ({setters} set forbidden securityContext.seLinuxOptions)" if setters else ""


def _sysctls(pod: _Pod) -> str:
    found = [str(each.get("name")) for each in pod.security.get("sysctls") or () if each.get("name") not in _SYSCTLS]
    return f"forbidden sysctls ({', '.join(found)})" if found else ""


def _windows(pod: _Pod) -> str:
    setters = _setters(pod, lambda context: bool((context.get("windowsOptions") or {}).get("hostProcess")))
    return f"hostProcess ({setters} must not set securityContext.windowsOptions.hostProcess=true)" if setters else ""


def _escalation(pod: _Pod) -> str:
    found = pod.where(lambda context: context.get("allowPrivilegeEscalation") is not False)
    if not found:
        return ""
    return (
        f"allowPrivilegeEscalation != false ({_containers(found)} must set "
        "securityContext.allowPrivilegeEscalation=false)"
    )


def _capabilities_restricted(pod: _Pod) -> str:
    def drop(context: Raw) -> Sequence[str]:
        return (context.get("capabilities") or {}).get("drop") or ()

    undropped = pod.where(lambda context: "ALL" not in drop(context))
    added = pod.where(lambda context: bool(_added(context) - {"NET_BIND_SERVICE"}))
    said = []
    if undropped:
        said.append(f'{_containers(undropped)} must set securityContext.capabilities.drop=["ALL"]')
    if added:
        names = sorted({n for each in pod.containers for n in _added(each.get("securityContext") or {})})
        extra = [name for name in names if name != "NET_BIND_SERVICE"]
        said.append(f"{_containers(added)} must not include {_quoted(extra)} in securityContext.capabilities.add")
    return f"unrestricted capabilities ({'; '.join(said)})" if said else ""


def _volume_types(pod: _Pod) -> str:
    found: dict[str, str] = {}
    for volume in pod.spec.get("volumes") or ():
        kind = next((key for key in volume if key != "name"), "emptyDir")
        if kind not in _VOLUMES:
            found[str(volume.get("name"))] = kind
    if not found:
        return ""
    types = sorted(set(found.values()))
    use = "uses" if len(found) == 1 else "use"
    return (
        f"restricted volume types (volume{_s(list(found))} {_quoted(list(found))} {use} restricted volume "
        f"type{_s(types)} {_quoted(types)})"
    )


def _non_root(pod: _Pod) -> str:
    if pod.security.get("runAsNonRoot") is False and not pod.where(lambda c: c.get("runAsNonRoot") is None):
        return "runAsNonRoot != true (pod must not set securityContext.runAsNonRoot=false)"
    explicit = pod.where(lambda context: context.get("runAsNonRoot") is False)
    if explicit:
        return f"runAsNonRoot != true ({_containers(explicit)} must not set securityContext.runAsNonRoot=false)"
    if pod.security.get("runAsNonRoot") is True:
        return ""
    unset = pod.where(lambda context: context.get("runAsNonRoot") is not True)
    return (
        f"runAsNonRoot != true (pod or {_containers(unset)} must set securityContext.runAsNonRoot=true)"
        if unset
        else ""
    )


def _user(pod: _Pod) -> str:
    setters = _setters(pod, lambda context: context.get("runAsUser") == 0)
    return f"runAsUser=0 ({setters} must not set runAsUser=0)" if setters else ""


def _seccomp_restricted(pod: _Pod) -> str:
    def profile(context: Raw) -> Any:
        return (context.get("seccompProfile") or {}).get("type")

    bad = _setters(pod, lambda context: profile(context) not in (None, *_SECCOMP))
    if bad:
        return f'seccompProfile ({bad} must not set securityContext.seccompProfile.type to "Unconfined")'
    if profile(pod.security) in _SECCOMP:
        return ""
    unset = pod.where(lambda context: profile(context) is None)
    if not unset:
        return ""
    return (
        f"seccompProfile (pod or {_containers(unset)} must set securityContext.seccompProfile.type to "
        '"RuntimeDefault" or "Localhost")'
    )


_BASELINE: tuple[Check, ...] = (
    _apparmor,
    _capabilities,
    _host_namespaces,
    _host_path,
    _host_ports,
    _privileged,
    _proc_mount,
    _seccomp_baseline,
    _selinux,
    _sysctls,
    _windows,
)
_RESTRICTED: tuple[Check, ...] = (
    _escalation,
    _capabilities_restricted,
    _volume_types,
    _non_root,
    _user,
    _seccomp_restricted,
)
_BASELINE_REPLACED = (_capabilities, _host_path, _seccomp_baseline)
"""Which of `baseline` a stricter one of `restricted` says as well."""


def _added(context: Raw) -> set[str]:
    return set((context.get("capabilities") or {}).get("add") or ())


def _setters(pod: _Pod, bad: Callable[[Raw], bool]) -> str:
    """ "pod and container "c"", who have a bad securityContext; "" for nobody."""
    found = pod.where(bad)
    said = ["pod"] if bad(pod.security) else []
    return " and ".join([*said, *([_containers(found)] if found else [])])


def _containers(names: Sequence[str]) -> str:
    return f"container{_s(names)} {_quoted(names)}"


def _quoted(names: Sequence[str]) -> str:
    return ", ".join(f'"{name}"' for name in names)


def _s(items: Sequence[Any]) -> str:
    return "" if len(items) == 1 else "s"
