"""Settings of campaigns: a merchant's hand on lists for a span of time, and the limits that a placement may have for good."""

from __future__ import annotations

from datetime import datetime
from typing import Annotated, Literal

import msgspec

from recsys.item_filters import Conditions
from recsys.settings.types import Group, Share
from recsys.settings.when import When

MAX_ACTIONS = 50
"""Most actions of one campaign."""
WHOLE_LIST = 100
"""Places of the longest list."""
CampaignId = Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
ALL: Literal["all"] = "all"
"""Every campaign."""
CampaignsOff = Literal["all"] | Annotated[tuple[CampaignId, ...], msgspec.Meta(max_length=100)]
Place = Annotated[int, msgspec.Meta(ge=1, le=WHOLE_LIST)]
Factor = Annotated[float, msgspec.Meta(ge=1, le=1000)]
Moment = Annotated[datetime, msgspec.Meta(tz=True)]
SomeItems = Annotated[Conditions, msgspec.Meta(min_length=1)]


class Pin(Group, frozen=True):
    """Puts an item at a place, if it may be shown."""

    item_id: Annotated[str, msgspec.Meta(min_length=1, max_length=256)]
    """The item."""
    place: Place
    """From 1. In a list that ends before it, the item comes last, unless a limit refuses it there."""


class Boost(Group, frozen=True):
    """Multiplies the relevance of items."""

    factor: Factor
    """1 changes nothing."""
    filter: SomeItems
    """Attribute = condition that the items meet."""


class Bury(Group, frozen=True):
    """Divides the relevance of items."""

    factor: Factor
    """1 changes nothing."""
    filter: SomeItems
    """Attribute = condition that the items meet."""


class Exclude(Group, frozen=True):
    """Keeps items out."""

    filter: SomeItems
    """Attribute = condition that the items meet."""


class Only(Group, frozen=True):
    """Keeps all other items out."""

    filter: SomeItems
    """Attribute = condition that the items meet."""


class Limit(Group, frozen=True):
    """Lets only so many of a kind stand among the first places."""

    by: Annotated[str, msgspec.Meta(min_length=1, max_length=64)]
    """`brand`, `category` (the leaf that leads an item), `group`, or an attribute of type `word`; an item without one is free."""
    max: Place
    """Most items with the same."""
    within: Place = WHOLE_LIST
    """The first places that this is counted in."""


class LeastShare(Group, frozen=True):
    """Gives items at least a share of the first places, as far as there are such items."""

    min: Share
    """Share of the places, 0 to 1, rounded up to whole places."""
    within: Place
    """The first places that this is counted in."""
    filter: SomeItems
    """Attribute = condition that the items meet."""


class Action(Group, frozen=True, omit_defaults=True):
    """Action of a campaign: exactly one of these."""

    pin: Pin | None = None
    """An item to a place."""
    boost: Boost | None = None
    """Items up, by a factor."""
    bury: Bury | None = None
    """Items down, by a factor."""
    exclude: Exclude | None = None
    """Items out."""
    only: Only | None = None
    """All other items out."""
    limit: Limit | None = None
    """At most so many of a kind."""
    share: LeastShare | None = None
    """At least such a share of some items."""

    def __post_init__(self) -> None:
        """Check that it is one action.

        Raises:
            ValueError: if it is none, or several.
        """
        if sum(getattr(self, name) is not None for name in self.__struct_fields__) != 1:
            raise ValueError(f"an action is exactly one of {', '.join(self.__struct_fields__)}")


class Campaign(Group, frozen=True, kw_only=True, omit_defaults=True):
    """A merchant's hand on the lists of some placements, for a span of time."""

    placements: Annotated[tuple[str, ...], msgspec.Meta(min_length=1, max_length=100)]
    """Where it holds."""
    begins: Moment | None = msgspec.field(default=None, name="from")
    """Its first moment, with its zone. Unset: since ever."""
    until: Moment | None = None
    """The moment from which it holds no more. Unset: for good."""
    when: When = When()
    """Shoppers for whom it holds, by the conditions of rules; empty: all."""
    actions: Annotated[tuple[Action, ...], msgspec.Meta(min_length=1, max_length=MAX_ACTIONS)]
    """What it does."""

    def __post_init__(self) -> None:
        """Check that it ends after it begins.

        Raises:
            ValueError: if it does not.
        """
        if self.begins is not None and self.until is not None and self.until <= self.begins:
            raise ValueError("`until` is not after `from`")
