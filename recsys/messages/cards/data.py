"""Data behind a card: its slate, its reader, and what it speaks of, from one snapshot."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from types import MappingProxyType
from typing import Any

import msgspec
import numpy as np

from recsys.behaviour import CART_ADD, PURCHASE, VIEW, in_cart, last_of_each
from recsys.engine.filters import disliked_rows
from recsys.engine.inspection.profile_report import shopper_profile
from recsys.engine.pipeline import Engine
from recsys.messages.cards.context import context
from recsys.orders import owned_of
from recsys.snapshot.people import Person
from recsys.types import KIND_WORDS, History, Rows, Slate

SPEAKS_OF: Mapping[str, tuple[int, ...]] = MappingProxyType(
    {
        "cart": (CART_ADD,),
        "browse": (VIEW,),
        **dict.fromkeys(("back_in_stock", "price_drop", "low_stock"), (VIEW, CART_ADD)),
        "replenish": (PURCHASE,),
        "editorial": (),
    }
)
"""Template = the events whose items its message can be about; of none: it is about no item."""


def compose(
    engine: Engine,
    slate: Slate,
    send_id: str,
    person: Person,
    history: History,
    now: int,
    event: Mapping[str, Any] | None,
    slots: Sequence[Mapping[str, str]] = (),
    passed_over: Collection[int] = (),
    reads_profile: bool = True,
) -> dict[str, Any]:
    """Lay out what a template sees of a slate for its reader at `now` (microseconds).

    Args:
        event: what the card speaks of, as `event_of` finds it.
        slots: addresses of the slate's items, or none.
        passed_over: rows of items that are not listed.
        reads_profile: whether the template asks for `Profile`, which costs as much as its items; else it is left empty.
    """
    catalog, addresses = engine.catalog, slots or ({},) * len(slate.items)
    items = [
        {**catalog.item(row), "reason": msgspec.to_builtins(reason), "slot": dict(slot)}
        for row, reason, slot in zip(slate.items, slate.reasons, addresses, strict=True)
        if row not in passed_over
    ]
    return context(
        items,
        reader(engine, slate.user_id, history.until(now), now) if reads_profile else {},
        event,
        locale=person.locale,
        timezone=person.timezone,
        send_id=send_id,
        recommendation_id=slate.recommendation_id,
        settings=engine.settings.messages,
    )


def reader(engine: Engine, user_id: str | None, history: History, now: int) -> dict[str, Any]:
    """Return what is known of a shopper, in plain values: `Profile` of a template."""
    known = shopper_profile(engine.profiler, user_id, history, now)
    return {
        "user_id": user_id,
        "lifecycle": known.lifecycle.stage,
        "dormant": known.dormancy.dormant,
        "intent": known.intent.intent,
        "exit_stage": known.exit_stage,
        "focus": known.focus.name,
        "brand": known.brand.name,
        "orders": known.orders,
        "revenue": known.revenue,
        "average_order_value": known.average_order_value,
        "last_seen": known.last_seen.date().isoformat() if known.last_seen else None,
    }


def event_of(
    template: str | None, engine: Engine, history: History, now: int, disliked: Sequence[tuple[str, str]] = ()
) -> dict[str, Any] | None:
    """Find what a card of a send speaks of at `now` (microseconds), with the item's fields: `Event` of a template.

    A template of `SPEAKS_OF` speaks of the last item of its kind that can be bought and was not bought since, of a cart one that
    still lies there; any other one of the last thing that the shopper did with an item; none of what the shopper said
    no to (`disliked`: an item, brand or category, and which). None: there is none.
    """
    history = history.until(now)
    hidden = disliked_rows(engine.catalog, disliked)
    places = np.flatnonzero((history.items >= 0) & ~np.isin(history.items, hidden))
    if template is not None and template in SPEAKS_OF:
        rows = history.items[places]
        of_kind = np.isin(history.kinds[places], SPEAKS_OF[template]) & engine.catalog.shown_at(now)[rows]
        places = places[of_kind & np.isin(rows, _wanted(template, engine, history, now))]
    return _event(engine, history, int(places[-1])) if len(places) else None


def _wanted(template: str, engine: Engine, history: History, now: int) -> Rows:
    """Items that a message of a kind can be about: of a cart those in it, of what is bought again those owned, else those whose last
    view, cart_add or purchase is no purchase."""
    if template == "cart":
        return in_cart(history, now, engine.profiler.behaviour)
    if template == "replenish":
        owned = (history.owned or owned_of(history)).items
        return owned[engine.catalog.replenishable[owned]]
    looks = np.isin(history.kinds, (VIEW, CART_ADD, PURCHASE)) & (history.items >= 0)
    items, last = last_of_each(history.items[looks])
    wanted: Rows = items[history.kinds[looks][last] != PURCHASE]
    return wanted


def _event(engine: Engine, history: History, at: int) -> dict[str, Any]:
    done = {"event_type": KIND_WORDS[int(history.kinds[at])], "timestamp": int(history.times[at])}
    return engine.catalog.item(int(history.items[at])) | done
