"""HTTP answers made of bytes that are already encoded: what declared calls answer with, sent without Flask's own response."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

import flask
from werkzeug.http import HTTP_STATUS_CODES

JSON = "application/json"
NDJSON = "application/x-ndjson"
NO_STORE = "private, no-store"
_STATUS_LINES = {code: f"{code} {phrase.upper()}" for code, phrase in HTTP_STATUS_CODES.items()}
_BODILESS = (204, 304)


class Response:
    """One answer, a WSGI application as Flask's are: whole bytes, or chunks that are sent as they come."""

    __slots__ = ("_closers", "body", "headers", "status_code")

    def __init__(
        self,
        body: bytes | Iterator[bytes] = b"",
        status: int = 200,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> None:
        self.body, self.status_code = body, status
        self.headers = dict(headers) if headers else {}
        if content_type is not None:
            self.headers["Content-Type"] = content_type
        self._closers: list[Callable[[], object]] = []

    @property
    def is_streamed(self) -> bool:
        """Tell whether the body is sent as it comes."""
        return not isinstance(self.body, bytes)

    def call_on_close(self, function: Callable[[], object]) -> None:
        """Have a function called when a streamed body has ended, or its reader has gone."""
        self._closers.append(function)

    def __call__(self, environ: Mapping[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        """Send the answer as WSGI has it."""
        headers = list(self.headers.items())
        body = self.body
        if not isinstance(body, bytes):
            start_response(_STATUS_LINES[self.status_code], headers)
            return _Stream(body, self._closers)
        if self.status_code not in _BODILESS:
            headers.append(("Content-Length", str(len(body))))
        start_response(_STATUS_LINES[self.status_code], headers)
        return (body,)

    def for_flask(self) -> flask.Response:
        """The same answer as Flask's own, where a request came in by way of it."""
        body = _Stream(self.body, self._closers) if isinstance(self.body, Iterator) else self.body
        return flask.Response(body, self.status_code, self.headers, content_type=self.headers.get("Content-Type", ""))


class _Stream:
    """A body that is sent as it comes, with what is to be called at its end."""

    def __init__(self, chunks: Iterator[bytes], closers: list[Callable[[], object]]) -> None:
        self._chunks, self._closers = chunks, closers

    def __iter__(self) -> Iterator[bytes]:
        return self._chunks

    def close(self) -> None:
        """End the body, whether or not all of it was sent."""
        try:
            if close := getattr(self._chunks, "close", None):
                close()
        finally:
            for function in self._closers:
                function()


def json_response(body: bytes, status: int = 200, media: str = JSON, headers: Mapping[str, str] | None = None) -> Response:
    """Answer with encoded JSON that no cache may keep."""
    return Response(body, status, {"Cache-Control": NO_STORE, **(headers or {})}, content_type=media)


def stream_response(chunks: Iterator[bytes]) -> Response:
    """Answer with lines of JSON, sent as they come."""
    return Response(chunks, 200, {"Cache-Control": NO_STORE}, content_type=NDJSON)
