"""Whole tables tell more: a group of variants that is most of a shop, birthdays that are nobody's, users whom no event has."""

from __future__ import annotations

import polars as pl

from recsys.tables.checks.matching import hint
from recsys.tables.validation import Finding

MIN_ITEMS, MOST_OF = 20, 0.5
"""A group is doubted that has so many items, and more than so large a share of all."""
MIN_ALIKE, MOST_ALIKE = 20, 0.02
"""One day of one year is nobody's birthday if so many have it, and more than so large a share of all who have one."""
TRIAL = 10
"""Fewer people than this, in the table or in the events, are a trial, which may not meet."""


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
    """Empty the birthdays that a form or a program put there, such as 1970-01-01 of everybody who told none."""
    days = users["birthday"].drop_nulls()
    counted = days.value_counts(name="people").sort("people", "birthday", descending=[True, False])
    nobodys = counted.filter((pl.col("people") >= MIN_ALIKE) & (pl.col("people") > MOST_ALIKE * len(days)))
    if nobodys.is_empty():
        return users, []
    emptied = pl.when(~pl.col("birthday").is_in(nobodys["birthday"].implode())).then("birthday").alias("birthday")
    rows, (day, people) = int(nobodys["people"].sum()), nobodys.row(0)
    rule, example = "is no day that stands for none", f"{day}: {people:,} of {len(days):,} birthdays"
    advice = "nothing, if a form or a program puts it where none was told; else look at how the column is exported"
    share = rows / users.height
    return users.with_columns(emptied), [Finding("users", file, "birthday", rule, rows, share, example, advice, "emptied")]


def unmet_users(users: pl.DataFrame, seen: pl.DataFrame, file: str) -> list[Finding]:
    """Find a user table of which the events know nobody; `seen` has the user_id of all events and their number as `rows`."""
    if min(users.height, seen.height) < TRIAL or seen.join(users, on="user_id", how="semi").height:
        return []
    found = hint(seen.select(pl.col("user_id").alias("item_id"), "rows"), users["user_id"])
    advice = (
        found.advice_for("user")
        if found
        else "map `data.users.columns.user_id` to the id that events carry; until then locales, birthdays and consents are nobody's"
    )
    rule, count = "is a user of the events", users.height
    return [Finding("users", file, "user_id", rule, count, 1.0, f"none of {count:,} ids", advice)]
