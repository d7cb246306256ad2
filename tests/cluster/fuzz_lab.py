"""Bad input over HTTPS, thousands of times: mutated objects, odd requests, and what schemathesis makes of our OpenAPI.

Every answer has to come in time, below 500, and as a Status with a reason where it refuses.
As a program: `python tests/cluster/fuzz_lab.py [REQUESTS]`.
"""

from __future__ import annotations

import contextlib
import copy
import json
import os
import socket
import ssl
import subprocess
import sys
import tempfile
import time
from collections import Counter
from collections.abc import Iterator
from http.client import HTTPException, HTTPSConnection
from pathlib import Path
from typing import Any
from urllib.parse import quote, urlencode

ROOT = Path(__file__).resolve().parents[2]
if __name__ == "__main__":
    sys.path[:0] = [str(ROOT / "src"), str(ROOT), str(ROOT / "tests/cluster")]

import yaml  # noqa: E402
from hypothesis import HealthCheck, Phase, given, settings  # noqa: E402
from hypothesis import strategies as st  # noqa: E402
from tests.unit.apiserver.serving import credentials  # noqa: E402
from tests.unit.apiserver.test_bad_input import JUNK, VALID, broken, complete  # noqa: E402

from sealane.apiserver.encodings import cbor, protobuf, wire  # noqa: E402
from sealane.kube.kinds import Kind  # noqa: E402

SECONDS = 10.0
SERVER = """
import asyncio, socket, sys
from pathlib import Path
import uvloop
from sealane.apiserver.http.serving import serve
from sealane.cluster import pki
from sealane.apiserver.server import start_api
from sealane.apiserver.local import LocalClient
from sealane.apiserver.storage.store import Store
from sealane.kube import kinds

async def main():
    made = pki.ensure(Path(sys.argv[2]))
    api = start_api(Store.open(sys.argv[1]))
    await LocalClient(api).create(kinds.NAMESPACE, {"metadata": {"name": "default"}})
    sock = socket.socket(fileno=int(sys.argv[3]))
    await serve(api, [sock], pki.server_context(made), frozenset({made.token}))

uvloop.run(main())
"""


class Answer:
    def __init__(self, code: int, media: str, body: bytes) -> None:
        self.code = code
        self.media = media
        self.body = body

    @property
    def right(self) -> bool:
        """Done, or refused with a Status and its reason."""
        if self.code < 400:
            return True
        if self.code >= 500 and self.code != 504:
            return False
        try:
            status = self._status()
            return bool(
                status["kind"] == "Status" and status["reason"] and status["message"] and status["code"] == self.code
            )
        except Exception:  # whatever is no Status is wrong
            return False

    def _status(self) -> Any:
        if self.media == "application/json":
            return json.loads(self.body)
        if self.media == "application/cbor":
            return cbor.decode(self.body)
        if self.media == protobuf.MEDIA_TYPE:
            unknown = dict(wire.fields(self.body[len(protobuf.MAGIC) :]))
            found = dict(wire.fields(unknown[2]))
            kind = dict(wire.fields(unknown[1]))[2].decode()
            return {"kind": kind, "message": found[3], "reason": found[4], "code": found[6]}
        return yaml.safe_load(self.body)


class Target:
    """A server of our own, and one connection to it."""

    def __init__(self, folder: Path) -> None:
        self.log = folder / "server.log"
        self._made = credentials()
        with socket.socket() as sock:
            sock.bind(("127.0.0.1", 0))
            sock.listen(128)
            self.port = sock.getsockname()[1]
            environment = {**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))}
            pki = str(self._made.server_certificate.parent)
            command = [sys.executable, "-c", SERVER, str(folder / "store.db"), pki, str(sock.fileno())]
            with self.log.open("wb") as log:
                self._server = subprocess.Popen(
                    command, pass_fds=[sock.fileno()], env=environment, stdout=log, stderr=subprocess.STDOUT
                )
        self._connection: HTTPSConnection | None = None
        self.codes: Counter[int] = Counter()

    def close(self) -> None:
        self._server.kill()
        self._server.wait()

    def ask(self, method: str, path: str, headers: dict[str, str], body: bytes | None) -> Answer:
        """Raises TimeoutError when no answer comes."""
        headers = {"Authorization": f"Bearer {self._made.token}", **headers}
        for again in (True, False):
            if self._connection is None:
                context = ssl.create_default_context(cadata=self._made.ca)
                self._connection = HTTPSConnection("127.0.0.1", self.port, timeout=SECONDS, context=context)
            try:
                self._connection.request(method, path, body, headers)
                response = self._connection.getresponse()
                answer = Answer(response.status, response.headers.get_content_type(), response.read())
                self.codes[answer.code] += 1
                return answer
            except TimeoutError:
                self._connection = None
                raise
            except (OSError, HTTPException):  # it was kept alive and is closed now
                self._connection = None
                if not again:
                    raise
        raise AssertionError

    def check(self) -> None:
        """It is alive, and nothing in it has raised what nobody expected."""
        assert self._server.poll() is None, self.log.read_text()[-3000:]
        assert self.ask("GET", "/readyz", {}, None).code == 200
        said = self.log.read_text()
        assert "Traceback" not in said, said[-6000:]


@contextlib.contextmanager
def target() -> Iterator[Target]:
    with tempfile.TemporaryDirectory(prefix="sealane-fuzz-") as folder:
        found = Target(Path(folder))
        try:
            yield found
        finally:
            found.close()


# Requests of our own

MEDIA = [
    "application/json",
    "application/yaml",
    "application/cbor",
    "application/vnd.kubernetes.protobuf",
    "application/json-patch+json",
    "application/merge-patch+json",
    "application/strategic-merge-patch+json",
    "application/apply-patch+yaml",
    "application/apply-patch+cbor",
    "text/plain",
    "",
    'application/json; charset="x',
]
ACCEPT = [
    "*/*",
    "application/json",
    "application/yaml",
    "application/cbor",
    "application/json;as=Table;v=v1;g=meta.k8s.io",
    "application/json;as=PartialObjectMetadata;v=v1;g=meta.k8s.io",
    "application/vnd.kubernetes.protobuf",
    "text/html;q=x,;;=,",
    "",
]
WORDS = st.one_of(
    st.sampled_from(["", "0", "1", "-1", "true", "All", "99999999999999999999", "Strict", "Exact", "NotOlderThan"]),
    st.sampled_from(
        ["a", "a=b", "a in (", "!", "a==b,c!=d", "metadata.name=a", "metadata.name", "spec.x=y", "Foreground"]
    ),
    st.text(max_size=12),
)
QUERY = st.dictionaries(
    st.sampled_from(
        [
            "limit",
            "continue",
            "resourceVersion",
            "resourceVersionMatch",
            "labelSelector",
            "fieldSelector",
            "dryRun",
            "fieldManager",
            "force",
            "fieldValidation",
            "propagationPolicy",
            "gracePeriodSeconds",
            "orphanDependents",
            "pretty",
            "includeObject",
            "watch",
            "sendInitialEvents",
            "allowWatchBookmarks",
            "unknown",
        ]
    ),
    WORDS,
    max_size=4,
)
SUBRESOURCES = [
    "",
    "status",
    "scale",
    "binding",
    "eviction",
    "finalize",
    "approval",
    "token",
    "ephemeralcontainers",
    "nope",
]
OPERATION = st.fixed_dictionaries(
    {},
    optional={
        "op": st.sampled_from(["add", "remove", "replace", "move", "copy", "test", "what", 1]),
        "path": st.sampled_from(["", "/", "/metadata", "/spec/x", "/metadata/labels/a", "/data/-", "x", "~", 7]),
        "from": st.sampled_from(["", "/metadata", "/spec", "/metadata/labels"]),
        "value": JUNK,
    },
)


@st.composite
def bodies(draw: st.DrawFn) -> tuple[Kind, Any]:
    kind, valid, wrong = draw(broken())
    choice = draw(st.integers(0, 5))
    if choice == 0:
        return kind, draw(JUNK)
    if choice == 1:
        return kind, draw(st.lists(OPERATION, max_size=4))
    return kind, valid if choice == 2 else wrong


@st.composite
def requests(draw: st.DrawFn) -> tuple[str, str, dict[str, str], bytes | None]:
    kind, body = draw(bodies())
    method = draw(st.sampled_from(["GET", "POST", "PUT", "PATCH", "PATCH", "DELETE", "HEAD", "OPTIONS", "TRACE"]))
    name = draw(st.sampled_from(["a", "ws.example.com", "no", "..", "%2F", "a b", "é", "A" * 300, "\x01"]))
    place = draw(st.sampled_from(["default", "default", "default", "gone", ""]))
    path = kind.path(place or None)
    if draw(st.booleans()):
        path += "/" + quote(name, safe="%")
        subresource = draw(st.sampled_from(SUBRESOURCES))
        path += f"/{subresource}" if subresource else ""
    query = draw(QUERY)
    query["timeoutSeconds"] = "1"
    media = draw(st.sampled_from(MEDIA))
    headers = {"Accept": draw(st.sampled_from(ACCEPT)), "Content-Type": media}
    data: bytes | None = None
    if draw(st.booleans()) or method in ("POST", "PUT", "PATCH"):
        data = encoded(body, media)
        cut = draw(st.integers(0, 30))
        if cut == 0:
            data = data[: len(data) // 2]
        elif cut == 1:
            data = draw(st.binary(max_size=40))
    return method, f"{path}?{urlencode(query, errors='surrogatepass')}", headers, data


def encoded(body: Any, media: str) -> bytes:
    if "yaml" in media:
        return yaml.safe_dump(body, allow_unicode=True).encode(errors="surrogatepass")
    with contextlib.suppress(Exception):
        if "cbor" in media:
            return cbor.encode(body)
    return json.dumps(body).encode()


def quiet(examples: int) -> Any:
    checks = list(HealthCheck)
    phases = (Phase.generate, Phase.shrink)
    return settings(max_examples=examples, deadline=None, database=None, suppress_health_check=checks, phases=phases)


def odd_requests(server: Target, count: int) -> None:
    for kind, fields in VALID:  # so that some of what is asked for is there
        path = kind.path("default" if kind.namespaced else None)
        body = json.dumps(complete(kind, copy.deepcopy(fields))).encode()
        server.ask("POST", path, {"Content-Type": "application/json"}, body)

    @quiet(count)
    @given(requests())
    def one(request: tuple[str, str, dict[str, str], bytes | None]) -> None:
        method, path, headers, body = request
        answer = server.ask(method, path, headers, body)
        assert answer.right or (method == "HEAD" and answer.code < 500), (request, answer.code, answer.body[:300])

    one()


def openapi_cases(server: Target, count: int) -> None:
    """As many cases for each operation of our OpenAPI v3 as make `count` in all."""
    import schemathesis

    index = json.loads(server.ask("GET", "/openapi/v3", {}, None).body)
    operations = []
    for path in sorted(index["paths"]):
        document = json.loads(server.ask("GET", f"/openapi/v3/{path}", {}, None).body)
        document["openapi"] = "3.0.3"  # what kube-apiserver says, "3.0.0", and this are one to schemathesis
        operations += [each.ok() for each in schemathesis.openapi.from_dict(document).get_all_operations()]
    assert operations
    share = max(1, count // len(operations))
    for operation in operations:
        _cases(server, operation, share)


def _cases(server: Target, operation: Any, count: int) -> None:
    @quiet(count)
    @given(case=operation.as_strategy())
    def one(case: Any) -> None:
        path = operation.path
        for key, value in {**(case.path_parameters or {}), "namespace": "default", "name": "a"}.items():
            path = path.replace("{" + key + "}", quote(str(value), safe=""))
        query = {key: str(value) for key, value in dict(case.query or {}).items()} | {"timeoutSeconds": "1"}
        body = encoded(case.body, case.media_type) if case.media_type else None
        headers = {"Content-Type": case.media_type} if case.media_type else {}
        url = f"{path}?{urlencode(query, errors='surrogatepass')}"
        answer = server.ask(case.method, url, headers, body)
        assert answer.right, (case.method, url, case.body, answer.code, answer.body[:300])

    one()


def fuzz(requests: int) -> Counter[int]:
    """Half of them our own, half by schemathesis. How often each code was answered."""
    with target() as server:
        odd_requests(server, requests - requests // 2)
        server.check()
        openapi_cases(server, requests // 2)
        server.check()
        return server.codes


def main() -> None:
    count = int(sys.argv[1]) if len(sys.argv) > 1 else 10_000
    began = time.monotonic()
    codes = fuzz(count)
    took = time.monotonic() - began
    print(f"{sum(codes.values()):,} requests in {took:.0f} s; answered: {dict(sorted(codes.items()))}")


if __name__ == "__main__":
    main()
