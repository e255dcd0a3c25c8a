"""Whole tables tell more: a group of variants that is most of a shop, birthdays that are nobody's, users whom no event has."""

from __future__ import annotations

import numpy as np
import polars as pl
from numpy.typing import NDArray

from recsys.tables.checks.matching import MAX_IDS, REPAIRS, hint
from recsys.tables.validation import Finding
from recsys.types import Mask

MIN_ITEMS, MOST_OF = 20, 0.5
"""A group is doubted that has so many items, and more than so large a share of all."""
SHARED, TIMES, MONTH = 20, 10, 30
"""A date, or a day of the year, is nobody's birthday if so many share it, and so many times as many as a day within so many days."""
TRIAL = 10
"""Fewer people than this, in the table or in the events, are a trial, which may not meet."""
LEAST_MET = 0.1
"""Smallest share of events that would meet a user by which another spelling is proposed: a few meet by chance."""
_SPELLINGS = tuple(name for name in REPAIRS if name != "prefix")
"""Guests and customers whose numbers meet are different people."""
_LEAP_YEAR, _DAYS = 2000, 366


def doubtful_group(items: pl.DataFrame, file: str) -> list[Finding]:
    """Find a group that holds most of the items, as a constant or another column in place of the product's id does."""
    counted = items["group_id"].drop_nulls().value_counts(name="items").sort("items", "group_id", descending=[True, False])
    if not counted.height:
        return []
    group, size = counted.row(0)
    if size < MIN_ITEMS or size <= MOST_OF * items.height:
        return []
    example, rule = f"'{group}': {size:,} of {items.height:,} items", "is a group of variants, of which a list shows one"
    advice = "map `group_id` to the id of the product that variants share, or to [] if there are none"
    return [Finding("items", file, "group_id", rule, size, size / items.height, example, advice, "note")]


def checked_users(users: pl.DataFrame, seen: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Finding]]:
    """Look at a user table as a whole: its people without birthdays that are nobody's, and what is to be told of them. `seen` has the
    user_id of all events and their number as `rows`."""
    users, found = _without_placeholders(users, file)
    return users, [*found, *_unmet(users, seen, file)]


def _without_placeholders(users: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Finding]]:
    """Empty the birthdays that a form or a program put there: 1 January of all who told a year, 1970-01-01 of all who told none."""
    date = pl.col("birthday")
    users, found = _without(users, file, date.dt.replace(year=_LEAP_YEAR).dt.ordinal_day(), "{:%d %B} of any year", _DAYS)
    users, more = _without(users, file, date.dt.epoch("d"), "{}", 0)
    return users, [*found, *more]


def _without(users: pl.DataFrame, file: str, day: pl.Expr, said: str, in_a_round: int) -> tuple[pl.DataFrame, list[Finding]]:
    """Empty the birthdays on days, as whole numbers, that far more people share than those around. Of a day of the year the date that
    most share does not count: it alone may be nobody's."""
    dates = users.drop_nulls("birthday").group_by("birthday").agg(pl.len().cast(pl.Int64).alias("people"))
    people = pl.col("people")
    counted = dates.group_by(day.alias("day")).agg(
        people.sum(), (people.sum() - people.max() * bool(in_a_round)).alias("telling"), pl.col("birthday").first()
    )
    shared = _shared(counted["day"].to_numpy(), counted["telling"].to_numpy(), in_a_round)
    nobodys = counted.filter(pl.Series(shared)).sort("people", "day", descending=[True, False])
    if nobodys.is_empty():
        return users, []
    rows, total, first = int(nobodys["people"].sum()), int(counted["people"].sum()), nobodys.row(0, named=True)
    more = f" (and {nobodys.height - 1:,} more days)" if nobodys.height > 1 else ""
    finding = Finding(
        table="users",
        file=file,
        column="birthday",
        rule="is somebody's birthday",
        rows=rows,
        share=rows / users.height,
        example=f"{said.format(first['birthday'])}: {first['people']:,} of {total:,} birthdays{more}",
        advice="nothing, if a form or a program puts it where none was told; else look at how the column is exported",
        level="emptied",
    )
    emptied = pl.when(~day.is_in(nobodys["day"].implode())).then("birthday").alias("birthday")
    return users.with_columns(emptied), [finding]


def _shared(days: NDArray[np.int32], people: NDArray[np.int64], in_a_round: int) -> Mask:
    """Tell which days int32[n], each once, far more people share than those around; after so many, if any, they begin again."""
    order = np.argsort(days)
    at, count = days[order].astype(np.int64), people[order]
    if in_a_round:
        at, count = np.concatenate([at - in_a_round, at, at + in_a_round]), np.tile(count, 3)
    until = np.concatenate([[0], np.cumsum(count)])
    around = until[np.searchsorted(at, at + MONTH, "right")] - until[np.searchsorted(at, at - MONTH, "left")] - count
    spikes = count >= np.maximum(SHARED, TIMES * around / (2 * MONTH))
    found = np.zeros(len(days), np.bool_)
    found[order] = spikes[len(order) : 2 * len(order)] if in_a_round else spikes
    return found


def _unmet(users: pl.DataFrame, seen: pl.DataFrame, file: str) -> list[Finding]:
    """Find a user table of which the events know nobody."""
    if min(users.height, seen.height) < TRIAL or seen.join(users, on="user_id", how="semi").height:
        return []
    tried = (
        seen.select(pl.col("user_id").alias("item_id"), "rows")
        .sort("rows", "item_id", descending=[True, False])
        .head(MAX_IDS)
    )
    found = hint(tried, users["user_id"], _SPELLINGS)
    advice = "map `data.users.columns.user_id` to the id that events carry; until then locales, birthdays and consents are nobody's"
    if found and found.events >= LEAST_MET * int(tried["rows"].sum()):
        advice = found.advice_for("user")
    rule, count = "is a user of the events", users.height
    return [Finding("users", file, "user_id", rule, count, 1.0, f"none of {count:,} ids", advice)]
