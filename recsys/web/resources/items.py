"""Lists that go with one item: similar items, and items bought together."""

from __future__ import annotations

from typing import Any

from flask import Response

from recsys.engine.slate_json import slate_json
from recsys.web.http.answers import SlateAnswer
from recsys.web.http.parameters import ListParameters
from recsys.web.http.problems import Problem
from recsys.web.http.queries import list_query
from recsys.web.http.responses import json_response
from recsys.web.operations import Call, Operation


def similar(call: Call[ListParameters]) -> Response:
    """Answer items that the same shoppers liked."""
    return _around(call, "similar")


def bought_together(call: Call[ListParameters]) -> Response:
    """Answer items that stand in the same orders."""
    return _around(call, "bought_together")


def _around(call: Call[ListParameters], placement: str) -> Response:
    item_id = call.path["item_id"]
    serving = call.service.live.serving()
    if serving.engine.catalog.row(item_id) < 0:
        raise Problem(404, f"there is no item {item_id!r} in the catalogue", parameter="item_id", value=item_id)
    now = call.now(serving, call.parameters.now)
    query = list_query(call.parameters, serving, now, placement, context_items=(item_id,))
    return json_response(slate_json(serving.engine.catalog, call.service.recommend(serving, query)))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/items/{item_id}/similar",
        summary="List items that are liked by the same shoppers as this one.",
        scope="read",
        browser=True,
        parameters=ListParameters,
        view=similar,
        answers=(SlateAnswer,),
        problems=(404, 503),
    ),
    Operation(
        method="get",
        path="/v1/items/{item_id}/bought-together",
        summary="List items that are bought in the same orders as this one.",
        scope="read",
        browser=True,
        parameters=ListParameters,
        view=bought_together,
        answers=(SlateAnswer,),
        problems=(404, 503),
    ),
)
