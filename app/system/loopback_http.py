"""The HTTP client for listeners on this PC."""

import ssl
from typing import Any

import httpcore  # noqa: F401  httpx would load it at the first request, on the event loop
import httpx


def loopback_client(**options: Any) -> httpx.AsyncClient:
    """A client for plain HTTP on 127.0.0.1: no proxy, and no certificate is trusted.

    An empty context also spares the read of the system's certificates, which would block the event loop at each start.
    """
    nobody = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    return httpx.AsyncClient(trust_env=False, verify=nobody, **options)
