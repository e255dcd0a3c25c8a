"""Profile and explanation of one shopper, for people who look after the shop."""

from __future__ import annotations

from typing import Annotated, Any

import msgspec
from msgspec import UNSET, Meta, Struct, UnsetType

from recsys.engine.inspection.explain import Explanation, explain
from recsys.engine.inspection.profile_report import ShopperProfile, shopper_profile
from recsys.web.http.parameters import ALLOWED, MAX_CONTEXT_ITEMS, Now, UserParameters
from recsys.web.http.problems import Problem
from recsys.web.http.queries import list_query
from recsys.web.http.responses import Response, json_response
from recsys.web.operations import Call, Operation

_ASKED = f"The item asked about; after it, repeated, the items on the page. Allowed: {ALLOWED['item_id']}."


class ProfileParameters(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of a shopper's profile."""

    now: Now | UnsetType = UNSET


class ExplainParameters(UserParameters, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of an explanation: that of the recommendations, with the item asked about as the first `item_id`."""

    item_id: Annotated[tuple[str, ...], Meta(description=_ASKED, min_length=1, max_length=MAX_CONTEXT_ITEMS)]


def profile(call: Call[ProfileParameters]) -> Response:
    """Answer what is known of a shopper now; of an unknown one, that nothing is."""
    user_id = call.path["user_id"]
    serving = call.service.live.serving()
    now = call.now(serving, call.parameters.now)
    found = shopper_profile(serving.engine.profiler, user_id, serving.history(user_id), now)
    return json_response(msgspec.json.encode(msgspec.structs.replace(found, value=serving.value(user_id))))


def explanation(call: Call[ExplainParameters]) -> Response:
    """Answer why an item is shown to a shopper, or why not; an unknown shopper is explained the fallback."""
    user_id, (item_id, *context) = call.path["user_id"], call.parameters.item_id
    serving = call.service.live.serving()
    item = serving.engine.catalog.row(item_id)
    if item < 0:
        raise Problem(404, f"there is no item {item_id!r} in the catalogue", parameter="item_id", value=item_id)
    parameters = call.parameters
    now = call.now(serving, parameters.now)
    query = list_query(parameters, serving, now, parameters.placement, user_id, tuple(context))
    query, history = serving.asked(query), serving.history(user_id)
    found = explain(serving.choose(query, history).engine, query, history, item)
    return json_response(msgspec.json.encode(found))


OPERATIONS: tuple[Operation[Any], ...] = (
    Operation(
        method="get",
        path="/v1/users/{user_id}/profile",
        summary="Tell what is known of a shopper, with the evidence.",
        scope="admin",
        parameters=ProfileParameters,
        view=profile,
        answers=(ShopperProfile,),
        problems=(503,),
    ),
    Operation(
        method="get",
        path="/v1/users/{user_id}/explain",
        summary="Tell why an item is shown to a shopper, or why not.",
        scope="admin",
        parameters=ExplainParameters,
        view=explanation,
        answers=(Explanation,),
        problems=(404, 503),
    ),
)
