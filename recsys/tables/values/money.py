"""Money of a shop's tables: the catalogue's one currency, and what amounts in other ones are worth in it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import polars as pl

from recsys.settings.tables import DataSettings
from recsys.tables.live_rows import Folded
from recsys.tables.reader import Read
from recsys.tables.validation import Finding
from recsys.tables.values.numbers import SHARED_SIGNS
from recsys.types import DataError, SettingsError

AMOUNTS = ("price", "discount", "cost")
"""Columns that hold money, of events and of items."""
_WORTH = "__worth"
_NAME = "name the currency of each row in a column, or one for all under `constants`"
_SHOWN = 4
"""Currencies of a sign that are named."""


@dataclass(frozen=True, slots=True)
class Money:
    """The catalogue's currency (None: the shop names none) and what one unit of other currencies is worth in it; `mixed`: a row
    of the tables or of live events names another one; `signs` of several currencies that stand for the catalogue's, or for one that
    nobody names."""

    currency: str | None
    rates: Mapping[str, float]
    mixed: bool
    signs: tuple[str, ...] = ()

    def convert(self, frame: pl.LazyFrame) -> pl.LazyFrame:
        """Turn the amounts of rows into the catalogue's currency; in a currency without a rate they become null.

        A row that names no currency is in the catalogue's. Call it once: what was converted is in the catalogue's currency.
        """
        columns = frame.collect_schema().names()
        if "currency" not in columns:
            return frame
        if self.currency is None:
            named = pl.when(~pl.col("currency").is_in(self.signs)).then("currency").alias("currency")
            return frame.with_columns(named) if self.signs else frame
        if not self.mixed:
            return frame.with_columns(pl.lit(self.currency).alias("currency"))
        own = pl.col("currency").is_null() | pl.col("currency").is_in([self.currency, *self.signs])
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
    if codes := _codes(in_items):
        wanted = _only_one(data, codes, "items") or ""
    elif not (wanted := data.currency):
        wanted = _only_one(data, _codes(in_events), "events") or next(iter(in_live), "")
    signs = _signs(wanted, in_events, in_items)
    named = {*in_events, *in_live, *in_items}
    money = Money(wanted or None, data.rates, mixed=bool(named - {wanted}), signs=signs)
    events = reads["events"]
    kept = events.counts.kept + (folded.counts.kept if folded else 0)
    others = [(code, rows) for counted in (in_events, in_live) for code, rows in counted.items()]
    others = [(code, rows) for code, rows in others if code not in (wanted, *data.rates, *signs)]
    if not wanted and signs:
        return money, [_of_no_currency(reads, in_events, in_items, kept)]
    if not others:
        return money, []
    rows, example = sum(count for _, count in others), others[0][0]
    worth = f"say under `[data.rates]` what one {example} is worth in {wanted}, where revenue in it should count"
    finding = Finding(
        table="events",
        file=events.files[0],
        column="currency",
        rule=f"prices are in {wanted}" + (f" or one of {', '.join(sorted(data.rates))}" if data.rates else ""),
        rows=rows,
        share=rows / max(1, kept),
        example=example,
        advice=f"{example} is no sign of {wanted}: {_NAME}" if example in SHARED_SIGNS else worth,
        level="emptied",
        given=rows if in_events and not {wanted, *data.rates, *signs} & {*in_events} else 0,
    )
    return money, [finding]


def _codes(counted: Mapping[str, int]) -> dict[str, int]:
    return {code: rows for code, rows in counted.items() if code not in SHARED_SIGNS}


def _signs(wanted: str, in_events: Mapping[str, int], in_items: Mapping[str, int]) -> tuple[str, ...]:
    """The signs of several currencies beside prices that stand for the catalogue's; all of them where nothing says which it is.

    Raises:
        DataError: if prices of items have one that does not, or no currency has all of them.
    """
    signs = [sign for sign in dict.fromkeys((*in_items, *in_events)) if sign in SHARED_SIGNS]
    if not wanted:
        if signs and not frozenset.intersection(*(SHARED_SIGNS[sign] for sign in signs)):
            rows = " and ".join(f"{sign} in {in_items.get(sign, 0) + in_events.get(sign, 0):,} rows" for sign in signs)
            raise DataError(f"prices are in several currencies, of which only signs are there: {rows}; {_NAME}")
        return tuple(signs)
    if foreign := [sign for sign in in_items if sign in SHARED_SIGNS and wanted not in SHARED_SIGNS[sign]]:
        raise DataError(
            f"items: {in_items[foreign[0]]:,} prices stand beside {foreign[0]}, which is no sign of {wanted}, the catalogue's;"
            f" {_NAME}"
        )
    return tuple(sign for sign in signs if wanted in SHARED_SIGNS[sign])


def _of_no_currency(
    reads: Mapping[str, Read], in_events: Mapping[str, int], in_items: Mapping[str, int], kept: int
) -> Finding:
    """Say that prices have a sign of several currencies, and nothing in the shop's tables tells which."""
    signs = [sign for sign in (*in_items, *in_events) if sign in SHARED_SIGNS]
    table, found = ("events", in_events) if {*in_events} & {*signs} else ("items", in_items)
    of = kept if table == "events" else reads[table].counts.kept
    rows, codes = sum(found.get(sign, 0) for sign in {*signs}), sorted(SHARED_SIGNS[signs[0]])
    advice = "set `data.currency`: lists and messages name no currency until then"
    rule = (
        f"tells which of {', '.join(codes[:_SHOWN])} and so on {signs[0]} means" if len(codes) > 1 else f"names {codes[0]}"
    )
    return Finding(table, reads[table].files[0], "currency", rule, rows, rows / max(1, of), signs[0], advice)


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
    first = "" if wanted else "name the catalogue's as `data.currency`, and "
    other = next(iter(others)) if wanted else [*others][-1]
    raise DataError(
        f"{table}: a catalogue has one currency, but the column currency says {rows}{said}; {first}say under `[data.rates]` what "
        f"one {other} is worth in the catalogue's, or leave the rows of other currencies out with `where`"
    )


def _currencies(read: Read) -> dict[str, int]:
    return _counted(read.narrow) if "currency" in read.present else {}


def _counted(frame: pl.LazyFrame) -> dict[str, int]:
    counted = frame.select("currency").drop_nulls().group_by("currency").len().sort("len", "currency", descending=True)
    return dict(counted.collect(engine="streaming").rows())
