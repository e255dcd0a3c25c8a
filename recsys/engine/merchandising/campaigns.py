"""Campaigns of one engine: those that hold for a query, and what they come to over its catalogue.

Campaigns take effect in the order of their ids. Their sum is worked out once for each set of them that holds together
(`plans`), so that a list under fifty campaigns reads a few arrays and no conditions.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from functools import lru_cache, partial
from typing import NamedTuple

from recsys.engine.merchandising.attribute_filters import AGE_STEP, FilterMasks
from recsys.engine.merchandising.campaign_checks import check_campaign, check_limit
from recsys.engine.merchandising.plans import Plan, attributes_of, mended, plan_of
from recsys.engine.strategy import holds
from recsys.live.campaigns import CampaignChange
from recsys.settings import Settings
from recsys.settings.campaigns import Campaign, Limit
from recsys.settings.placements import Placement
from recsys.settings.when import When
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.put.changes import KeptUp
from recsys.types import Profile, SettingsError

PLANS_KEPT = 32
"""Most sets of campaigns of which a worker keeps what they come to."""
_PLAN_BYTES = 48 << 20
_AUDIENCES_KEPT = 1024
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_EVER = 2**62


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
        if apart_from or placement.campaigns_off:
            held = tuple([each for each in placement.campaigns_on(held) if each != apart_from])
        if not held and not placement.limits:
            return None
        return index.plan(placement.limits or (), held, now - now % AGE_STEP)

    def held(self, name: str, placement: Placement, now: int, profile: Profile, has_context: bool) -> tuple[str, ...]:
        """The names of the campaigns that hold for a shopper on a placement, in their order."""
        return placement.campaigns_on(self._index.span(name, now).held(profile, has_context))


class LiveCampaigns:
    """The campaigns of the live log as far as one engine has taken them in."""

    def __init__(self, campaigns: Campaigns) -> None:
        self._campaigns = campaigns
        self._taken: dict[str, Campaign] = {}
        self.read = 0
        """Number of the last campaign that was taken in."""

    def take(self, changes: Sequence[CampaignChange]) -> None:
        """Take in what was put and removed since the last look, by seq."""
        if not changes:
            return
        for each in changes:
            self._taken.pop(each.campaign_id, None)
            if each.campaign is not None:
                self._taken[each.campaign_id] = each.campaign
        self.read = changes[-1].seq
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
        self._plans = lru_cache(kept)(partial(_kept_up, catalog, masks, every))
        self._with_age = frozenset(name for name, campaign in every.items() if "age" in attributes_of([campaign]))

    def plan(self, limits: tuple[Limit, ...], names: tuple[str, ...], hour: int) -> Plan:
        """Return what campaigns come to with the limits of a placement, as items are by now, in an hour where one looks at ages."""
        aged = self._with_age and not self._with_age.isdisjoint(names)
        return self._plans(limits, names, hour if aged else 0).get()

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


def _kept_up(
    catalog: Catalog,
    masks: FilterMasks,
    every: Mapping[str, Campaign],
    limits: tuple[Limit, ...],
    names: tuple[str, ...],
    hour: int,
) -> KeptUp[Plan]:
    running = {name: every[name] for name in names}
    return KeptUp(
        catalog.changes,
        attributes_of(running.values()),
        lambda: plan_of(catalog, masks, running, limits, hour),
        lambda plan, rows: mended(catalog, masks, plan, limits, hour, rows),
    )


_NOTHING = _Span(-_EVER, _EVER, ())


def _micros(moment: datetime | None, absent: int) -> int:
    return absent if moment is None else (moment - _EPOCH) // timedelta(microseconds=1)
