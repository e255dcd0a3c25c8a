"""Settings of experiments: what each arm changes of a placement, and which shoppers take part."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Literal

import msgspec

from recsys.item_filters import Conditions
from recsys.settings.campaigns import CampaignsOff, Limit
from recsys.settings.placements import BlendSettings, Rule
from recsys.settings.types import Group, Name, NotNegative, Share
from recsys.settings.variety import Dial
from recsys.settings.when import When
from recsys.types import BoughtMode

HOLDOUT = "holdout"
"""The arm of units that are kept out of an experiment: nothing is changed for them."""
INTERLEAVED = "interleaved"
"""The arm of all units of an interleaved experiment: they see both rankings."""
LIMITED_BY = ("brand", "category", "group")
"""Kinds that an arm may limit: those that every catalogue has."""
MAX_ARMS = 10
MAX_EXPERIMENTS = 200
"""Most that are declared while serving, stopped ones among them."""
_ROUNDING = 1e-9

Metric = Literal["click_through", "conversion", "orders", "revenue"]


class ArmBlend(Group, frozen=True):
    """Weights of the blend that an arm changes, by segment; a segment that is not named keeps those that are published."""

    lead: Mapping[str, NotNegative] | None = None
    """Shoppers who never ordered."""
    customer: Mapping[str, NotNegative] | None = None
    """Customers, where what they own is hidden."""
    repeat: Mapping[str, NotNegative] | None = None
    """Customers, where what they own may be shown again."""

    def over(self, blend: BlendSettings) -> BlendSettings:
        """These weights laid over others."""
        named = {name: value for name, value in msgspec.structs.asdict(self).items() if value is not None}
        return msgspec.structs.replace(blend, **named)


class ArmChange(Group, frozen=True, omit_defaults=True):
    """Changes of an arm to its placement; settings that it does not name stay as they are."""

    rules: tuple[Rule, ...] | None = None
    """Who leads, first match wins."""
    fallback: tuple[str, ...] | None = None
    """Who fills the places that the rule left empty."""
    bought: BoughtMode | None = None
    """What to do with items that the shopper owns, unless the query says so itself."""
    bought_days: Annotated[int, msgspec.Meta(ge=0, le=3650)] | None = None
    """The days of `bought = "hide_days"`."""
    limit: Annotated[int, msgspec.Meta(ge=1, le=100)] | None = None
    """Length of the list where the query names none. A declared send keeps its own."""
    variety: Dial | None = None
    """How much less an item is worth beside others of its leaf category and brand."""
    blend: ArmBlend | None = None
    """Weights of the blend."""
    limits: Annotated[tuple[Limit, ...], msgspec.Meta(max_length=10)] | None = None
    """At most so many of one `brand`, `category` or `group`: `[{ by = "brand", max = 4 }]`; an empty list: as they come."""
    rotate: Share | None = None
    """Largest share of its relevance that an item loses by chance, drawn anew each day; 0: nothing is drawn."""
    filter: Conditions | None = None
    """Conditions that every item must meet, in place of those of the placement; `{}`: none."""
    campaigns_off: CampaignsOff | None = None
    """Ids of campaigns that change nothing for it, or `all`, in place of those of the placement; `[]`: none."""
    snapshot: Annotated[str, msgspec.Meta(pattern=r"^[a-z][a-z0-9_]{0,63}$")] | None = None
    """Snapshot line whose newest version ranks for it, with its weights of the blend; what may be shown stays the same."""

    def __post_init__(self) -> None:
        """Check what types alone do not say.

        Raises:
            ValueError: for limits by an attribute, which only a catalogue can check.
        """
        others = [each.by for each in self.limits or () if each.by not in LIMITED_BY]
        if others:
            raise ValueError(f"limits: by {others[0]!r} is not allowed in an arm; allowed: {', '.join(LIMITED_BY)}")

    @property
    def members(self) -> frozenset[str]:
        """The names of what it changes."""
        return frozenset(name for name, value in msgspec.structs.asdict(self).items() if value is not None)


class Arm(Group, frozen=True):
    """One of the ways that are compared."""

    name: Name
    """Shown in slates, explanations, metrics and the read-out."""
    share: Share
    """Share of the units that take part; the shares of an experiment add up to 1."""
    change: ArmChange = ArmChange()
    """What it changes of the placement; nothing: the placement as it is."""


class Experiment(Group, frozen=True):
    """Ways of one placement, compared on live shoppers (docs/experiments.md)."""

    placement: Name
    """The placement whose lists it changes."""
    arms: Annotated[tuple[Arm, ...], msgspec.Meta(min_length=2, max_length=MAX_ARMS)]
    """The ways that are compared; the first is the control."""
    kind: Literal["split", "interleaved"] = "split"
    """`split`: a shopper is answered by one arm. `interleaved`: by two arms that pick in turns for one list, where clicks and orders
    credit the one that picked; never in sends."""
    unit: Literal["user"] = "user"
    """Who keeps an arm: the shopper, with all anonymous ids that are linked to one user."""
    when: When = When()
    """Shoppers that it is for; those for whom a condition does not hold are answered as without it."""
    traffic: Share = 1.0
    """Share of the shoppers who take part. It may grow while the experiment runs, and nobody changes arm."""
    holdout: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Share of those who take part that no arm changes anything for; the read-out names them as the arm `holdout`."""
    layer: Annotated[str, msgspec.Meta(pattern=r"^([a-z][a-z0-9_]{0,63})?$")] = ""
    """Experiments of one layer share no shopper; empty: drawn independently of every other experiment."""
    layer_start: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Where in its layer it begins, from 0; it takes `traffic` of it from there."""
    salt: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = ""
    """Another salt draws the shoppers anew."""
    metric: Metric = "conversion"
    """The metric that decides; the others are read beside it."""
    smallest_effect: Annotated[float, msgspec.Meta(gt=0, le=1)] = 0.03
    """Smallest relative difference of that metric that matters: the read-out says how long to wait for it."""
    winsorize: Annotated[float, msgspec.Meta(ge=0, le=0.1)] = 0.01
    """Share of the buying units whose revenue is cut down to that of the largest below them."""
    stopped: bool = False
    """True: everybody is answered as without it; the read-out still works."""

    def __post_init__(self) -> None:
        """Check what a type alone does not say.

        Raises:
            ValueError: for arms of one name, an arm called holdout, shares that do not add up, or a layer that is left.
        """
        names = [arm.name for arm in self.arms]
        if len(set(names)) < len(names) or HOLDOUT in names:
            raise ValueError(
                f"arms: {', '.join(names)} is not allowed; allowed: names that differ, none of them {HOLDOUT!r}"
            )
        if self.kind == INTERLEAVED:
            self._check_interleaved()
        total = sum(arm.share for arm in self.arms)
        if abs(total - 1) > _ROUNDING:
            raise ValueError(
                f"arms: the shares add up to {total:g}; they must add up to 1, `traffic` takes part of all shoppers"
            )
        if self.layer_start + self.traffic > 1 + _ROUNDING:
            raise ValueError(f"traffic: {self.traffic:g} from layer_start {self.layer_start:g} on ends above 1")

    def _check_interleaved(self) -> None:
        if len(self.arms) != 2 or self.holdout or any(arm.share != 0.5 for arm in self.arms):
            raise ValueError("kind: an interleaved experiment has two arms with a share of 0.5 each, and no holdout")
        if found := sorted(self.changes & {"limit", "limits", "campaigns_off"}):
            raise ValueError(
                f"kind: arms of an interleaved experiment cannot change `{found[0]}`, since both pick for one list"
            )
        if any(arm.name == INTERLEAVED for arm in self.arms):
            raise ValueError(f"arms: the name {INTERLEAVED!r} is not allowed where they are interleaved")

    @property
    def lines(self) -> frozenset[str]:
        """The snapshot lines that rank for its arms."""
        return frozenset(arm.change.snapshot for arm in self.arms if arm.change.snapshot is not None)

    @property
    def changes(self) -> frozenset[str]:
        """The names of all that its arms change."""
        return frozenset().union(*(arm.change.members for arm in self.arms))


class HoldoutSettings(Group, frozen=True):
    """Shoppers who are in no experiment at all, unless an arm had answered them before. No read-out tells what they did."""

    share: Annotated[float, msgspec.Meta(ge=0, lt=1)] = 0.0
    """Share of the shoppers."""
    salt: Annotated[str, msgspec.Meta(pattern=r"^[A-Za-z0-9_.-]{0,64}$")] = ""
    """Another salt draws them anew."""
