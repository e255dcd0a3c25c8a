"""The slate of a send for a user: answered once, then the same items on every fetch, by every worker, after every training.

What is pinned is kept as ids. Price and stock are those of the present catalogue, and an item that can no longer be bought, or no
longer meets the send's conditions, gives its place, once and for good, to the next that passes the filters.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple, TypeAlias

import msgspec
import numpy as np

from recsys.engine.filters import disliked_rows
from recsys.engine.merchandising.attribute_filters import which_hold
from recsys.live.driver import until_written
from recsys.live.pinned_slates import PinnedItem, PinnedSlate, PinnedSlates, Replacement
from recsys.messages.slots import Slot
from recsys.snapshot.catalog import Catalog
from recsys.types import Query, Send, Slate

Ask: TypeAlias = Callable[[Query], Slate]
"""Answers a query with the pipeline."""


class SentSlate(NamedTuple):
    """A slate that was asked for in the name of a send; `pinned`: it will be the same the next time.

    `places` (from 0) are those of its items in what is pinned, where a place that cannot be filled is kept; unpinned: none.
    """

    slate: Slate
    pinned: bool
    places: tuple[int, ...] = ()


class Target(NamedTuple):
    """Target of a slot's link: the item's row, and the slate that it is from."""

    row: int
    recommendation_id: str
    placement: str


Disliked: TypeAlias = Callable[[str, int], Sequence[tuple[str, str]]]
"""Tells what a user does not want to see at a moment (microseconds): an item, a brand or a category, and which."""


def nothing_disliked(user_id: str, now: int) -> Sequence[tuple[str, str]]:
    """Nobody said no to anything."""
    return ()


class Known(NamedTuple):
    """Number of the log up to which who was forgotten was known before anything was read, and what looks again and tells the next."""

    up_to: int
    look: Callable[[], int]


class Sends:
    """Answers for sends with one snapshot's catalogue, as one moment (microseconds) knows it.

    Made anew for each call. With `known` nothing is pinned that was answered before its shopper was forgotten.
    """

    def __init__(
        self,
        catalog: Catalog,
        pins: PinnedSlates,
        ask: Ask,
        unseen_sends: int,
        received_at: int,
        disliked: Disliked = nothing_disliked,
        known: Known | None = None,
    ) -> None:
        self._catalog, self._pins, self._ask, self._disliked = catalog, pins, ask, disliked
        self._unseen_sends, self._received_at = unseen_sends, received_at
        self._known, self._known_to = known, known and known.up_to

    def slates(self, send_id: str, query: Query, user_ids: Sequence[str]) -> list[SentSlate]:
        """Answer a send's slate for each user; `query` is asked as it is where no such send is declared.

        A send's own placement and limit go before those of the query. The slate that is pinned first stands.

        Raises:
            StateError: if the log cannot be read or written, or people are being forgotten all the time.
        """
        send = self._pins.send(send_id)
        if send is None:
            return self._unpinned(query, user_ids)
        query = _asked(send, query)
        if send.expires_at <= query.now:
            return self._unpinned(query, user_ids, f"send_id: {send_id!r} has expired; this slate is not pinned")
        pins = until_written(lambda: self._pinned_all(send, query, user_ids), self._look)
        return [self._serving(pins[user_id], query) for user_id in user_ids]

    def given(self, send: Send, slate: PinnedSlate, query: Query) -> SentSlate:
        """Serve a slate that was answered before for a send of its own, declared and pinned by the first call; `query` asks for
        what takes the place of items that are sold out since.

        Raises:
            StateError: as `slates`, or if somebody was forgotten since: it may be of the shopper that this slate is gone.
        """
        send = self._pins.declare(send, self._received_at, self._known_to)
        pin = self._pins.pin_of(send.send_id, slate.user_id) or self._pins.pin(slate, self._received_at, self._known_to)
        return self._serving(pin, _asked(send, query))

    def preview(self, send: Send, query: Query, user_id: str) -> Slate:
        """Answer what a first fetch of a send would pin for a user, and pin nothing."""
        return self._ask(msgspec.structs.replace(_asked(send, query), user_id=user_id, exclude=self._seen(user_id)))

    def serve_image(self, slot: Slot, now: int, *, may_pin: bool, goes_out: bool) -> int:
        """Find whose image a slot shows now, by the row of the item; -1: nobody's.

        It is what a fetch would find there: what is sold out is replaced, and with `may_pin` a slate is pinned where none is and the
        send has not expired. `goes_out`: the image will be seen, so that `target` is this item from now on.

        Raises:
            ForgottenSinceError: somebody was forgotten meanwhile, perhaps this shopper: look whether it may still be pinned.
        """
        found = self._pinned(slot, now, may_pin)
        if found is None or slot.place >= len(found[1].items):
            return -1
        pin, rows = self._filled(found[1], _asked(found[0], Query(now=now)))
        if goes_out and rows[slot.place] >= 0:
            self._pins.serve_image(pin, slot.place, self._received_at)
        return rows[slot.place]

    def target(self, slot: Slot, now: int, *, may_pin: bool) -> Target | None:
        """Find where the link of a slot leads: to the item whose image went out last, sold out or not; replaces nothing.

        If the catalogue has it no more, the item that stands there instead; None: nothing does. `may_pin` is as for `serve_image`.
        """
        found = self._pinned(slot, now, may_pin)
        if found is None or slot.place >= len(found[1].items):
            return None
        send, pin = found
        seen = self._pins.image_served(*slot) or ""
        rows = [row for item_id in (seen, pin.items[slot.place].item_id) if (row := self._catalog.row(item_id)) >= 0]
        return Target(rows[0], pin.recommendation_id, send.placement) if rows else None

    def _pinned_all(self, send: Send, query: Query, user_ids: Sequence[str]) -> dict[str, PinnedSlate]:
        """The pin of each user, made now where there was none."""
        found = {user_id: self._pins.pin_of(send.send_id, user_id) for user_id in user_ids}
        new = [self._first(send, query, user_id) for user_id, pin in found.items() if pin is None]
        stand = self._pins.pin_all(new, self._received_at, self._known_to)
        return {pin.user_id: pin for pin in (*found.values(), *stand) if pin is not None}

    def _look(self) -> None:
        """Look again who was forgotten."""
        self._known_to = self._known and self._known.look()

    def _pinned(self, slot: Slot, now: int, may_pin: bool) -> tuple[Send, PinnedSlate] | None:
        send, pin = self._pins.send(slot.send_id), self._pins.pin_of(slot.send_id, slot.user_id)
        if send is None:
            return None
        if pin is None and may_pin and now < send.expires_at:
            pin = self._pins.pin(
                self._first(send, _asked(send, Query(now=now)), slot.user_id), self._received_at, self._known_to
            )
        return None if pin is None else (send, pin)

    def _unpinned(self, query: Query, user_ids: Sequence[str], *notices: str) -> list[SentSlate]:
        slates = [self._ask(msgspec.structs.replace(query, user_id=user_id)) for user_id in user_ids]
        if notices:
            slates = [msgspec.structs.replace(slate, notices=(*slate.notices, *notices)) for slate in slates]
        return [SentSlate(slate, False) for slate in slates]

    def _first(self, send: Send, query: Query, user_id: str) -> PinnedSlate:
        """Return what is to be pinned: the answer of now, without what the last sends showed."""
        slate = self._ask(msgspec.structs.replace(query, user_id=user_id, exclude=self._seen(user_id)))
        return PinnedSlate(
            send_id=send.send_id,
            user_id=user_id,
            recommendation_id=slate.recommendation_id,
            snapshot=slate.snapshot,
            strategy=slate.strategy,
            personalized=slate.personalized,
            fallback=slate.fallback,
            items=tuple(self._items(slate)),
            experiments=slate.experiments,
        )

    def _seen(self, user_id: str, besides: str = "") -> tuple[str, ...]:
        """Return what the last sends have shown a user, one of them left out."""
        if not self._unseen_sends:
            return ()
        pins = self._pins.pins_of(user_id, self._unseen_sends + bool(besides))
        others = [pin for pin in pins if pin.send_id != besides][: self._unseen_sends]
        return tuple(dict.fromkeys(item_id for pin in others for item_id in pin.shown))

    def _items(self, slate: Slate) -> Iterator[PinnedItem]:
        places = zip(slate.items, slate.scores, slate.reasons, slate.sources, strict=True)
        for row, score, reason, source in places:
            yield PinnedItem(self._catalog.item_id(row), float(score), reason, source)

    def _serving(self, pin: PinnedSlate, query: Query) -> SentSlate:
        """A pinned slate in the rows of today, without what cannot be bought and cannot be replaced."""
        pin, rows = self._filled(pin, query)
        places = [(place, row, pin.items[place]) for place, row in enumerate(rows) if row >= 0]
        slate = Slate(
            recommendation_id=pin.recommendation_id,
            user_id=pin.user_id,
            placement=query.placement,
            snapshot=pin.snapshot,
            strategy=pin.strategy,
            personalized=pin.personalized,
            fallback=pin.fallback,
            notices=(),
            items=tuple([row for _, row, _ in places]),
            scores=tuple([item.score for _, _, item in places]),
            reasons=tuple([item.reason for _, _, item in places]),
            sources=tuple([item.source for _, _, item in places]),
            experiments=pin.experiments,
        )
        return SentSlate(slate, True, tuple([place for place, _, _ in places]))

    def _filled(self, pin: PinnedSlate, query: Query) -> tuple[PinnedSlate, list[int]]:
        """A pin with what may stand there no more replaced, and the row of each place; -1 where it could not be."""
        rows = self._rows(pin, query)
        if min(rows, default=0) < 0:
            pin = self._replaced(pin, rows, query)
            rows = self._rows(pin, query)
        return pin, rows

    def _rows(self, pin: PinnedSlate, query: Query) -> list[int]:
        """The row of each item; -1 where it is no longer in the catalogue, not available, outside the send's conditions, or what its
        reader said no to."""
        row_of, shown = self._catalog.row, self._catalog.shown_at(query.now)
        rows = [row_of(item.item_id) for item in pin.items]
        rows = [row if row >= 0 and shown[row] else -1 for row in rows]
        if query.filter:
            held = which_hold(self._catalog, query.filter, query.now, np.maximum(np.array(rows, np.int32), 0))
            rows = [row if holds else -1 for row, holds in zip(rows, held.tolist(), strict=True)]
        if said := self._disliked(pin.user_id, query.now):
            hidden = np.isin(rows, disliked_rows(self._catalog, said))
            rows = [-1 if gone else row for row, gone in zip(rows, hidden.tolist(), strict=True)]
        return rows

    def _replaced(self, pin: PinnedSlate, rows: list[int], query: Query) -> PinnedSlate:
        """Fill the places of what is gone, in their order, with the next that pass the filters."""
        gone = [place for place, row in enumerate(rows) if row < 0]
        exclude = (*pin.shown, *self._seen(pin.user_id, besides=pin.send_id), *self._same_group(rows))
        asked = msgspec.structs.replace(query, user_id=pin.user_id, limit=len(gone), exclude=exclude)
        found = list(self._items(self._ask(asked)))
        replacements = [Replacement(place, pin.items[place].item_id, item) for place, item in zip(gone, found, strict=False)]
        return self._pins.replace_items(pin, replacements, self._received_at) if replacements else pin

    def _same_group(self, rows: list[int]) -> list[str]:
        """Items that share a group with one that stays."""
        group = self._catalog.group
        groups = {int(group[row]) for row in rows if row >= 0} - {-1}
        if not groups or not self._catalog.has_groups:
            return []
        return [self._catalog.item_id(row) for row in np.flatnonzero(np.isin(group, list(groups))).tolist()]


def _asked(send: Send, query: Query) -> Query:
    """A query as the send asks it."""
    return msgspec.structs.replace(query, placement=send.placement, limit=send.limit, filter=send.filter)
