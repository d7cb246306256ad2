"""Clients that keep their endpoint."""

from __future__ import annotations

from envoy.config.core.v3 import extension_pb2
from envoy.extensions.filters.http.stateful_session.v3 import stateful_session_pb2
from envoy.extensions.http.stateful_session.cookie.v3 import cookie_pb2
from envoy.extensions.http.stateful_session.header.v3 import header_pb2
from envoy.type.http.v3 import cookie_pb2 as http_cookie_pb2
from google.protobuf import message

from sealane.dataplane.envoy.filters.retry import duration
from sealane.dataplane.envoy.packing import pack
from sealane.network.routes.filters.session import Session

FILTER = "envoy.filters.http.stateful_session"


def per_route(session: Session) -> stateful_session_pb2.StatefulSessionPerRoute:
    """The configuration of a route."""
    state: message.Message
    if session.kind == "Cookie":
        cookie = http_cookie_pb2.Cookie(
            name=session.name, path=session.path, ttl=duration(session.lifetime) if session.lifetime else None
        )
        state = cookie_pb2.CookieBasedSessionState(cookie=cookie)
    else:
        state = header_pb2.HeaderBasedSessionState(name=session.name)
    extension = extension_pb2.TypedExtensionConfig(
        name=f"envoy.http.stateful_session.{session.kind.lower()}", typed_config=pack(state)
    )
    return stateful_session_pb2.StatefulSessionPerRoute(
        stateful_session=stateful_session_pb2.StatefulSession(session_state=extension)
    )
