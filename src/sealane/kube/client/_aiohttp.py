"""aiohttp, imported without the 40 ms in which it reads the system's certificates.

aiohttp makes default TLS contexts when it is imported, for callers that give it none. `HttpClient` always gives its
own.
"""

from __future__ import annotations

import os

_CERTIFICATES = "SSL_CERT_FILE"  # where OpenSSL looks first; see SSL_CTX_set_default_verify_paths(3)

_given = os.environ.get(_CERTIFICATES)
os.environ[_CERTIFICATES] = os.devnull
try:
    import aiohttp
finally:
    if _given is None:
        del os.environ[_CERTIFICATES]
    else:
        os.environ[_CERTIFICATES] = _given

__all__ = ["aiohttp"]
