"""OpenID Connect discovery: a program checks ServiceAccount tokens by it without asking this API.

Source: https://kubernetes.io/docs/tasks/configure-pod-container/configure-service-account/#service-account-issuer-discovery
"""

from __future__ import annotations

import msgspec
from aiohttp import web

from sealane.apiserver.access.tokens import AccountTokens

_CONFIGURATION, _KEYS = "/.well-known/openid-configuration", "/openid/v1/jwks"


def document(path: str, accounts: AccountTokens | None) -> web.Response | None:
    """The answer at `path`; None when there is nothing of this kind."""
    if accounts is None or path not in (_CONFIGURATION, _KEYS):
        return None
    headers = {"Cache-Control": "public, max-age=3600"}
    if path == _KEYS:
        body = msgspec.json.encode({"keys": [accounts.key.jwk()]})
        return web.Response(body=body, content_type="application/jwk-set+json", headers=headers)
    configuration = {
        "issuer": accounts.issuer,
        "jwks_uri": accounts.issuer + _KEYS,
        "response_types_supported": ["id_token"],
        "subject_types_supported": ["public"],
        "id_token_signing_alg_values_supported": ["ES256"],
    }
    body = msgspec.json.encode(configuration)
    return web.Response(body=body, content_type="application/json", headers=headers)
