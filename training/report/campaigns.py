"""The report's section on campaigns: how many logged lists each changed, for whom, and what relevance that cost
(docs/merchandising.md)."""

from __future__ import annotations

from collections import Counter
from typing import NamedTuple

from recsys.engine.merchandising.campaign_effect import Effect, effect_of
from recsys.engine.merchandising.campaigns import LiveCampaigns
from recsys.engine.pipeline import Engine
from recsys.live.databases import open_log, open_slates
from recsys.settings import Settings
from recsys.types import Segment

MAX_LOGGED = 2_000
"""Logged lists, the newest, among which those that campaigns held on are looked for."""
MAX_SHOWN = 20
"""Most campaigns of a report, those that held on most lists."""
SEGMENT_WORDS: dict[Segment, str] = {
    "lead": "shoppers who never ordered",
    "customer": "customers",
    "repeat": "customers, where what they own is shown again",
}


class Measured(NamedTuple):
    """One campaign and its effect on a sample of lists."""

    id: str
    effect: Effect

    @property
    def changed(self) -> float:
        """The share of the lists that it changed."""
        return self.effect.changed / self.effect.lists


class CampaignEffects(NamedTuple):
    """Effects of campaigns, those that held on most lists first; `others` held too and are not looked at."""

    measured: tuple[Measured, ...]
    others: int
    lists: int


def measure_campaigns(settings: Settings, engine: Engine) -> CampaignEffects | None:
    """Answer logged lists again with each campaign that there still is and without it; None: none held on any.

    The engine takes in the campaigns of the live log.
    """
    slates = open_slates(settings)
    if not slates.driver.has_begun():
        return None
    changes = open_log(settings).campaigns.changes(0)
    LiveCampaigns(engine.campaigns).take(changes)
    known = {*settings.campaigns, *(each.campaign_id for each in changes if each.campaign is not None)}
    notes = slates.newest(MAX_LOGGED)
    held = Counter(name for note in notes for name in note.campaigns_on if name in known)
    chosen = sorted(held, key=lambda name: (-held[name], name))[:MAX_SHOWN]
    found = [Measured(name, effect_of(engine, name, notes, lambda: None)) for name in chosen]
    measured = tuple(each for each in found if each.effect.lists)
    return CampaignEffects(measured, len(held) - len(chosen), len(notes)) if measured else None


def segment_words(segment: Segment) -> str:
    """A segment as people read it."""
    return SEGMENT_WORDS[segment]
