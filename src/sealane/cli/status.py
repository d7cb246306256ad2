"""`sealane status` and `sealane kubeconfig`."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from typing import TYPE_CHECKING, Any

from sealane.cli.connect import PATIENCE, hanging, running, silent
from sealane.cli.live import node_line, pod_line
from sealane.cli.say import NO_CLUSTER, OK, SILENT, complain, console, guarded, table
from sealane.cluster import lifecycle, state
from sealane.cluster.state import Folder
from sealane.kube import kinds
from sealane.kube.objects import Object

if TYPE_CHECKING:
    from rich.console import Console


NODES_SHOWN = 3
"""A NodePort is shown on so many nodes one by one."""


def status(name: str, *, as_json: bool) -> int:
    return guarded(lambda: _status(name, as_json=as_json))


def kubeconfig(name: str) -> int:
    return guarded(lambda: _kubeconfig(name))


def _kubeconfig(name: str) -> int:
    folder, _ = running(name)
    print(folder.kubeconfig)
    return OK


def _status(name: str, *, as_json: bool) -> int:
    folders = [state.folder(name)] if name else state.clusters()
    found = [describe(folder) for folder in folders if folder.path.exists()]
    if as_json:
        print(json.dumps(found[0] if name and found else found, indent=1))
    elif not found:
        complain(f"no cluster {name!r}" if name else "no cluster; start one with: sealane up")
    else:
        for each in found:
            _print(each, console())
    if any(each.get("silent") for each in found):
        return SILENT
    return OK if found else NO_CLUSTER


def describe(folder: Folder) -> dict[str, Any]:
    """One cluster as JSON: {name, phase, api, kubeconfig, folder, processes, nodes, pods, reachable, proxy}.

    phase: running, starting, stopping, or "dead" (its supervisor was killed: `up` starts it again, `down` clears it),
    "damaged" (it runs, but cluster.json cannot be read: `up` writes it anew). silent: its API does not answer, or
    another process hangs, as `error` says.
    """
    record = folder.read()
    found: dict[str, Any] = {
        "name": folder.name,
        "phase": "dead" if record is None or not record.running else record.phase,
        "folder": str(folder.path),
        "kubeconfig": str(folder.kubeconfig),
        "processes": [],
        "nodes": [],
        "pods": [],
        "reachable": [],
    }
    if record is None:
        if lifecycle.listening(folder) is not None:
            found |= {"phase": "damaged", "error": f"{folder.record_path} is damaged; `sealane up` writes it anew"}
        return found
    found["api"] = f"https://127.0.0.1:{record.api_port}"
    found["options"] = {
        "nodes": record.options.nodes,
        "dns_upstream": record.options.dns_upstream,
        "allow_host": record.options.allow_host,
        "private": record.options.private,
    }
    found["processes"] = [
        {
            "role": process.role,
            "pid": process.pid,
            "alive": process.alive,
            "restarts": process.restarts,
            "silent": process.silent,
        }
        for process in record.processes
    ]
    if record.running:
        if said := hanging(folder, record.processes):
            found |= {"error": said, "silent": True}
        try:
            found.update(asyncio.run(_objects(folder)))
        except TimeoutError:
            found |= {"error": silent(folder), "silent": True}
        except OSError as error:
            found.setdefault("error", f"the API does not answer: {error}")
    return found


async def _objects(folder: Folder) -> dict[str, Any]:
    from sealane.kube.client.http import HttpClient

    client = HttpClient.from_kubeconfig(folder.local_kubeconfig)
    try:
        async with asyncio.timeout(PATIENCE):
            nodes, pods, services, routes, ingresses = await asyncio.gather(
                *(client.list(kind) for kind in (kinds.NODE, kinds.POD, kinds.SERVICE, kinds.HTTPROUTE, kinds.INGRESS))
            )
    finally:
        await client.close()
    per_node = Counter(pod.spec.get("nodeName") for pod in pods.items)
    return {
        "nodes": [node_line(node, per_node[node.name]) for node in nodes.items],
        "pods": [pod_line(pod) for pod in pods.items],
        "reachable": reachable(folder, services.items, routes.items, ingresses.items),
        "proxy": f"socks5h://{folder.proxy.read_text()}" if folder.proxy.exists() else "",
    }


def reachable(
    folder: Folder, services: tuple[Object, ...], routes: tuple[Object, ...], ingresses: tuple[Object, ...]
) -> list[dict[str, Any]]:
    """Addresses reachable from outside: one entry for each mirrored port, with the hostnames that it routes."""
    from sealane.cluster import host_access

    by_key = {(service.namespace, service.name): service for service in services}
    found = []
    for mirror in host_access.read(folder.mirrors):
        service = by_key.get((mirror.namespace, mirror.service))
        if service is None:
            continue
        gateway = service.labels.get("gateway.networking.k8s.io/gateway-name", "")
        hosts = sorted(_hostnames(gateway, mirror.namespace, routes)) if gateway else []
        if not hosts and (mirror.namespace, mirror.service) == ("sealane-system", "ingress"):
            hosts = sorted(
                {rule["host"] for each in ingresses for rule in each.spec.get("rules") or () if "host" in rule}
            )
        found.append(
            {
                "what": f"Gateway {mirror.namespace}/{gateway}"
                if gateway
                else f"Service {mirror.namespace}/{mirror.service}",
                "address": f"{mirror.address}:{mirror.port}",
                "host": f"{mirror.host}:{mirror.host_port}",
                "scheme": _scheme(service, mirror.port),
                "hostnames": hosts,
            }
        )
    return found


def _scheme(service: Object, port: int) -> str:
    """By the port's name, as proxies' Services have it, else by its number."""
    names = [entry.get("name") or "" for entry in service.spec.get("ports") or () if entry.get("port") == port]
    return "https" if port == 443 or any(name.partition("-")[0] == "https" for name in names) else "http"


def _hostnames(gateway: str, namespace: str, routes: tuple[Object, ...]) -> set[str]:
    return {
        hostname
        for route in routes
        for parent in route.spec.get("parentRefs") or ()
        if parent.get("name") == gateway and parent.get("namespace", route.namespace) == namespace
        for hostname in route.spec.get("hostnames") or ()
    }


def print_reachable(folder: Folder, out: Console) -> None:
    """The lines that `up` prints: where everything can be reached."""
    found = describe(folder)
    _print_reachable(found, out)


def _print_reachable(found: dict[str, Any], out: Console) -> None:
    if not found["reachable"]:
        return
    shown = table("What", "In the cluster network", "On this machine", "Try", title="Reachable from outside")
    for each, further in _grouped(found["reachable"]):
        host, _, port = each["host"].partition(":")
        name = each["hostnames"][0] if each["hostnames"] else ""
        suffix = "" if port == "80" else f":{port}"
        encrypted = each["scheme"] == "https"
        curl = f"curl -k https://{host}:{port}/" if encrypted else f"curl http://{host}{suffix}/"
        if name and encrypted:  # the name decides before the first request: it is in the handshake
            shown_name = name.replace("*", "www", 1)
            curl = f"curl -k --resolve {shown_name}:{port}:{host} https://{shown_name}:{port}/"
        elif name:
            curl = curl.replace("curl", f"curl -H 'Host: {name}'", 1)
        more = f" (and on {further} more nodes)" if further else ""
        shown.add_row(each["what"], each["address"] + more, each["host"], curl)
    out.print(shown)


def _grouped(reachable: list[dict[str, Any]]) -> list[tuple[dict[str, Any], int]]:
    """A NodePort of many nodes is one line for people, with how many nodes are not shown."""
    groups: dict[tuple[str, str], list[dict[str, Any]]] = {}
    for each in reachable:
        groups.setdefault((each["what"], each["address"].rpartition(":")[2]), []).append(each)
    found = []
    for several in groups.values():
        shown = several if len(several) <= NODES_SHOWN else several[:1]
        found += [(each, len(several) - len(shown)) for each in shown]
    return found


def _state(process: dict[str, Any]) -> str:
    if not process["alive"]:
        return " (dead)"
    return " (hangs)" if process["silent"] else ""


def _print(found: dict[str, Any], out: Console) -> None:
    out.print(f"[bold]{found['name']}[/bold]  {found['phase']}  {found.get('api', '')}  {found['kubeconfig']}")
    if found["phase"] == "dead":
        out.print(
            "  its processes were killed; `sealane up` starts it again with its objects, `sealane down` clears it\n"
        )
        return
    if found["phase"] == "damaged":
        out.print(f"[red]{found['error']}[/red]")
        return
    processes = table("Process", "Pid", "Restarts")
    for each in found["processes"]:
        processes.add_row(each["role"], str(each["pid"]) + _state(each), str(each["restarts"]))
    out.print(processes)
    if error := found.get("error"):
        out.print(f"[red]{error}[/red]")
    nodes = table("Node", "Ready", "Address", "Pod range", "Pods")
    for each in found["nodes"]:
        nodes.add_row(
            each["name"],
            "yes" if each["ready"] else "[red]no[/red]",
            each["addresses"][0] if each["addresses"] else "",
            each["podCIDRs"][0] if each["podCIDRs"] else "",
            str(each["pods"]),
        )
    out.print(nodes)
    pods = table("Namespace", "Pod", "Node", "Address", "State")
    for each in found["pods"]:
        state_text = each["phase"] if each["ready"] else f"[yellow]{each['phase']}: {each['reason']}[/yellow]"
        pods.add_row(each["namespace"], each["name"], each["node"], each["ips"][0] if each["ips"] else "", state_text)
    out.print(pods)
    _print_reachable(found, out)
    if found.get("proxy"):
        out.print(f"\nInto the cluster's network from this machine: export ALL_PROXY={found['proxy']}", soft_wrap=True)
    if proxy := found.get("proxy"):
        out.print(f"Everything else through a proxy: curl -x {proxy} http://SERVICE.NAMESPACE.svc.cluster.local")
