"""Redirects."""

from __future__ import annotations

from string import Template

from envoy.config.core.v3 import base_pb2
from envoy.config.route.v3 import route_components_pb2 as pb

from sealane.dataplane.envoy.filters.rewrite import edit_path
from sealane.network.routes.filters.redirect import WELL_KNOWN, Redirect
from sealane.network.routes.hosts import is_wildcard
from sealane.network.routes.model.http import HostKey
from sealane.network.routes.model.matches import PathMatch


def redirect(
    action: Redirect, matched: PathMatch, key: HostKey, scheme: str = "http", *, named: bool = False
) -> pb.RedirectAction:
    """key: of the virtual host. named: for requests whose host is followed by a port, which Envoy would keep."""
    made = pb.RedirectAction(response_code=_REDIRECT_CODES[action.status])
    if action.scheme:
        made.scheme_redirect = action.scheme
    if action.hostname or not is_wildcard(key.hostname):
        made.host_redirect = action.hostname or key.hostname
    if port := action.shown_port(key.port, scheme):
        made.port_redirect = port
    elif named:
        made.port_redirect = WELL_KNOWN[action.scheme or scheme]
    if action.path:
        edit_path(made, action.path, matched)
    return made


def location(template: str, key: HostKey, scheme: str) -> base_pb2.HeaderValueOption:
    """The Location header of `Respond.location`, by the commands of Envoy's format strings."""
    host = "%REQ(:AUTHORITY)%" if is_wildcard(key.hostname) else key.hostname
    known = {
        "scheme": scheme,
        "host": host,
        "http_host": "%REQ(:AUTHORITY)%",
        "request_uri": "%REQ(:PATH)%",
    }
    header = base_pb2.HeaderValue(key="location", value=Template(template.replace("%", "%%")).substitute(known))
    option = base_pb2.HeaderValueOption
    return option(header=header, append_action=option.OVERWRITE_IF_EXISTS_OR_ADD)


def keeps_port(action: Redirect, key: HostKey, scheme: str) -> bool:
    """Whether Envoy would keep the port that a host is asked for with, where the redirect has another."""
    return not action.hostname and is_wildcard(key.hostname) and not action.shown_port(key.port, scheme)


_REDIRECT_CODES = {
    301: pb.RedirectAction.MOVED_PERMANENTLY,
    302: pb.RedirectAction.FOUND,
    303: pb.RedirectAction.SEE_OTHER,
    307: pb.RedirectAction.TEMPORARY_REDIRECT,
    308: pb.RedirectAction.PERMANENT_REDIRECT,
}
