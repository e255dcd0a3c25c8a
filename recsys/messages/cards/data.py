"""Data behind a card of a send: its slate, its reader, and the reader's last views, from one snapshot."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
import numpy as np

from recsys.engine.pipeline import Engine
from recsys.engine.profile_report import shopper_profile
from recsys.messages.cards.context import context
from recsys.snapshot.people import Person
from recsys.types import EVENT_TYPES, History, Slate


def compose(
    engine: Engine,
    slate: Slate,
    send_id: str,
    person: Person,
    history: History,
    now: int,
    slots: Sequence[Mapping[str, str]] = (),
) -> dict[str, Any]:
    """Lay out what a template sees of a slate for its reader at `now` (microseconds); `slots` are its items' addresses, or none."""
    catalog, addresses = engine.catalog, slots or ({},) * len(slate.items)
    items = [
        {**catalog.item(row), "reason": msgspec.to_builtins(reason), "slot": dict(slot)}
        for row, reason, slot in zip(slate.items, slate.reasons, addresses, strict=True)
    ]
    history = history.until(now)
    return context(
        items,
        reader(engine, slate.user_id, history, now),
        last_event(engine, history),
        locale=person.locale,
        timezone=person.timezone,
        send_id=send_id,
        recommendation_id=slate.recommendation_id,
        settings=engine.settings.messages,
    )


def reader(engine: Engine, user_id: str | None, history: History, now: int) -> dict[str, Any]:
    """What is known of a shopper, in plain values: `Profile` of a template."""
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


def last_event(engine: Engine, history: History) -> dict[str, Any] | None:
    """The last thing that a shopper did with an item, with the item's fields: `Event` of a template; None: there is none."""
    with_item = np.flatnonzero(history.items >= 0)
    if not len(with_item):
        return None
    at = int(with_item[-1])
    done = {"event_type": EVENT_TYPES[int(history.kinds[at])], "timestamp": int(history.times[at])}
    return engine.catalog.item(int(history.items[at])) | done
