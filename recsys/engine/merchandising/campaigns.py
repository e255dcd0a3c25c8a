"""Campaigns of one engine: those that hold for a query, and what they come to over its catalogue.

Campaigns take effect in the order of their ids. What they come to is worked out once for each set of them that holds together, so that
a list under fifty campaigns reads a few arrays and no conditions.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from hashlib import blake2b
from typing import NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.engine.merchandising.attribute_filters import AGE_STEP, FilterError, FilterMasks, typed_filter
from recsys.engine.merchandising.campaign_checks import KEYS, check_campaign, check_limit
from recsys.engine.strategy import holds
from recsys.item_filters import Conditions
from recsys.live.campaigns import StoredCampaigns
from recsys.settings import Settings
from recsys.settings.campaigns import Campaign, LeastShare, Limit
from recsys.settings.placements import Placement
from recsys.settings.when import When
from recsys.snapshot.attributes import Words
from recsys.snapshot.catalog import Catalog
from recsys.types import Mask, Profile, Rows, Scores, SettingsError

PLANS_KEPT = 32
"""Most sets of campaigns of which a worker keeps what they come to."""
_PLAN_BYTES = 48 << 20
_AUDIENCES_KEPT = 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVER = 2**62
OF_PLACEMENT = ""
"""Instead of a campaign's id, where a placement's own settings say it."""


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


class Plan(msgspec.Struct, frozen=True, eq=False, kw_only=True):
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


NO_PLAN = Plan(running={}, digest=b"", kept=None, factors=None, boosts=(), boosted_by=None, pins=(), limits=(), shares=())


class _Dated(NamedTuple):
    begins: int
    until: int
    name: str
    campaign: Campaign


class _Span:
    """The campaigns of a placement that hold from `begins` to before `until`, and those of them that hold for whom."""

    def __init__(self, begins: int, until: int, running: tuple[_Dated, ...]) -> None:
        self.begins, self.until, self.running = begins, until, running
        self._audiences = tuple(dict.fromkeys(each.campaign.when for each in running if each.campaign.when != _EVERYBODY))
        self._held: dict[tuple[bool, ...], tuple[str, ...]] = {}

    def held(self, profile: Profile, has_context: bool) -> tuple[str, ...]:
        """The names of those that hold for a shopper; each audience is looked at once, however many campaigns have it."""
        verdicts = tuple([holds(when, profile, has_context) for when in self._audiences])
        found = self._held.get(verdicts)
        if found is None:
            met = {_EVERYBODY, *(when for when, verdict in zip(self._audiences, verdicts, strict=True) if verdict)}
            found = tuple(each.name for each in self.running if each.campaign.when in met)
            if len(self._held) < _AUDIENCES_KEPT:
                self._held[verdicts] = found
        return found


_EVERYBODY = When()


class Campaigns:
    """The campaigns of one engine: those of its settings, and those that were put while serving."""

    def __init__(self, catalog: Catalog, masks: FilterMasks, settings: Settings) -> None:
        """Raise SettingsError where a campaign of the settings names what there is not."""
        self._catalog, self._masks, self._settings = catalog, masks, settings
        for name, campaign in settings.campaigns.items():
            try:
                check_campaign(campaign, catalog, settings)
            except SettingsError as error:
                raise SettingsError(f"campaigns.{name}: {error}") from error
        for name in settings.placement_names():
            placement = settings.placement(name)
            for limit in (placement.limits if placement else ()) or ():
                check_limit(limit, catalog, f"placements.{name}.limits")
        self.put({})

    def put(self, stored: Mapping[str, Campaign]) -> None:
        """Take what was put while serving instead of what was before; those of the settings stay. Answers that are on their way see
        all of it or nothing."""
        self._index = _Index(self._catalog, self._masks, {**stored, **self._settings.campaigns})

    def running(self, placement: str, now: int) -> dict[str, Campaign]:
        """The campaigns of a placement whose span holds `now` (microseconds), whoever asks."""
        return {each.name: each.campaign for each in self._index.span(placement, now).running}

    def plan(
        self, name: str, placement: Placement, now: int, profile: Profile, has_context: bool, apart_from: str = ""
    ) -> Plan | None:
        """Return what holds for a shopper on a placement, as if there were no campaign `apart_from`; None: nothing does."""
        index = self._index
        held = index.span(name, now).held(profile, has_context)
        if apart_from:
            held = tuple([each for each in held if each != apart_from])
        if not held and not placement.limits:
            return None
        return index.plan(placement.limits or (), held, now - now % AGE_STEP, self._catalog.revision)


class LiveCampaigns:
    """The campaigns of the live log as far as one engine has taken them in."""

    def __init__(self, campaigns: Campaigns, stored: StoredCampaigns) -> None:
        self._campaigns, self._stored = campaigns, stored
        self._taken: dict[str, Campaign] = {}
        self._read = 0

    def take(self) -> None:
        """Take in what was put and removed since the last look."""
        changes = self._stored.changes(self._read)
        if not changes:
            return
        for each in changes:
            self._taken.pop(each.campaign_id, None)
            if each.campaign is not None:
                self._taken[each.campaign_id] = each.campaign
        self._read = changes[-1].seq
        self._campaigns.put(self._taken)


class _Index:
    """One set of campaigns, by placement and time, with what was worked out of them."""

    def __init__(self, catalog: Catalog, masks: FilterMasks, every: Mapping[str, Campaign]) -> None:
        self._by_placement: dict[str, list[_Dated]] = {}
        for name in sorted(every):
            campaign = every[name]
            dated = _Dated(_micros(campaign.begins, -_EVER), _micros(campaign.until, _EVER), name, campaign)
            for placement in dict.fromkeys(campaign.placements):
                self._by_placement.setdefault(placement, []).append(dated)
        self._spans: dict[str, _Span] = {}
        kept = max(2, min(PLANS_KEPT, _PLAN_BYTES // max(1, 8 * catalog.n_items)))
        self.plan = lru_cache(kept)(partial(_made, catalog, masks, every))

    def span(self, placement: str, now: int) -> _Span:
        """The campaigns of a placement that hold at a moment, and how long that stays so."""
        span = self._spans.get(placement)
        if span is not None and span.begins <= now < span.until:
            return span
        dated = self._by_placement.get(placement)
        if dated is None:
            return _NOTHING
        running = tuple(each for each in dated if each.begins <= now < each.until)
        edges = [edge for each in dated for edge in (each.begins, each.until)]
        begins = max((edge for edge in edges if edge <= now), default=-_EVER)
        until = min((edge for edge in edges if edge > now), default=_EVER)
        span = _Span(begins, until, running)
        self._spans[placement] = span
        return span


_NOTHING = _Span(-_EVER, _EVER, ())


def _made(
    catalog: Catalog,
    masks: FilterMasks,
    every: Mapping[str, Campaign],
    limits: tuple[Limit, ...],
    names: tuple[str, ...],
    now: int,
    _revision: int,
) -> Plan:
    running = {name: every[name] for name in names}
    maker = _Maker(catalog, masks, now)
    maker.limits += [AtMost(OF_PLACEMENT, limit, keys_of(catalog, limit.by)) for limit in limits]
    for name, campaign in running.items():
        maker.add(name, campaign)
    return maker.plan(running)


class _Maker:
    """A plan while campaigns are added to it."""

    def __init__(self, catalog: Catalog, masks: FilterMasks, now: int) -> None:
        self._catalog, self._masks, self._now = catalog, masks, now
        self._kept: Mask | None = None
        self._pins: list[PinAt] = []
        self._boosts: list[Factor] = []
        self.limits: list[AtMost] = []
        self._shares: list[AtLeast] = []

    def add(self, name: str, campaign: Campaign) -> None:
        """Add what a campaign does. What cannot be told of an item that is meant to be kept out keeps it out."""
        for action in campaign.actions:
            if action.pin:
                pin = action.pin
                self._pins.append(PinAt(name, pin.item_id, self._catalog.row(pin.item_id), pin.place))
            elif action.limit:
                self.limits.append(AtMost(name, action.limit, keys_of(self._catalog, action.limit.by)))
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
            factors, boosted_by = np.ones(self._catalog.n_items, np.float32), np.full(self._catalog.n_items, -1, np.int16)
            for place, boost in enumerate(self._boosts):
                factors[boost.items] *= np.float32(boost.factor)
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
            pins=tuple(self._pins),
            limits=_tightest(self.limits),
            shares=tuple(self._shares),
        )

    def _keep(self, mask: Mask) -> None:
        self._kept = mask if self._kept is None else self._kept & mask

    def _matching(self, conditions: Conditions, unknown: bool = False) -> Mask:
        try:
            return self._masks.mask(typed_filter(self._catalog, conditions), self._now)
        except FilterError:
            return np.full(self._catalog.n_items, unknown)


def _tightest(limits: Iterable[AtMost]) -> tuple[AtMost, ...]:
    """The limits without those that another one of the same kind implies."""
    found: list[AtMost] = []
    for most in sorted(limits, key=lambda each: (each.limit.by, each.limit.max, -each.limit.within)):
        if not any(most.limit.by == each.limit.by and most.limit.within <= each.limit.within for each in found):
            found.append(most)
    return tuple(found)


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
        maker = _Maker(catalog, masks, now - now % AGE_STEP)
        maker.add(name, campaign)
        kept = maker.plan({}).kept
        if kept is not None and not kept[item]:
            return name
    return ""


def _micros(moment: datetime | None, absent: int) -> int:
    return absent if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)
