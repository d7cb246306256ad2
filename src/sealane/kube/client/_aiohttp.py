"""aiohttp, imported without the 45 ms in which it reads the system's certificates and types of files.

aiohttp makes default TLS contexts when it is imported, for callers that give it none. `HttpClient` always gives its
own. The types are for a server of files, which none of ours is.
"""

from __future__ import annotations

import mimetypes
import os

_CERTIFICATES = "SSL_CERT_FILE"  # where OpenSSL looks first; see SSL_CTX_set_default_verify_paths(3)

_given = os.environ.get(_CERTIFICATES)
os.environ[_CERTIFICATES] = os.devnull
mimetypes.init(())
try:
    import aiohttp
finally:
    if _given is None:
        del os.environ[_CERTIFICATES]
    else:
        os.environ[_CERTIFICATES] = _given

__all__ = ["aiohttp"]
