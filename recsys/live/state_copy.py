"""Copy of a whole live state from one database into another, which is empty: every row under its number, once, or none."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import TypeAlias

from recsys.live.driver import Driver, Row
from recsys.types import StateError

ROWS_AT_ONCE = 2_000
LOG_TABLES: Mapping[str, tuple[str, ...]] = {
    "events": ("event_id", "user_id", "event_type", "timestamp", "received_at", "item_id", "order_id", "quantity", "price", "currency",
               "details"),
    "links": ("anonymous_id", "user_id", "timestamp", "received_at"),
    "item_updates": ("item_id", "available", "stock", "price", "received_at", "item"),
    "item_changes": ("item_id", "change", "changed_at", "price_before", "price_after"),
    "tombstones": ("subject", "since", "until", "received_at"),
    "sends": ("send_id", "placement", "max_items", "template", "expires_at", "received_at", "filter"),
    "pins": ("send_id", "user_id", "slate", "received_at"),
    "replacements": ("send_id", "user_id", "place", "item_out", "item_in", "received_at"),
    "images_served": ("send_id", "user_id", "place", "item_id", "received_at"),
    "moments": ("moment_id", "user_id", "kind", "found_at", "received_at", "line"),
    "experiments": ("name", "experiment", "received_at"),
    "exposures": ("experiment", "unit", "arm", "exposed_at", "received_at"),
    "campaigns": ("campaign_id", "campaign", "received_at", "put_by"),
    "joins": ("account_id", "user_id", "joined_at", "received_at"),
    "dislikes": ("user_id", "hides", "value", "said_at", "until", "received_at"),
}  # fmt: skip
"""The tables of the log, with their columns besides `seq`."""
SLATE_TABLES: Mapping[str, tuple[str, ...]] = {"logged_slates": ("recommendation_id", "user_id", "answered_at", "slate")}

Told: TypeAlias = Callable[[str, int], None]
"""Told of each table, and of how many of its rows are copied."""
_YES_OR_NO = "available"
"""The column that is true or false in one database, and 1 or 0 in another."""


def copy_state(source: Driver, target: Driver, tables: Mapping[str, tuple[str, ...]], copied: Told) -> dict[str, int]:
    """Copy all rows in one transaction; returns how many each table has.

    Numbers go on where those of the source are, so that snapshots fit both.

    Raises:
        StateError: if the target holds anything, or somebody wrote to the source meanwhile; then nothing is copied.
    """
    with target.writing() as turn:
        if turn.last:
            raise StateError(f"{target.name}: holds rows already; copy into a state that is new")
        counts = dict.fromkeys(tables, 0)
        with source.reading():
            last = source.last() if source.has_begun() else 0
            for table, columns in tables.items():
                names, marks = ", ".join(columns), ", ".join("?" * len(columns))
                for rows in _batches(source, table, columns) if last else ():
                    turn.change_all(f"INSERT INTO {table} (seq, {names}) VALUES (?, {marks})", rows)
                    counts[table] += len(rows)
                    copied(table, counts[table])
        if source.has_begun() and source.last() != last:
            raise StateError(f"{source.name}: was written to meanwhile; stop every service that uses it, and copy again")
        turn.last = last
    return counts


def _batches(source: Driver, table: str, columns: tuple[str, ...]) -> Iterator[list[Row]]:
    query = f"SELECT seq, {', '.join(columns)} FROM {table} WHERE seq > ? ORDER BY seq LIMIT ?"
    number, place = 0, columns.index(_YES_OR_NO) + 1 if _YES_OR_NO in columns else None
    while rows := source.read(query, number, ROWS_AT_ONCE):
        number = rows[-1][0]
        yield rows if place is None else [_with_word(row, place) for row in rows]


def _with_word(row: Row, place: int) -> Row:
    value = row[place]
    return (*row[:place], None if value is None else bool(value), *row[place + 1 :])
