"""Redirects: HTTPRequestRedirectFilter of the Gateway API."""

from __future__ import annotations

from dataclasses import dataclass

from sealane.network.routes.filters.rewrite import PathEdit
from sealane.network.routes.hosts import port_of, strip_port
from sealane.network.routes.model.matches import PathMatch

WELL_KNOWN = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True)
class Redirect:
    """Parts left empty (port 0) stay as requested. Source: `HTTPRequestRedirectFilter`."""

    scheme: str = ""
    hostname: str = ""
    port: int = 0
    path: PathEdit | None = None
    status: int = 302

    def location(self, host: str, port: int, path: str, matched: PathMatch, scheme: str = "http") -> str:
        """The Location header for a request to `host` and `path` (with its query string) on the listener's `port`.

        A host that is asked for with a port is told one, also where that is well known; but for "shop:80" that goes on
        to another scheme.
        """
        plain, mark, query = path.partition("?")
        if self.path is not None:
            plain = self.path.apply(plain, matched)
        to = self.scheme or scheme
        shown = self.shown_port(port, scheme)
        asked = 0 if self.hostname else port_of(host)
        if not shown and asked and (to == scheme or asked != WELL_KNOWN.get(scheme)):
            shown = WELL_KNOWN.get(to, 0)
        return f"{to}://{self.hostname or strip_port(host)}{f':{shown}' if shown else ''}{plain}{mark}{query}"

    def shown_port(self, listener_port: int, scheme: str = "http") -> int:
        """The port that the Location header names, 0 for none.

        `HTTPRequestRedirectFilter.port`: without a port, a given scheme implies its well-known one, otherwise the
        listener's port is kept; a scheme's well-known port is not written.
        """
        well_known = WELL_KNOWN.get(self.scheme or scheme, 0)
        port = self.port or (well_known if self.scheme else listener_port)
        return 0 if port == well_known else port
