"""Errors as RFC 9457 problem details: every answer that is not a success has this one form."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from http import HTTPStatus
from typing import Any

import msgspec
from flask import Flask
from flask import Response as FlaskResponse
from werkzeug.exceptions import HTTPException, InternalServerError

from recsys.types import RecsysError, StateError
from recsys.web.http.responses import Response, json_response

_log = logging.getLogger(__name__)

PROBLEM_JSON = "application/problem+json"
LONGEST_SHOWN = 100
"""Characters of a wrong value that are repeated to the caller."""

_OWN_WORDS = {
    404: "there is no such address; /openapi.json lists those that exist",
    413: "the body is too large",
    500: "an unexpected error; it stands in the service's log",
}


class ClockError(StateError):
    """The clock of this machine is wrong, and what would be dated by it is not written; the text says what to do."""


class Problem(RecsysError):  # noqa: N818 (the RFC's word)
    """An error for the caller: HTTP status, what is wrong, and further members that a program can read."""

    def __init__(self, status: int, detail: str, headers: Mapping[str, str] | None = None, **members: Any) -> None:
        super().__init__(detail)
        self.status = status
        self.headers = dict(headers or {})
        self.members = members

    def body(self) -> dict[str, Any]:
        """The problem as the members of its JSON."""
        title = HTTPStatus(self.status).phrase
        return {"type": "about:blank", "title": title, "status": self.status, "detail": str(self), **self.members}

    def response(self) -> Response:
        """The problem as an HTTP answer."""
        return json_response(msgspec.json.encode(self.body()), self.status, PROBLEM_JSON, self.headers)


def invalid(parameter: str, value: Any, allowed: str, wrong: str = "is not allowed") -> Problem:
    """Build the 400 for a wrong parameter: its name, the value given, what is wrong with it and what is allowed."""
    shown = _shown(value)
    given = "" if shown is None else f" {shown!r}"
    return Problem(
        400, f"{parameter}:{given} {wrong}; allowed: {allowed}", parameter=parameter, value=shown, allowed=allowed
    )


def register(app: Flask) -> None:
    """Make Flask answer every error as a problem."""

    def answer(error: Exception) -> FlaskResponse:
        return response_to(error).for_flask()

    for kind in (Problem, HTTPException, StateError):
        app.register_error_handler(kind, answer)


def response_to(error: Exception) -> Response:
    """Answer an error as a problem: 500 for those that are not the caller's to know."""
    if isinstance(error, Problem):
        return error.response()
    if isinstance(error, StateError):
        return state_problem(error).response()
    return _from_http_exception(error if isinstance(error, HTTPException) else InternalServerError())


def state_problem(error: StateError) -> Problem:
    """Log that live state failed, and build the 503: nothing of a failed call was written, and it can be sent again."""
    if isinstance(error, ClockError):
        return Problem(503, str(error), {"Retry-After": "60"})
    _log.error("the live log failed: %s", error)
    return Problem(503, "live state cannot be read or written at the moment; send it again", {"Retry-After": "1"})


def _from_http_exception(error: HTTPException) -> Response:
    status = error.code or 500
    headers = {name: value for name, value in error.get_headers() if name in ("Allow", "Retry-After")}
    return Problem(status, _OWN_WORDS.get(status) or error.description or "", headers).response()


def _shown(value: Any) -> Any:
    if value is None or isinstance(value, (bool, int, float)):
        return value
    text = value if isinstance(value, str) else msgspec.json.encode(value).decode()
    return text if len(text) <= LONGEST_SHOWN else text[:LONGEST_SHOWN] + "…"
