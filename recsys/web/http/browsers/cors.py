"""Cross-origin answers (CORS): which pages of other origins may call, as browsers ask for it.

The shop's origins are named one by one; a star is refused, because calls carry tokens. Errors carry the headers too, so that
a page can read why it was refused. A request without an `Origin` is not touched.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping
from typing import Any

import flask

from recsys.types import SettingsError
from recsys.web.http.responses import Response

PREFLIGHT_SECONDS = 7200
"""How long a browser may remember that it may call; Chromium takes no more."""
_ALLOWED_HEADERS = "Authorization, Content-Type, If-None-Match"
_EXPOSED_HEADERS = "ETag, Next-Cursor, Retry-After"
_ORIGIN = re.compile(r"https?://([a-z0-9_-]+(\.[a-z0-9_-]+)*|\[[0-9a-f:]+\])(:[0-9]{1,5})?")
_DEFAULT_PORTS = ("http://", ":80"), ("https://", ":443")


def admit_origins(
    origins: Iterable[str],
) -> tuple[Callable[[Mapping[str, Any], Response | flask.Response], None], ...]:
    """Return what lets pages of these origins read an answer; without any, nothing is added to it.

    Raises:
        SettingsError: naming the first text that is no origin as browsers send it.
    """
    allowed = frozenset(check_origin(origin) for origin in origins)

    def admit(environ: Mapping[str, Any], response: Response | flask.Response) -> None:
        origin = environ.get("HTTP_ORIGIN")
        if origin in allowed:
            _admit(environ, response, origin)

    return (admit,) if allowed else ()


def check_origin(origin: str) -> str:
    """Return a text that is an origin exactly as browsers send it.

    Raises:
        SettingsError: saying what to write.
    """
    default_port = any(origin.startswith(scheme) and origin.endswith(port) for scheme, port in _DEFAULT_PORTS)
    if default_port or not _ORIGIN.fullmatch(origin):
        raise SettingsError(
            f"web.origins: {origin!r} is not an origin; write each as browsers send it, such as https://shop.example "
            "or http://127.0.0.1:8001: lower case, no path, no slash at its end, no usual port, no star"
        )
    return origin


def _admit(environ: Mapping[str, Any], response: Response | flask.Response, origin: str) -> None:
    headers = response.headers
    headers["Access-Control-Allow-Origin"] = origin
    varying = headers.get("Vary", "")
    if "origin" not in map(str.strip, varying.lower().split(",")):
        headers["Vary"] = f"{varying}, Origin" if varying else "Origin"
    if environ["REQUEST_METHOD"] == "OPTIONS" and "HTTP_ACCESS_CONTROL_REQUEST_METHOD" in environ:
        headers["Access-Control-Allow-Methods"] = headers.get("Allow", "")
        headers["Access-Control-Allow-Headers"] = _ALLOWED_HEADERS
        headers["Access-Control-Max-Age"] = str(PREFLIGHT_SECONDS)
    else:
        headers["Access-Control-Expose-Headers"] = _EXPOSED_HEADERS
