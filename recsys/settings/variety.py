"""Settings of variety: lists that are not the same for ever. Each is off unless a placement has it."""

from __future__ import annotations

from typing import Annotated

import msgspec

from recsys.settings.types import Count, Group, Positive

Part = Annotated[float, msgspec.Meta(gt=0, le=1)]
Dial = Annotated[float, msgspec.Meta(ge=0, lt=1)]


class Fatigue(Group, frozen=True):
    """Lets sink what a shopper was shown often and never clicked."""

    after: Count = 10
    """Impressions without a click, each decaying with time, after which an item sinks; after twice as many, twice, and so on."""
    half_life_days: Positive = 14.0
    """Age at which an impression counts half."""
    factor: Part = 0.1
    """Relevance is multiplied by this each time."""


class Exploration(Group, frozen=True):
    """Draws the first places of a list by chance, so that other items are seen too, with logged chances (docs/experiments.md)."""

    places: Annotated[int, msgspec.Meta(ge=2, le=10)] = 6
    """Items that are drawn from, the best of the list; a shorter list shows some of them."""
    temperature: Annotated[float, msgspec.Meta(ge=0.01, le=10)] = 0.1
    """How freely: chances follow exp(relevance / temperature), relevance being 1 for the best. Higher: more by chance."""
    least: Annotated[float, msgspec.Meta(gt=0, le=0.1)] = 0.01
    """Least chance of each of these items at each of these places."""


class NewItems(Group, frozen=True):
    """Gives places of a list to what is new in the shop, those items first that are most like what the shopper did."""

    places: Annotated[int, msgspec.Meta(ge=1, le=10)] = 1
    """How many; fewer where fewer new items are like anything that the shopper did."""
    first: Annotated[int, msgspec.Meta(ge=1, le=100)] = 6
    """Place of the first of them, from 1, the others behind it; a shorter list ends with them."""
    days: Positive = 28.0
    """Age up to which an item is new: since its `published_at`, else since its first event. One without either is new."""
