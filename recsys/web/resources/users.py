"""Recommendations for one shopper."""

from __future__ import annotations

from typing import Any

from flask import Response
from msgspec import UNSET

from recsys.engine.slate_json import slate_json
from recsys.web.http.answers import SentSlateAnswer, SlateAnswer
from recsys.web.http.parameters import SlateParameters
from recsys.web.http.queries import personal_query
from recsys.web.http.responses import json_response
from recsys.web.operations import Call, Operation
from recsys.web.resources.sends import send_slates


def recommendations(call: Call[SlateParameters]) -> Response:
    """Answer a slate, pinned if it is that of a declared send; an unknown shopper gets the placement's fallback."""
    user_id = call.path["user_id"]
    call.caller.check_user(user_id)
    serving = call.service.live.serving()
    now = call.now(serving, call.parameters.now)
    if call.parameters.send_id is not UNSET:
        return json_response(send_slates(call, serving, now, call.parameters.send_id, (user_id,))[0])
    query = personal_query(call.parameters, serving, now, user_id)
    return json_response(slate_json(serving.engine.catalog, call.service.recommend(serving, query)))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/users/{user_id}/recommendations",
        summary="Recommend items to a shopper on a placement.",
        scope="read",
        browser=True,
        parameters=SlateParameters,
        view=recommendations,
        answers=(SlateAnswer, SentSlateAnswer),
        problems=(503,),
    ),
)
