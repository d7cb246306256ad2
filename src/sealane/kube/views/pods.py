"""Pod: https://kubernetes.io/docs/reference/kubernetes-api/workload-resources/pod-v1/"""

from __future__ import annotations

import msgspec

from sealane.kube.views.base import Condition, ObjectMeta, Selector, View, no_labels
from sealane.kube.views.volumes import Volume, VolumeMount


class ContainerPort(View):
    container_port: int = 0
    name: str = ""
    protocol: str = "TCP"
    host_port: int | None = None
    host_ip: str = ""


class FieldSelector(View):
    """Downward API: a field of the pod, e.g. "status.podIP" or "metadata.labels['app']"."""

    field_path: str = ""
    api_version: str = "v1"


class ResourceFieldSelector(View):
    resource: str = ""
    container_name: str = ""
    divisor: int | float | str = 0


class KeySelector(View):
    """One key of a ConfigMap or Secret."""

    name: str = ""
    key: str = ""
    optional: bool = False


class EnvSource(View):
    field_ref: FieldSelector | None = None
    resource_field_ref: ResourceFieldSelector | None = None
    config_map_key_ref: KeySelector | None = None
    secret_key_ref: KeySelector | None = None


class EnvVar(View):
    name: str = ""
    value: str | None = None
    value_from: EnvSource | None = None


class SourceReference(View):
    """A whole ConfigMap or Secret."""

    name: str = ""
    optional: bool = False


class EnvFrom(View):
    prefix: str = ""
    config_map_ref: SourceReference | None = None
    secret_ref: SourceReference | None = None


class HTTPHeader(View):
    name: str = ""
    value: str = ""


class HTTPGetAction(View):
    port: int | str = 0
    path: str = "/"
    host: str = ""
    scheme: str = "HTTP"
    http_headers: tuple[HTTPHeader, ...] = ()


class TCPSocketAction(View):
    port: int | str = 0
    host: str = ""


class GRPCAction(View):
    port: int = 0
    service: str | None = None


class ExecAction(View):
    command: tuple[str, ...] = ()


class SleepAction(View):
    seconds: int = 0


class Handler(View):
    """What a probe or life-cycle hook does: exactly one is set."""

    exec: ExecAction | None = None
    http_get: HTTPGetAction | None = None
    tcp_socket: TCPSocketAction | None = None


class Probe(Handler):
    """Times in seconds. Defaults are those of the API."""

    grpc: GRPCAction | None = None
    initial_delay_seconds: int = 0
    period_seconds: int = 10
    timeout_seconds: int = 1
    success_threshold: int = 1
    failure_threshold: int = 3
    termination_grace_period_seconds: int | None = None


class LifecycleHandler(Handler):
    sleep: SleepAction | None = None


class Lifecycle(View):
    post_start: LifecycleHandler | None = None
    pre_stop: LifecycleHandler | None = None


class Resources(View):
    """Quantities as written, e.g. {"cpu": "500m", "memory": "64Mi"}."""

    limits: dict[str, int | float | str] = msgspec.field(default_factory=dict)
    requests: dict[str, int | float | str] = msgspec.field(default_factory=dict)


class Capabilities(View):
    add: tuple[str, ...] = ()
    drop: tuple[str, ...] = ()


class SecurityContext(View):
    """Of a container: the parts that change what a process may do on the network."""

    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    privileged: bool | None = None
    read_only_root_filesystem: bool | None = None
    capabilities: Capabilities = Capabilities()


class Sysctl(View):
    name: str = ""
    value: str = ""


class PodSecurityContext(View):
    run_as_user: int | None = None
    run_as_group: int | None = None
    run_as_non_root: bool | None = None
    fs_group: int | None = None
    supplemental_groups: tuple[int, ...] = ()
    sysctls: tuple[Sysctl, ...] = ()


class Container(View):
    name: str = ""
    image: str = ""
    image_pull_policy: str = ""
    command: tuple[str, ...] = ()
    args: tuple[str, ...] = ()
    working_dir: str = ""
    ports: tuple[ContainerPort, ...] = ()
    env: tuple[EnvVar, ...] = ()
    env_from: tuple[EnvFrom, ...] = ()
    resources: Resources = Resources()
    volume_mounts: tuple[VolumeMount, ...] = ()
    readiness_probe: Probe | None = None
    liveness_probe: Probe | None = None
    startup_probe: Probe | None = None
    lifecycle: Lifecycle | None = None
    restart_policy: str | None = None
    security_context: SecurityContext | None = None
    stdin: bool = False
    stdin_once: bool = False
    tty: bool = False
    termination_message_path: str = "/dev/termination-log"


class Toleration(View):
    key: str = ""
    operator: str = "Equal"
    value: str = ""
    effect: str = ""
    toleration_seconds: int | None = None


class DNSOption(View):
    name: str = ""
    value: str | None = None


class PodDNSConfig(View):
    nameservers: tuple[str, ...] = ()
    searches: tuple[str, ...] = ()
    options: tuple[DNSOption, ...] = ()


class HostAlias(View):
    ip: str = ""
    hostnames: tuple[str, ...] = ()


class ReadinessGate(View):
    condition_type: str = ""


class TopologySpreadConstraint(View):
    max_skew: int = 1
    topology_key: str = ""
    when_unsatisfiable: str = ""
    label_selector: Selector | None = None


class NamedReference(View):
    name: str = ""


class PodSpec(View):
    containers: tuple[Container, ...] = ()
    init_containers: tuple[Container, ...] = ()
    ephemeral_containers: tuple[Container, ...] = ()
    volumes: tuple[Volume, ...] = ()
    node_name: str = ""
    node_selector: dict[str, str] = msgspec.field(default_factory=no_labels)
    tolerations: tuple[Toleration, ...] = ()
    topology_spread_constraints: tuple[TopologySpreadConstraint, ...] = ()
    restart_policy: str = "Always"
    termination_grace_period_seconds: int = 30
    active_deadline_seconds: int | None = None
    hostname: str = ""
    subdomain: str = ""
    set_hostname_as_fqdn: bool = False
    dns_policy: str = "ClusterFirst"
    dns_config: PodDNSConfig | None = None
    host_aliases: tuple[HostAlias, ...] = ()
    host_network: bool = False
    host_pid: bool = False
    host_ipc: bool = False
    share_process_namespace: bool = False
    readiness_gates: tuple[ReadinessGate, ...] = ()
    service_account_name: str = ""
    automount_service_account_token: bool | None = None
    enable_service_links: bool = True
    image_pull_secrets: tuple[NamedReference, ...] = ()
    scheduler_name: str = "default-scheduler"
    priority_class_name: str = ""
    runtime_class_name: str | None = None
    security_context: PodSecurityContext | None = None


class ContainerStateWaiting(View):
    reason: str = ""
    message: str = ""


class ContainerStateRunning(View):
    started_at: str | None = None


class ContainerStateTerminated(View):
    exit_code: int = 0
    signal: int | None = None
    reason: str = ""
    message: str = ""
    started_at: str | None = None
    finished_at: str | None = None
    container_id: str = ""


class ContainerState(View):
    waiting: ContainerStateWaiting | None = None
    running: ContainerStateRunning | None = None
    terminated: ContainerStateTerminated | None = None


class ContainerStatus(View):
    name: str = ""
    ready: bool = False
    started: bool | None = None
    restart_count: int = 0
    image: str = ""
    image_id: str = ""
    container_id: str = ""
    state: ContainerState = ContainerState()
    last_state: ContainerState = ContainerState()


class PodIP(View):
    ip: str = ""


class PodStatus(View):
    phase: str = ""
    reason: str = ""
    message: str = ""
    conditions: tuple[Condition, ...] = ()
    pod_ip: str = ""
    pod_ips: tuple[PodIP, ...] = ()
    host_ip: str = ""
    host_ips: tuple[PodIP, ...] = ()
    start_time: str | None = None
    nominated_node_name: str = ""
    qos_class: str = ""
    container_statuses: tuple[ContainerStatus, ...] = ()
    init_container_statuses: tuple[ContainerStatus, ...] = ()
    ephemeral_container_statuses: tuple[ContainerStatus, ...] = ()


class Pod(View):
    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
    status: PodStatus = PodStatus()


class PodTemplate(View):
    """core/v1 PodTemplateSpec, inside workloads."""

    metadata: ObjectMeta = ObjectMeta()
    spec: PodSpec = PodSpec()
