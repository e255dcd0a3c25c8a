"""One proposal for each table, chosen among those for a shop's files."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence

import polars as pl

from recsys.settings.tables import Table
from recsys.tables.presets import merged
from recsys.tables.sources.names import listed
from recsys.tables.values.digits import with_plain_digits
from training.onboarding.files import Seen
from training.onboarding.names import named, plain
from training.onboarding.proposal import Proposal
from training.onboarding.proposals import NO_KIND
from training.onboarding.shapes.series import is_series, take_in
from training.onboarding.values import texts

_TABLES = ("events", "items", "users", "identities")
_AMOUNTS = ("price", "stock", "cost")
"""Columns whose numbers may look like ids."""
_HALF, _CLEARLY = 0.5, 0.25
"""Share of the events' ids that a column must hold to be taken for their key, and by how much more than the one it replaces."""

_CALENDARS: Mapping[str, tuple[int, int]] = {
    "Buddhist, 543 years ahead": (2443, 2642),
    "Persian or Islamic, some 580 to 622 years behind": (1279, 1521),
}
"""Years of this and the last century as others count them."""
_NEARLY_ALL = 0.9
_STOCKS = ("available", "availablenoteditable", "onhand", "onhandcurrent", "onhandnew", "quantity")
_PLACES = frozenset(("location", "locationid", "locationname", "warehouse", "lagerort", "lager", "filiale"))
"""Names, as `plain` writes them, of columns of a stock that is told for each place."""


def together(proposals: Sequence[Proposal]) -> tuple[list[Proposal], list[str]]:
    """One proposal for each table, and a sentence on every file that is not used."""
    chosen: dict[str, Proposal] = {}
    unused: list[str] = []
    for each in sorted(proposals, key=_worth, reverse=True):
        first, clash = chosen.setdefault(each.table, each), ""
        if first is each:
            continue
        if each.settings == first.settings and each.preset and not _kinds(first) & _kinds(each):
            first.seen += each.seen
            first.evidence.append(f"{each.seen[0].name} goes with it: it holds other kinds of events of the same preset")
        elif not is_series(first, each) or (clash := take_in(first, each)):
            unused.append(_beside(first, each, clash))
    _match_keys(chosen)
    return sorted(chosen.values(), key=lambda each: _TABLES.index(each.table)), unused


def _beside(first: Proposal, other: Proposal, clash: str) -> str:
    """That a file is not used because another one tells more, and what to write if both belong together."""
    if by_location := _by_location(first, other):
        return by_location
    if not clash:
        return (
            f"{other.seen[0].name} looks like {other.table} too, and is not used: {first.seen[0].name} tells more; name it under "
            "`paths` if both belong together"
        )
    return (
        f"{other.seen[0].name} is not used: its name differs from {first.seen[0].name} in digits alone, but both cannot be read "
        f"alike ({clash}). Name both under `paths`, and write for each column what it is called in either, such as "
        '`price = ["Price", "Unit price"]`, or export both alike'
    )


def _by_location(first: Proposal, other: Proposal) -> str:
    """Return what to write for a file with the stock of each item at each place; empty for all others."""
    there = {plain(name): name for name in other.rows.columns}
    stock = next((there[name] for name in _STOCKS if name in there), "")
    own, key = other.origin("item_id"), first.origin("item_id")
    if other.table != "items" or not (stock and own and key) or _PLACES.isdisjoint(there):
        return ""
    path = json.dumps(str(other.seen[0].paths[0].resolve()), ensure_ascii=False)
    return (
        f"{other.seen[0].name} holds the stock of each place, and is not used: to add it up for {first.seen[0].name} set"
        f' `join = [{{ paths = [{path}], on = {{ "{key}" = "{own}" }}, total = ["{stock}"] }}]` under `[data.items]`, and'
        f' `stock = "{stock}"` under `[data.items.columns]`'
    )


def _match_keys(chosen: Mapping[str, Proposal]) -> None:
    """Take the column for the id of items and users that holds those of the events, where the one with the better name does not."""
    events = chosen.get("events")
    for table, key in (("items", "item_id"), ("users", "user_id")):
        found = chosen.get(table)
        asked = texts(events.rows, own).unique() if events and (own := events.origin(key)) else None
        if found is None or asked is None or not len(asked):
            continue
        own = found.origin(key)
        amounts = {found.origin(name) for name in _AMOUNTS}
        shares = {name: _share(asked, found, name) for name in found.rows.columns if name not in amounts}
        best = max(shares, key=lambda name: (shares[name], name == own), default=own)
        if not found.preset and shares[best] >= _HALF and shares[best] > shares.get(own, 0.0) + _CLEARLY:
            found.rekey(
                key, best, f"{best} is {key}, and not {own}: {shares[best]:.0%} of the ids of the events stand there"
            )
        elif events and own and key == "item_id":
            _match_events(events, found, own, shares.get(own, 0.0))


def _match_events(events: Proposal, found: Proposal, own: str, share: float) -> None:
    """Let another column of the events with ids of items be the item where the catalogue's own ids stand there; where a preset says
    which it is, ask."""
    before, rows = events.origin("item_id"), events.rows
    row = f"{before.rpartition('.')[0]}." if "unnest" in events.settings else ""
    there = [name for name in rows.columns if name.startswith(row) and all(name in one.rows.columns for one in events.seen)]
    others = [name for name in there if name not in events.taken | {before} and "item_id" in named("events", [name], {})]
    asked = {name: text.unique() for name in others if len(text := texts(rows, name))}
    shares = {name: _share(ids, found, own) for name, ids in asked.items()}
    best = max(shares, key=shares.__getitem__, default="")
    if not best or shares[best] < _HALF or shares[best] <= share + _CLEARLY:
        return
    told = f"{shares[best]:.0%} of its ids stand in {own} of {found.seen[0].name}, and {share:.0%} of those of {before}"
    if events.preset:
        events.unsure.append(
            f'{best} may be the item, for {told}: set `item_id = "{best}"` under `[data.events.columns]` then'
        )
        return
    events.settings["columns"]["item_id"] = best
    events.evidence = [each for each in events.evidence if not each.startswith((f"{before} is item_id: ", "not used: "))]
    events.evidence.append(f"{best} is item_id, and not {before}: {told}")


def _share(asked: pl.Series, found: Proposal, name: str) -> float:
    """Share of the events' ids that a column holds, 0…1."""
    return float(asked.is_in(texts(found.rows, name).unique().implode()).sum()) / len(asked)


def not_used(seen: Seen) -> str:
    """That a file beside the recognised ones is not used, with its columns."""
    return f"{seen.name} is not used: its columns are those of no table that is read ({listed(seen.rows.columns[:12])})"


def needed(seen: Seen) -> str:
    """Return why a file was not recognised: its columns, and which are needed."""
    have, usable = listed(seen.rows.columns[:30]), seen.usable
    guessed = named("events", seen.rows.columns, usable)
    lacking = [name for name in ("user_id", "item_id", "timestamp") if name not in guessed]
    by_name = named("events", seen.rows.columns, {**usable, "timestamp": seen.rows.columns})
    calendar = _other_calendar(seen.rows, by_name["timestamp"]) if "timestamp" in {*lacking} & {*by_name} else ""
    if calendar:
        return f"{seen.name} was not recognised: {calendar}"
    return (
        f"{seen.name} was not recognised. It has the columns: {have}. Events need a user, a moment and an item or a word for what "
        f"happened (not found: {', '.join(lacking) or 'what happened'}); items need an id and a title, price or category. Name them "
        "under `[data.events.columns]` or `[data.items.columns]` (docs/data.md), or bring them from another table with `join`"
    )


def _other_calendar(rows: pl.DataFrame, name: str) -> str:
    """Say which calendar counts the years of a column of times; empty: they are those of no other."""
    years = with_plain_digits(texts(rows, name)).str.extract(r"(?:^|\D)(\d{4})(?:\D|$)").cast(pl.Int64).drop_nulls()
    for calendar, (first, last) in _CALENDARS.items():
        if len(years) and years.is_between(first, last).sum() >= _NEARLY_ALL * rows.height:
            return (
                f"column {name} counts years by another calendar than the Gregorian one, such as {years[0]} ({calendar}): "
                f"export it with Gregorian years, or convert it in a query (`database` and `query`, docs/data.md)"
            )
    return ""


def _worth(each: Proposal) -> tuple[bool, int, int]:
    canonical = len({own for name in _canonical(each) if (own := each.origin(name))})
    return not any(NO_KIND in doubt for doubt in each.unsure), canonical, each.rows.height


def _canonical(each: Proposal) -> list[str]:
    return list(merged(each.table, Table(preset=each.preset)).columns) if each.preset else list(each.settings["columns"])


def _kinds(each: Proposal) -> set[str]:
    own = each.origin("event_type")
    return {word for one in each.seen for word in texts(one.rows, own).unique()} if own and each.table == "events" else {""}
