"""xDS resources as YAML, for golden pairs made from the cases of tests/unit/routes.

python tests/unit/envoy/envoy_golden.py     writes every *.out.yaml anew
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from google.protobuf import json_format, message

from sealane.dataplane.envoy import config, routes
from sealane.kube.objects import Object
from sealane.network.routes.hosts import is_wildcard
from sealane.network.routes.routing import routing_of

INPUTS = Path(__file__).parent.parent / "routes" / "cases"
CASES = ("filters", "ingress", "hostnames", "references")


def out_path(case: str) -> Path:
    return Path(__file__).parent / "cases" / f"{case}.out.yaml"


def dump(case: str) -> str:
    """Scopes, and endpoints of each cluster; what is the same in every route (retries) once."""
    documents = yaml.safe_load_all((INPUTS / f"{case}.in.yaml").read_text())
    model = routing_of(Object(raw) for raw in documents if raw)
    found = [host for _, host in sorted(model.hosts.items())]
    scopes = [routes.scope(host) for host in found if not is_wildcard(host.key.hostname)]
    for port in sorted(model.ports):
        wild = [host for host in found if host.key[:2] == port and is_wildcard(host.key.hostname)]
        scopes += [routes.wildcard_scope(wild)] if wild else []
    out = {
        "scopes": {scope.name: [_plain(item) for item in scope.route_configuration.virtual_hosts] for scope in scopes},
        "endpoints": [_plain(config.endpoints(backend)) for _, backend in sorted(model.backends.items())],
    }
    return yaml.safe_dump(out, sort_keys=False, width=120, allow_unicode=True)


def _plain(value: message.Message) -> Any:
    plain = json_format.MessageToDict(value, preserving_proto_field_name=True)
    for item in plain.get("routes", ()):
        if item.get("route"):
            assert item["route"].pop("cluster_not_found_response_code") == "INTERNAL_SERVER_ERROR"
            retry = item["route"].pop("retry_policy")
            assert retry["retry_on"] == "connect-failure,refused-stream,reset-before-request"
            if "per_try_timeout" in retry:
                item["route"]["per_try_timeout"] = retry["per_try_timeout"]
    return plain


if __name__ == "__main__":
    for name in CASES:
        out_path(name).write_text(dump(name))
