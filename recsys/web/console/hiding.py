"""The hidden things of a shopper: editors look at them, add to them and take them back."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, cast

from flask import Response

from recsys.clock import DAY
from recsys.engine.serving_state import ServingState
from recsys.engine.shoppers.dislikes import held_dislikes
from recsys.live.dislikes import HIDES, Dislike, Hides
from recsys.web.console.answers import redirect_response
from recsys.web.console.page import Visit, given_id, item_row
from recsys.web.http.problems import Problem, invalid
from recsys.web.resources.shoppers.dislikes import hidden_value

_ACTS = ("hide", "undo")


def hidden_from(serving: ServingState, user_id: str, now: int) -> Sequence[Mapping[str, Any]]:
    """List what is shown to a shopper by no list at a moment (microseconds), the latest first."""
    catalog = serving.engine.catalog
    found = []
    for each in held_dislikes(serving.disliked(user_id), now):
        row = catalog.row(each.value) if each.hides == "item" else -1
        title = catalog.title(row) if row >= 0 else each.value
        found.append({"hides": each.hides, "value": each.value, "title": title, "known": row >= 0, "until": each.until})
    return found


def hide_or_undo(visit: Visit[Any]) -> Response:
    """Hide an item, its brand or its category from a shopper, or show it again, as the form says.

    Raises:
        Problem: 400 naming the field, 404 if there is no such item.
    """
    serving, live = visit.serving(), visit.service.live
    user_id = given_id("user_id", visit.parameters.user_id)
    if not user_id:
        raise Problem(400, "user_id: is needed; open this page from that of a shopper", parameter="user_id")
    done, hides = visit.form.get("do", ""), visit.form.get("hides", "")
    if done not in _ACTS:
        raise invalid("do", done, ", ".join(_ACTS))
    if hides not in HIDES:
        raise invalid("hides", hides, ", ".join(HIDES))
    at = min(live.now(serving), live.received())
    if done == "undo":
        live.dislike([Dislike(user_id, cast(Hides, hides), visit.form.get("value", ""), at, at)])
    else:
        item_id = given_id("item", visit.form.get("item", ""))
        item_row(serving, item_id)
        value = hidden_value(serving.engine.catalog, cast(Hides, hides), item_id)
        live.dislike([Dislike(user_id, cast(Hides, hides), value, at, at + round(live.dislike_days * DAY))])
    return redirect_response(visit.href("shopper", user_id=user_id) + "#hidden")
