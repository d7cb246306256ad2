"""The routing model and statuses as YAML, for golden pairs.

python tests/unit/routes/golden.py     writes every *.out.yaml anew
"""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml

from sealane.kube.objects import Object
from sealane.network.routes.evaluate import describe
from sealane.network.routes.model import (
    Action,
    Backend,
    Forward,
    HeaderEdit,
    PathEdit,
    Redirect,
    Respond,
    Rule,
)
from sealane.network.routes.routing import Routing, routing_of

CASES = sorted(Path(__file__).parent.glob("cases/*.in.yaml"))


def compile_case(path: Path) -> Routing:
    return routing_of(Object(raw) for raw in yaml.safe_load_all(path.read_text()) if raw)


def dump(model: Routing) -> str:
    """Virtual hosts by "proxy port host", backends with their endpoints, statuses by object."""
    out: dict[str, Any] = {
        "hosts": {
            f"{key.proxy.namespace}/{key.proxy.name}:{key.port} {key.hostname or '*'}": [
                _rule(rule) for rule in host.rules
            ]
            for key, host in sorted(model.hosts.items())
        },
        "backends": {
            f"{key.service.namespace}/{key.service.name}:{key.port}": [
                f"{address}:{port}" for address, port in found.addresses
            ]
            for key, found in sorted(model.backends.items())
        },
        "statuses": {
            str(key): _status(found.status)
            for _, collection in sorted(model.statuses.items())
            for key, found in sorted(collection.items())
        },
    }
    return yaml.dump(out, sort_keys=False, width=120, allow_unicode=True, Dumper=_Dumper)


def _status(value: Any) -> Any:
    """Conditions in one line each; supportedFeatures, the same everywhere, left out."""
    if isinstance(value, list):
        return [_status(item) for item in value]
    if not isinstance(value, dict):
        return value
    if "observedGeneration" in value:
        message = f": {value['message']}" if value["message"] else ""
        return f"{value['type']} {value['status']} {value['reason']} @{value['observedGeneration']}{message}"
    return {name: _status(item) for name, item in value.items() if name != "supportedFeatures"}


class _Dumper(yaml.SafeDumper):
    def ignore_aliases(self, data: Any) -> bool:
        return True


def _rule(rule: Rule) -> dict[str, Any]:
    out: dict[str, Any] = {"match": describe(rule.match), "from": str(rule.origin), **_action(rule.action)}
    for field, edit in (("requestHeaders", rule.request_headers), ("responseHeaders", rule.response_headers)):
        if edit:
            out[field] = _edit(edit)
    return out


def _action(action: Action) -> dict[str, Any]:
    match action:
        case Respond(status):
            return {"respond": status}
        case Redirect(scheme, hostname, port, path, status):
            parts = {
                "scheme": scheme,
                "hostname": hostname,
                "port": port,
                "path": path and _path(path),
                "status": status,
            }
            return {"redirect": {name: part for name, part in parts.items() if part}}
        case Forward():
            out: dict[str, Any] = {"backends": [_backend(backend) for backend in action.backends]}
            if action.rewrite:
                out["rewrite"] = {"hostname": action.rewrite.hostname}
                if action.rewrite.path:
                    out["rewrite"]["path"] = _path(action.rewrite.path)
            if action.mirrors:
                out["mirrors"] = [f"{item.service} port {item.port} × {item.fraction:g}" for item in action.mirrors]
            if action.request_timeout or action.backend_timeout:
                out["timeouts"] = [action.request_timeout, action.backend_timeout]
            return out


def _backend(backend: Backend) -> str:
    target = f"{backend.weight} × {backend.service.namespace}/{backend.service.name}:{backend.port}"
    edits = [f"{_edit(edit)}" for edit in (backend.request_headers, backend.response_headers) if edit]
    return " ".join([target, *filter(None, [backend.problem]), *edits])


def _path(edit: PathEdit) -> str:
    return f"{edit.kind} {edit.value}"


def _edit(edit: HeaderEdit) -> dict[str, Any]:
    parts = {"set": dict(edit.set), "add": dict(edit.add), "remove": list(edit.remove)}
    return {name: part for name, part in parts.items() if part}


def out_path(path: Path) -> Path:
    return path.with_name(path.name.replace(".in.", ".out."))


if __name__ == "__main__":
    for case in CASES:
        out_path(case).write_text(dump(compile_case(case)))
