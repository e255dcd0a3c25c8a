"""A shopper: what is known with its evidence, what was done, every list and what is hidden, what moments are due, and the door to
erasure."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from recsys.clock import DAY
from recsys.engine.inspection.profile_report import shopper_profile
from recsys.engine.serving_state import ServingState
from recsys.types import KIND_WORDS, History
from recsys.web.console.hiding import hidden_from, hide_or_undo
from recsys.web.console.lists import every_list
from recsys.web.console.page import Cell, Link, Page, Table, View, Visit, given_id
from recsys.web.console.render import time_text

SEEN_LAST = 12
"""Shoppers that the page offers while none is asked for."""
MESSAGES = 20
MESSAGE_DAYS = 90
_LOOKS = {"unlooked": "due now", "due": "due now", "later": "kept back: another message goes first, or went today"}


class ShopperParameters(View, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """Query string of the page: whose it is, and as of when (ISO 8601 with a zone)."""

    user_id: str = ""
    now: str = ""


def shopper(visit: Visit[ShopperParameters]) -> Mapping[str, Any]:
    """Show one shopper, or whom there is to look at."""
    serving = visit.serving()
    user_id = given_id("user_id", visit.parameters.user_id)
    now = visit.now(serving, visit.parameters.now)
    if not user_id:
        return {"title": "Shopper", "user_id": "", "tables": {"seen": _seen_last(visit, serving)}}
    history = serving.history(user_id)
    profile = shopper_profile(serving.engine.profiler, user_id, history, now)
    return {
        "title": user_id,
        "user_id": user_id,
        "profile": msgspec.structs.replace(profile, value=serving.value(user_id)),
        "currency": serving.engine.catalog.currency or "",
        "person": serving.person(user_id),
        "other_ids": [each for each in serving.ids_of(user_id) if each != user_id],
        "forgotten": serving.forgotten.at(user_id) is not None,
        "hidden": hidden_from(serving, user_id, now),
        "placements": serving.engine.settings.placement_names(),
        "lists": list(every_list(serving, user_id, now, step=visit.service.lanes.give_way)),
        "tables": {
            "timeline": _timeline(visit, serving, history.until(now)),
            "moments": _moments(visit, serving, user_id, now),
            "messages": _messages(visit, serving, user_id, now),
        },
    }


def _seen_last(visit: Visit[ShopperParameters], serving: ServingState) -> Table:
    histories = serving.engine.snapshot.histories
    seen = histories.last_seen
    rows = np.argpartition(-seen, SEEN_LAST)[:SEEN_LAST] if len(seen) > SEEN_LAST else np.arange(len(seen))
    rows = rows[np.argsort(-seen[rows], kind="stable")]
    found = [(histories.users.text(int(row)), int(seen[row]), int(histories.order_count[row])) for row in rows]
    return Table(
        name="seen",
        title="Seen last before the snapshot",
        columns=("shopper", "last seen (UTC)", "orders"),
        rows=[
            (Link(user_id, visit.href("shopper", user_id=user_id)), time_text(at), orders)
            for user_id, at, orders in found
            if serving.forgotten.at(user_id) is None
        ],
    )


def _timeline(visit: Visit[ShopperParameters], serving: ServingState, history: History) -> Table:
    return Table(
        name="timeline",
        title="Timeline",
        columns=("time (UTC)", "what", "item", "quantity", "price"),
        rows=[_event(visit, serving, history, at) for at in range(len(history) - 1, -1, -1)],
        paged=True,
        empty="Nothing was done yet, or nothing that is kept.",
    )


def _event(visit: Visit[ShopperParameters], serving: ServingState, history: History, at: int) -> Sequence[Cell]:
    row, lines = int(history.items[at]), history.lines
    item: Cell = None if row == -1 else "an item that is not in the catalogue"
    if row >= 0:
        catalog = serving.engine.catalog
        item = Link(catalog.title(row), visit.href("item", item=catalog.item_id(row)))
    kind = KIND_WORDS[history.kinds[at]].replace("_", " ")
    has_line = lines is not None and at < len(lines.prices) and kind in ("purchase", "refund")
    quantity, price = (_known(lines.quantities[at]), _known(lines.prices[at])) if has_line and lines else (None, None)
    return (time_text(int(history.times[at])), kind, item, quantity, price)


def _known(value: np.float32) -> float | None:
    return None if np.isnan(value) else round(float(value), 2)


def _moments(visit: Visit[ShopperParameters], serving: ServingState, user_id: str, now: int) -> Table:
    kinds = serving.engine.settings.moments.kinds
    finder = visit.service.finder(serving)
    looks = [(kind, finder.look(kind, [user_id], now, max_n=0)[0]) for kind in kinds]
    return Table(
        name="moments",
        title="Moments",
        columns=("moment", "is it due?", "looked at again after (UTC)"),
        rows=[
            (
                Link(kind.replace("_", " "), visit.href("moments", kind=kind)),
                _LOOKS.get(look.why, "not due"),
                None if look.why == "unlooked" else time_text(look.until),
            )
            for kind, look in looks
        ],
    )


def _messages(visit: Visit[ShopperParameters], serving: ServingState, user_id: str, now: int) -> Table:
    """Return what was said to the shopper: slates pinned to sends, and moments that were found."""
    state = visit.service.live.state
    if serving.forgotten.at(user_id) is not None:
        return _messages_table([])
    rows: list[Sequence[Cell]] = [
        (f"moment: {each.kind.replace('_', ' ')}", time_text(each.at), None)
        for each in sorted(state.moments.notified_to([user_id], now - MESSAGE_DAYS * DAY), key=lambda each: -each.at)
    ]
    rows += [
        (Link(f"send: {pin.send_id}", visit.href("sends", send_id=pin.send_id)), None, len(pin.items))
        for pin in state.pins.pins_of(user_id, MESSAGES)
    ]
    return _messages_table(rows[:MESSAGES])


def _messages_table(rows: Sequence[Sequence[Cell]]) -> Table:
    return Table(
        name="messages",
        title="Messages",
        columns=("message", "found (UTC)", "items"),
        rows=rows,
        empty=f"No send was asked for and no moment was found in {MESSAGE_DAYS} days.",
    )


PAGE = Page(
    path="/shopper",
    title="Shopper",
    nav="Shopper",
    template="shopper.html",
    parameters=ShopperParameters,
    view=shopper,
    act=hide_or_undo,
    act_role="editor",
)
