"""Answers that a browser or proxy may keep: what is the same for everybody, with an ETag to ask again by."""

from __future__ import annotations

from collections.abc import Mapping
from hashlib import blake2b
from typing import Any

from werkzeug.http import parse_etags

from recsys.web.http.responses import JSON, Response


def kept_response(
    environ: Mapping[str, Any], body: bytes, max_age: int, media: str = JSON, changing: int = 0, more: str = ""
) -> Response:
    """Answer with what caches may keep for `max_age` seconds; 304 without it where the caller has it already.

    `changing` are the body's first bytes that may differ between two answers that say the same: they are not looked at, and
    the ETag is a weak one. `more` goes behind the max-age.
    """
    tag = f'"{blake2b(body[changing:], digest_size=12).hexdigest()}"'
    headers = {
        "ETag": f"W/{tag}" if changing else tag,
        "Cache-Control": f"public, max-age={max_age}{more}",
        "Vary": "Origin",  # pages of other origins are told so in a header of their own (`cors`)
    }
    known = environ.get("HTTP_IF_NONE_MATCH")
    if known is not None and parse_etags(known).contains_weak(tag.strip('"')):
        return Response(b"", 304, headers)
    return Response(body, 200, headers, content_type=media)
