"""Login: a key opens a session of its role; logging out takes it out of this browser."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from flask import request

from recsys.web.console.answers import redirect_response
from recsys.web.console.page import Page, Shown, View, Visit
from recsys.web.console.site import set_session
from recsys.web.serving.rate_limits import Attempts

_log = logging.getLogger(__name__)


class LoginParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the login: `next` is the page that was asked for."""

    next: str = ""


class Login:
    """The form that takes a key; each address may try so often."""

    def __init__(self, rate: str) -> None:
        self._limit = Attempts(rate, "web.console.logins", "attempts to log in")

    def view(self, visit: Visit[LoginParameters]) -> Mapping[str, Any]:
        """Show the form."""
        return {"next": visit.parameters.next, "wrong": ""}

    def act(self, visit: Visit[LoginParameters]) -> Shown:
        """Begin a session with a key, always a new one, and go where the visitor wanted to; one of another tab is gone on with."""
        if visit.session.role is not None and not visit.form:
            return redirect_response(visit.addresses.inside(visit.parameters.next))
        self._limit.check(request.remote_addr or "")
        session = visit.sessions.log_in(visit.form.get("key", "").strip())
        if session is None:
            _log.warning("console: a login failed")
            return {"next": visit.parameters.next, "wrong": "This is no key of the console.", "status": 403}
        _log.info("console: logged in as %s %s", session.role, session.key)
        response = redirect_response(visit.addresses.inside(visit.parameters.next))
        set_session(response, visit.addresses, visit.sessions, session)
        return response


def log_out(visit: Visit[View]) -> Shown:
    """Take the session out of this browser, and begin that of nobody; a copy of its cookie holds until it ends by itself."""
    response = redirect_response(visit.addresses.page("login"))
    set_session(response, visit.addresses, visit.sessions, visit.sessions.nobody())
    return response


def login_pages(rate: str) -> tuple[Page[Any], ...]:
    """The pages that are open to everybody; `rate` is how often an address may try."""
    login = Login(rate)
    return (
        Page(
            path="/login",
            title="Log in",
            template="login.html",
            parameters=LoginParameters,
            view=login.view,
            act=login.act,
            act_role=None,
            role=None,
            lane=None,
        ),
        Page(
            path="/logout",
            title="Log out",
            template="logout.html",
            parameters=View,
            view=lambda visit: {},
            act=log_out,
            act_role=None,
            lane=None,
        ),
    )
