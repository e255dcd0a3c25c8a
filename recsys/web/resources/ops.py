"""Endpoints for operators: liveness, readiness and metrics."""

from __future__ import annotations

import logging
from typing import Any

import msgspec
from prometheus_client import CONTENT_TYPE_LATEST

from recsys.engine.pipeline import answer
from recsys.types import NO_HISTORY, Query, StateError
from recsys.web.http.answers import HealthAnswer, ReadyAnswer
from recsys.web.http.parameters import NoParameters
from recsys.web.http.problems import Problem
from recsys.web.http.responses import Response, json_response
from recsys.web.http.times import iso
from recsys.web.operations import Call, Operation

_log = logging.getLogger(__name__)


def healthz(call: Call[NoParameters]) -> Response:
    """Answer as long as the process can."""
    return json_response(msgspec.json.encode(HealthAnswer("ok")))


def readyz(call: Call[NoParameters]) -> Response:
    """Answer which snapshot is served, why not a newer one, and that live state is away; 503 while there is no snapshot or no list can
    be answered, and why."""
    live = call.service.live
    if live.loaded is None:
        raise Problem(503, _without_paths(call, live.error) or "no snapshot is loaded yet", {"Retry-After": "1"})
    try:
        serving = live.answering()
    except StateError as error:
        raise Problem(503, _without_paths(call, str(error)) or "", {"Retry-After": "1"}) from error
    engine = serving.engine
    answer(engine, Query(now=live.now(serving)), NO_HISTORY)
    as_of = iso(engine.snapshot.as_of)
    return json_response(
        msgspec.json.encode(ReadyAnswer(True, engine.snapshot.version, as_of, _without_paths(call, live.error)))
    )


def _without_paths(call: Call[NoParameters], error: str | None) -> str | None:
    """An error without the folders and databases of the shop, which are nobody's business."""
    settings = call.service.settings
    if settings.state.database and error and call.service.live.state.name in error:
        _log.error("not ready: %s", error)
        return "state: the database cannot be used at the moment; the service's log says why"
    folders = {"artifacts": settings.artifacts, "state": settings.path(settings.state.folder)}
    for name, folder in folders.items():
        error = error and error.replace(str(folder), name)
    return error


def metrics(call: Call[NoParameters]) -> Response:
    """Answer in Prometheus' text format, for all workers together."""
    return Response(call.service.metrics.text(), content_type=CONTENT_TYPE_LATEST)


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/healthz",
        summary="Tell that the process answers.",
        scope=None,
        parameters=NoParameters,
        view=healthz,
        answers=(HealthAnswer,),
    ),
    Operation(
        method="get",
        path="/readyz",
        summary="Tell which snapshot is served, or that there is none.",
        scope=None,
        parameters=NoParameters,
        view=readyz,
        answers=(ReadyAnswer,),
        problems=(503,),
    ),
    Operation(
        method="get",
        path="/metrics",
        summary="Give the metrics of all workers.",
        scope="admin",
        parameters=NoParameters,
        view=metrics,
        answers=(str,),
        media="text/plain",
    ),
)
