"""Card of a moment: its slate as the first of a send of its own, and what its message speaks of when it is written.

A moment becomes a send named like it, of one user and one slate: what was found is pinned, sold out items give their places away, and
slot addresses, clicks and compaction go the way of every other send.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import datetime
from typing import Any, NamedTuple

import msgspec

from recsys import clock
from recsys.clock import DAY
from recsys.engine.serving_state import ServingState
from recsys.live.moments import KeptMoment
from recsys.live.pinned_slates import PinnedItem, PinnedSlate
from recsys.moments.context import TriggerContext, UserContext
from recsys.moments.kinds import KINDS
from recsys.moments.payload import MAX_ANCHORS, SOURCE
from recsys.settings import Settings
from recsys.settings.moments import MomentKind
from recsys.snapshot.contents import Content
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
    """Find what a moment's message speaks of at `now` (microseconds): the first item that it is about and that still stands on the
    slate, was not bought since it was found, and, of a cart, still lies there, of a price that fell, still costs less.

    `shown` are the rows of the slate's items with their slot addresses, empty where there are none.
    """
    line, catalog = card.line, serving.engine.catalog
    since = clock.to_microseconds(line.since)
    if line.content is not None:
        article = {"event_type": line.kind, "timestamp": since, "title": line.content.title, "url": line.content.url}
        return Subject(article, -1, frozenset())
    if not KINDS[line.kind].about_items:
        return Subject(None, -1, frozenset())
    anchors = [row for item_id in line.anchors if (row := catalog.row(item_id)) >= 0]
    wanted = _still_wanted(card, anchors, serving, now)
    if line.price_before is not None:
        wanted = [row for row in wanted if catalog.price[row] < line.price_before]
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
    """The items that the moment is about still: of a cart those that lie in it, of other kinds those not bought since it was found."""
    moment = card.moment
    context = TriggerContext(serving.engine, now)
    user = UserContext(moment.user_id, serving.person(moment.user_id), serving.history(moment.user_id), context)
    if card.line.kind == "cart":
        return [row for row in anchors if row in set(user.cart())]
    return [row for row in anchors if user.bought_at(row) <= moment.at]


_read = msgspec.json.Decoder(_Line).decode
