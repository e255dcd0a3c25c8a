"""Sends and what is pinned to them: rows of the live log of which the first that was written stands.

A slate is pinned to (send, user); a replacement takes the place of one of its items for good; a served image notes whose image went
out in a place after that.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence

import msgspec

from recsys.types import Assignment, Reason, Send


class PinnedItem(msgspec.Struct, frozen=True, array_like=True):
    """One place of a pinned slate as it was answered, its item by id: rows never leave a snapshot."""

    item_id: str
    score: float
    reason: Reason
    source: str


class PinnedSlate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """Slate that a send shows a user for good: the one that was answered first, items sold out since replaced in their places.

    `replaced` are the items that stood there before, in the order of the swaps.
    """

    send_id: str
    user_id: str
    recommendation_id: str
    snapshot: str
    strategy: str
    personalized: bool
    fallback: str | None = None
    items: tuple[PinnedItem, ...] = ()
    replaced: tuple[str, ...] = ()
    experiments: tuple[Assignment, ...] = ()

    @property
    def shown(self) -> list[str]:
        """Every item that it shows or has shown."""
        return [*(each.item_id for each in self.items), *self.replaced]


class Replacement(msgspec.Struct, frozen=True):
    """At `place` (from 0) of a pinned slate, `item` stands instead of the item `out`."""

    place: int
    out: str
    item: PinnedItem

    def fits(self, pin: PinnedSlate) -> bool:
        """Tell whether its item is still the one in that place, and the other one is new to the slate."""
        return self.item.item_id not in pin.shown and pin.items[self.place].item_id == self.out

    def applied(self, pin: PinnedSlate) -> PinnedSlate:
        """The pin with it."""
        items = (*pin.items[: self.place], self.item, *pin.items[self.place + 1 :])
        return msgspec.structs.replace(pin, items=items, replaced=(*pin.replaced, self.out))


class PinnedSlates(ABC):
    """Sends and pins in the live log; what a call wrote is durable when it returns. Whatever fails is a StateError."""

    @abstractmethod
    def declare(self, send: Send, received_at: int) -> Send:
        """Declare a send, unless one of its id is declared already; returns the one that stands."""

    @abstractmethod
    def send(self, send_id: str) -> Send | None:
        """Look a send up; None: it is not declared."""

    @abstractmethod
    def newest_sends(self, max_n: int) -> list[Send]:
        """The sends that were declared last, the newest first."""

    def pin(self, pin: PinnedSlate, received_at: int) -> PinnedSlate:
        """Pin a slate to its send and user, unless one is pinned there already; returns the one that stands."""
        return self.pin_all([pin], received_at)[0]

    @abstractmethod
    def pin_all(self, pins: Sequence[PinnedSlate], received_at: int) -> list[PinnedSlate]:
        """Pin several slates in one step, each as `pin` does."""

    @abstractmethod
    def pin_of(self, send_id: str, user_id: str) -> PinnedSlate | None:
        """Return what is pinned to a send and a user, replacements applied; None: nothing."""

    @abstractmethod
    def replace_items(self, pin: PinnedSlate, replacements: Sequence[Replacement], received_at: int) -> PinnedSlate:
        """Replace items of a pinned slate for good; what does not fit what stands by now is passed over. Returns what stands."""

    @abstractmethod
    def image_served(self, send_id: str, user_id: str, place: int) -> str | None:
        """The item whose image went out last in a place (from 0), at first the one pinned there; None: there is no such place."""

    @abstractmethod
    def serve_image(self, pin: PinnedSlate, place: int, received_at: int) -> None:
        """Note that the image of the item in a place goes out, unless it is the one that went out last."""

    @abstractmethod
    def pins_of(self, user_id: str, max_n: int) -> list[PinnedSlate]:
        """Return what the `max_n` sends pinned last show a user, replacements applied, the newest first."""

    @abstractmethod
    def drop_expired(self, before: int) -> Mapping[str, int]:
        """Delete the sends that expired before a moment (microseconds) and all that is pinned to them; tells how many of each.

        It goes in steps, after which others may write. A send goes after all that is pinned to it.
        """
