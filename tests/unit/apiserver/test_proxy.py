"""What the proxy subresource reads out of a path, and what becomes of redirects."""

from __future__ import annotations

import pytest

from sealane.apiserver.pods.proxy import path_of, redirected, split
from sealane.kube.client.protocol import ApiError

SERVICE = "/api/v1/namespaces/x/services/web:80/proxy"


@pytest.mark.parametrize(
    ("name", "found"),
    [
        ("web", ("", "web", "")),
        ("web:", ("", "web", "")),
        ("web:80", ("", "web", "80")),
        ("https:web:", ("https", "web", "")),
        (":web:http", ("", "web", "http")),
        ("ftp:web:80", None),
        ("http::80", None),
        ("a:b:c:d", None),
        ("", None),
    ],
)
def test_a_name_may_say_scheme_and_port(name: str, found: tuple[str, str, str] | None) -> None:
    assert split(name) == found


@pytest.mark.parametrize("path", ["", "/", "/a/b", "/a/", "/a%2Fb/%20/../c//", "/proxy/proxy"])
def test_the_path_goes_on_as_it_was_encoded(path: str) -> None:
    assert path_of(SERVICE + path) == path


def test_a_path_within_the_segment_is_none() -> None:
    with pytest.raises(ApiError, match="could not find the requested resource"):
        path_of(SERVICE + "%2Fa")


@pytest.mark.parametrize(
    ("location", "found"),
    [
        ("/a/b?c=d#e", f"{SERVICE}/a/b?c=d#e"),
        ("/", f"{SERVICE}/"),
        (f"{SERVICE}/a", f"{SERVICE}/a"),  # who knows its prefix already
        ("http://10.244.0.5:8080/a/", f"{SERVICE}/a/"),
        ("http://127.0.0.1:8001/a", f"{SERVICE}/a"),
        ("https://example.com/a", "https://example.com/a"),
        ("a/b", "a/b"),
        ("../b", "../b"),
    ],
)
def test_a_redirect_stays_behind_the_proxy(location: str, found: str) -> None:
    assert redirected(location, SERVICE, ("10.244.0.5:8080", "127.0.0.1:8001")) == found
