"""The processes of a cluster: one module beside this one is one process, run in a forked child of the supervisor."""

from __future__ import annotations

import contextlib
import importlib
import os
import socket
import sys
from collections.abc import Callable
from pathlib import Path

import sealane
from sealane.cluster import pki
from sealane.cluster.processes import control_plane, dns, envoy, host_access, nodes, standins
from sealane.cluster.processes.loop import Work, serve
from sealane.cluster.state import Folder, Options
from sealane.cluster.supervisor import Channel, Plan, Role
from sealane.dataplane.linux import namespaces, topology
from sealane.dataplane.linux.privileges import become_private
from sealane.network.addresses import API, API_PORT, plan_node

PRELOAD = (
    "asyncio",
    "msgspec",
    "yaml",
    "sealane.kube.client.http",
    "uvloop",
    "sealane.reactive.informer",
    "sealane.reactive.recorder",
    "sealane.network.model",
    "sealane.network.services.compile",
)
"""What most children import: once, before they are forked, so that they share the pages and start in milliseconds."""


def prepare(folder: Folder, options: Options, api: socket.socket, started_in: str) -> Plan:
    """Makes the private world, and says which processes live in it. Raises Unsupported for what this machine lacks.

    started_in: the folder of `up`, which pods may see wherever it is.

    The control plane has most to import of its own, so it is forked first and imports while the supervisor prepares
    what the others share.
    """
    become_private(folder.run)
    folder.local_kubeconfig.unlink(missing_ok=True)  # the sign that the credentials are there
    making = _meanwhile(lambda: pki.ensure(folder.pki))
    plans = [plan_node(index) for index in range(1, options.nodes + 1)]
    topology.create_outside(folder.run, plans)
    inside = namespaces.inside(folder.netns(topology.OUTSIDE_NAMESPACE), _listen_inside)
    local = _listen_locally(folder)
    for module in PRELOAD:
        importlib.import_module(module)

    def share() -> None:
        os.waitpid(making, 0)
        credentials = pki.ensure(folder.pki)
        server = f"https://127.0.0.1:{api.getsockname()[1]}"
        pki.write_kubeconfig(folder.kubeconfig, server, credentials, folder.name)
        pki.write_kubeconfig(folder.local_kubeconfig, f"unix:{folder.api_socket}", credentials, folder.name)
        pki.write_kubeconfig(folder.outside_kubeconfig, f"https://{API[0]}:{API_PORT}", credentials, folder.name)

    def role(name: str, work: Callable[[Channel], Work]) -> Role:
        return Role(name, lambda channel: serve(work(channel), beating=channel))

    return Plan(
        first=role("control-plane", lambda channel: control_plane.run(folder, options, [api, inside, local], channel)),
        share=share,
        then=(
            Role("nodes", lambda channel: nodes.run(folder, options, plans, _started_from(started_in), channel)),
            role("dns", lambda channel: dns.run(folder, options, channel)),
            role("stand-ins", lambda channel: standins.run(folder, channel)),
            role("host-access", lambda channel: host_access.run(folder, options, plans, channel)),
            Role("envoy", lambda _channel: envoy.run(folder), on_demand=True),
        ),
    )


def _meanwhile(work: Callable[[], object]) -> int:
    """Does `work` in a forked process; its pid. A step that fails there fails again, visibly, when it is done here."""
    pid = os.fork()
    if pid == 0:
        with contextlib.suppress(BaseException):
            work()
        os._exit(0)
    return pid


def _listen_locally(folder: Folder) -> socket.socket:
    folder.api_socket.unlink(missing_ok=True)
    sock = socket.socket(socket.AF_UNIX)
    sock.bind(bytes(folder.api_socket))
    folder.api_socket.chmod(0o600)
    sock.listen(1024)
    return sock


def _listen_inside() -> socket.socket:
    sock = socket.socket()
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.bind((str(API[0]), API_PORT))
    sock.listen(1024)
    return sock


def _started_from(folder: str) -> list[str]:
    """Folders that the cluster runs from: `folder` unless it is the system's (/run), this Python and this package."""
    code = Path(sealane.__file__).parents[1]
    own = [] if folder.startswith("/run/") else [folder]
    return [*own, str(code), sys.prefix, sys.base_prefix]
