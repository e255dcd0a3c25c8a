"""Lists that are the same for every shopper: bestsellers and brand popularity."""

from __future__ import annotations

from typing import Any

from flask import Response

from recsys.engine.slate_json import slate_json
from recsys.web.http.answers import SlateAnswer
from recsys.web.http.parameters import ListParameters
from recsys.web.http.queries import list_query
from recsys.web.http.responses import json_response
from recsys.web.operations import Call, Operation


def bestsellers(call: Call[ListParameters]) -> Response:
    """Answer what most shoppers bought, in a category or everywhere."""
    return _builder(call, "bestsellers")


def popular(call: Call[ListParameters]) -> Response:
    """Answer what is popular now, of some brands or of all."""
    return _builder(call, "popular")


def _builder(call: Call[ListParameters], placement: str) -> Response:
    serving = call.service.live.serving()
    query = list_query(call.parameters, serving, call.now(serving, call.parameters.now), placement)
    return json_response(slate_json(serving.engine.catalog, call.service.recommend(serving, query)))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/bestsellers",
        summary="List the bestsellers of a category, or of the whole shop.",
        scope="read",
        browser=True,
        parameters=ListParameters,
        view=bestsellers,
        answers=(SlateAnswer,),
        problems=(503,),
    ),
    Operation(
        method="get",
        path="/v1/popular",
        summary="List what is popular of a brand in the last days.",
        scope="read",
        browser=True,
        parameters=ListParameters,
        view=popular,
        answers=(SlateAnswer,),
        problems=(503,),
    ),
)
