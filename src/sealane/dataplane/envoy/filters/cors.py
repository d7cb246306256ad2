"""Cross-origin requests. Envoy's filter answers preflights; what it says of "*" to a request with credentials, which a
browser would not take, is replaced by what was asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping

from envoy.config.common.mutation_rules.v3 import mutation_rules_pb2
from envoy.config.core.v3 import base_pb2
from envoy.extensions.filters.http.cors.v3 import cors_pb2
from envoy.extensions.filters.http.header_mutation.v3 import header_mutation_pb2
from envoy.type.matcher.v3 import regex_pb2, string_pb2
from google.protobuf import message

from sealane.network.routes.filters.cors import ANY, Cors

FILTER = "envoy.filters.http.cors"
ECHO_FILTER = "sealane.cors"


def per_route(cors: Cors) -> Mapping[str, message.Message]:
    """The configuration of a route, by name of the filter."""
    made: dict[str, message.Message] = {FILTER: _policy(cors)}
    if cors.credentials and (echoed := _echoed(cors)):
        made[ECHO_FILTER] = header_mutation_pb2.HeaderMutationPerRoute(
            mutations=header_mutation_pb2.Mutations(response_mutations=echoed)
        )
    return made


def _policy(cors: Cors) -> cors_pb2.CorsPolicy:
    expose = [name for name in cors.expose if name != ANY or not cors.credentials]
    return cors_pb2.CorsPolicy(
        allow_origin_string_match=[_origin(pattern) for pattern in cors.origins],
        allow_methods=", ".join(cors.methods),
        allow_headers=", ".join(cors.headers),
        expose_headers=", ".join(expose),
        max_age=str(cors.max_age),
        allow_credentials={"value": True} if cors.credentials else None,
        forward_not_matching_preflights={"value": False},
    )


def _origin(pattern: str) -> string_pb2.StringMatcher:
    before, star, after = pattern.partition(ANY)
    if not star:
        return string_pb2.StringMatcher(exact=pattern, ignore_case=True)
    text = f"(?i){re.escape(before)}.+{re.escape(after)}"
    return string_pb2.StringMatcher(safe_regex=regex_pb2.RegexMatcher(regex=text))


def _echoed(cors: Cors) -> list[mutation_rules_pb2.HeaderMutation]:
    asked = {
        "access-control-allow-methods": (cors.methods, "access-control-request-method"),
        "access-control-allow-headers": (cors.headers, "access-control-request-headers"),
    }
    option = base_pb2.HeaderValueOption
    return [
        mutation_rules_pb2.HeaderMutation(
            append=option(
                header=base_pb2.HeaderValue(key=name, value=f"%REQ({request})%"),
                append_action=option.OVERWRITE_IF_EXISTS,
            )
        )
        for name, (allowed, request) in asked.items()
        if ANY in allowed
    ]
