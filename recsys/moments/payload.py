"""Payload of a moment: a slate led by the items that it is about, as one line of JSON."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from datetime import datetime
from hashlib import blake2b
from typing import Any, TypeAlias

import msgspec

from recsys import clock
from recsys.engine.slate_json import slate_json
from recsys.messages.cards.category_copy import words_of
from recsys.moments.context import TriggerHit, UserContext
from recsys.moments.kinds import KINDS
from recsys.reasons import reason_locale
from recsys.settings.messages import Words
from recsys.settings.moments import MomentKind
from recsys.snapshot.contents import Content
from recsys.types import Lifecycle, Query, Reason, Slate

Ask: TypeAlias = Callable[[Query], Slate]
"""Answers a query with the pipeline."""
MAX_ANCHORS = 50
"""Most items that a moment names and that a slate is asked with."""
SOURCE = "moment"
"""What stands for a recommender with the items that a moment is about."""


class MomentPayload(msgspec.Struct, frozen=True, kw_only=True):
    """One moment as it is answered: who should hear, why, and what the message shows."""

    moment_id: str
    user_id: str
    kind: MomentKind
    since: datetime
    anchors: tuple[str, ...]
    slate: msgspec.Raw
    lifecycle: Lifecycle
    locale: str
    timezone: str
    channels: tuple[str, ...]
    usual_hour: int | None
    copy: str
    creative: str
    coupon: str
    content: Content | None
    price_before: float | None
    category: str | None
    brand: str | None


_encode = msgspec.json.Encoder().encode


def moment_id(kind: str, user_id: str, key: str) -> str:
    """Name a moment: 24 hex digits, the same whatever snapshot finds it."""
    return blake2b(_encode((kind, user_id, key)), digest_size=12, person=b"recsys moments").hexdigest()


def moment_line(
    kind: MomentKind,
    due: TriggerHit,
    user_context: UserContext,
    ask: Ask,
    seen: Sequence[str],
    copy_texts: Mapping[str, Words],
) -> bytes | None:
    """Encode the line of a moment; None: it is about items, a category or a brand, of which nothing can be shown.

    `seen` are items that are not to be recommended again · `copy_texts` the shop's words by canonical category
    (`category_copy.canonical`).
    """
    trigger_context = user_context.trigger_context
    slate = moment_slate(kind, due, user_context, ask, seen)
    if not slate.items and due.content < 0 and (KINDS[kind].about_items or due.category or due.brand):
        return None
    first = trigger_context.catalog.item(slate.items[0])["category"] if slate.items else None
    contents = trigger_context.engine.snapshot.contents
    line = MomentPayload(
        moment_id=moment_id(kind, user_context.user_id, due.key),
        user_id=user_context.user_id,
        kind=kind,
        since=clock.to_datetime(due.since),
        anchors=tuple([trigger_context.catalog.item_id(row) for row in due.anchors[:MAX_ANCHORS]]),
        slate=msgspec.Raw(slate_json(trigger_context.catalog, slate)),
        lifecycle=user_context.profile.lifecycle,
        locale=user_context.locale,
        timezone=user_context.timezone,
        channels=user_context.person.channels,
        usual_hour=user_context.usual_hour(),
        **words_of(first, copy_texts),
        content=contents.at(due.content) if due.content >= 0 else None,
        price_before=due.price_before,
        category=due.category,
        brand=due.brand,
    )
    return _encode(line)


def moment_slate(kind: MomentKind, due: TriggerHit, user_context: UserContext, ask: Ask, seen: Sequence[str] = ()) -> Slate:
    """Answer the slate of a moment: the items that it is about as far as they can be bought, then what the placement recommends.

    Where the one item that it is about is sold out, what comes first is said to stand for it.
    """
    catalog, size = user_context.trigger_context.catalog, user_context.trigger_context.settings.items
    shown = due.anchors[:MAX_ANCHORS] if due.reason else ()
    slate = ask(_query(kind, due, user_context, [catalog.item_id(row) for row in shown], seen))
    if due.reason is None:
        return slate
    available = catalog.shown_at(user_context.now)
    there = [row for row in shown if available[row]][:size]
    gone = [row for row in shown if not available[row]]
    groups = {int(catalog.group[row]) for row in there} - {-1}
    rest = [place for place, row in enumerate(slate.items) if int(catalog.group[row]) not in groups][: size - len(there)]
    score = max(slate.scores, default=1.0)
    reasons = [slate.reasons[place] for place in rest]
    if gone and not there and reasons and _is_like(reasons[0], catalog.item_id(gone[0])):
        reasons[0] = _substitute(user_context, gone[0])
    return msgspec.structs.replace(
        slate,
        notices=(*slate.notices, *(f"{catalog.item_id(row)!r} cannot be bought at the moment" for row in gone)),
        items=(*there, *(slate.items[place] for place in rest)),
        scores=(*[score] * len(there), *(slate.scores[place] for place in rest)),
        reasons=(*[due.reason] * len(there), *reasons),
        sources=(*[SOURCE] * len(there), *(slate.sources[place] for place in rest)),
    )


def _query(
    kind: MomentKind, due: TriggerHit, user_context: UserContext, context: Sequence[str], seen: Sequence[str]
) -> Query:
    named: dict[str, Any] = {"brands": (due.brand,)} if due.brand is not None else {}
    return Query(
        now=user_context.now,
        placement=KINDS[kind].placement,
        user_id=user_context.user_id,
        limit=user_context.trigger_context.settings.items,
        category=due.category,
        context_items=tuple(context),
        exclude=tuple(seen),
        bought=KINDS[kind].bought,
        locale=reason_locale(user_context.locale),
        **named,
    )


def _is_like(reason: Reason, item_id: str) -> bool:
    """Tell whether an item stands there because it is like another one, and for no campaign."""
    return reason.code == "similar" and reason.because_item_id == item_id and reason.campaign is None


def _substitute(user_context: UserContext, row: int) -> Reason:
    """Return why something else stands first."""
    catalog = user_context.trigger_context.catalog
    return user_context.reason("substitute", because_item_id=catalog.item_id(row), title=catalog.title(row))
