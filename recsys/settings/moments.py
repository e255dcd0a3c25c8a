"""Settings of moments: when which behaviour calls for a message (docs/moments.md)."""

from __future__ import annotations

from typing import Annotated, Literal, TypeAlias

import msgspec

from recsys.settings.types import Count, Group, NotNegative, Positive, Share

MomentKind: TypeAlias = Literal[
    "cart",
    "back_in_stock",
    "price_drop",
    "low_stock",
    "browse",
    "birthday",
    "replenish",
    "second_order",
    "offer",
    "winback",
    "category_bestsellers",
    "brand_trending",
    "editorial",
    "high_spender",
]
Span: TypeAlias = tuple[NotNegative, NotNegative]
"""From the first number on, and before the second."""


class MomentsSettings(Group, frozen=True):
    """Moments: who should hear from the shop now (docs/moments.md). Of a span the first number is in, the second out."""

    kinds: tuple[MomentKind, ...] = (
        "cart",
        "back_in_stock",
        "price_drop",
        "low_stock",
        "browse",
        "birthday",
        "replenish",
        "second_order",
        "winback",
        "category_bestsellers",
        "brand_trending",
        "editorial",
        "high_spender",
    )
    """Kinds that are on, the most urgent first: whoever is due for several hears the first. Name only what is asked for."""
    per_day: Count = 1
    """Most moments of all kinds that one person gets on one day of theirs."""
    consent: Literal["required", "assumed"] = "required"
    """`required`: only people with a consent to a channel. `assumed`: also those of whom the user table has no word on consent."""
    items: Annotated[int, msgspec.Meta(ge=1, le=100)] = 6
    """Most items of a moment's slate."""
    browse_minutes: Span = (20.0, 30.0)
    """Minutes since the last activity in which a browse session is spoken of."""
    cart_minutes: NotNegative = 30.0
    """Minutes of quiet after which a cart counts as left."""
    cart_hours: Positive = 24.0
    """A cart that last changed so many hours ago, or earlier, is not spoken of any more."""
    visit_hours: Positive = 24.0
    """Hours after its last event for which an ended visit calls for bestsellers, brand, contents and items that run low."""
    offer_hours: Span = (48.0, 72.0)
    """Hours since the last visit in which an offer is due."""
    second_order_days: Span = (14.0, 21.0)
    """Days since the one order in which a second one is called for."""
    replenish_days: Positive = 7.0
    """Days for which an item is due again, from the end of its usual gap on."""
    high_spender_share: Share = 0.95
    """A shopper who spent as much as this share of all customers did, or more, is a high spender."""
    change_days: Positive = 7.0
    """Days for which it is news that an item is back in stock or costs less."""
    seen_days: Positive = 30.0
    """Such news is for those who viewed or carted the item in so many days before it."""
    lead_days: Positive = 14.0
    """Days that new stock takes; an item whose stock lasts fewer runs low."""
    remember_days: Positive = 400.0
    """Days that `make compact` keeps the ids of moments, so that none is due twice."""

    def __post_init__(self) -> None:
        """Check what types alone do not say.

        Raises:
            ValueError: for a span that ends before it begins, and a kind that is named twice.
        """
        for name in ("browse_minutes", "offer_hours", "second_order_days"):
            first, last = getattr(self, name)
            if first >= last:
                raise ValueError(f"{name}: [{first:g}, {last:g}] is not allowed; allowed: a first number below the second")
        if len(set(self.kinds)) < len(self.kinds):
            raise ValueError(f"kinds: {', '.join(self.kinds)} names a kind twice; allowed: each once")
