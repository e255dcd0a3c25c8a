"""HTTP answers made of bytes that are already encoded."""

from __future__ import annotations

from collections.abc import Iterator, Mapping

from flask import Response

JSON = "application/json"
NDJSON = "application/x-ndjson"
NO_STORE = "private, no-store"


def json_response(body: bytes, status: int = 200, media: str = JSON, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with encoded JSON that no cache may keep."""
    return Response(body, status, {"Cache-Control": NO_STORE, **(headers or {})}, content_type=media)


def stream_response(chunks: Iterator[bytes]) -> Response:
    """Answer with lines of JSON, sent as they come."""
    return Response(chunks, 200, {"Cache-Control": NO_STORE}, content_type=NDJSON)
