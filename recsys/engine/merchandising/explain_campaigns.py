"""Effects of campaigns and limits on one item of a list, in words and places."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Annotated, Literal, TypeAlias

from msgspec import Meta, Struct

from recsys.engine.merchandising.plans import NO_PLAN, OF_PLACEMENT, Plan
from recsys.engine.pipeline import Built, Engine, build, resolve_query
from recsys.types import History, Query

Action: TypeAlias = Literal["pin", "boost", "bury", "limit", "share", "fatigue", "variety", "explore"]


class CampaignEffect(Struct, frozen=True):
    """Effect of one campaign, or of the placement's own limit, on the item, or why there is none."""

    campaign: Annotated[str, Meta(description="Its id; empty: the placement's settings.")]
    action: Action
    said: str


class Moved(Struct, frozen=True):
    """Place of the item without campaigns and limits, and where it stands; null: not on the list."""

    without: int | None
    place: int | None


def campaigns_on(
    engine: Engine, query: Query, history: History, item: int
) -> tuple[tuple[CampaignEffect, ...], Moved | None]:
    """Return what campaigns, limits, variety and exploration did to an item, in the order in which it counts, and from where to
    where it moved."""
    asked = resolve_query(engine, query, history)
    bare = asked.plan is None and asked.variety is None and asked.explorer is None
    if bare and not asked.mixed:
        return (), None
    plan, built = asked.plan or NO_PLAN, build(engine, asked, query.limit, explained=True)
    without = build(engine, resolve_query(engine, query, history, campaigns=False), query.limit)
    moved = Moved(_place_of(without, item), _place_of(built, item))
    dial = _dial(engine, query, history, item, moved.place) if asked.variety else ""
    said: dict[Action, str] = {
        "fatigue": asked.variety.said(item) if asked.variety else "",
        "variety": dial,
        "explore": "" if built.drawn is None else built.drawn.said(item),
    }
    others = [CampaignEffect(OF_PLACEMENT, action, words) for action, words in said.items() if words]
    effects = (*effects_of_plan(plan, built, item), *others)
    return effects, None if bare and not effects and moved.without == moved.place else moved


def _dial(engine: Engine, query: Query, history: History, item: int, place: int | None) -> str:
    """Say where the dial of variety moved an item, while all else is as it is; empty: it did not."""
    asked = resolve_query(engine, query, history)
    asked = asked if asked.variety is None else asked._replace(variety=asked.variety.without_dial())
    before = _place_of(build(engine, asked, query.limit), item)
    return "" if before == place else f"variety moved it from {_at(before)} to {_at(place)}"


def _at(place: int | None) -> str:
    return "no place" if place is None else f"place {place}"


def _place_of(built: Built, item: int) -> int | None:
    """An item's place on a list, from 1."""
    return next((at for at, row in enumerate(built.builder.ranked.rows.tolist(), 1) if row == item), None)


def said_of(effects: tuple[CampaignEffect, ...], moved: Moved | None) -> str:
    """The effects in a sentence, with the places that they led from and to; empty: there are none."""
    said = ", ".join(each.said for each in effects)
    if not said or moved is None or moved.without == moved.place:
        return said
    return f"{said}: place {moved.without or 'none'} → {moved.place or 'none'}"


def effects_of_plan(plan: Plan, built: Built, item: int) -> Iterator[CampaignEffect]:
    """The effects of campaigns and limits on an item of a list, in the order in which it counts."""
    notes, place = built.notes, _place_of(built, item)
    note = notes and notes.of(item)
    for at, pin in enumerate(plan.pins):
        if pin.row == item:
            wrong = notes.of_pin(at) if notes else ""
            if wrong and place == pin.place and not (notes and item in notes.standing()):
                continue  # it stands there without the pin
            if not wrong and place is None:
                wrong = "the list ends before it"
            behind = "" if place == pin.place else ", moved up where the list would have ended"
            said = f"pinned to place {pin.place} by campaign {pin.campaign}{behind}"
            said = f"the pin of campaign {pin.campaign} is not at place {pin.place}: {wrong}" if wrong else said
            yield CampaignEffect(pin.campaign, "pin", said)
    if note and note.action == "limit" and place is None:
        yield CampaignEffect(note.campaign, "limit", note.said)
    for least in plan.shares:
        if least.items[item] and place and place <= least.share.within:
            said = f"counts for the {least.share.min:.0%} of the first {least.share.within} that campaign {least.campaign} asks for"
            yield CampaignEffect(least.campaign, "share", said)
    for boost in plan.boosts:
        if boost.items[item] and boost.factor != 1:
            up = boost.factor > 1
            factor = boost.factor if up else 1 / boost.factor
            said = f"{'boosted ×' if up else 'buried ÷'} {factor:.6g} by campaign {boost.campaign}"
            yield CampaignEffect(boost.campaign, "boost" if up else "bury", said)
