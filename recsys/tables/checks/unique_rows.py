"""Tables of things with an id, one row of each: the last, with a word on the others."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from recsys.tables.reader import Read
from recsys.tables.schema import schema
from recsys.tables.sources import ROW
from recsys.tables.validation import Finding
from recsys.tables.values.examples import shown
from recsys.types import CHANNELS

SHOWN = ("title", "price", "currency", "available")
"""Columns of an item of which a shop has one value; rows that differ in them may be of several stores."""
CONSENTS = [f"consent_{channel}" for channel in CHANNELS]
_MOST_VALUES = 3


def last_rows(name: str, reads: Mapping[str, Read]) -> tuple[pl.DataFrame, list[Finding]]:
    """Collect a table with the last row of every id, of items the newest by `as_of`, and say how many rows came before those."""
    if name not in reads:
        return pl.DataFrame(schema=schema(name)), []
    read, key = reads[name], next(iter(schema(name)))
    newest = [column for column in ("as_of",) if column in schema(name)]
    rows = read.frame.collect(engine="streaming").sort(*newest, ROW, nulls_last=False)
    last = rows.unique(key, keep="last", maintain_order=True)
    if last.height == rows.height:
        return last.drop(ROW), []
    double, share = rows.height - last.height, 1 - last.height / rows.height
    example = shown("id", rows.filter(pl.col(key).is_duplicated())[key][0])
    advice = "nothing, if the last row of each is the newest; else export one row per id"
    if newest:
        advice = f"{advice}, map `as_of`, or set `pivot` where rows are properties"
    found = [Finding(name, read.files[0], key, f"{key} is unique", double, share, example, advice, "left_out")]
    if name == "items":
        found += _of_stores(rows, read)
    if name == "users":
        last, torn = _consents(rows, last, read)
        found += torn
    return last.drop(ROW), found


def _consents(rows: pl.DataFrame, last: pl.DataFrame, read: Read) -> tuple[pl.DataFrame, list[Finding]]:
    """People with their consents of all rows: a no of any counts, and it is said where rows contradict each other."""
    said = rows.group_by("user_id").agg(pl.col(CONSENTS).min())
    last = last.drop(CONSENTS).join(said, on="user_id", how="left", maintain_order="left").select(rows.columns)
    columns = [name for name in CONSENTS if name in read.present]
    torn = rows.group_by("user_id").agg((pl.col(name).min() != pl.col(name).max()) for name in columns)
    advice = "nothing, if a no is to count whenever somebody said it, as it does; else export one row per person"
    counted = {name: int(torn[name].sum()) for name in columns}
    return last, [
        Finding("users", read.files[0], name, "is the same in all rows of a person", count, count / rows.height, "", advice)
        for name, count in counted.items()
        if count
    ]


def _of_stores(rows: pl.DataFrame, read: Read) -> list[Finding]:
    """Items of which rows say different things."""
    columns = [name for name in SHOWN if name in read.present]
    values = (pl.col(name).drop_nulls().unique(maintain_order=True) for name in columns)
    said = rows.group_by("item_id", maintain_order=True).agg(*values, pl.len())
    differ = said.filter(pl.any_horizontal(pl.lit(False), *(pl.col(name).list.len() > 1 for name in columns)))
    if not differ.height:
        return []
    first, count = differ.row(0, named=True), int(differ["len"].sum())
    words = [f"{name} {_in_words(first[name])}" for name in columns if len(first[name]) > 1]
    return [
        Finding(
            table="items",
            file=read.files[0],
            column=", ".join(columns),
            rule="is the same in all rows of an item",
            rows=count,
            share=count / rows.height,
            example=f"{first['item_id']}: {'; '.join(words)}",
            advice="which store is each row of? Keep one store's with `where`, with a settings file for each store; "
            "the last row of an item counts until then",
        )
    ]


def _in_words(values: list[object]) -> str:
    words = [("yes" if each else "no") if isinstance(each, bool) else f"{each}" for each in values]
    more = f" and {len(words) - _MOST_VALUES} more" if len(words) > _MOST_VALUES else ""
    return ", ".join(words[:_MOST_VALUES]) + more
