"""Card of a moment: its slate as the first of a send of its own, and what its message speaks of when it is written.

A moment becomes a send named like it, of one user and one slate: what was found is pinned, sold out items give their places away, and
slot addresses, clicks and compaction go the way of every other send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec
import numpy as np

from recsys import clock
from recsys.clock import DAY
from recsys.engine.serving_state import ServingState
from recsys.item_filters import Condition, ItemFilter
from recsys.live.item_changes import is_cheaper
from recsys.live.moments import KeptMoment
from recsys.live.pinned_slates import PinnedItem, PinnedSlate
from recsys.moments import spans
from recsys.moments.context import TriggerContext, UserContext
from recsys.moments.kinds import KINDS
from recsys.moments.payload import MAX_ANCHORS, SOURCE
from recsys.settings import Settings
from recsys.settings.moments import MomentKind
from recsys.snapshot.contents import Content
from recsys.snapshot.histories import NEVER
from recsys.snapshot.stock import runs_low
from recsys.types import Assignment, Query, Reason, Send


class _Item(msgspec.Struct, frozen=True):
    item_id: str
    score: float
    reason: Reason


class _Slate(msgspec.Struct, frozen=True):
    recommendation_id: str
    snapshot: str
    strategy: str
    personalized: bool
    fallback: str | None
    items: tuple[_Item, ...]
    experiments: tuple[Assignment, ...] = ()


class _Line(msgspec.Struct, frozen=True):
    """Part of a moment's line that a card needs."""

    kind: MomentKind
    since: datetime
    anchors: tuple[str, ...]
    slate: _Slate
    content: Content | None = None
    price_before: float | None = None
    category: str | None = None
    brand: str | None = None

    @property
    def conditions(self) -> ItemFilter:
        """Conditions that all its items meet, those that take the place of others too."""
        named = {"brand": self.brand, "category": self.category}
        return tuple((name, Condition(any=(value,))) for name, value in named.items() if value is not None)


class MomentCard(NamedTuple):
    """A moment as its message is made: its line, the send that it becomes, and the slate that is pinned to it."""

    moment: KeptMoment
    line: _Line
    send: Send
    slate: PinnedSlate

    def query(self, now: int) -> Query:
        """Ask for what takes the place of an item that is sold out."""
        return Query(now=now, context_items=self.line.anchors[:MAX_ANCHORS], bought=KINDS[self.line.kind].bought)


class Subject(NamedTuple):
    """Subject of a message: `event` as templates see it, `row` of the item (-1: it is none), and rows that it passes over."""

    event: Mapping[str, Any] | None
    row: int
    passed_over: frozenset[int]


def moment_card(moment: KeptMoment, settings: Settings) -> MomentCard:
    """Make a send and a slate of a moment as it was found."""
    line, send_id = _read(moment.line), moment.moment_id
    send = Send(
        send_id=send_id,
        placement=KINDS[line.kind].placement,
        limit=settings.moments.items,
        expires_at=moment.at + int(settings.state.keep_days * DAY),
        template=line.kind,
        filter=line.conditions,
    )
    slate = PinnedSlate(
        send_id=send_id,
        user_id=moment.user_id,
        recommendation_id=line.slate.recommendation_id,
        snapshot=line.slate.snapshot,
        strategy=line.slate.strategy,
        personalized=line.slate.personalized,
        fallback=line.slate.fallback,
        items=tuple(PinnedItem(each.item_id, each.score, each.reason, SOURCE) for each in line.slate.items),
        experiments=line.slate.experiments,
    )
    return MomentCard(moment, line, send, slate)


def subject(card: MomentCard, shown: Mapping[int, str], serving: ServingState, now: int) -> Subject:
    """Find what a moment's message speaks of at `now` (microseconds): the first item that it is about, that still stands on the
    slate, and of which its kind still holds; of an editorial the content, unless the shop withdrew it.

    `shown` are the rows of the slate's items with their slot addresses, empty where there are none.
    """
    line, catalog = card.line, serving.engine.catalog
    since = clock.to_microseconds(line.since)
    if line.content is not None:
        content = serving.engine.snapshot.contents.named(line.content.content_id)
        if content is None:
            return Subject(None, -1, frozenset())
        article = {"event_type": line.kind, "timestamp": since, "title": content.title, "url": content.url}
        return Subject(article, -1, frozenset())
    if not KINDS[line.kind].about_items:
        return Subject(None, -1, frozenset())
    anchors = [row for item_id in line.anchors if (row := catalog.row(item_id)) >= 0]
    wanted = _still_wanted(card, anchors, serving, now)
    if line.price_before is not None:
        wanted = [row for row in wanted if is_cheaper(float(catalog.price[row]), line.price_before)]
    chosen = next((row for row in wanted if row in shown), -1)
    passed_over = frozenset(anchors) - frozenset(wanted) | frozenset({chosen})
    if chosen < 0:
        return Subject(None, -1, passed_over)
    event = {**catalog.item(chosen), "event_type": line.kind, "timestamp": since}
    if line.price_before is not None:
        event["old_price"] = line.price_before
    if shown[chosen]:
        event["link"] = shown[chosen]
    return Subject(event, chosen, passed_over)


def _still_wanted(card: MomentCard, anchors: Sequence[int], serving: ServingState, now: int) -> list[int]:
    """The items of which the moment's kind still holds, by what its person, under whichever id, is known to have done by now: of a
    cart those that lie in it, of what is bought again those still due, of other kinds those not bought since they were looked at,
    up to when the moment was found, and among them of what runs low those that do."""
    user_id, kind, catalog = serving.owner_of(card.moment.user_id), card.line.kind, serving.engine.catalog
    context = TriggerContext(serving.engine, now)
    user = UserContext(user_id, serving.person(user_id), serving.history(user_id), context)
    if kind == "cart":
        return [row for row in anchors if row in set(user.cart())]
    if kind == "replenish":
        bought_at = np.array([user.bought_at(row) for row in anchors], np.int64)
        due = (bought_at > NEVER) & (spans.due_again(bought_at, catalog.gap_days[anchors]) <= now)
        return [row for row, holds in zip(anchors, due.tolist(), strict=True) if holds]
    if kind == "low_stock":
        low = runs_low(catalog, context.settings.lead_days, np.array(anchors, np.int32))
        anchors = [row for row, holds in zip(anchors, low.tolist(), strict=True) if holds]
    return [row for row in anchors if user.interest(row, card.moment.at + 1) > NEVER]


_read = msgspec.json.Decoder(_Line).decode
