"""Effects of campaigns and limits on one item of a list, in words and places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal

from msgspec import Meta, Struct

from recsys.engine.merchandising.plans import OF_PLACEMENT, Plan
from recsys.engine.merchandising.variety import Variety
from recsys.engine.pipeline import Built, Engine, build, resolve_query
from recsys.types import History, Query


class CampaignEffect(Struct, frozen=True):
    """Effect of one campaign, or of the placement's own limit, on the item, or why there is none."""

    campaign: Annotated[str, Meta(description="Its id; empty: the placement's settings.")]
    action: Literal["pin", "boost", "bury", "limit", "fatigue", "explore"]
    said: str


class Moved(Struct, frozen=True):
    """Place of the item without campaigns and limits, and where it stands; null: not on the list."""

    without: int | None
    place: int | None


def place_without(engine: Engine, query: Query, history: History, item: int) -> int | None:
    """The item's place, from 1, as if there were neither campaigns nor limits of the placement."""
    built = build(engine, resolve_query(engine, query, history, campaigns=False), query.limit)
    return place_of(built, item)


def place_of(built: Built, item: int) -> int | None:
    """An item's place on a list, from 1."""
    return next((at for at, row in enumerate(built.builder.ranked.rows.tolist(), 1) if row == item), None)


def effects_on(plan: Plan, variety: Variety | None, built: Built, item: int) -> tuple[CampaignEffect, ...]:
    """Return what a plan, variety and exploration did to an item, in the order in which it counts."""
    said = "" if variety is None else variety.said(item)
    tired = [CampaignEffect(OF_PLACEMENT, "fatigue", said)] if said else []
    chance = "" if built.drawn is None else built.drawn.said(item)
    drawn = [CampaignEffect(OF_PLACEMENT, "explore", chance)] if chance else []
    return (*_effects(plan, built, item), *tired, *drawn)


def said_of(effects: tuple[CampaignEffect, ...], moved: Moved | None) -> str:
    """The effects in a sentence, with the places that they led from and to; empty: there are none."""
    said = ", ".join(each.said for each in effects)
    if not said or moved is None or moved.without == moved.place:
        return said
    return f"{said}: place {moved.without or 'none'} → {moved.place or 'none'}"


def _effects(plan: Plan, built: Built, item: int) -> Iterator[CampaignEffect]:
    note, place = built.notes.of(item), place_of(built, item)
    pin = next((pin for pin in plan.pins if pin.row == item), None)
    if pin is not None and not (note and note.action == "pin"):
        behind = "" if place == pin.place else f", in a list that ends at place {place}"
        yield CampaignEffect(pin.campaign, "pin", f"pinned to place {pin.place} by campaign {pin.campaign}{behind}")
    if note and note.action == "pin":
        yield CampaignEffect(note.campaign, "pin", f"the pin of campaign {note.campaign} {note.said}")
    elif note and place is None:
        yield CampaignEffect(note.campaign, "limit", note.said)
    for boost in plan.boosts:
        if boost.items[item] and boost.factor != 1:
            up = boost.factor > 1
            factor = boost.factor if up else 1 / boost.factor
            said = f"{'boosted ×' if up else 'buried ÷'} {factor:.6g} by campaign {boost.campaign}"
            yield CampaignEffect(boost.campaign, "boost" if up else "bury", said)
