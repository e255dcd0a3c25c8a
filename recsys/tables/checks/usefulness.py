"""Usefulness of a shop's tables: whether anything can be recommended from them, however well formed they are.

Each headline is a sentence with its figures. One that is not passed stops a publish, also the first one: a share is too large if it is
so beyond doubt (the lower end of Wilson's interval), or if it is all there is.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta

import polars as pl

from recsys.settings import GateSettings, Settings
from recsys.tables.checks.cleaning import LATER, ZERO
from recsys.tables.checks.crowds import OUTLETS
from recsys.tables.checks.limits import too_unreadable
from recsys.tables.checks.matching import MAP_ANEW, UNLISTED, hint
from recsys.tables.checks.several import several_ids
from recsys.tables.checks.survey import ABOUT_ITEMS
from recsys.tables.columns.orders import COUNTS
from recsys.tables.shop import ShopTables
from recsys.tables.validation import SHORTENED, percent

RECENT_DAYS = 28
"""Days up to the newest event on which the items of events should still be in the catalogue."""
TRIAL = 10
"""Fewer events than this, of whatever type, are a trial, which may be of one item or one shopper."""
_Z = 1.96


@dataclass(frozen=True, slots=True)
class Headline:
    """One measure of the tables: its name, whether it lets them go live, and a sentence."""

    name: str
    passed: bool
    said: str


def usefulness(settings: Settings, shop: ShopTables, now: datetime | None = None) -> list[Headline]:
    """Measure the tables against `[gate]`, and what of their values can be read; with `now`, how old the newest event is, too. What
    lets nothing go live comes first."""
    measured = [*_of_rows(settings, shop), *_of_values(settings, shop), *_of_events(settings, shop)]
    measured += [*_of_age(settings, shop, now), *_of_items(settings.gate, shop)]
    return sorted(measured, key=lambda one: one.passed)


def surely_above(bad: int, total: int, limit: float) -> bool:
    """Tell whether a share is above a limit beyond doubt: Wilson's lower bound (JASA 1927) is, or all are bad."""
    if not bad:
        return False
    share, z2 = bad / total, _Z * _Z
    middle, spread = share + z2 / (2 * total), _Z * math.sqrt(share * (1 - share) / total + z2 / (4 * total * total))
    return bad == total or (middle - spread) / (1 + z2 / total) > limit


def _of_rows(settings: Settings, shop: ShopTables) -> Iterator[Headline]:
    """Rows that never became events: left out by `where`, or at times that cannot be."""
    for name, counts in shop.counts.items():
        if counts.filtered:
            said = f"{name}: {_of(counts.filtered, counts.read, 'row')} are left out by `where`; is every pattern meant so?"
            too_many = surely_above(counts.filtered, counts.read, settings.gate.largest_left_out)
            yield Headline("left out", not too_many, said)
    for found in shop.findings:
        if found.rule == COUNTS:
            total = round(found.rows / found.share)
            said = f"{found.table}: {_of(found.rows, total, 'row')} are of orders that count in nothing by {found.column}"
            too_many = surely_above(found.rows, total, settings.gate.largest_left_out)
            yield Headline("left out", not too_many, f"{said}, {found.example}; {found.advice}.")
        if found.rule == OUTLETS:
            total = round(found.rows / found.share)
            said = f"{_of(found.rows, total, 'event')} are of {found.example} and nobody's, though these do as little as customers do"
            too_many = surely_above(found.rows, total, settings.data.max_rejected_share)
            yield Headline("people", not too_many, f"{said}: {found.advice}.")
        if found.rule == SHORTENED and "order_id" not in found.column:
            total = round(found.rows / found.share)
            said = (
                f"{_of(found.rows, total, 'row')} of {found.table}, column {found.column}, hold a shortened number, so that"
            )
            too_many = surely_above(found.rows, total, settings.data.max_rejected_share)
            yield Headline("ids", not too_many, f"{said} many ids are one: {found.advice}.")
        if found.rule in (LATER, ZERO):
            total = round(found.rows / found.share)
            when = "are later than now" if found.rule == LATER else "are of 1970"
            said = f"{_of(found.rows, total, 'event')} {when}, for instance {found.example}: {found.advice}."
            yield Headline("times", not surely_above(found.rows, total, settings.gate.largest_misdated), said)


def _of_values(settings: Settings, shop: ShopTables) -> Iterator[Headline]:
    """Values of the columns that guard what is shown, and of those that revenue rests on where none can be read."""
    limit = settings.data.max_unreadable_share
    stopping = too_unreadable(shop.findings, limit)
    for found in shop.findings:
        if found.given and (found.level == "closed" or found in stopping):
            done = "; they are read as no" if found.level == "closed" else ""
            said = f"{_of(found.rows, found.given, 'value')} of {found.table}, column {found.column}, cannot be read{done}"
            yield Headline("unreadable", found not in stopping, f"{said} (`data.max_unreadable_share` is {percent(limit)}).")


def _of_age(settings: Settings, shop: ShopTables, now: datetime | None) -> Iterator[Headline]:
    """Age of the newest event, for a shop whose clock is the wall's; the gate measures it again on the snapshot."""
    newest = shop.seen.whole["newest"][0]
    if now is None or newest is None or settings.web.clock != "wall":
        return
    days, limit = (now - newest) / timedelta(days=1), settings.gate.oldest_days
    said = f"The newest event is of {newest:%Y-%m-%d %H:%M} UTC, {days:,.1f} days ago; {limit:g} are allowed (`gate.oldest_days`)."
    hint_of_clock = (
        "" if days <= limit else ' Export newer events, or set `clock = "events"` under `[web]` for a shop of the past.'
    )
    yield Headline("newest event", days <= limit, said + hint_of_clock)


def _of_events(settings: Settings, shop: ShopTables) -> Iterator[Headline]:
    limits, row = settings.gate, shop.seen.whole.row(0, named=True)
    events, about, lacking, nobody = row["plausible"], row["about"], row["lacking"], int(shop.seen.nobody["rows"].sum())
    if not events:
        return
    if nobody:
        said = f"{_of(nobody, events, 'event')} name nobody: look at the column of users and `data.null_users`."
        yield Headline("people", not surely_above(nobody, events, 1 - limits.least_with_user), said)
    people = shop.seen.users.height
    if people < limits.least_people and events >= TRIAL:
        said = f"Events name only {people:,} id{'s' * (people != 1)}; {limits.least_people:,} is the least (`gate.least_people`)"
        yield Headline("people", False, f"{said}: look at `data.events.columns.user_id`.")
    if not about:
        said = f"None of {events:,} events is a view, a cart or a purchase: look at `data.events.event_types`."
        yield Headline("items of events", False, said)
    elif lacking:
        types, advice = "views, carts and purchases", "look at `data.events.columns.item_id`"
        said = f"{_of(lacking, about, 'event')} of {types} name no item: {advice}."
        yield Headline("items of events", not surely_above(lacking, about, 1 - limits.least_with_item), said)
    yield from _several(settings, shop, about)
    if settings.data.items.named:
        yield from _matching(limits, shop, row["newest"])


def _several(settings: Settings, shop: ShopTables, about: int) -> Iterator[Headline]:
    """Cells that hold the ids of several items are bad rows, but only all of them together tell it."""
    known = pl.concat([shop.items["item_id"], shop.never]) if settings.data.items.named else pl.Series([], dtype=pl.String)
    found = several_ids(shop.seen.items["item_id"], known)
    if found is None:
        return
    theirs = pl.col("item_id").is_in(found.cells.implode()) & pl.col("event_type").is_in(ABOUT_ITEMS)
    rows = int(shop.events.filter(theirs).select(pl.len()).collect(engine="streaming").item())
    said = f"{_of(rows, about, 'event')} of views, carts and purchases hold several items in one cell, such as {found.cells[0]!r}"
    advice = (
        f"set `{found.unnest}` under `[data.events]` for the column of item ids" if found.unnest else "export a row per item"
    )
    if "amount" in settings.data.events.columns:
        advice += "; an `amount` of the whole order would count in each row, so take it away then"
    too_many = surely_above(rows, about, settings.data.max_rejected_share)
    yield Headline("items of events", not too_many, f"{said}: {advice}.")


def _matching(limits: GateSettings, shop: ShopTables, newest: object) -> Iterator[Headline]:
    """Return how many events are of items that the item table has, lately above all, and what would let the others meet them."""
    known = pl.concat([shop.items["item_id"], shop.never])
    if shop.seen.items.join(pl.DataFrame({"item_id": known}), on="item_id", how="anti").is_empty():
        return
    recent = pl.col("timestamp") > pl.lit(newest) - pl.duration(days=RECENT_DAYS)
    rows = shop.events.filter(pl.col("event_type").is_in(ABOUT_ITEMS) & pl.col("item_id").is_not_null())
    counted = rows.group_by("item_id").agg(pl.len().alias("rows"), recent.sum().alias("recent")).collect(engine="streaming")
    counted = counted.filter(~pl.col("item_id").is_in(shop.never.implode()))
    unlisted = counted.join(shop.items.select("item_id"), on="item_id", how="anti")
    if unlisted.is_empty():
        return
    span = "recent" if counted["recent"].sum() else "rows"
    bad, total = (int(each[span].sum()) for each in (unlisted, counted))
    said = f"{_of(int(unlisted['rows'].sum()), int(counted['rows'].sum()), 'event')} are of items that the item table lacks"
    said += f" ({bad:,} of {total:,} in the last {RECENT_DAYS} days)" if total < counted["rows"].sum() else ""
    if found := hint(unlisted, known):
        pairs = ", ".join(f"{one!r} is {other!r}" for one, other in found.pairs)
        said += f"; {found.events:,} would match if {found.words} were not told apart: {pairs}"
    said += "".join(
        f"; {each.advice}" for each in shop.findings if each.rule == UNLISTED and each.advice.startswith(MAP_ANEW)
    )
    yield Headline("item ids", not surely_above(bad, total, 1 - limits.least_matched), f"{said}.")


def _of_items(limits: GateSettings, shop: ShopTables) -> Iterator[Headline]:
    shown, tried = shop.items.filter("available"), shop.seen.whole["plausible"][0] < TRIAL
    least = min(1, limits.least_items) if tried else limits.least_items
    said = f"{shown.height:,} of {shop.items.height:,} items can be shown"
    if shown.height < least:
        yield Headline("items", False, f"Only {said}; {least:,} is the least (`gate.least_items`).")
    else:
        yield Headline("items", True, f"{said}.")
    named_ids = shop.rows.select(pl.col("item_id").unique()).collect(engine="streaming").to_series()
    named = shown.filter(pl.col("item_id").is_in(named_ids.implode()))
    yield from _of_prices(limits, shop, named["price"])


def _of_prices(limits: GateSettings, shop: ShopTables, prices: pl.Series) -> Iterator[Headline]:
    """A shop may do without prices, but not lose them while they are read. Items that no event names are not counted: an item table
    without prices takes them from the events."""
    lost = any(found.level != "note" and "price" in found.column for found in shop.findings)
    lacking, total = prices.null_count(), len(prices)
    if lacking and (lacking < total or lost):
        said = f"{_of(lacking, total, 'item')} that can be shown and that events name have no price: look at the column of prices."
        yield Headline("prices", not surely_above(lacking, total, 1 - limits.least_priced), said)


def _of(part: int, whole: int, word: str) -> str:
    return f"{part:,} of {whole:,} {word}{'s' * (whole != 1)} ({percent(part / whole)})"
