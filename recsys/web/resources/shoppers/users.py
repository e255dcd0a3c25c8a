"""Recommendations for one shopper."""

from __future__ import annotations

from typing import Any

from msgspec import UNSET, UnsetType

from recsys.web.http.answers import ContinuedSlateAnswer, SentSlateAnswer
from recsys.web.http.parameters import CursorText, SlateParameters
from recsys.web.http.problems import invalid
from recsys.web.http.queries import personal_query
from recsys.web.http.responses import Response, json_response
from recsys.web.operations import Call, Operation
from recsys.web.resources.messages.sends import send_slates
from recsys.web.serving.continued import slate_page


class RecommendationParameters(SlateParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of a shopper's recommendations: one slate, that of a send, or a list that goes on."""

    cursor: CursorText | UnsetType = UNSET

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            Problem: 400.
        """
        super().__post_init__()
        if self.send_id is not UNSET and self.cursor is not UNSET:
            raise invalid("cursor", self.cursor, "placement and limit", "is not allowed together with send_id")


def recommendations(call: Call[RecommendationParameters]) -> Response:
    """Answer a slate, pinned if it is that of a declared send; an unknown shopper gets the placement's fallback."""
    user_id = call.path["user_id"]
    call.caller.check_user(user_id)
    serving = call.service.live.answering()
    now = call.now(serving, call.parameters.now)
    if call.parameters.send_id is not UNSET:
        return json_response(send_slates(call, serving, now, call.parameters.send_id, (user_id,))[0])
    query = personal_query(call.parameters, serving, now, user_id)
    return json_response(
        slate_page(call.service, serving, query, call.parameters.cursor, call.parameters.with_attributes)[1]
    )


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/users/{user_id}/recommendations",
        summary="Recommend items to a shopper on a placement.",
        scope="read",
        browser=True,
        at_once=True,
        waits_with=("cursor", "send_id"),
        parameters=RecommendationParameters,
        view=recommendations,
        answers=(ContinuedSlateAnswer, SentSlateAnswer),
        problems=(410, 503),
    ),
)
