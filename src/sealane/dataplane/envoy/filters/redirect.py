"""Redirects."""

from __future__ import annotations

from envoy.config.route.v3 import route_components_pb2 as pb

from sealane.dataplane.envoy.filters.rewrite import edit_path
from sealane.network.routes.filters.redirect import Redirect
from sealane.network.routes.model.matches import PathMatch


def redirect(action: Redirect, matched: PathMatch, listener_port: int, scheme: str = "http") -> pb.RedirectAction:
    made = pb.RedirectAction(response_code=_REDIRECT_CODES[action.status])
    if action.scheme:
        made.scheme_redirect = action.scheme
    if action.hostname:
        made.host_redirect = action.hostname
    if port := action.shown_port(listener_port, scheme):
        made.port_redirect = port
    if action.path:
        edit_path(made, action.path, matched)
    return made


_REDIRECT_CODES = {
    301: pb.RedirectAction.MOVED_PERMANENTLY,
    302: pb.RedirectAction.FOUND,
    303: pb.RedirectAction.SEE_OTHER,
    307: pb.RedirectAction.TEMPORARY_REDIRECT,
    308: pb.RedirectAction.PERMANENT_REDIRECT,
}
