"""Money of a shop's tables: the catalogue's one currency, and what amounts in other ones are worth in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from recsys.settings.tables import DataSettings
from recsys.tables.live_rows import Folded
from recsys.tables.reader import Read
from recsys.tables.validation import Finding
from recsys.types import DataError, SettingsError

AMOUNTS = ("price", "discount", "cost")
"""Columns that hold money, of events and of items."""
_WORTH = "__worth"


@dataclass(frozen=True, slots=True)
class Money:
    """The catalogue's currency (None: the shop names none) and what one unit of other currencies is worth in it; `mixed`: a row
    of the tables or of live events names another one."""

    currency: str | None
    rates: Mapping[str, float]
    mixed: bool

    def convert(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Turn the amounts of rows into the catalogue's currency; in a currency without a rate they become null.

        A row that names no currency is in the catalogue's. Call it once: what was converted is in the catalogue's currency.
        """
        columns = frame.collect_schema().names()
        if self.currency is None or "currency" not in columns:
            return frame
        if not self.mixed:
            return frame.with_columns(pl.lit(self.currency).alias("currency"))
        own = pl.col("currency").is_null() | (pl.col("currency") == self.currency)
        rates = [pl.when(pl.col("currency") == code).then(rate) for code, rate in sorted(self.rates.items())]
        marked = frame.with_columns(pl.coalesce(pl.when(own).then(1.0), *rates).alias(_WORTH))
        amounts = [(pl.col(name) * pl.col(_WORTH)).alias(name) for name in AMOUNTS if name in columns]
        settled = pl.when(pl.col(_WORTH).is_null()).then("currency").otherwise(pl.lit(self.currency))
        return marked.with_columns(*amounts, settled.alias("currency")).drop(_WORTH)


def settle(data: DataSettings, reads: Mapping[str, Read], folded: Folded | None) -> tuple[Money, list[Finding]]:
    """Settle the catalogue's currency: the setting, else the only one of the item table, else that of the events, else the most
    frequent one of live events. Event prices in a currency without a rate are found, and count in no revenue.

    Raises:
        DataError: naming currencies and their rows, if a table mixes several without rates for them.
        SettingsError: if there are rates without a currency that they lead to.
    """
    if data.rates and not data.currency:
        raise SettingsError("data.rates: say in `data.currency` which currency they lead to, for instance EUR")
    if data.rates.get(data.currency, 1.0) != 1.0:
        raise SettingsError(f"data.rates.{data.currency}: is the catalogue's own currency, of which one unit is worth 1")
    in_events, in_live = _currencies(reads["events"]), _counted(folded.events) if folded else {}
    in_items = _currencies(reads["items"]) if "items" in reads else {}
    if in_items:
        wanted = _only_one(data, in_items, "items") or ""
    elif not (wanted := data.currency):
        wanted = _only_one(data, in_events, "events") or next(iter(in_live), "")
    named = {*in_events, *in_live, *in_items}
    money = Money(wanted or None, data.rates, mixed=bool(named - {wanted}))
    others = [(code, rows) for counted in (in_events, in_live) for code, rows in counted.items()]
    others = [(code, rows) for code, rows in others if code != wanted and code not in data.rates]
    if not others:
        return money, []
    rows = sum(count for _, count in others)
    events = reads["events"]
    finding = Finding(
        table="events",
        file=events.files[0],
        column="currency",
        rule=f"prices are in {wanted}" + (f" or one of {', '.join(sorted(data.rates))}" if data.rates else ""),
        rows=rows,
        share=rows / max(1, events.counts.kept + (folded.counts.kept if folded else 0)),
        example=others[0][0],
        advice=f"say under `[data.rates]` what one {others[0][0]} is worth in {wanted}, where revenue in it should count",
        level="emptied",
    )
    return money, [finding]


def _only_one(data: DataSettings, found: Mapping[str, int], table: str) -> str | None:
    """The setting, else the only currency that the table carries; others need rates."""
    wanted = data.currency
    others = {code: rows for code, rows in found.items() if code != wanted and code not in data.rates}
    if not others:
        return wanted or None
    if len(found) == 1 and not wanted:
        return next(iter(found))
    rows = " and ".join(f"{code} in {count:,} rows" for code, count in sorted(found.items(), key=lambda each: -each[1]))
    said = f", while `data.currency` is {wanted}" if wanted else ""
    raise DataError(
        f"{table}: a catalogue has one currency, but the column currency says {rows}{said}; say under `[data.rates]` what one "
        f"{next(iter(others))} is worth in the catalogue's, or leave the rows of other currencies out with `where`"
    )


def _currencies(read: Read) -> dict[str, int]:
    return _counted(read.narrow) if "currency" in read.present else {}


def _counted(frame: pl.LazyFrame) -> dict[str, int]:
    counted = frame.select("currency").drop_nulls().group_by("currency").len().sort("len", "currency", descending=True)
    return dict(counted.collect(engine="streaming").rows())
