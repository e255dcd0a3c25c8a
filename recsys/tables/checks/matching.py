"""Ids that do not meet: which way of making them alike, or which other column, would let the items of events find those of the item
table."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import polars as pl

from recsys.tables.columns.conditions import as_text
from recsys.tables.reader import Read
from recsys.tables.sources import ROW, Source
from recsys.tables.validation import Finding
from recsys.tables.values.examples import shown
from recsys.tables.values.ids import alike_ids

UNLISTED = "is in the item table"
"""Rule of events whose item the item table lacks."""
MAP_ANEW = "set `data.events.columns.item_id"
"""Begins the advice that names another column of the events."""
MAX_IDS = 100_000
"""Most distinct ids of events that are tried, those with most events."""
NAMED = 5
"""Most ids that are named."""


REPAIRS: Mapping[str, str] = {
    "trim": "blanks around them and signs that nobody sees",
    "lower": "upper and lower case",
    "prefix": "letters and separators before the number",
    "whole": "`.0` and zeros behind the decimal point",
    "unpad": "leading zeros",
}
"""Name = what is not told apart any more; all but `prefix` are rules of `data.ids`. Applied in this order, to both sides."""


@dataclass(frozen=True, slots=True)
class Hint:
    """The fewest repairs that let most events meet an item, how many events, and pairs of ids, event's and item's."""

    repairs: tuple[str, ...]
    events: int
    pairs: tuple[tuple[str, str], ...]

    @property
    def words(self) -> str:
        """Return what the repairs do not tell apart, for people."""
        *first, last = [REPAIRS[name] for name in self.repairs]
        return f"{', '.join(first)} and {last}" if first else last

    def advice_for(self, ids: str) -> str:
        """Return what to do about ids of `data.ids`, `item` or `user`: a rule of the settings where there is one."""
        would = f"{self.events:,} events would match if {self.words} were not told apart"
        if "prefix" in self.repairs:
            return f"make the ids of both tables alike: {would}"
        rules = ", ".join(f'"{name}"' for name in self.repairs)
        return f"set `data.ids.{ids} = [{rules}]`: {would}"


def hint(unlisted: pl.DataFrame, item_ids: pl.Series, repairs: Sequence[str] = tuple(REPAIRS)) -> Hint | None:
    """Find the repairs, of those named, for ids of events that the item table lacks: `item_id` and `rows`, the number of events.

    An id that two items would answer to meets none. None: no repair helps.
    """
    lacking = unlisted.sort("rows", "item_id", descending=[True, False]).head(MAX_IDS)
    names = tuple(repairs)
    met = _met(lacking, item_ids, names)
    for name in sorted(repairs, key=lambda each: each != "prefix"):  # what is not needed goes, the boldest first
        fewer = tuple(each for each in names if each != name)
        without = _met(lacking, item_ids, fewer)
        if without["rows"].sum() >= met["rows"].sum():
            names, met = fewer, without
    if not met.height:
        return None
    pairs = met.sort("rows", "item_id", descending=[True, False]).head(NAMED)
    return Hint(names, int(met["rows"].sum()), tuple(pairs.select("item_id", "meets").rows()))


def column_that_meets(
    sources: Sequence[Source], rows: pl.LazyFrame, item_ids: pl.Series, rules: Sequence[str]
) -> tuple[str, int] | None:
    """Find the column of the shop's events whose ids meet more items than those in use do, by a twentieth of the rows at least, and
    how many rows would meet one.

    Args:
        sources: the events' files, as they were put into shape.
        rows: `ROW` and `item_id` of the events.
        item_ids: those of the item table.
        rules: how ids are made alike (`data.ids.item`).
    """
    known, counts = item_ids.implode(), dict[str, int]()
    for source in sources:
        typed = {name: source.schema[name] for name in source.schema if not name.startswith("__")}
        names = [name for name, dtype in typed.items() if dtype == pl.String or dtype.is_integer()]
        met = [alike_ids(as_text(name, source), rules).is_in(known).sum().alias(name) for name in names]
        kept = source.frame.join(rows.select(ROW), on=ROW, how="semi")
        [row] = kept.select(met).collect(engine="streaming").to_dicts() if met else [{}]
        for name, count in row.items():
            counts[name] = counts.get(name, 0) + count
    now, total = rows.select(pl.col("item_id").is_in(known).sum(), pl.len().alias("n")).collect(engine="streaming").row(0)
    best = max(counts, key=lambda name: counts[name], default="")
    return (best, counts[best]) if best and counts[best] > now + total / 20 else None


def of_unlisted(unlisted: pl.DataFrame, item_ids: pl.Series, rules: Sequence[str], read: Read, kept: int) -> Finding:
    """Tell of events whose items the item table lacks, `item_id` and `events`, among so many rows that were `kept`, and what to do."""
    rows, other = int(unlisted["events"].sum()), None
    if rows > kept / 20:
        other = column_that_meets(read.sources, read.narrow, item_ids, rules)
    found = hint(unlisted.select("item_id", pl.col("events").alias("rows")), item_ids)
    advice = found.advice_for("item") if found else "nothing, if those items are no longer sold; they are never recommended"
    if other:
        advice = (
            f'{MAP_ANEW} = "{other[0]}"`: {other[1]:,} rows would match, by the column that the item table\'s ids stand in'
        )
    example = f"{shown('id', unlisted['item_id'][0])} ({unlisted.height:,} ids)"
    return Finding("events", read.files[0], "item_id", UNLISTED, rows, rows / max(1, kept), example, advice)


def _met(lacking: pl.DataFrame, item_ids: pl.Series, names: Sequence[str]) -> pl.DataFrame:
    """Ids of events that exactly one item answers to, with that item as `meets`."""
    items = pl.DataFrame({"meets": item_ids}, schema={"meets": pl.String})
    known = items.with_columns(alike(pl.col("meets"), names).alias("alike"))
    once = known.filter(pl.col("alike").is_unique() & (pl.col("alike") != ""))
    asked = lacking.with_columns(alike(pl.col("item_id"), names).alias("alike"))
    return asked.join(once, on="alike").select("item_id", "rows", "meets")


def alike(text: pl.Expr, names: Sequence[str]) -> pl.Expr:
    """Make ids alike by these repairs; null where nothing is left."""
    text = alike_ids(text, [name for name in names if name in ("trim", "lower")])
    if "prefix" in names:
        text = text.str.replace(r"^.*[-_:/#]", "").str.replace(r"^[A-Za-z]+(\d)", "${1}")
    return alike_ids(text, [name for name in names if name in ("whole", "unpad")])
