"""The Flask application: its parts, its routes, and what every request has in common."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from time import perf_counter
from typing import Any, TypeAlias
from urllib.parse import unquote_to_bytes

import flask
from flask import Flask, request
from werkzeug.exceptions import HTTPException
from werkzeug.routing import RequestRedirect

from recsys.engine.settings_check import check_settings
from recsys.experiments.arms import check_experiments
from recsys.ids.event_ids import id_problem
from recsys.live.erasure import ErasureKeys
from recsys.messages.cards.cards import Cards
from recsys.messages.slots import SlotKeys, check_messages
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.types import StateError
from recsys.web import openapi, operations
from recsys.web.console import console_blueprint
from recsys.web.http import problems
from recsys.web.http.auth import Authenticator, check_served
from recsys.web.http.browsers.cors import admit_origins
from recsys.web.http.metrics import NO_ROUTE, ROUTE, Metrics
from recsys.web.http.parameters import BODY_BYTES
from recsys.web.http.problems import Problem
from recsys.web.http.responses import Response
from recsys.web.operations import IdConverter, Operation
from recsys.web.resources import item_updates, items, kit, lists, ops, pages, reports
from recsys.web.resources.merchant import campaign_effects, campaigns, experiments
from recsys.web.resources.messages import cards, moments, sends, slot_dislikes, slots
from recsys.web.resources.shoppers import accounts, erasure, events, identities, profiles, users
from recsys.web.route_table import RouteTable
from recsys.web.serving.known_types import know_types
from recsys.web.serving.live import Live
from recsys.web.serving.service import Service

RESOURCES = {
    "users": users,
    "profiles": profiles,
    "erasure": erasure,
    "accounts": accounts,
    "items": items,
    "lists": lists,
    "pages": pages,
    "events": events,
    "identities": identities,
    "item_updates": item_updates,
    "campaigns": campaigns,
    "campaign_effects": campaign_effects,
    "sends": sends,
    "experiments": experiments,
    "cards": cards,
    "slots": slots,
    "slot_dislikes": slot_dislikes,
    "moments": moments,
    "reports": reports,
    "kit": kit,
    "ops": ops,
}
"""Each resource's file; its OPERATIONS become routes and the description of the API."""

_STARTED = "recsys.started"
Finisher: TypeAlias = Callable[[Mapping[str, Any], Response | flask.Response], None]
"""What every answer passes, ours and Flask's, with the environment of its request."""


class Application(Flask):
    """A Flask application that measures its requests and writes no user id into its log.

    Declared calls are answered without Flask's contexts; what else there is, such as the console and addresses that lead nowhere,
    goes through Flask.
    """

    service: Service
    routes: RouteTable
    finishers: Sequence[Finisher]

    def wsgi_app(self, environ: dict[str, Any], start_response: Any) -> Any:
        """Answer one request, its start noted."""
        environ[_STARTED] = perf_counter()
        prefix, path = self.service.settings.web.prefix, environ.get("PATH_INFO", "")
        if prefix and (path == prefix or path.startswith(prefix + "/")):
            environ["SCRIPT_NAME"], environ["PATH_INFO"] = prefix, path[len(prefix) :] or "/"
        found = self.routes.find(environ["REQUEST_METHOD"], environ.get("PATH_INFO", ""))
        if found is None:
            return super().wsgi_app(environ, start_response)
        return self._respond(environ, *found)(environ, start_response)

    def answers_at_once(self, first_line: bytes) -> bool:
        """Tell by its first line whether a request is answered without waiting for a disk to write or for another machine; the worker
        then answers it in its event loop. Where an experiment runs, an answer may write down whom it exposes."""
        live = self.service.live
        if live.experiments:
            return False
        method, _, rest = first_line.decode("latin-1").partition(" ")
        path, _, query = rest.partition(" ")[0].partition("?")
        path = unquote_to_bytes(path).decode("latin-1").removeprefix(self.service.settings.web.prefix)
        found = self.routes.find(method, path)
        if found is None or not found[0].is_at_once(query):
            return False
        user_id = found[1].get("user_id")
        return not live.is_remote or ((user_id is None or not id_problem(user_id)) and live.make_ready(user_id))

    def _respond(self, environ: dict[str, Any], operation: Operation[Any], path: Mapping[str, str]) -> Response:
        try:
            response = operation.answer(self.service, environ, path)
        except (Problem, StateError, HTTPException) as error:
            response = problems.response_to(error)
        except Exception as error:
            self._log_unexpected(environ, error)
            response = problems.response_to(error)
        self.service.live.drop_ready()
        for finish in self.finishers:
            finish(environ, response)
        return response

    def handle_http_exception(self, e: HTTPException) -> Any:
        """Answer an error; where a slash is missing, lead to the path alone: the address holds whatever Host the caller named."""
        if isinstance(e, RequestRedirect):
            return flask.Response(b"", e.code, {"Location": request.script_root + request.path + "/"})
        return super().handle_http_exception(e)

    def log_exception(self, exc_info: Any) -> None:
        """Log and count an unexpected error by its route: the address holds a user id."""
        self._log_unexpected(request.environ, exc_info)

    def _log_unexpected(self, environ: Mapping[str, Any], exc_info: Any) -> None:
        route = environ.get(ROUTE, NO_ROUTE)
        self.service.metrics.error(route)
        self.logger.error("unexpected error in %s %s", environ["REQUEST_METHOD"], route, exc_info=exc_info)


def create_app(settings: Settings, environment: Mapping[str, str] | None = None) -> Application:
    """Build the service; secrets come from `environment`, by default the process's own.

    It starts without a snapshot too and answers 503 until there is one. `app.service.live.start()` in each worker makes it
    follow new snapshots.

    Raises:
        SettingsError: if the settings or the secrets are not usable.
    """
    check_settings(settings)
    check_experiments(settings, settings.experiments)
    check_messages(settings.messages)
    secrets = os.environ if environment is None else environment
    auth = Authenticator.from_environment(secrets, settings.web)
    templates = settings.messages.templates
    messages = Cards(settings.path(templates) if templates else None, settings.messages)
    metrics = Metrics()
    app = Application("recsys.web", static_folder=None)
    live = Live(settings, metrics, ErasureKeys.from_environment(secrets, settings.data.ids.user))
    app.service = Service(settings, auth, live, metrics, messages, SlotKeys.from_environment(secrets))
    app.config["MAX_CONTENT_LENGTH"] = BODY_BYTES + 1  # one more, to tell a body of unknown length that was cut off
    app.url_map.merge_slashes = False
    app.url_map.converters["id"] = IdConverter
    problems.register(app)
    _add_routes(app)
    app.register_blueprint(console_blueprint(app.service, secrets))
    app.finishers = (*admit_origins(settings.web.origins), _observe(app.service))
    app.after_request(_finish(app.finishers))
    know_types()
    app.service.live.refresh()
    return app


def app_from_environment() -> Application:
    """Build the service with the settings file that RECSYS_SETTINGS names: `gunicorn 'recsys.web.app:app_from_environment()'`.

    Raises:
        SettingsError: if a setting is wrong, or the service would be open to everybody.
    """
    settings = load_settings()
    check_served(settings.web)
    return create_app(settings)


def _add_routes(app: Application) -> None:
    declared = {name: resource.OPERATIONS for name, resource in RESOURCES.items()}
    for name, calls in declared.items():
        app.register_blueprint(operations.blueprint(name, app.service, calls))
    app.routes = RouteTable(call for calls in declared.values() for call in calls)
    settings = app.service.settings
    describe = partial(openapi.document, declared, settings.placement_names(), settings.web.prefix)
    for blueprint in openapi.blueprints(describe):
        app.register_blueprint(blueprint)


def _finish(finishers: Sequence[Finisher]) -> Callable[[flask.Response], flask.Response]:
    def finish(response: flask.Response) -> flask.Response:
        for each in finishers:
            each(request.environ, response)
        return response

    return finish


def _observe(service: Service) -> Finisher:
    worker = service.settings.web.development

    def count(environ: Mapping[str, Any], status: int) -> None:
        service.metrics.request(environ.get(ROUTE, NO_ROUTE), status, perf_counter() - environ[_STARTED])

    def observe(environ: Mapping[str, Any], response: Response | flask.Response) -> None:
        if response.is_streamed:
            response.call_on_close(lambda: count(environ, response.status_code))
        else:
            count(environ, response.status_code)
        response.headers["X-Content-Type-Options"] = "nosniff"
        if worker:
            response.headers["X-Recsys-Worker"] = str(os.getpid())

    return observe
