"""Answers that a browser or proxy may keep: what is the same for everybody, with an ETag to ask again by."""

from __future__ import annotations

from hashlib import blake2b

from flask import Response, request

from recsys.web.http.responses import JSON


def kept_response(body: bytes, max_age: int, media: str = JSON, changing: int = 0, more: str = "") -> Response:
    """Answer with what caches may keep for `max_age` seconds; 304 without it where the caller has it already.

    `changing` are the body's first bytes that may differ between two answers that say the same: they are not looked at, and
    the ETag is a weak one. `more` goes behind the max-age.
    """
    tag = f'"{blake2b(body[changing:], digest_size=12).hexdigest()}"'
    response = Response(content_type=media)
    response.headers["ETag"] = f"W/{tag}" if changing else tag
    response.headers["Cache-Control"] = f"public, max-age={max_age}{more}"
    response.headers["Vary"] = "Origin"  # pages of other origins are told so in a header of their own (`cors`)
    if "HTTP_IF_NONE_MATCH" in request.environ and request.if_none_match.contains_weak(tag.strip('"')):
        response.status_code = 304
        del response.headers["Content-Type"]
    else:
        response.set_data(body)
    return response
