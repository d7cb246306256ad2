"""From a request to a WebSocket with one of the subprotocols that we speak."""

from __future__ import annotations

from collections.abc import Sequence

from aiohttp import web

from sealane.apiserver import errors
from sealane.kube.client import ApiError

MAX_MESSAGE = 16 << 20


async def upgraded(request: web.BaseRequest, subprotocols: Sequence[str]) -> web.WebSocketResponse:
    """Raises ApiError 400, or 501 for the SPDY upgrade of before KEP-4006."""
    if request.headers.get("Upgrade", "").lower() != "websocket":
        if request.headers.get("Upgrade", "").lower().startswith("spdy"):
            raise ApiError(
                501,
                "NotImplemented",
                "streams are served over WebSocket, not over SPDY: use kubectl 1.31 or newer, and leave "
                "KUBECTL_REMOTE_COMMAND_WEBSOCKETS and KUBECTL_PORT_FORWARD_WEBSOCKETS unset",
            )
        raise errors.bad_request("Upgrade request required")
    offered = [each.strip() for each in request.headers.get("Sec-WebSocket-Protocol", "").split(",")]
    if not set(offered) & set(subprotocols):
        raise errors.bad_request(
            f"none of the WebSocket subprotocols {', '.join(filter(None, offered)) or '(none)'} is served here; "
            f"these are: {', '.join(subprotocols)}"
        )
    socket = web.WebSocketResponse(protocols=subprotocols, compress=False, max_msg_size=MAX_MESSAGE, timeout=2.0)
    await socket.prepare(request)
    return socket
