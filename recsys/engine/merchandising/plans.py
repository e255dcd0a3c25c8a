"""Plans: what the campaigns that hold together come to over a catalogue, as arrays by item.

A plan is worked out once, and mended where an item changes that its filters look at.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from functools import cached_property
from hashlib import blake2b
from typing import Any, NamedTuple, TypeVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.merchandising.attribute_filters import AGE_STEP, FilterError, FilterMasks, typed_filter
from recsys.engine.merchandising.campaign_checks import KEYS
from recsys.engine.merchandising.place_numbers import Rules
from recsys.item_filters import Conditions, ItemFilter
from recsys.jit import ROWS, compiled
from recsys.settings.campaigns import Action, Boost, Bury, Campaign, Exclude, LeastShare, Limit, Only
from recsys.snapshot.attributes import Words
from recsys.snapshot.catalog import Catalog
from recsys.types import Mask, Rows, Scores

Some = TypeVar("Some", bound=NDArray[Any] | None)
OF_PLACEMENT = ""
"""Instead of a campaign's id, where a placement's own settings say it."""
MOST_LIFTED = np.float32(1e30)
"""Product of an item's factors at the most, and one through it at the least: ten of the largest, so that scores stay numbers."""
MIXED_FROM = 4
"""Items of the shortest list that one leaf category does not fill."""


class PinAt(NamedTuple):
    """A pin: the item's row (-1: not in the catalogue) and its place from 1."""

    campaign: str
    item_id: str
    row: int
    place: int


class AtMost(NamedTuple):
    """A limit: `keys` int32[n] tell which items are of one kind, -1: of none."""

    campaign: str
    limit: Limit
    keys: Rows


class AtLeast(NamedTuple):
    """A share, and the items that it is for, bool[n]."""

    campaign: str
    share: LeastShare
    items: Mask


class Factor(NamedTuple):
    """A boost, or with a factor below 1 what buries: its items bool[n]."""

    campaign: str
    factor: float
    items: Mask


class Plan(msgspec.Struct, frozen=True, eq=False, kw_only=True, dict=True):
    """Campaigns of one query, summed up.

    running: those that hold, by id · digest of their definitions, empty if there are none · kept bool[n] what `exclude` and `only`
    leave · factors float32[n] the product of all boosts · boosted_by int16[n] the place in `boosts` of the first one that lifts an
    item (-1: none does); None where there are none.
    """

    running: Mapping[str, Campaign]
    digest: bytes
    kept: Mask | None
    factors: Scores | None
    boosts: tuple[Factor, ...]
    boosted_by: NDArray[np.int16] | None
    pins: tuple[PinAt, ...]
    limits: tuple[AtMost, ...]
    shares: tuple[AtLeast, ...]

    @property
    def only_keeps(self) -> bool:
        """Tell whether all that it does is to keep items out."""
        return self.factors is None and not (self.pins or self.limits or self.shares)

    @cached_property
    def pinned_by(self) -> Mapping[tuple[int, int], str]:
        """Row and place, from 1 = the first campaign that pins it there."""
        return {(pin.row, pin.place): pin.campaign for pin in reversed(self.pins)}

    @cached_property
    def lifted_by(self) -> tuple[str, ...]:
        """The campaign of each boost, and last that of what none lifts."""
        return (*(boost.campaign for boost in self.boosts), "")

    @cached_property
    def mixed(self) -> dict[int, Plan]:
        """Places of a list = the plan under which one leaf category does not fill them, of those that were asked for."""
        return {}

    @cached_property
    def pinned_rows(self) -> Rows:
        """The items that are pinned, int32[≤p]."""
        return np.array(list(dict.fromkeys(pin.row for pin in self.pins if pin.row >= 0)), np.int32)

    @cached_property
    def pin_numbers(self) -> NDArray[np.int64]:
        """The rows (-1: not in the catalogue) and places of the pins, int64[2, p]."""
        return np.array([[pin.row for pin in self.pins], [pin.place for pin in self.pins]], np.int64)

    @cached_property
    def rules(self) -> Rules:
        """The pins, limits and shares as numbers."""
        limits, shares = [most.limit for most in self.limits], [least.share for least in self.shares]
        n = len(self.limits[0].keys) if limits else 0
        return Rules(
            np.array([pin.row for pin in self.pins], np.int32),
            np.array([pin.place for pin in self.pins], np.int64),
            np.array([most.keys for most in self.limits], np.int32).reshape(len(limits), n),
            np.array([[each.max for each in limits], [each.within for each in limits]], np.int64),
            np.array([least.items for least in self.shares], bool).reshape(len(shares), -1 if shares else 0),
            np.array([each.min for each in shares], np.float64),
            np.array([each.within for each in shares], np.int64),
        )


NO_PLAN = Plan(running={}, digest=b"", kept=None, factors=None, boosts=(), boosted_by=None, pins=(), limits=(), shares=())


def attributes_of(campaigns: Iterable[Campaign]) -> frozenset[str]:
    """The attributes that the filters of campaigns name."""
    actions = [action for campaign in campaigns for action in campaign.actions]
    filters = [given.filter for action in actions for given in _filtering(action) if given]
    return frozenset(name for conditions in filters for name in conditions)


def _filtering(action: Action) -> tuple[Boost | Bury | Exclude | Only | LeastShare | None, ...]:
    return action.boost, action.bury, action.exclude, action.only, action.share


def plan_of(
    catalog: Catalog, masks: FilterMasks, running: Mapping[str, Campaign], limits: Iterable[Limit], now: int
) -> Plan:
    """Work out what campaigns and the limits of a placement come to at a moment (microseconds, in whole hours)."""
    return _plan(_Maker(catalog, lambda found: masks.mask(found, now), catalog.n_items), running, limits)


def mended(catalog: Catalog, masks: FilterMasks, plan: Plan, limits: Iterable[Limit], now: int, rows: Rows) -> Plan:
    """A plan as it is after some items changed, rows int32[k]; what stays as it was is shared with the one before."""
    part = _plan(_Maker(catalog, lambda found: masks.holding(found, now, rows), len(rows)), plan.running, limits)
    return msgspec.structs.replace(
        part,
        kept=_with(plan.kept, rows, part.kept),
        factors=_with(plan.factors, rows, part.factors),
        boosted_by=_with(plan.boosted_by, rows, part.boosted_by),
        boosts=tuple(
            [
                old._replace(items=_with(old.items, rows, new.items))
                for old, new in zip(plan.boosts, part.boosts, strict=True)
            ]
        ),
        shares=tuple(
            [
                old._replace(items=_with(old.items, rows, new.items))
                for old, new in zip(plan.shares, part.shares, strict=True)
            ]
        ),
    )


def _with(whole: Some, rows: Rows, part: Some) -> Some:
    """An array by item with other values at some rows; the same one where they are not others."""
    if whole is None or part is None or np.array_equal(whole[rows], part):
        return whole
    found = whole.copy()
    found[rows] = part
    return cast(Some, found)


class _Maker:
    """A plan while campaigns are added to it, for n items of which `holding` finds those that a filter lets through, bool[n]."""

    def __init__(self, catalog: Catalog, holding: Callable[[ItemFilter], Mask], n: int) -> None:
        self.catalog, self._holding, self._n = catalog, holding, n
        self._kept: Mask | None = None
        self._pins: list[PinAt] = []
        self._boosts: list[Factor] = []
        self.limits: list[AtMost] = []
        self._shares: list[AtLeast] = []

    def add(self, name: str, campaign: Campaign) -> None:
        """Add what a campaign does. An item whose value is unknown is kept out by an `exclude`."""
        for action in campaign.actions:
            if action.pin:
                pin = action.pin
                self._pins.append(PinAt(name, pin.item_id, self.catalog.row(pin.item_id), pin.place))
            elif action.limit:
                self.limits.append(AtMost(name, action.limit, keys_of(self.catalog, action.limit.by)))
            elif action.exclude:
                self._keep(~self._matching(action.exclude.filter, unknown=True))
            elif action.only:
                self._keep(self._matching(action.only.filter))
            elif action.boost:
                self._boosts.append(Factor(name, action.boost.factor, self._matching(action.boost.filter)))
            elif action.bury:
                self._boosts.append(Factor(name, 1 / action.bury.factor, self._matching(action.bury.filter)))
            elif action.share:
                self._shares.append(AtLeast(name, action.share, self._matching(action.share.filter)))

    def plan(self, running: Mapping[str, Campaign]) -> Plan:
        """All that was added."""
        factors, boosted_by = None, None
        if self._boosts:
            factors, boosted_by = np.ones(self._n, np.float32), np.full(self._n, -1, np.int16)
            for place, boost in enumerate(self._boosts):
                factors[boost.items] = (factors[boost.items] * np.float32(boost.factor)).clip(1 / MOST_LIFTED, MOST_LIFTED)
                if boost.factor > 1:
                    boosted_by[boost.items & (boosted_by < 0)] = place
            boosted_by[factors <= 1] = -1
        return Plan(
            running=running,
            digest=blake2b(msgspec.json.encode(running, order="deterministic"), digest_size=16).digest() if running else b"",
            kept=self._kept,
            factors=factors,
            boosts=tuple(self._boosts),
            boosted_by=boosted_by,
            pins=tuple(sorted(self._pins, key=lambda pin: (pin.campaign, pin.place))),
            limits=_tightest(self.limits),
            shares=tuple(self._shares),
        )

    def _keep(self, mask: Mask) -> None:
        self._kept = mask if self._kept is None else self._kept & mask

    def _matching(self, conditions: Conditions, unknown: bool = False) -> Mask:
        try:
            return self._holding(typed_filter(self.catalog, conditions))
        except FilterError:
            return np.full(self._n, unknown)


def _plan(maker: _Maker, running: Mapping[str, Campaign], limits: Iterable[Limit]) -> Plan:
    maker.limits += [AtMost(OF_PLACEMENT, limit, keys_of(maker.catalog, limit.by)) for limit in limits]
    for name, campaign in running.items():
        maker.add(name, campaign)
    return maker.plan(running)


def _tightest(limits: Iterable[AtMost]) -> tuple[AtMost, ...]:
    """The limits without those that another one of the same kind implies."""
    found: list[AtMost] = []
    for most in sorted(limits, key=lambda each: (each.limit.by, each.limit.max, -each.limit.within)):
        if not any(most.limit.by == each.limit.by and most.limit.within <= each.limit.within for each in found):
            found.append(most)
    return tuple(found)


def mixing(plan: Plan, catalog: Catalog, places: int) -> Plan:
    """A plan under which one leaf category does not fill so many places; kept with the plan, but not with `NO_PLAN`, which is of no
    catalogue."""
    found = plan.mixed.get(places)
    if found is None:
        found = _mixing(plan, catalog, places)
        if plan is not NO_PLAN:
            plan.mixed[places] = found
    return found


def _mixing(plan: Plan, catalog: Catalog, places: int) -> Plan:
    most = AtMost(OF_PLACEMENT, Limit(by="category", max=places - 1, within=places), keys_of(catalog, "category"))
    return msgspec.structs.replace(plan, limits=_tightest((*plan.limits, most)))


@compiled(ROWS, ROWS)
def one_kind(rows: Rows, kinds: Rows) -> bool:
    """Tell whether so many items int32[m] that a list is mixed are all of one kind, by kinds int32[n] of every item (-1: of none)."""
    if len(rows) < MIXED_FROM or kinds[rows[0]] < 0:
        return False
    others = 0
    for row in rows:
        others += kinds[row] != kinds[rows[0]]
    return others == 0


def meets(plan: Plan, rows: Rows, before: Rows) -> bool:
    """Tell whether a list int32[m] meets the shares of a plan as far as another one does."""
    for least in plan.shares:
        met, reached = (int(np.count_nonzero(least.items[each[: least.share.within]])) for each in (rows, before))
        if met < reached and met < least.share.min * min(least.share.within, len(before)):
            return False
    return True


def keys_of(catalog: Catalog, by: str) -> Rows:
    """Return what tells items of one kind from those of another, int32[n]; -1: of none."""
    if by in KEYS:
        found: Rows = getattr(catalog, by)
        return found
    column = catalog.attributes.columns.get(by)
    return column.single if isinstance(column, Words) else np.full(catalog.n_items, -1, np.int32)


def excluding(plan: Plan, catalog: Catalog, masks: FilterMasks, now: int, item: int) -> str:
    """The first campaign of a plan that keeps an item out; empty: none does."""
    for name, campaign in plan.running.items():
        kept = plan_of(catalog, masks, {name: campaign}, (), now - now % AGE_STEP).kept
        if kept is not None and not kept[item]:
            return name
    return ""
