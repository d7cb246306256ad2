"""The annotations of ingress-nginx: what each asks for, and what becomes of it here. Data; the features are beside it.

Source: https://kubernetes.github.io/ingress-nginx/user-guide/nginx-configuration/annotations/ (v1.15), all that it
lists, and the older names that people still write.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

import msgspec

Outcome = Literal["runs", "explained", "no meaning here"]
"""explained: something would differ, and an Event of the Ingress says what. no meaning here: nothing would."""


class Annotation(msgspec.Struct, frozen=True):
    asks: str
    outcome: Outcome
    here: str


_AUTH = "requests are not checked, everybody is served"
_CERT = "certificates of clients are not asked for, everybody is served"
_LIMIT = "requests are not counted, none is refused"
_SNIPPET = "directives of nginx are not run"
_WAF = "requests are not inspected"
_BUFFERS = "sizes of buffers change no answer"
_UPSTREAM_TLS = "no TLS is spoken to backends by an Ingress: use a BackendTLSPolicy"
_COOKIE = "the cookie is sent without it"
_TRACE = "nothing is traced"


def _runs(asks: str, here: str = "as ingress-nginx") -> Annotation:
    return Annotation(asks, "runs", here)


def _explained(asks: str, here: str) -> Annotation:
    return Annotation(asks, "explained", here)


def _nothing(asks: str, here: str) -> Annotation:
    return Annotation(asks, "no meaning here", here)


TABLE: Mapping[str, Annotation] = {
    # Paths and hosts
    "use-regex": _runs("paths of the host are regular expressions", "as ingress-nginx, in the syntax of RE2"),
    "rewrite-target": _runs(
        "the path for the backend, with $1 … $9", "as ingress-nginx; no query, no other host in it"
    ),
    "app-root": _runs("where / is redirected to"),
    "server-alias": _runs("more names of the host", "as ingress-nginx; regular expressions (~…) are not taken"),
    "from-to-www-redirect": _runs("www.HOST is redirected to HOST, or the other way round"),
    "preserve-trailing-slash": _nothing("slashes at the end of redirected paths", "they are kept"),
    "enable-rewrite-log": _nothing("rewrites in the log", "sealane trace shows them"),
    # Redirects and TLS
    "ssl-redirect": _runs("http:// goes to https:// where the host has TLS"),
    "force-ssl-redirect": _runs("http:// goes to https://, whether the host has TLS or not"),
    "permanent-redirect": _runs(
        "where every request is redirected to", "as ingress-nginx; $scheme, $host, $http_host and $request_uri in it"
    ),
    "permanent-redirect-code": _runs("the status of permanent-redirect"),
    "temporal-redirect": _runs("where every request is redirected to, for now", "as permanent-redirect"),
    "temporal-redirect-code": _runs("the status of temporal-redirect"),
    "ssl-passthrough": _explained("TLS goes to the backend as it is", "TLS ends at the proxy: use a TLSRoute"),
    "ssl-ciphers": _nothing("ciphers of TLS", "TLS 1.2 and 1.3 are spoken with the proxy's own choice"),
    "ssl-prefer-server-ciphers": _nothing("whose order of ciphers holds", "the proxy's"),
    "http2-push-preload": _nothing("HTTP/2 push", "no browser takes it any more"),
    # Backends
    "backend-protocol": _runs(
        "how the backend is spoken to", "HTTP, AUTO_HTTP and GRPC; HTTPS, GRPCS and FCGI are not"
    ),
    "upstream-vhost": _runs("the Host header for the backend", "as ingress-nginx, without variables"),
    "x-forwarded-prefix": _runs("the X-Forwarded-Prefix header for the backend", "as ingress-nginx, without captures"),
    "service-upstream": _nothing("the Service's address in place of its endpoints", "the same endpoints answer"),
    "load-balance": _nothing("the choice among endpoints", "one after another"),
    "upstream-hash-by": _explained("the endpoint by a hash", "endpoints are chosen one after another"),
    "connection-proxy-header": _nothing("the Connection header for the backend", "the proxy manages connections"),
    "custom-headers": _explained("headers of answers, from a ConfigMap", "they are not added"),
    "default-backend": _explained("the Service for a Service without endpoints", "503 is answered"),
    "custom-http-errors": _explained(
        "statuses that the default backend answers", "the backend's own answer is passed on"
    ),
    "proxy-http-version": _nothing("HTTP/1.0 or 1.1 for the backend", "HTTP/1.1 is spoken"),
    "proxy-redirect-from": _explained("what is replaced in Location headers", "Location headers are passed on"),
    "proxy-redirect-to": _explained("what it is replaced with", "Location headers are passed on"),
    "proxy-cookie-domain": _explained("domains of cookies", "cookies are passed on as they are"),
    "proxy-cookie-path": _explained("paths of cookies", "cookies are passed on as they are"),
    "mirror-target": _explained(
        "where copies of requests go", "no copies are made: use a RequestMirror of an HTTPRoute"
    ),
    "mirror-request-body": _explained("whether bodies are copied", "no copies are made"),
    "mirror-host": _explained("the Host header of copies", "no copies are made"),
    # Timeouts, tries and sizes
    "proxy-read-timeout": _runs("seconds without a word from the backend, then 504", "as ingress-nginx, 60 by default"),
    "proxy-send-timeout": _nothing("seconds in which the backend takes nothing", "proxy-read-timeout covers it"),
    "proxy-connect-timeout": _nothing("seconds for a connection to the backend", "5, and pods are near"),
    "proxy-next-upstream": _nothing("what is tried again elsewhere", "connections that cannot be made"),
    "proxy-next-upstream-timeout": _nothing("for how long", "without end"),
    "proxy-next-upstream-tries": _nothing("how often", "three times"),
    "proxy-body-size": _runs(
        "the largest body, else 413", "by Content-Length, 1m by default; a body of unknown length is passed on"
    ),
    "client-body-buffer-size": _nothing("the buffer of bodies", _BUFFERS),
    "proxy-request-buffering": _nothing("whether requests are buffered", _BUFFERS),
    "proxy-buffering": _nothing("whether answers are buffered", _BUFFERS),
    "proxy-buffers-number": _nothing("the number of buffers", _BUFFERS),
    "proxy-buffer-size": _nothing("the buffer of headers", _BUFFERS),
    "proxy-busy-buffers-size": _nothing("buffers that are being sent", _BUFFERS),
    "proxy-max-temp-file-size": _nothing("buffers on disk", _BUFFERS),
    # Sessions
    "affinity": _runs("a client keeps its endpoint", "by a cookie"),
    "affinity-mode": _nothing("what a new endpoint changes", "a client stays while its endpoint is there (persistent)"),
    "affinity-canary-behavior": _explained("whether a client stays with a canary", "each request is decided anew"),
    "session-cookie-name": _runs("the cookie's name", "INGRESSCOOKIE by default"),
    "session-cookie-path": _runs("the cookie's path", "/ by default"),
    "session-cookie-expires": _runs("seconds that the cookie lasts"),
    "session-cookie-max-age": _runs("seconds that the cookie lasts"),
    "session-cookie-change-on-failure": _nothing("another endpoint after a failure", "one that is gone is replaced"),
    "session-cookie-conditional-samesite-none": _explained("SameSite for some browsers", _COOKIE),
    "session-cookie-domain": _explained("the cookie's domain", _COOKIE),
    "session-cookie-samesite": _explained("the cookie's SameSite", _COOKIE),
    "session-cookie-secure": _explained("the cookie's Secure", _COOKIE),
    # Canaries
    "canary": _runs("a part of another Ingress's requests"),
    "canary-by-header": _runs("by a header: always, never"),
    "canary-by-header-value": _runs("by a header's value"),
    "canary-by-header-pattern": _runs("by a regular expression for it", "as ingress-nginx, in the syntax of RE2"),
    "canary-by-cookie": _runs("by a cookie: always, never"),
    "canary-weight": _runs("by weight"),
    "canary-weight-total": _runs("of how many", "100 by default"),
    # Cross-origin requests
    "enable-cors": _runs("answers to pages of other origins"),
    "cors-allow-origin": _runs("which origins", "* by default"),
    "cors-allow-methods": _runs("which methods"),
    "cors-allow-headers": _runs("which headers"),
    "cors-expose-headers": _runs("headers that scripts may read"),
    "cors-allow-credentials": _runs("whether with credentials", "true by default"),
    "cors-max-age": _runs("seconds for which a browser believes it"),
    # Who may ask
    "auth-type": _explained("basic or digest", _AUTH),
    "auth-secret": _explained("the Secret with users", _AUTH),
    "auth-secret-type": _explained("the form of that Secret", _AUTH),
    "auth-realm": _explained("the realm", _AUTH),
    "auth-url": _explained("who decides on requests", _AUTH),
    "auth-signin": _explained("where strangers sign in", _AUTH),
    "auth-signin-redirect-param": _explained("the parameter with the way back", _AUTH),
    "auth-method": _explained("the method of the question", _AUTH),
    "auth-response-headers": _explained("headers of the verdict for the backend", _AUTH),
    "auth-request-redirect": _explained("the X-Auth-Request-Redirect header", _AUTH),
    "auth-always-set-cookie": _explained("cookies of the verdict", _AUTH),
    "auth-cache-key": _explained("verdicts that are remembered", _AUTH),
    "auth-cache-duration": _explained("for how long", _AUTH),
    "auth-keepalive": _explained("connections for the question", _AUTH),
    "auth-keepalive-share-vars": _explained("connections for the question", _AUTH),
    "auth-keepalive-requests": _explained("connections for the question", _AUTH),
    "auth-keepalive-timeout": _explained("connections for the question", _AUTH),
    "auth-proxy-set-headers": _explained("headers of the question, from a ConfigMap", _AUTH),
    "auth-snippet": _explained("nginx configuration of the question", _AUTH),
    "enable-global-auth": _explained("the question of all Ingresses", _AUTH),
    "satisfy": _explained("all checks, or any", _AUTH),
    "auth-tls-secret": _explained("CAs of clients", _CERT),
    "auth-tls-verify-depth": _explained("how far from the CA", _CERT),
    "auth-tls-verify-client": _explained("whether a certificate is needed", _CERT),
    "auth-tls-error-page": _explained("where others are sent", _CERT),
    "auth-tls-pass-certificate-to-upstream": _explained("the certificate as a header", _CERT),
    "auth-tls-match-cn": _explained("the name in the certificate", _CERT),
    "whitelist-source-range": _runs("addresses that may ask, else 403", "as the proxy sees them"),
    "allowlist-source-range": _runs("addresses that may ask, else 403", "as the proxy sees them"),
    "denylist-source-range": _runs("addresses that may not ask: 403", "as the proxy sees them"),
    "limit-connections": _explained("connections of one address", _LIMIT),
    "limit-rps": _runs("requests a second of one address, else 503", "each path, at 80 and at 443, by itself"),
    "limit-rpm": _runs("requests a minute of one address, else 503", "each path, at 80 and at 443, by itself"),
    "limit-burst-multiplier": _runs("how many times as many at once", "5 by default"),
    "limit-rate": _explained("bytes a second", _LIMIT),
    "limit-rate-after": _explained("after how many bytes", _LIMIT),
    "limit-whitelist": _explained("addresses without limits", _LIMIT),
    # TLS to backends
    "proxy-ssl-secret": _explained("certificates for the backend", _UPSTREAM_TLS),
    "proxy-ssl-ciphers": _explained("ciphers for the backend", _UPSTREAM_TLS),
    "proxy-ssl-name": _explained("the name that is verified", _UPSTREAM_TLS),
    "proxy-ssl-protocols": _explained("versions of TLS for the backend", _UPSTREAM_TLS),
    "proxy-ssl-verify": _explained("whether the backend is verified", _UPSTREAM_TLS),
    "proxy-ssl-verify-depth": _explained("how far from the CA", _UPSTREAM_TLS),
    "proxy-ssl-server-name": _explained("whether the name is sent", _UPSTREAM_TLS),
    # Configuration of nginx itself
    "configuration-snippet": _runs(
        "nginx configuration of a location",
        "more_set_headers, more_clear_headers, add_header, proxy_set_header, return and deny all, variables only in "
        "addresses; an Event names every other directive with its line",
    ),
    "server-snippet": _explained("nginx configuration of a host", _SNIPPET),
    "stream-snippet": _explained("nginx configuration of streams", _SNIPPET),
    "enable-modsecurity": _explained("ModSecurity", _WAF),
    "enable-owasp-core-rules": _explained("OWASP's rules", _WAF),
    "modsecurity-transaction-id": _explained("its transaction IDs", _WAF),
    "modsecurity-snippet": _explained("its rules", _WAF),
    "enable-access-log": _nothing("the access log", "the proxy writes none"),
    "enable-opentelemetry": _explained("traces", _TRACE),
    "opentelemetry-trust-incoming-span": _explained("spans of clients", _TRACE),
    "opentelemetry-operation-name": _explained("names of spans", _TRACE),
}


def as_markdown() -> str:
    """The part of docs/annotations.md on Ingresses."""
    lines = [
        "# Annotations of ingress-nginx on Ingresses",
        "",
        "Made from the table in `sealane/network/routes/ingress/nginx/table.py`, for Ingresses of its class, see",
        "[ingress.md](ingress.md). What is only explained is said in an Event of the Ingress",
        "(`kubectl describe ingress`), as is what nobody knows. Names stand without `nginx.ingress.kubernetes.io/`.",
        "",
        "| annotation | asks for | here | how |",
        "|---|---|---|---|",
    ]
    lines += [f"| `{name}` | {each.asks} | {each.outcome} | {each.here} |" for name, each in TABLE.items()]
    return "\n".join(lines) + "\n"
