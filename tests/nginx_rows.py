"""Annotations of ingress-nginx as rows: an Ingress or several, and what requests to them get.

Held against the model (tests/unit/routes/test_nginx.py) and against Envoy (tests/cluster/test_ingress_nginx.py).
"""

from __future__ import annotations

from typing import Any, NamedTuple

PREFIX = "nginx.ingress.kubernetes.io/"
Raw = dict[str, Any]


class Ask(NamedTuple):
    """A request, and its answer.

    status: of the answer. backend: the Service that answers, "" for the proxy. seen: the path that it sees.
    location, headers: of the answer. host: other than the row's.
    """

    path: str
    status: int = 200
    backend: str = ""
    seen: str = ""
    location: str = ""
    method: str = "GET"
    sent: tuple[tuple[str, str], ...] = ()
    headers: tuple[tuple[str, str], ...] = ()
    host: str = ""


class Row(NamedTuple):
    """ingresses: annotations and paths (path, its type, Service) of each, all for the host NAME.example."""

    name: str
    ingresses: tuple[tuple[dict[str, str], tuple[tuple[str, str, str], ...]], ...]
    asks: tuple[Ask, ...]
    remarks: tuple[str, ...] = ()

    @property
    def host(self) -> str:
        return f"{self.name}.example"

    def objects(self) -> list[Raw]:
        made = []
        for number, (said, paths) in enumerate(self.ingresses):
            entries = [
                {"path": path, "pathType": kind, "backend": {"service": {"name": service, "port": {"number": 80}}}}
                for path, kind, service in paths
            ]
            metadata = {
                "namespace": "default",
                "name": f"{self.name}-{number}",
                "annotations": {f"{PREFIX}{name}": value for name, value in said.items()},
            }
            spec = {"ingressClassName": "nginx", "rules": [{"host": self.host, "http": {"paths": entries}}]}
            made.append({"apiVersion": "networking.k8s.io/v1", "kind": "Ingress", "metadata": metadata, "spec": spec})
        return made


def one(name: str, annotations: dict[str, str], *asks: Ask, path: str = "/", kind: str = "Prefix") -> Row:
    """A row of one Ingress with one path to Service `a`."""
    return Row(name, ((annotations, ((path, kind, "a"),)),), asks)


SOME = "ImplementationSpecific"
CORS = (
    ("access-control-allow-origin", "*"),
    ("access-control-allow-credentials", "true"),
    ("access-control-max-age", "1728000"),
)

ROWS = (
    one(
        "capture",
        {"rewrite-target": "/$2"},
        Ask("/something", 200, "a", "/"),
        Ask("/something/", 200, "a", "/"),
        Ask("/something/new?x=1", 200, "a", "/new?x=1"),
        Ask("/SOMETHING/New", 200, "a", "/New"),
        Ask("/somethingelse", 404),
        Ask("/other", 404),
        path="/something(/|$)(.*)",
        kind=SOME,
    ),
    one("whole", {"rewrite-target": "/"}, Ask("/api/deep", 200, "a", "/"), Ask("/", 404), path="/api"),
    one("beyond", {"rewrite-target": "/x$3"}, Ask("/api", 200, "a", "/x"), path="/api"),
    one("regex", {"use-regex": "true"}, Ask("/v12/x", 200, "a", "/v12/x"), Ask("/vx", 404), path="/v[0-9]+", kind=SOME),
    one("regexless", {}, Ask("/v[0-9]+/x", 200, "a"), Ask("/v1/x", 404), path="/v[0-9]+", kind=SOME),
    Row(
        "spread",
        (
            ({"use-regex": "true"}, (("/foo/bar/[A-Z0-9]{3}", SOME, "a"),)),
            ({}, (("/foo/bar", "Exact", "b"), ("/foo/bar/bar", "Prefix", "b"))),
        ),
        (Ask("/foo/bar/bar", 200, "a"), Ask("/foo/bar/xy", 200, "b"), Ask("/FOO/BARs", 200, "b")),
    ),
    Row(
        "plain",
        (({}, (("/foo", "Prefix", "a"), ("/fo", SOME, "b"), ("/foo/x", "Exact", "b"), ("/dir/", "Prefix", "a"))),),
        (
            Ask("/foo", 200, "a"),
            Ask("/foo/y", 200, "a"),
            Ask("/foobar", 200, "b"),
            Ask("/FOO", 404),
            Ask("/foo/x", 200, "b"),
            Ask("/foo/x/", 200, "a"),
            Ask("/dir", 301, location="http://plain.example/dir/"),
            Ask("/dir/x", 200, "a"),
        ),
    ),
    one("root", {"app-root": "/app"}, Ask("/", 302, location="http://root.example/app"), Ask("/x", 200, "a", "/x")),
    one(
        "permanent",
        {"permanent-redirect": "https://new.example"},
        Ask("/x?y=1", 301, location="https://new.example"),
    ),
    one(
        "kept",
        {"permanent-redirect": "https://new.example$request_uri", "permanent-redirect-code": "308"},
        Ask("/x?y=1", 308, location="https://new.example/x?y=1"),
    ),
    one(
        "temporal",
        {"temporal-redirect": "$scheme://other.example", "permanent-redirect": "https://new.example"},
        Ask("/x", 302, location="http://other.example"),
    ),
    one(
        "bare",
        {"from-to-www-redirect": "true"},
        Ask("/x", 200, "a"),
        Ask("/x?y=1", 308, location="http://bare.example/x?y=1", host="www.bare.example"),
    ),
    one("alias", {"server-alias": "other.example, third.example"}, Ask("/", 200, "a", host="third.example")),
    one("vhost", {"upstream-vhost": "inner.example", "x-forwarded-prefix": "/p"}, Ask("/", 200, "a")),
    one(
        "body",
        {"proxy-body-size": "10"},
        Ask("/", 200, "a", method="POST", sent=(("content-length", "10"),)),
        Ask("/", 413, method="POST", sent=(("content-length", "11"),)),
    ),
    one("large", {"proxy-body-size": "0"}, Ask("/", 200, "a", method="POST", sent=(("content-length", "2000000"),))),
    one("usual", {}, Ask("/", 413, method="POST", sent=(("content-length", "1048577"),))),
    one(
        "cors",
        {"enable-cors": "true"},
        Ask("/", 200, "a", headers=CORS),
        Ask("/", 204, method="OPTIONS", headers=CORS),
    ),
    one(
        "origins",
        {"enable-cors": "true", "cors-allow-origin": "https://*.shop.example, http://one.example"},
        Ask("/", 204, method="OPTIONS", sent=(("origin", "https://a.shop.example"),)),
        Ask("/", 200, "a", method="OPTIONS", sent=(("origin", "https://a.b.shop.example"),)),
        Ask(
            "/",
            200,
            "a",
            sent=(("origin", "http://one.example"),),
            headers=(("access-control-allow-origin", "http://one.example"),),
        ),
        Ask("/", 200, "a", headers=(("access-control-allow-origin", ""),)),
    ),
    Row(
        "canary",
        (
            ({}, (("/", "Prefix", "a"),)),
            (
                {"canary": "true", "canary-by-header": "X-Canary", "canary-by-cookie": "beta", "canary-weight": "0"},
                (("/", "Prefix", "b"), ("/only", "Prefix", "b")),
            ),
        ),
        (
            Ask("/", 200, "a"),
            Ask("/", 200, "b", sent=(("x-canary", "always"),)),
            Ask("/", 200, "a", sent=(("x-canary", "never"), ("cookie", "beta=always"))),
            Ask("/", 200, "b", sent=(("x-canary", "maybe"), ("cookie", "a=b; beta=always; c=d"))),
            Ask("/", 200, "a", sent=(("cookie", "beta=never"),)),
            Ask("/only", 200, "a"),
        ),
    ),
    Row(
        "valued",
        (
            ({}, (("/", "Prefix", "a"),)),
            (
                {
                    "canary": "true",
                    "canary-by-header": "region",
                    "canary-by-header-value": "eu",
                    "canary-weight": "100",
                },
                (("/", "Prefix", "b"),),
            ),
        ),
        (Ask("/", 200, "b", sent=(("region", "eu"),)), Ask("/", 200, "b", sent=(("region", "us"),))),
    ),
    Row(
        "patterned",
        (
            ({}, (("/", "Prefix", "a"),)),
            (
                {"canary": "true", "canary-by-header": "region", "canary-by-header-pattern": "^e[uw]"},
                (("/", "Prefix", "b"),),
            ),
        ),
        (Ask("/", 200, "b", sent=(("region", "euro"),)), Ask("/", 200, "a", sent=(("region", "us"),))),
    ),
    one(
        "snippet",
        {
            "configuration-snippet": """
more_set_headers "X-Frame-Options: DENY" 'X-Kind:  one; two';  # for browsers
add_header X-Added "yes" always;
proxy_set_header X-Told "it";
"""
        },
        Ask("/", 200, "a", headers=(("x-frame-options", "DENY"), ("x-kind", "one; two"), ("x-added", "yes"))),
    ),
    one("returned", {"configuration-snippet": "return 403;"}, Ask("/", 403)),
    one("denied", {"configuration-snippet": "deny all;"}, Ask("/", 403)),
    one(
        "sent",
        {"configuration-snippet": "return 301 https://new.example$request_uri;"},
        Ask("/x?y", 301, location="https://new.example/x?y"),
    ),
    Row(
        "unrun",
        (
            (
                {"configuration-snippet": "if ($host = x) {\n  return 404;\n}\nproxy_buffering off;\nadd_header A $b;"},
                (("/", "Prefix", "a"),),
            ),
        ),
        (Ask("/", 200, "a"),),
        (
            "configuration-snippet, line 1: 'if ($host = x) { … }' is not run",
            "configuration-snippet, line 4: 'proxy_buffering off' is not run",
            "configuration-snippet, line 5: 'add_header A $b' is not run",
        ),
    ),
    one("ranged", {"whitelist-source-range": "192.0.2.0/24, 2001:db8::/32"}, Ask("/", 403)),
    one(
        "everybody",
        {"whitelist-source-range": "0.0.0.0/0", "denylist-source-range": "192.0.2.7"},
        Ask("/", 200, "a"),
    ),
    one("banned", {"denylist-source-range": "0.0.0.0/0,::/0"}, Ask("/", 403)),
    one(
        "elsewhere",
        {"denylist-source-range": "0.0.0.0/0,::/0", "temporal-redirect": "https://new.example"},
        Ask("/", 302, location="https://new.example"),
    ),
    one("limited", {"limit-rps": "1", "limit-rpm": "100"}, Ask("/", 200, "a")),
    Row(
        "older",
        (({}, (("/", "Prefix", "a"),)), ({}, (("/", "Prefix", "b"),))),
        (Ask("/", 200, "a"),),
    ),
    Row(
        "wrong",
        (
            (
                {
                    "proxy-body-size": "big",
                    "enable-cors": "yes",
                    "rewrite-traget": "/",
                    "auth-type": "basic",
                    "permanent-redirect-code": "404",
                },
                (("/", "Prefix", "a"),),
            ),
        ),
        (Ask("/", 200, "a"),),
        (
            "rewrite-traget is not known, did you mean rewrite-target?",
            "auth-type: requests are not checked, everybody is served",
            "permanent-redirect-code '404' is not a number from 300 to 308: 301 holds",
            "enable-cors 'yes' is not true or false: false holds",
            "proxy-body-size 'big' is not a size such as 8m: 1048576 holds",
        ),
    ),
)

CLASS = {
    "apiVersion": "networking.k8s.io/v1",
    "kind": "IngressClass",
    "metadata": {"name": "nginx", "annotations": {"sealane.dev/adopted": "true"}},
    "spec": {"controller": "k8s.io/ingress-nginx"},
}


def services() -> list[Raw]:
    made: list[Raw] = []
    for name in ("a", "b"):
        metadata = {"namespace": "default", "name": name}
        container = {"name": "c", "image": "nginx", "ports": [{"containerPort": 80}]}
        labelled = {**metadata, "labels": {"app": name}}
        made.append({"apiVersion": "v1", "kind": "Pod", "metadata": labelled, "spec": {"containers": [container]}})
        spec = {"selector": {"app": name}, "ports": [{"port": 80}]}
        made.append({"apiVersion": "v1", "kind": "Service", "metadata": metadata, "spec": spec})
    return made
