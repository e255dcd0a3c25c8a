"""Whole tables tell more: a group of variants that is most of a shop, birthdays that are nobody's, users whom no event has."""

from __future__ import annotations

import polars as pl

from recsys.tables.checks.matching import hint
from recsys.tables.validation import Finding

MIN_ITEMS, MOST_OF = 20, 0.5
"""A group is doubted that has so many items, and more than so large a share of all."""
SHARED = 20
"""A date, or a day of the year, is nobody's birthday if so many have it, and so many times as many as another one."""
TRIAL = 10
"""Fewer people than this, in the table or in the events, are a trial, which may not meet."""
LEAST_MET = 0.1
"""Smallest share of events that would meet a user by which another spelling is proposed: a few meet by chance."""


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


def without_placeholders(users: pl.DataFrame, file: str) -> tuple[pl.DataFrame, list[Finding]]:
    """Empty the birthdays that a form or a program put there: 1970-01-01 of all who told none, 1 January of all who told a year."""
    dates, days = pl.col("birthday"), pl.col("birthday").dt.strftime("%m-%d")
    users, found = _without(users, dates, pl.col("people").median(), "{}", file)
    users, more = _without(users, days, pl.col("people").sum() / 366, "{} of any year", file)
    return users, [*found, *more]


def _without(users: pl.DataFrame, day: pl.Expr, usual: pl.Expr, said: str, file: str) -> tuple[pl.DataFrame, list[Finding]]:
    """Empty the birthdays on days that are shared by far more people than is usual."""
    counted = users.select(day.alias("day")).drop_nulls().group_by("day").agg(pl.len().alias("people"))
    nobodys = counted.filter(pl.col("people") >= SHARED * pl.max_horizontal(usual, 1.0))
    if nobodys.is_empty():
        return users, []
    first, people = nobodys.sort("people", "day", descending=[True, False]).row(0)
    rows, total = int(nobodys["people"].sum()), int(counted["people"].sum())
    more = f" (and {nobodys.height - 1:,} more days)" if nobodys.height > 1 else ""
    example = f"{said.format(first)}: {people:,} of {total:,} birthdays{more}"
    rule, advice = (
        "is no day that stands for none",
        "nothing, if a form or a program puts it where none was told; else look at how the column is exported",
    )
    emptied = pl.when(~day.is_in(nobodys["day"].implode())).then("birthday").alias("birthday")
    return users.with_columns(emptied), [
        Finding("users", file, "birthday", rule, rows, rows / users.height, example, advice, "emptied")
    ]


def unmet_users(users: pl.DataFrame, seen: pl.DataFrame, file: str) -> list[Finding]:
    """Find a user table of which the events know nobody; `seen` has the user_id of all events and their number as `rows`."""
    if min(users.height, seen.height) < TRIAL or seen.join(users, on="user_id", how="semi").height:
        return []
    found = hint(seen.select(pl.col("user_id").alias("item_id"), "rows"), users["user_id"])
    advice = "map `data.users.columns.user_id` to the id that events carry; until then locales, birthdays and consents are nobody's"
    if found and "prefix" not in found.repairs and found.events >= LEAST_MET * int(seen["rows"].sum()):
        advice = found.advice_for("user")  # numbers alone, behind different letters, are different people
    rule, count = "is a user of the events", users.height
    return [Finding("users", file, "user_id", rule, count, 1.0, f"none of {count:,} ids", advice)]
