"""The console's routes: who is admitted to a page, what a form needs to be heard, and how all of it is answered."""

from __future__ import annotations

import logging
from collections.abc import Callable, Mapping, Sequence
from typing import Any
from urllib.parse import parse_qsl, urlencode, urlsplit

from flask import Blueprint, Response, request
from werkzeug.exceptions import HTTPException

from recsys.types import RecsysError, StateError
from recsys.web.console.addresses import ROOT, Addresses
from recsys.web.console.answers import csv_response, page_response, redirect_response
from recsys.web.console.page import Page, Table, Visit
from recsys.web.console.render import CSS, Templates
from recsys.web.console.sessions import KEYS_PREFIX, ROLES, Session, Sessions
from recsys.web.http.etags import kept_response
from recsys.web.http.metrics import ROUTE
from recsys.web.http.parameters import read_query
from recsys.web.http.problems import ClockError, Problem
from recsys.web.serving.service import Service

_log = logging.getLogger(__name__)

COOKIE = "recsys_console"
FORM_BYTES = 16 * 1024
"""Most bytes of a form."""
CSS_SECONDS = 31_536_000
"""The style sheet's address changes with it."""
_CLOSED = (
    f"The console is closed: put a key of 32 characters or more into {KEYS_PREFIX}VIEWER, {KEYS_PREFIX}EDITOR or "
    f"{KEYS_PREFIX}OPERATOR, and start the service again."
)


class Site:
    """The console of one service."""

    def __init__(self, service: Service, sessions: Sessions, pages: Sequence[Page[Any]]) -> None:
        self._service, self._sessions, self._pages = service, sessions, pages
        self._addresses = Addresses(service.settings.web.prefix)
        self._templates = Templates(self._addresses, pages)

    def blueprint(self) -> Blueprint:
        """All routes; while no key is set each of them says that the console is closed."""
        made = Blueprint("console", __name__)
        for page in self._pages:
            methods = ["GET", "POST"] if page.act else ["GET"]
            name = page.path.strip("/") or "first"
            made.add_url_rule(ROOT + page.path, name.replace("/", "_"), self._endpoint(page), methods=methods)
        made.add_url_rule(ROOT + CSS.path, "style", self._guarded("/style", self._style))
        made.add_url_rule(ROOT, "root", self._guarded("", self._first))
        made.add_url_rule(f"{ROOT}/<path:rest>", "other", self._guarded("/…", self._missing), methods=["GET", "POST"])
        made.register_error_handler(
            500, lambda _: self._message(500, "An unexpected error; it stands in the service's log.", None)
        )
        return made

    def _endpoint(self, page: Page[Any]) -> Callable[..., Response]:
        def answer() -> Response:
            session = self._session()
            known = session is not None
            session = session or self._sessions.nobody()
            response = self._answer(page, session)
            return response if known else self._with_session(response, session)

        return self._guarded(page.path, answer)

    def _guarded(self, path: str, answer: Callable[[], Response]) -> Callable[..., Response]:
        """Answer nothing while the console is closed, and every problem as a page."""

        def guarded(rest: str = "") -> Response:
            request.environ[ROUTE] = ROOT + path
            if not self._sessions.is_open:
                return self._message(404, _CLOSED, None)
            try:
                return answer()
            except Problem as problem:
                return self._message(problem.status, str(problem), self._session(), problem.headers)
            except ClockError as error:
                return self._message(503, str(error), self._session())
            except StateError:
                return self._message(
                    503, "The live log cannot be read or written at the moment; try again.", self._session()
                )
            except RecsysError as error:
                return self._message(400, str(error), self._session())
            except HTTPException as error:
                return self._message(error.code or 500, error.description or error.name, self._session())

        return guarded

    def _answer(self, page: Page[Any], session: Session) -> Response:
        if page.role is not None and not session.may(page.role):
            return self._to_login(page) if session.role is None else self._refused(session, page.role)
        form = self._form(page, session) if request.method == "POST" else None
        lanes, lane = self._service.lanes, page.lane
        if lane is None:
            with lanes.light():
                return self._shown(page, session, form)
        lanes.enter(lane)
        try:
            lanes.give_way()
            return self._shown(page, session, form)
        finally:
            lanes.leave(lane)

    def _shown(self, page: Page[Any], session: Session, form: Mapping[str, str] | None) -> Response:
        parameters = read_query(_without_blanks(request.query_string), page.parameters)
        visit = Visit(self._service, self._addresses, self._sessions, session, parameters, form or {})
        if form is not None and page.act:
            _log.info("console: %s was sent by %s %s", page.path, session.role or "nobody", session.key)
            shown = page.act(visit)
        else:
            shown = page.view(visit)
        return shown if isinstance(shown, Response) else self._rendered(page, visit, shown)

    def _rendered(self, page: Page[Any], visit: Visit[Any], shown: Mapping[str, Any]) -> Response:
        wanted = visit.parameters.csv
        if wanted:
            tables: Mapping[str, Table] = {table.name: table for table in shown.get("tables", {}).values()}
            if wanted not in tables:
                raise Problem(404, f"csv: this page has no table {wanted!r}; there are: {', '.join(tables) or 'none'}")
            return csv_response(tables[wanted])
        status = shown.get("status", 200)
        return page_response(self._templates.page(page, visit, self._sessions.form_token(visit.session), shown), status)

    def _form(self, page: Page[Any], session: Session) -> Mapping[str, str]:
        """Return what was sent, if our own page sent it for this very session; nothing of a login that was open in another tab.

        Raises:
            Problem: 403 for a form of another origin, of another session, or of a role that may not.
        """
        if not _is_own_origin():
            raise Problem(403, "This form was sent by a page of another origin.")
        request.max_content_length = FORM_BYTES
        form = request.form.to_dict()
        if not self._sessions.is_form_token(session, form.pop("form_token", "")):
            if page.role is None and session.role is not None:
                return {}
            raise Problem(
                403, "This form is of another session, or was open for too long: go back, load the page again and send it."
            )
        if page.act_role is not None and not session.may(page.act_role):
            raise Problem(403, f"This needs a key of the role {page.act_role!r}; yours is {session.role!r}.")
        return form

    def _session(self) -> Session | None:
        return self._sessions.read(request.cookies.get(COOKIE, ""))

    def _with_session(self, response: Response, session: Session) -> Response:
        if COOKIE not in "".join(response.headers.getlist("Set-Cookie")):
            set_session(response, self._addresses, self._sessions, session)
        return response

    def _to_login(self, page: Page[Any]) -> Response:
        query = request.query_string.decode("latin-1")
        wanted = page.path + (f"?{query}" if query else "")
        return redirect_response(self._addresses.page("login", next=wanted if wanted != "/" else ""))

    def _refused(self, session: Session, role: str) -> Response:
        return self._message(403, f"This page needs a key of the role {role!r}; yours is {session.role!r}.", session)

    def _message(self, status: int, text: str, session: Session | None, headers: Mapping[str, str] = {}) -> Response:
        shown = session if session is not None and session.role in ROLES else None
        token = self._sessions.form_token(shown) if shown else ""
        return page_response(self._templates.message(status, text, shown, token), status, **headers)

    def _style(self) -> Response:
        return kept_response(
            request.environ, CSS.body, CSS_SECONDS, "text/css; charset=utf-8", more=", immutable"
        ).for_flask()

    def _first(self) -> Response:
        return redirect_response(self._addresses.page("/"))

    def _missing(self) -> Response:
        raise Problem(404, "There is no such page in the console.")


def set_session(response: Response, addresses: Addresses, sessions: Sessions, session: Session) -> None:
    """Give the browser a session: no script reads it, no other site sends it with a form, and it ends by itself."""
    response.set_cookie(
        COOKIE,
        sessions.cookie(session),
        max_age=sessions.seconds(session),
        path=addresses.root,
        secure=_is_https(),
        httponly=True,
        samesite="Lax",
    )


def _is_https() -> bool:
    """Tell whether the browser's side is https, as far as it can be known: a proxy may speak http to us."""
    return request.is_secure or request.headers.get("Origin", "").startswith("https://")


def _is_own_origin() -> bool:
    """Tell whether a form comes from our own pages, as far as the browser says so; the token decides where it says nothing."""
    fetched = request.headers.get("Sec-Fetch-Site")
    if fetched is not None:
        return fetched in ("same-origin", "none")
    origin = request.headers.get("Origin")
    return origin is None or urlsplit(origin).netloc == request.host


def _without_blanks(query: bytes) -> str:
    """A query string without the fields that a form left empty."""
    try:
        pairs = parse_qsl(query.decode("ascii"), keep_blank_values=True, errors="strict")
    except (UnicodeDecodeError, ValueError):
        raise Problem(400, "the query string is not percent-encoded UTF-8") from None
    return urlencode([(name, value) for name, value in pairs if value])
