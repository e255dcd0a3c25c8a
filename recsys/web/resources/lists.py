"""Lists that are the same for every shopper, which browsers and proxies may therefore keep: bestsellers and brand popularity."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET

from recsys.engine.serving_state import ServingState
from recsys.web.http.answers import ContinuedSlateAnswer
from recsys.web.http.etags import kept_response
from recsys.web.http.parameters import ListParameters
from recsys.web.http.queries import list_query
from recsys.web.http.responses import Response, json_response
from recsys.web.operations import Call, Operation
from recsys.web.serving.continued import slate_page


def bestsellers(call: Call[ListParameters]) -> Response:
    """Answer what most shoppers bought, in a category or everywhere."""
    return list_response(call, call.service.live.answering(), "bestsellers")


def popular(call: Call[ListParameters]) -> Response:
    """Answer what is popular now, of some brands or of all."""
    return list_response(call, call.service.live.answering(), "popular")


def list_response(
    call: Call[ListParameters], serving: ServingState, placement: str, context_items: tuple[str, ...] = ()
) -> Response:
    """Answer a placement's list for nobody in particular; one as of a moment that was asked for is not kept by caches."""
    parameters, service = call.parameters, call.service
    now = call.now(serving, parameters.now)
    query = list_query(parameters, serving, now, placement, context_items=context_items)
    _, body = slate_page(service, serving, query, parameters.cursor, parameters.with_attributes)
    if parameters.now is not UNSET:
        return json_response(body)
    return kept_response(call.environ, body, service.settings.web.max_age_seconds, changing=body.index(b","))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/bestsellers",
        summary="List the bestsellers of a category, or of the whole shop.",
        scope="read",
        browser=True,
        at_once=True,
        waits_with=("cursor",),
        parameters=ListParameters,
        view=bestsellers,
        answers=(ContinuedSlateAnswer,),
        problems=(410, 503),
    ),
    Operation(
        method="get",
        path="/v1/popular",
        summary="List what is popular of a brand in the last days.",
        scope="read",
        browser=True,
        at_once=True,
        waits_with=("cursor",),
        parameters=ListParameters,
        view=popular,
        answers=(ContinuedSlateAnswer,),
        problems=(410, 503),
    ),
)
