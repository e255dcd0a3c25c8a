"""Settings of the catalogue: which lines of orders are no recommendation."""

from __future__ import annotations

from typing import Annotated, Literal

import msgspec

from recsys.settings.types import Group

NeverKind = Literal["shipping", "gift_cards", "samples", "tests", "fees"]


class NeverSettings(Group, frozen=True):
    """Items that are never shown and that nothing is learned from; what was paid for them stays in the revenue."""

    ids: tuple[str, ...] = ()
    """Their ids, for instance `CARD50`."""
    categories: tuple[str, ...] = ()
    """Categories with all below them, for instance `Gift cards`."""
    patterns: tuple[str, ...] = ()
    """Regular expressions (Rust syntax), searched anywhere in id and title; `(?i)` for any case."""
    free: bool = False
    """Items whose price is 0, or that more orders have for nothing than for money."""
    kinds: tuple[NeverKind, ...] | None = None
    """Items that go by the name of shipping, a gift card, a sample, a test or a fee, in two dozen languages; doubtful names take
    nothing out. Without a word on it: the kinds of the tables' preset, without a preset none, and `make validate` asks."""


class CatalogSettings(Group, frozen=True):
    """The items that there are."""

    never: NeverSettings = NeverSettings()
    spare_items: Annotated[int, msgspec.Meta(ge=0, le=1_000_000)] = 1000
    """New items for which a snapshot has room: those that are put over HTTP until the next training. Each takes a place in every
    array by item."""
