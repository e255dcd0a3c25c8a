"""What is recommended to one shopper."""

from __future__ import annotations

from typing import Any

from flask import Response

from recsys.slates import slate_json
from recsys.web.answers import SlateAnswer
from recsys.web.operations import Call, Operation
from recsys.web.parameters import UserParameters
from recsys.web.queries import personal_query
from recsys.web.responses import json_response


def recommendations(call: Call[UserParameters]) -> Response:
    """Answer a slate; an unknown shopper gets the placement's fallback."""
    user_id = call.path["user_id"]
    call.caller.check_user(user_id)
    engine = call.service.live.engine()
    query = personal_query(call.parameters, engine, call.now(engine, call.parameters.now), user_id)
    return json_response(slate_json(engine.catalog, call.service.recommend(engine, query)))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/users/{user_id}/recommendations",
        summary="Recommend items to a shopper on a placement.",
        scope="read",
        browser=True,
        parameters=UserParameters,
        view=recommendations,
        answers=(SlateAnswer,),
        problems=(503,),
    ),
)
