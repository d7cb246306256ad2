"""Header changes."""

from __future__ import annotations

from collections.abc import Iterable

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as pb

from sealane.network.routes.filters.headers import HeaderEdit


def edit(
    made: pb.Route | pb.WeightedCluster.ClusterWeight, request: HeaderEdit | None, response: HeaderEdit | None
) -> None:
    if request is not None:
        made.request_headers_to_add.extend(_headers(request))
        made.request_headers_to_remove.extend(name for name in request.remove if _may_change(name))
    if response is not None:
        made.response_headers_to_add.extend(_headers(response))
        made.response_headers_to_remove.extend(name for name in response.remove if _may_change(name))


def _headers(edit: HeaderEdit) -> Iterable[base_pb2.HeaderValueOption]:
    option = base_pb2.HeaderValueOption
    for name, asked in edit.echo:
        yield option(
            header=base_pb2.HeaderValue(key=name, value=f"%REQ({asked})%"),
            append_action=option.OVERWRITE_IF_EXISTS_OR_ADD,
        )
    for pairs, action in (
        (edit.set, option.OVERWRITE_IF_EXISTS_OR_ADD),
        (edit.add, option.APPEND_IF_EXISTS_OR_ADD),
    ):
        for name, value in pairs:
            if _may_change(name):
                # "%" starts a command in Envoy's format strings.
                header = base_pb2.HeaderValue(key=name, value=value.replace("%", "%%"))
                yield option(header=header, append_action=action, keep_empty_value=True)


def _may_change(name: str) -> bool:
    """Envoy refuses to edit these as headers; Host is set by `host_rewrite_literal`."""
    return name != "host" and not name.startswith(":")
