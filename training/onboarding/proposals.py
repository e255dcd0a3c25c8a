"""Proposals for tables: by a preset, by packed cells or turned tables, or by the names and values of columns."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import replace

import polars as pl

from recsys.settings.tables import Table
from recsys.tables.columns.spelling import as_spoken, plain_name, spoken_of
from recsys.tables.presets import mapping_of, platform, preset_names
from recsys.tables.reader import reading
from training.onboarding.concepts import concepts
from training.onboarding.doubts import is_of_a_browser, tell_consents, tell_ids, tell_sale, tell_times, tell_title
from training.onboarding.false_lines import tell_false_lines, without_ratings
from training.onboarding.files import Seen
from training.onboarding.happened import doubts_on_kinds, kinds_by_words, pages, tell_returns, tell_words
from training.onboarding.names import named, plain, refuses, says_for_sale_by_name, says_state
from training.onboarding.prices import tell_amounts
from training.onboarding.proposal import Proposal
from training.onboarding.shapes.first_lines import above, within
from training.onboarding.shapes.heads import is_no_head, of_heads
from training.onboarding.shapes.joining import joined_events, stated
from training.onboarding.shapes.lines import tell_further
from training.onboarding.shapes.packed import flattened, leave_objects, several, unpacked
from training.onboarding.shapes.turning import turned
from training.onboarding.states import tell_ended_rows, tell_states
from training.onboarding.unused import tell_unused
from training.onboarding.values import empty_share, is_given, says_for_sale, share, texts

_LEVELS = ("family", "department", "category", "subcategory", "type")
_SEPARATORS = ("/", "|", "\\", "»")
_OF_LINES = ("item_id", "quantity", "price", "amount", "title", "brand", "category", "discount")
NO_KIND = "tells what happened"
_HALF = 0.5
_MANY_MORE = 5


def propose(seen: Seen) -> Proposal | None:
    """Settings for files with the same columns, by a preset or by the names and values of the columns; None if neither tells.

    Raises:
        DataError: if a file cannot be read to its end.
    """
    with reading("events", [seen.source]):
        found = _by_preset(seen) or _packed(seen := flattened(seen)) or _turned(seen) or _by_names(seen)
        return _finished(found) if found else None


def propose_joined(seen: Sequence[Seen]) -> Proposal | None:
    """Settings for events whose users or moments stand in other files; None if no files belong together so."""
    with reading("events", [each.source for each in seen]):
        proposed = joined_events(seen)
    if proposed is None:
        return None
    found = _events(proposed.seen, dict(proposed.columns))
    found.settings = {"join": proposed.settings(), **found.settings}
    found.evidence[:0] = proposed.evidence
    found.unsure += proposed.unsure
    found.brought = [bond.other for bond in proposed.bonds]
    return _finished(found)


def with_states(found: Proposal, seen: Sequence[Seen], others: Sequence[Proposal]) -> Proposal:
    """Events with how their orders stand, where only another of the files says so; others: what the files are of themselves."""
    order = found.settings.get("columns", {}).get("order_id", "")
    if (
        found.table != "events"
        or len(found.seen) > 1
        or found.brought
        or not order
        or any(map(says_state, found.rows.columns))
    ):
        return found
    if "event_type" in found.settings["columns"] or {"unnest", "pivot"} & set(found.settings):
        return found
    apart = {path for each in others if is_no_head(each, found) for one in each.seen for path in one.paths}
    if (proposed := stated(found.seen[0], order, [each for each in seen if apart.isdisjoint(each.paths)])) is None:
        return found
    again = _events(proposed.seen, {name: own for name, own in found.settings["columns"].items() if isinstance(own, str)})
    again.settings = {"join": proposed.settings(), **again.settings}
    again.evidence[:0] = proposed.evidence
    again.brought = [bond.other for bond in proposed.bonds]
    return _finished(again)


def _finished(found: Proposal) -> Proposal:
    tell_ids(found)
    tell_times(found)
    if not found.preset:
        if found.table == "users":
            tell_consents(found)
        if found.table == "events":
            tell_title(found)
        tell_further(found)
        tell_unused(found)
        leave_objects(found)
    return found


def _by_preset(seen: Seen) -> Proposal | None:
    best: tuple[int, str, str] | None = None
    there = {*map(plain_name, seen.source.schema)}
    for name in preset_names():
        for table in ("events", "items", "users"):
            layout = getattr(platform(name), table)
            for columns in layout.signature if layout else ():
                known = there | {plain_name(to) for other, to in layout.also.items() if plain_name(other) in there}
                if {*map(plain_name, columns)} <= known and (best is None or len(columns) > best[0]):
                    best = (len(columns), name, table)
    if best is None:
        return None
    count, name, table = best
    found = Proposal(table, [_as_preset(seen, name, table)], {"preset": name})
    found.evidence.append(f"preset {name}, {platform(name).title}: all {count} columns that tell it are there")
    return found


def _as_preset(seen: Seen, name: str, table: str) -> Seen:
    """The files with their columns under the names of a preset."""
    preset = mapping_of(name, table)
    source = as_spoken(seen.source, spoken_of(table, Table(preset=name), preset), preset.also)
    return replace(
        seen, source=source, rows=seen.rows.rename(dict(zip(seen.source.schema, source.schema, strict=True)), strict=False)
    )


def _packed(seen: Seen) -> Proposal | None:
    """Files with several items in a cell, by the names of its fields, where what is an item's own stands alone; or with their ids."""
    found, proposed, only = None, unpacked(seen), {}
    if (
        proposed
        and proposed.bare
        and (plainly := _by_names(seen))
        and plainly.origin("item_id") not in ("", proposed.column)
    ):
        return None
    if proposed:
        inside = [name for name in proposed.seen.rows.columns if name.startswith(f"{proposed.column}.")]
        only = dict.fromkeys(_OF_LINES, inside)
    elif (found := _by_names(seen)) and found.table == "events":
        proposed = several(seen, found.origin("item_id"))
    found = _by_names(proposed.seen, only) if proposed else None
    if not (found and proposed and found.origin("item_id")):
        return None
    _order_of_lines(found, seen)
    _beside_lines(found, proposed.column)
    found.settings = {"unnest": proposed.unnest, **found.settings}
    found.evidence.insert(0, proposed.evidence)
    tell_further(found, proposed.column)
    return found


def _beside_lines(found: Proposal, column: str) -> None:
    """Take what stands beside a list in rows whose list is empty: a view names its one item so, and an order several in the list."""
    columns, names = found.settings["columns"], found.rows.columns
    outside = [name for name in names if not name.startswith(f"{column}.")]
    empty = found.rows.filter(~is_given(found.rows, columns["item_id"]))
    beside = named("events", outside, found.seen[0].usable)
    if not (empty.height and (own := beside.get("item_id")) and len(texts(empty, own))):
        return
    for canonical in ("item_id", "quantity", "price", "title", "brand"):
        if (other := beside.get(canonical)) and other not in columns.values():
            columns[canonical] = [columns[canonical], other] if canonical in columns else other
    found.evidence.append(f"{own} counts where {column} holds nothing, in {len(texts(empty, own)):,} rows")


def _order_of_lines(found: Proposal, seen: Seen) -> None:
    """Take the plain id of rows that hold the lines of purchases for their order's."""
    columns = found.settings["columns"]
    if found.table != "events" or "order_id" in columns or "event_type" in columns:
        return
    ids = [own for own in seen.rows.columns if concepts(own) == ("id",) and own not in columns.values()]
    own = next((own for own in ids if texts(seen.rows, own).n_unique() == seen.rows.height), "")
    if own:
        columns["order_id"] = own
        found.evidence.append(f"{own} is order_id: another one in each row, which holds the lines of a purchase")
        tell_states(found)


def _turned(seen: Seen) -> Proposal | None:
    """Files with one property of an item a row."""
    proposed = turned(seen)
    found = _by_names(proposed.seen) if proposed else None
    if proposed is None or found is None or found.table != "items":
        return None
    found.settings = {"pivot": proposed.pivot, **found.settings}
    found.evidence.insert(0, proposed.evidence)
    prices = texts(proposed.seen.rows, own) if (own := found.origin("price")) else pl.Series([], dtype=pl.String)
    if (held := share(prices, r"^n-?\d")) >= _HALF:
        found.settings |= {"units": ["n"], "decimal": "."}
        found.evidence.append(
            f"{own} has an n before its numbers, in {held:.0%} of its values: they have thousandths, as RetailRocket's"
        )
    return found


def _by_names(seen: Seen, only: Mapping[str, Sequence[str]] | None = None) -> Proposal | None:
    names, usable = seen.rows.columns, seen.usable
    usable = {
        **usable,
        **{name: [own for own in among if own in usable.get(name, names)] for name, among in (only or {}).items()},
    }
    events = _of_customers(seen, named("events", names, usable))
    times = [name for name in usable["timestamp"] if name not in events.values()]
    if "timestamp" not in events and len(times) == 1 and share(texts(seen.rows, times[0]), r"^\d+$") < _HALF:
        events["timestamp"] = times[0]
    who = {"user_id", "anonymous_id"} & set(events)
    if who and "timestamp" in events and {"item_id", "event_type"} & set(events):
        return _events(seen, events)
    # Orders without a moment name an item or a user in several rows: as a table of these they would be read in silence.
    orders = bool(who) and "timestamp" not in events and not {"order_id", "quantity"}.isdisjoint(events)
    identities, items, users = (named(table, names, usable) for table in ("identities", "items", "users"))
    if {"anonymous_id", "user_id"} <= set(identities) and "item_id" not in events:
        return _plain("identities", seen, identities)
    if "item_id" in items and len(items) > 1 and not (who and "timestamp" in events):
        return None if orders and _is_repeated(seen, items["item_id"]) else _items(seen, items)
    if "user_id" in users and (len(users) > 1 or any(map(refuses, names))):
        return None if orders and _is_repeated(seen, users["user_id"]) else _plain("users", seen, users)
    return None


def _of_customers(seen: Seen, events: dict[str, str]) -> dict[str, str]:
    """Take another column for the user that names many more, in no fewer rows: a `User` beside a `Customer` is the clerk then."""
    own = events.get("user_id", "")
    others = [name for name in seen.rows.columns if name not in events.values()]
    other = named("events", others, seen.usable).get("user_id", "") if own else ""
    if not other or is_of_a_browser(other):
        return events
    mine, theirs = texts(seen.rows, own), texts(seen.rows, other)
    several = theirs.n_unique() >= _MANY_MORE * mine.n_unique() and len(theirs) >= len(mine)
    return {**events, "user_id": other} if several else events


def _is_repeated(seen: Seen, own: str) -> bool:
    return bool(texts(seen.rows, own).is_duplicated().any())


def _plain(table: str, seen: Seen, columns: dict[str, str]) -> Proposal:
    found = Proposal(table, [seen], {"columns": columns})
    for canonical, own in columns.items():
        text = texts(seen.rows, own)
        values = f"{text.n_unique():,} different values in {len(text):,} of {seen.rows.height:,} rows"
        found.evidence.append(f"{own} is {canonical}: by its name, and {values}")
    return found


def _events(seen: Seen, columns: dict[str, str]) -> Proposal:
    if "price" in columns:
        columns.pop("amount", None)
    columns, doubts = without_ratings(seen.rows, columns)
    named_kinds, kinds = columns.get("event_type", ""), kinds_by_words(seen, columns)
    if kinds:
        columns = {name: proposed for name, proposed in columns.items() if proposed != kinds} | {"event_type": kinds}
    found = _plain("events", seen, columns)
    found.unsure += [*doubts, *doubts_on_kinds(seen, columns, named_kinds)]
    tell_amounts(found)
    _categories(found)
    if own := columns.get("event_type"):
        tell_words(found, own)
    elif {"order_id", "quantity", "price", "amount"} & set(columns):
        found.settings["constants"] = {"event_type": "purchase"}
        found.evidence.append(
            "every row is a purchase: no column tells what happened, and there are orders, quantities or prices"
        )
        found.unsure += [
            f"{own} says on which page somebody was, and every row counts as a purchase all the same: leave those out that are none"
            " with `where`, or export what happened"
            for own in pages(seen, columns)
        ]
        tell_returns(found)
        tell_false_lines(found)
    else:
        found.unsure.append(f"no column of {seen.name} {NO_KIND}: set `event_type` under `[data.events.constants]`")
    if "order_id" in columns:
        tell_states(found)
    elif "constants" in found.settings:
        tell_ended_rows(found)
    _for_sale(found)
    _first_lines(found, "order_id", ("user_id", "timestamp", "currency", "coupon", "channel"))
    return found


def _for_sale(found: Proposal) -> None:
    """Take what is for sale from events that say it; where there is a table of items that says it, that one counts."""
    for own in found.rows.columns:
        if says_for_sale_by_name(own) and says_for_sale(texts(found.rows, own)):
            found.settings["columns"]["available"] = own
            found.evidence.append(
                f"{own} is available: by its name, and its values say yes or no; the last row of an item counts"
            )
            return


def _items(seen: Seen, columns: dict[str, str]) -> Proposal:
    found = _plain("items", seen, columns)
    _categories(found)
    tell_sale(found)
    _first_lines(found, "group_id", ("title", "brand", "category", "description", "published", "available"))
    return found


def _first_lines(found: Proposal, key: str, canonical: Sequence[str]) -> None:
    """Tell cells that hold for the rows below, before rows without a user are left out."""
    mapped, rows = found.settings["columns"], found.rows
    own = [mapped[name] for name in canonical if isinstance(mapped.get(name), str)]
    void = found.settings.get("void_orders", ())
    states = [name for name in (each if isinstance(each, str) else each["column"] for each in void) if name not in own]
    line = mapped.get("item_id", "")
    heads = [name for name in (mapped.get(key), *own) if name]
    if line and (columns := above(rows, [name for name in heads if empty_share(rows, name) > 0], line)):
        columns += of_heads(found, columns[0], line, columns)
        found.settings["fill_down"] = {"columns": columns}
        count = round(empty_share(rows, columns[0]) * rows.height)
        found.evidence.append(
            f"{', '.join(columns)} hold for the rows below: they are empty together in {count:,} rows that have {line}"
        )
    elif key in mapped:
        columns, count = within(rows, mapped[key], [*own, *states])
        if columns:
            found.settings["fill_down"] = {"key": mapped[key], "columns": columns}
            found.evidence.append(
                f"{', '.join(columns)} hold for all rows of their {mapped[key]}: they are empty in all {count:,} further ones"
            )


def _categories(found: Proposal) -> None:
    columns, names = found.settings["columns"], {plain(name): name for name in found.rows.columns}
    levels = [names[key] for level in _LEVELS for key in (f"product{level}", level, f"item{level}") if key in names]
    free = [name for name in levels if name not in {own for key, own in columns.items() if key != "category"}]
    if len(free) > 1:
        columns["category"] = free
        found.evidence.append(f"{' > '.join(free)} are the levels of category: by their names")
        return
    own = columns.get("category")
    text = texts(found.rows, own) if own else pl.Series([], dtype=pl.String)
    for sign in _SEPARATORS:
        found_in = share(text, re.escape(sign))
        if found_in >= 0.5 and not text.str.contains(" > ", literal=True).any():
            found.settings["category_separator"] = sign
            found.evidence.append(f"levels of {own} are separated by {sign}: it stands in {found_in:.0%} of its values")
            return
