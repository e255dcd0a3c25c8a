"""Settings of placements: who leads on a spot of the shop, who fills up, and what may stand there."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from recsys.item_filters import Conditions
from recsys.settings.campaigns import ALL, CampaignsOff, Limit
from recsys.settings.types import Group, Name, NotNegative, Share
from recsys.settings.variety import Dial, Exploration, Fatigue, NewItems
from recsys.settings.when import When
from recsys.types import BoughtMode


class Rule(Group, frozen=True):
    """If the conditions hold, these recommenders answer; the first matching rule of a placement wins."""

    name: Name
    """Shown as the slate's strategy."""
    when: When = When()
    blend: bool = False
    """True: the weights of `[blend]` for the shopper's segment answer, ordered by the ranker where it leads; `recommenders` then
    adds to them or overrides them."""
    ranker: bool = True
    """False: the blend answers even where the ranker leads."""
    recommenders: Mapping[str, NotNegative] = {}
    """Recommender = weight. One alone answers by itself; several are blended. Nobody at all: the fallback chain answers."""
    order: Literal["own", "blend"] = "own"
    """Order of what `recommenders` bring, where `blend` is false: `own`, by their own scores; `blend`, by the weights of `[blend]` for
    the shopper's segment, or by the ranker where it leads. No other items come in, and those of the category stay first."""


class BlendSettings(Group, frozen=True):
    """Recommender = weight in the blend, by segment. `make tune` learns them on windows of the shop's own past; where a segment has
    the default weights, `make train` learns others on its end, if they rank better (`training.learn_blend`)."""

    lead: Mapping[str, NotNegative] = msgspec.field(default_factory=lambda: {"item_item": 1.0})
    """Shoppers who never ordered."""
    customer: Mapping[str, NotNegative] = msgspec.field(default_factory=lambda: {"ease": 1.0})
    """Customers, where what they own is hidden."""
    repeat: Mapping[str, NotNegative] = msgspec.field(
        default_factory=lambda: {"buy_again": 0.6, "ease": 0.2, "trending": 0.2}
    )
    """Customers, where what they own may be shown again."""


SHOPPER_RULES: tuple[Rule, ...] = (
    Rule(name="new_shopper", when=When(known=False)),
    Rule(name="category_buyer", when=When(intent="buyer", focus=True), recommenders={"bestsellers": 1.0}, order="blend"),
    Rule(name="brand_lover", when=When(brand=True), recommenders={"brands": 1.0}, order="blend"),
    Rule(name="dormant", when=When(dormant=True), recommenders={"bought_together": 1.0}, order="blend"),
    Rule(name="blend", blend=True),
)


class Placement(Group, frozen=True):
    """A named spot of the shop: who answers there, and what may be shown."""

    rules: tuple[Rule, ...] = SHOPPER_RULES
    """Who leads, first match wins."""
    fallback: tuple[str, ...] = ("item_item", "trending", "bestsellers")
    """Who fills the places that the rule left empty, in order, inside the same filters. Empty: the list may be short."""
    bought: BoughtMode = "hide"
    """What to do with items that the shopper owns, unless the query says so itself."""
    bought_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] = 90
    """The days of `bought = "hide_days"`."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] = 12
    """Length of the list where the query names none."""
    filter: Conditions | msgspec.UnsetType = msgspec.UNSET
    """Attribute = condition that every item here must meet, for instance `category = { none = ["Gifts"] }` (docs/merchandising.md).
    Unset: no condition."""
    campaigns_off: CampaignsOff | msgspec.UnsetType = msgspec.UNSET
    """Ids of campaigns that change nothing here, or `all`. Unset: those that name this placement do."""
    limits: Annotated[tuple[Limit, ...], msgspec.Meta(max_length=10)] | msgspec.UnsetType = msgspec.UNSET
    """At most so many of one brand, category, attribute or group, for instance `[{ by = "brand", max = 4 }]`. Unset: as they come."""
    fatigue: Fatigue | msgspec.UnsetType = msgspec.UNSET
    """Items that a shopper was shown often here and never clicked sink, for instance `{ after = 10 }`. Unset: they do not."""
    rotate: Share | msgspec.UnsetType = msgspec.UNSET
    """Largest share of its relevance that an item loses by chance, drawn anew for each day and shopper. Unset: nothing is drawn."""
    variety: Dial | msgspec.UnsetType = msgspec.UNSET
    """How much less an item is worth beside others of its leaf category and brand: 0 not at all, up to below 1. Unset: 0."""
    mixed: bool | msgspec.UnsetType = msgspec.UNSET
    """True: one leaf category never fills a list of four items or more, as long as one of another may be shown. Unset: it may."""
    exploration: Exploration | msgspec.UnsetType = msgspec.UNSET
    """Draws the first places by chance, with known chances, for instance `{ places = 6 }`. Unset: lists stay as they are ranked."""
    new_items: NewItems | msgspec.UnsetType = msgspec.UNSET
    """Gives places to what is new in the shop, for instance `{ places = 1, first = 6, days = 28 }`. Unset: new items stand where they
    are ranked."""

    def campaigns_on(self, names: tuple[str, ...]) -> tuple[str, ...]:
        """Return those of some campaigns that are not turned off here."""
        off = self.campaigns_off or ()
        return () if off == ALL else tuple([each for each in names if each not in off])


def _context_first(name: str, recommenders: Mapping[str, float]) -> tuple[Rule, ...]:
    return (Rule(name=name, when=When(context=True), recommenders=recommenders), *SHOPPER_RULES)


SIMILAR: Mapping[str, float] = {"content": 1.0, "item_item": 0.5}
"""What is like an item: what looks alike, and with half its weight what the same shoppers turn to. An item that both name leads."""

PLACEMENTS: Mapping[str, Placement] = {
    "home": Placement(mixed=True),
    "blend": Placement(rules=SHOPPER_RULES[-1:]),
    "category": Placement(),
    "pdp": Placement(rules=_context_first("similar", SIMILAR)),
    "cart": Placement(rules=_context_first("completes_cart", {"bought_together": 1.0})),
    "email_weekly": Placement(rules=(*SHOPPER_RULES[:-1], Rule(name="blend", blend=True, recommenders={"als": 0.5}))),
    "similar": Placement(
        rules=(Rule(name="similar", recommenders=SIMILAR),), fallback=("content", "bestsellers"), bought="allow"
    ),
    "bought_together": Placement(
        rules=(Rule(name="bought_together", recommenders={"bought_together": 1.0}),),
        fallback=("bestsellers",),
        bought="allow",
    ),
    "bestsellers": Placement(rules=(Rule(name="bestsellers", recommenders={"bestsellers": 1.0}),), bought="allow"),
    "popular": Placement(rules=(Rule(name="popular", recommenders={"brands": 1.0}),), bought="allow"),
    "buy_again": Placement(rules=(Rule(name="buy_again", recommenders={"buy_again": 1.0}),), bought="only"),
    "not_found": Placement(
        rules=(Rule(name="recently_viewed", when=When(known=True), recommenders={"recently_viewed": 1.0}),)
    ),
}
