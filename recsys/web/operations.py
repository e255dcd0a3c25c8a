"""One call of the API declared once: its address, who may call it, what it takes, what it answers.

From the declaration come its routes, the check of key or token, the parsing, the route's name in metrics and logs, and its entry
in /openapi.json. No call can be added without saying who may make it.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from typing import Any, Generic, Literal

import flask
import msgspec
from flask import Blueprint, request
from gunicorn.http.errors import ParseException
from werkzeug.exceptions import ClientDisconnected
from werkzeug.http import parse_options_header
from werkzeug.routing import BaseConverter
from werkzeug.wrappers import Request

from recsys.engine.serving_state import ServingState
from recsys.web.http.auth import EVERYONE, Caller, Scope
from recsys.web.http.browsers.beacons import PLAIN, Beacon, read_beacon
from recsys.web.http.metrics import ROUTE
from recsys.web.http.parameters import BODY_BYTES, Parameters, check_ids, parse_moment, read_body, read_query
from recsys.web.http.problems import Problem, invalid
from recsys.web.http.responses import JSON, Response
from recsys.web.serving.lanes import LARGE_BODY_BYTES, MANY_OBJECTS, LaneName, Lanes
from recsys.web.serving.service import Service


class IdConverter(BaseConverter):
    """Any text, slashes and line ends too: the rest of the path up to what the rule says stands behind the id."""

    regex = r"[\s\S]*?"
    part_isolating = False
    weight = 200


@dataclass(frozen=True, slots=True)
class Call(Generic[Parameters]):
    """One request, admitted and parsed: what a view gets."""

    service: Service
    environ: Mapping[str, Any]
    caller: Caller
    path: Mapping[str, str]
    parameters: Parameters

    def now(self, serving: ServingState, given: int | str | msgspec.UnsetType) -> int:
        """The moment to answer for, in microseconds: the one given, which is an admin's right, else the service's own.

        Raises:
            Problem: 403, or 400 if it is not a moment.
        """
        if given is msgspec.UNSET:
            return self.service.live.now(serving)
        if "admin" not in self.caller.scopes:
            raise Problem(403, "now: needs a key with the scope 'admin'", parameter="now")
        return parse_moment(given)


@dataclass(frozen=True, slots=True, kw_only=True)
class Operation(Generic[Parameters]):
    """A call: `scope` None is open to everybody, `browser` admits browser tokens, `answers` are what a good answer holds.

    `lane`: the heavy calls that it takes turns with; None: it is light.
    `at_once`: it reads memory and local files only, for a millisecond or so, and is answered in the worker's event loop; not where the
    address has one of the parameters `waits_with`, which make it write.
    `lenient`: it answers whatever stands in its address, which is neither checked nor parsed.
    `also` are further statuses that are answered like a good one · `headers`: those of the request that it reads, and what each says ·
    `rows` are what the lists of a body hold whose rows are judged one by one ·
    `shapes` are further bodies that the call takes, each by a member that tells it.
    """

    method: Literal["get", "post", "patch", "put", "delete"]
    path: str
    summary: str
    scope: Scope | None
    browser: bool = False
    lane: LaneName | None = None
    at_once: bool = False
    waits_with: tuple[str, ...] = ()
    lenient: bool = False
    parameters: type[Parameters]
    view: Callable[[Call[Parameters]], Response]
    answers: tuple[type, ...]
    status: int = 200
    also: tuple[int, ...] = ()
    media: str = JSON
    problems: tuple[int, ...] = ()
    rows: tuple[type[msgspec.Struct], ...] = ()
    shapes: Mapping[str, type[msgspec.Struct]] = field(default_factory=dict)
    headers: Mapping[str, str] = field(default_factory=dict)

    @property
    def has_body(self) -> bool:
        """Tell whether the parameters stand in a JSON body, not in the address."""
        return self.method in ("post", "patch", "put") and not self.lenient

    @property
    def takes_beacons(self) -> bool:
        """Tell whether a page may send its body as text that carries a browser token."""
        return self.browser and self.has_body

    @property
    def rule(self) -> str:
        """The address in Flask's notation."""
        return re.sub(r"{(\w+)}", r"<id:\1>", self.path)

    def is_at_once(self, query: str) -> bool:
        """Tell whether the event loop may answer a call with this query string."""
        if not self.at_once:
            return False
        names = [each.partition("=")[0] for each in query.split("&")]
        return not any(name in self.waits_with or "%" in name for name in names)

    def answer(self, service: Service, environ: dict[str, Any], path: Mapping[str, str]) -> Response:
        """Admit, parse, answer; `path` are the ids in the address.

        Raises:
            Problem: for the caller.
        """
        environ[ROUTE] = self.path
        if lane := self.lane or ("body" if self.has_body and self._is_heavy(environ) else None):
            return self._in_lane(service.lanes, lane, lambda: self._answer(service, environ, path))
        with service.lanes.light():
            return self._answer(service, environ, path)

    def _is_heavy(self, environ: dict[str, Any]) -> bool:
        """Tell whether a body is large, or small and full of rows."""
        length = _length(environ)
        if length >= LARGE_BODY_BYTES or length < 2 * MANY_OBJECTS or not self.rows:
            return length >= LARGE_BODY_BYTES
        body = _body(environ)
        environ["wsgi.input"] = BytesIO(body)
        return body.count(b"{") > MANY_OBJECTS

    def _answer(self, service: Service, environ: Mapping[str, Any], path: Mapping[str, str]) -> Response:
        beacon = read_beacon(_body(environ)) if self.takes_beacons and _is_beacon(environ) else None
        caller = self._admit(service, environ, beacon)
        if not self.lenient:
            for name, text in path.items():
                _check_path(name, text, environ)
        return self.view(Call(service, environ, caller, path, self._read(environ, beacon)))

    def _admit(self, service: Service, environ: Mapping[str, Any], beacon: Beacon | None) -> Caller:
        if self.scope is None:
            return EVERYONE
        if beacon is not None:
            environ = {**environ, "HTTP_AUTHORIZATION": f"Bearer {beacon.token}"}
        caller = service.auth.admit(environ, self.scope, self.browser)
        if beacon is not None and caller.user_id is None:
            raise Problem(403, "a key belongs neither into a browser nor into a body: only a browser token does")
        service.limits.check(caller, self.path)
        return caller

    def _in_lane(self, lanes: Lanes, lane: LaneName, answer: Callable[[], Response]) -> Response:
        """Answer a heavy call in its turn; a stream keeps its slot until it is sent."""
        lanes.enter(lane)
        try:
            lanes.give_way()
            response = answer()
        except BaseException:
            lanes.leave(lane)
            raise
        if response.is_streamed:
            response.call_on_close(lambda: lanes.leave(lane))
        else:
            lanes.leave(lane)
        return response

    def _read(self, environ: Mapping[str, Any], beacon: Beacon | None) -> Parameters:
        if self.lenient:
            return self.parameters()
        query_string = environ.get("QUERY_STRING", "")
        if not self.has_body:
            return read_query(query_string, self.parameters)
        if query_string:
            raise invalid(query_string, None, "none", "is not allowed in the address; parameters stand in the body")
        if beacon is not None:
            return read_body(beacon.body, self.parameters, self.shapes)
        if (mimetype := _mimetype(environ)) != JSON:
            raise Problem(415, f"Content-Type: {mimetype!r} is not allowed; allowed: {JSON}")
        return read_body(_body(environ), self.parameters, self.shapes)


def blueprint(name: str, service: Service, operations: Sequence[Operation[Any]]) -> Blueprint:
    """Make the Flask blueprint of one resource."""
    made = Blueprint(name, __name__)

    def endpoint(operation: Operation[Any]) -> Callable[..., flask.Response]:
        return lambda **path: operation.answer(service, request.environ, path).for_flask()

    for operation in operations:
        made.add_url_rule(
            operation.rule,
            re.sub(r"\W+", "_", f"{operation.method} {operation.path}"),
            endpoint(operation),
            methods=[operation.method],
        )
    return made


def _is_beacon(environ: Mapping[str, Any]) -> bool:
    """Tell whether a body that is text carries its own token: no header does."""
    return _mimetype(environ) == PLAIN and "HTTP_AUTHORIZATION" not in environ


def _mimetype(environ: Mapping[str, Any]) -> str:
    return parse_options_header(environ.get("CONTENT_TYPE"))[0].lower()


class _Body(Request):
    max_content_length = BODY_BYTES + 1  # one more, to tell a body of unknown length that was cut off


def _body(environ: Mapping[str, Any]) -> bytes:
    """The body to its end, bounded."""
    try:
        body = _Body(dict(environ), populate_request=False).get_data(cache=False)  # no ring of it and its environment
    except ClientDisconnected:  # no thread reads on from a connection
        raise Problem(413, f"the body has more than {BODY_BYTES} bytes, or too many chunks") from None
    except ParseException:  # chunks that are none
        raise Problem(400, "the body cannot be read to its end") from None
    if len(body) > BODY_BYTES:
        raise Problem(413, f"the body has more than {BODY_BYTES} bytes")
    return body


def _length(environ: Mapping[str, Any]) -> int:
    """Bytes of the body; one that does not say may be large."""
    length = environ.get("CONTENT_LENGTH") or ""
    return int(length) if length.isdecimal() else BODY_BYTES if "HTTP_TRANSFER_ENCODING" in environ else 0


def _check_path(name: str, text: str, environ: Mapping[str, Any]) -> None:
    if "\ufffd" in text:
        try:
            environ["PATH_INFO"].encode("latin-1").decode("utf-8")
        except UnicodeDecodeError:
            raise invalid(name, text, "percent-encoded UTF-8") from None
    changes = environ["REQUEST_METHOD"] not in ("GET", "HEAD")
    if changes and text.endswith("/") and environ.get("RAW_URI", "").partition("?")[0].endswith("/"):
        raise invalid(name, text, "an id without a slash at its end, or with %2F where that is meant")
    check_ids(name, (text,))
