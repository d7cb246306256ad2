"""The options of a stream as the object that webhooks are asked about.

Source: core/v1 PodExecOptions, PodAttachOptions and PodPortForwardOptions in the API reference
"""

from __future__ import annotations

from multidict import MultiMapping

from sealane.apiserver.requests import flag
from sealane.kube.objects import Raw

_KINDS = {"exec": "PodExecOptions", "attach": "PodAttachOptions", "portforward": "PodPortForwardOptions"}


def stream_options(subresource: str, query: MultiMapping[str]) -> Raw:
    """subresource: exec, attach or portforward. query: of the request."""
    found: Raw = {"apiVersion": "v1", "kind": _KINDS[subresource]}
    if subresource == "portforward":
        ports = [int(port) for port in query.getall("ports", []) if port.isdigit()]
        return {**found, "ports": ports} if ports else found
    found |= {name: True for name in ("stdin", "stdout", "stderr", "tty") if flag(query, name)}
    if query.get("container"):
        found["container"] = query["container"]
    return {**found, "command": query.getall("command", [])} if subresource == "exec" else found
