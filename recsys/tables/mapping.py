"""From a shop's own columns to the canonical ones, as Polars expressions over one lazily read source."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from recsys.ids.user_ids import NullUsers
from recsys.tables.columns.conditions import kept, refusing, says_a_state, void
from recsys.tables.columns.guards import closed, guards
from recsys.tables.columns.raw_values import VALUES, RawValues
from recsys.tables.columns.void_orders import VoidOrders
from recsys.tables.parsing import convert, currency_of, shared_sign_of, skipped_by_clocks
from recsys.tables.schema import AMOUNT, KINDS, Column
from recsys.tables.sources import MORE, ROW, Source
from recsys.tables.sources.bounds import NAMES_AGAIN
from recsys.tables.values.ids import alike_ids, rules_of
from recsys.tables.values.notation import Notation
from recsys.tables.values.numbers import contradicts
from recsys.types import SettingsError

GIVEN, UNREAD, SKIPPED, SPELLED = "?", "~", "^", "="
"""Prefixes of the columns that tell whether the source had a value at all, whether one could not be read, and whether a local time
was skipped by its zone; and of ids as they were spelled before they were made alike."""
AGAIN = "__names_again"
"""Column that tells of a row whether it is a line of column names."""
_RAW = "!"
_BESIDE, _SIGN, _GONE = "__beside", "__sign", "__gone"
_STANDS = "__stands"
"""Column that tells of a row whether it says in words that its order counts."""
_REFUSED, _TAKEN = "__refused", "__taken"
_OF_ORDER = ("order_id", "user_id", "anonymous_id", "timestamp")


@dataclass(frozen=True, slots=True)
class Mapped:
    """One source's kept rows as canonical columns, each with its `?` and `~` column, and where each column came from.

    zoned: the columns of local times, which have a `^` column too · contradicted: the orders of rows that say that they count, and
    that were left out since others say that they do not; None: nothing tells.
    """

    source: Source
    frame: pl.LazyFrame
    origins: Mapping[str, tuple[str, ...]]
    zoned: tuple[str, ...]
    contradicted: pl.LazyFrame | None = None


def map_sources(
    raw: Sequence[RawValues], notations: Mapping[str, Notation], before: datetime | None, null_users: NullUsers
) -> tuple[Mapped, ...]:
    """Map the sources of one table, lazily; rows that the settings leave out, that are of an order which counts in nothing by any of
    the sources, or that are not before `before`, are left out.

    Raises:
        SettingsError: if a pattern is not a regular expression, or a constant is no value for its column.
    """
    void_orders = None
    if raw and raw[0].table.void_orders:  # looked for once: each of many files may have columns of its own
        void_orders = VoidOrders.of([_void_rows(each, notations) for each in raw], null_users)
    return tuple(_map_source(each, notations, before, void_orders) for each in raw)


def _map_source(
    raw: RawValues, notations: Mapping[str, Notation], before: datetime | None, void_orders: VoidOrders | None
) -> Mapped:
    parts = {column.name: raw.parts(column) for column in raw.columns}
    zoned = tuple(c.name for c in raw.columns if c.kind == "time" and notations[c.name].time.zone != "UTC")
    taken = [_taken_off(raw, notations["quantity"])] if AMOUNT in raw.columns and raw.table.taken_off else []
    frame = _raw_rows(raw, parts, taken)
    values = [value for c in raw.columns for value in _value(raw, c, parts[c.name], notations[c.name])]
    seams = [skipped_by_clocks(pl.col(f"{_RAW}{name}.0"), notations[name]).alias(SKIPPED + name) for name in zoned]
    beside = _currency_beside(raw, parts, notations)
    frame = frame.select(
        ROW,
        GIVEN + MORE,
        AGAIN,
        *values,
        *seams,
        *beside,
        *([_STANDS] if void_orders else []),
        *([_REFUSED] if raw.table.refused else []),
        *([_TAKEN] if taken else []),
    )
    if beside:
        frame = _settle_currency(frame, [name for name in ("price", "amount") if name in parts], raw.currency)
    if raw.table.refused:
        frame = _refuse(frame, [column.name for column in raw.columns if column.kind == "consent"])
    if AMOUNT in raw.columns:
        own_price = "price" in raw.preset.columns or "amount" not in raw.preset.columns
        frame = _finish_events(frame, has_price=own_price, discounted=raw.table.discounted is not False)
        frame = _with_pieces_left(frame) if taken else frame
    frame = closed(_not_negative(frame, raw.columns), raw.columns, UNREAD)
    if before is not None and "timestamp" in parts:
        frame = frame.filter(pl.col("timestamp").is_null() | (pl.col("timestamp") < before))
    contradicted = None
    if void_orders:
        told = void_orders.told(frame, _GONE)
        contradicted = told.filter(pl.col(_GONE) & pl.col(_STANDS)).select("order_id")
        frame = told.filter(~pl.col(_GONE)).drop(_GONE, _STANDS)
    return Mapped(raw.source, frame, _origins(raw, notations), zoned, contradicted)


def _void_rows(raw: RawValues, notations: Mapping[str, Notation]) -> pl.LazyFrame:
    """The rows of a source that take their orders out, as these are told; also those that the settings leave out otherwise, for a
    state may stand in a row of its own."""
    columns = [column for column in raw.columns if column.name in _OF_ORDER]
    parts = {column.name: raw.parts(column) for column in columns}
    values = [value for c in columns for value in _value(raw, c, parts[c.name], notations[c.name])]
    frame = raw.source.frame.filter(void(raw.source, raw.table, raw.preset.null_values))
    return frame.select(_spread(parts)).select(values)


def _spread(parts: Mapping[str, Sequence[pl.Expr]]) -> list[pl.Expr]:
    return [value.alias(f"{_RAW}{name}.{at}") for name, values in parts.items() for at, value in enumerate(values)]


def _raw_rows(raw: RawValues, parts: Mapping[str, Sequence[pl.Expr]], taken: Sequence[pl.Expr]) -> pl.LazyFrame:
    source, nothing = raw.source, raw.preset.null_values
    frame = source.frame
    if raw.table.where:
        frame = frame.filter(kept(source, raw.table.where, nothing))
    state = []
    if raw.table.void_orders:
        frame = frame.filter(~void(source, raw.table, nothing))
        state = [says_a_state(source, raw.table, nothing).alias(_STANDS)]
    if raw.table.refused:
        state.append(refusing(source, raw.table, nothing).alias(_REFUSED))
    ragged = pl.col(MORE).is_not_null() if source.has_more else pl.lit(False)
    again = pl.col(MORE).eq_missing(NAMES_AGAIN) if source.has_more else pl.lit(False)
    frame = frame.select(ROW, ragged.alias(GIVEN + MORE), again.alias(AGAIN), *_spread(parts), *state, *taken)
    return frame.filter(pl.col(f"{_RAW}event_type.0").ne_missing("")) if "event_type" in parts else frame


def _value(raw: RawValues, column: Column, parts: Sequence[pl.Expr], notation: Notation) -> list[pl.Expr]:
    """The column's value, whether one was given, and whether one that was given could not be read.

    Of several values the first that can be read counts; of those that guard, all must say yes.
    """
    name = column.name
    spelled = [SPELLED + name] if rules_of(raw.ids, name) else []
    if not parts[0].meta.root_names():
        return [*_constant(column, parts[0], notation), *(parts[0].cast(pl.String).alias(each) for each in spelled)]
    given = [pl.col(f"{_RAW}{name}.{at}") for at in range(len(parts))]
    read = [_converted(raw, column, at, value, notation) for at, value in enumerate(given)]
    unread = [one.is_not_null() & value.is_null() for one, value in zip(given, read, strict=True)]
    if column.kind in ("availability", "consent"):
        value, broken = pl.min_horizontal(read), pl.any_horizontal(unread)
    else:
        ranked = _ranked(raw, column, read)
        value = pl.coalesce(ranked)
        earlier = [pl.all_horizontal(pl.lit(True), *(v.is_null() for v in ranked[:at])) for at in range(len(read))]
        hidden = [one & none for one, none in zip(unread, earlier, strict=True)]
        broken = pl.any_horizontal(hidden)
    any_given = pl.any_horizontal(one.is_not_null() for one in given)
    said = [value.alias(name), any_given.alias(GIVEN + name), broken.alias(UNREAD + name)]
    return [*said, *(pl.coalesce(given).alias(each) for each in spelled)]


def _ranked(raw: RawValues, column: Column, read: list[pl.Expr]) -> list[pl.Expr]:
    """The values of which the first counts: platforms write a sale price of 0 where an item is not on sale."""
    if column.kind != "money" or column.name not in guards(raw.columns) or len(read) == 1:
        return read
    return [*(pl.when(one != 0).then(one) for one in read), *read]


def _converted(raw: RawValues, column: Column, at: int, value: pl.Expr, notation: Notation) -> pl.Expr:
    names, rules = raw.origins()[column.name], rules_of(raw.ids, column.name)
    if rules:
        return convert(column.kind, alike_ids(value, rules), notation)
    typed = column.kind in VALUES and raw.dtype(column, names[at]) != pl.String
    return convert(column.kind, value, replace(notation, plain=True) if typed else notation)


def _constant(column: Column, raw: pl.Expr, notation: Notation) -> list[pl.Expr]:
    """Return what is the same for every row, converted here and now; most often nothing, which takes no conversion."""
    given, value = pl.select(raw).row(0)[0], None
    if given is not None:
        value = pl.select(convert(column.kind, raw, notation)).row(0)[0]
    if given is not None and value is None:
        raise SettingsError(f"data: constants.{column.name} = {given!r} breaks the rule “{KINDS[column.kind].usable}”")
    name, stated = column.name, pl.lit(given is not None)
    return [pl.lit(value, column.dtype).alias(name), stated.alias(GIVEN + name), pl.lit(False).alias(UNREAD + name)]


def _priced(raw: RawValues, notations: Mapping[str, Notation]) -> str:
    """The column of money beside whose numbers currencies stand, if any."""
    named = [c.name for c in raw.columns if c.name in ("price", "amount") and notations[c.name].currencies]
    return next((name for name in reversed(named) if raw.origins()[name]), "")


def _origins(raw: RawValues, notations: Mapping[str, Notation]) -> Mapping[str, tuple[str, ...]]:
    origins, priced = raw.origins(), _priced(raw, notations)
    if raw.table.refused:
        columns = [each if isinstance(each, str) else each.column for each in raw.table.refused]
        by = tuple(column for column in columns if column in raw.source.schema)
        origins = origins | {c.name: (*origins[c.name], *by) for c in raw.columns if c.kind == "consent"}
    if raw.table.time_of_day in raw.source.schema and "timestamp" in origins:
        origins = origins | {"timestamp": (*origins["timestamp"], raw.table.time_of_day)}
    return origins | {"currency": origins["currency"] or origins[priced]} if priced else origins


def _currency_beside(
    raw: RawValues, parts: Mapping[str, Sequence[pl.Expr]], notations: Mapping[str, Notation]
) -> list[pl.Expr]:
    priced = _priced(raw, notations)
    if not priced:
        return []
    texts = [pl.col(f"{_RAW}{priced}.{at}").cast(pl.String) for at in range(len(parts[priced]))]
    signs = pl.coalesce(map(shared_sign_of, texts))
    return [pl.coalesce(map(currency_of, texts)).alias(_BESIDE), signs.alias(_SIGN)]


def _settle_currency(frame: pl.LazyFrame, money: Sequence[str], usual: str) -> pl.LazyFrame:
    """Take the currency that stands beside a price; where the row names another one, its prices are read as neither.

    So are those with a sign that is none of the row's currency, or of the `usual` one where the row names none. A sign that several
    currencies share stands for the currency of a row that names none, until all tables are there to tell it (`money.settle`).
    """
    beside, named = pl.col(_BESIDE), pl.col("currency")
    torn = (beside != named).fill_null(False)
    torn |= contradicts(pl.col(_SIGN), pl.coalesce(named, beside, pl.lit(usual or None, pl.String)))
    prices = [pl.when(~torn).then(name).alias(name) for name in money]
    unread = [(pl.col(UNREAD + name) | (torn & pl.col(GIVEN + name))).alias(UNREAD + name) for name in money]
    stated = [
        pl.coalesce("currency", _BESIDE, _SIGN),
        (pl.col(GIVEN + "currency") | beside.is_not_null()).alias(GIVEN + "currency"),
    ]
    return frame.with_columns(*prices, *unread, *stated).drop(_BESIDE, _SIGN)


def _finish_events(frame: pl.LazyFrame, *, has_price: bool, discounted: bool) -> pl.LazyFrame:
    """Refunds carry positive numbers; a price is one piece's after discounts, where none stands its part of the amount, and null where
    quantity is not above 0."""
    refund, signed = pl.col("event_type") == "refund", ("quantity", "price", "amount", "discount")
    positive = [pl.when(refund).then(pl.col(name).abs()).otherwise(pl.col(name)).alias(name) for name in signed]
    counted = pl.col("quantity").is_null() | (pl.col("quantity") > 0)
    units = pl.when(~pl.col(UNREAD + "quantity")).then(pl.col("quantity").fill_null(1.0))
    own = pl.col(GIVEN + "price") & has_price
    price = pl.when(own).then("price").otherwise(pl.col("amount") / units)
    given, unread = own | pl.col(GIVEN + "amount"), pl.when(own).then(UNREAD + "price").otherwise(UNREAD + "amount")
    if not discounted:
        paid = (price - pl.col("discount").abs() / units).clip(lower_bound=0.0)  # some write what is taken off below 0
        price = pl.when((price > 0) & (pl.col("discount") != 0) & units.is_not_null()).then(paid).otherwise(price)
    known = pl.col(GIVEN + "user_id")
    spelled = [SPELLED + name for name in ("user_id", "anonymous_id")]
    alike = [pl.coalesce(*spelled).alias(spelled[0])] if spelled[0] in frame.collect_schema() else []
    return (
        frame.with_columns(positive)
        .with_columns(
            *alike,
            pl.when(counted).then(price).alias("price"),
            (given & counted).alias(GIVEN + "price"),
            (unread & counted).alias(UNREAD + "price"),
            pl.when(known).then("user_id").otherwise("anonymous_id").alias("user_id"),
            (known | pl.col(GIVEN + "anonymous_id")).alias(GIVEN + "user_id"),
            pl.when(known).then(UNREAD + "user_id").otherwise(UNREAD + "anonymous_id").alias(UNREAD + "user_id"),
        )
        .drop("amount", GIVEN + "amount", UNREAD + "amount")
    )


def _taken_off(raw: RawValues, notation: Notation) -> pl.Expr:
    """Pieces that were given back or cancelled, by all columns that the source has; null where one of them cannot be read."""
    parts = raw.taken_off()
    plain = replace(notation, plain=True)
    typed = [raw.source.schema[name] != pl.String for name in parts]
    read = [
        convert("number", part, plain if each else notation).abs() for part, each in zip(parts.values(), typed, strict=True)
    ]
    broken = [part.is_not_null() & value.is_null() for part, value in zip(parts.values(), read, strict=True)]
    return pl.when(~pl.any_horizontal(pl.lit(False), *broken)).then(pl.sum_horizontal(pl.lit(0.0), *read)).alias(_TAKEN)


def _with_pieces_left(frame: pl.LazyFrame) -> pl.LazyFrame:
    """Purchases of what was kept; the price of a piece stays, and where none is left there is no price."""
    bought, taken = pl.col("event_type") == "purchase", pl.col(_TAKEN)
    unread = (bought & (taken.is_null() | pl.col(UNREAD + "quantity"))).fill_null(False)
    off = (bought & ~unread & (taken > 0)).fill_null(False)
    left = (pl.col("quantity").fill_null(1.0) - taken).clip(lower_bound=0.0)
    none = off & (left <= 0)
    return frame.with_columns(
        pl.when(off).then(left).otherwise(pl.when(~unread).then("quantity")).alias("quantity"),
        (pl.col(UNREAD + "quantity") | unread).alias(UNREAD + "quantity"),
        pl.when(~none).then("price").alias("price"),
        *((pl.col(prefix + "price") & ~none).alias(prefix + "price") for prefix in (GIVEN, UNREAD)),
    ).drop(_TAKEN)


def _refuse(frame: pl.LazyFrame, consents: Sequence[str]) -> pl.LazyFrame:
    """Take every consent of those who refused messages back."""
    refused = pl.col(_REFUSED)
    said = [pl.when(refused).then(pl.lit(False)).otherwise(name).alias(name) for name in consents]
    return frame.with_columns(*said, *((pl.col(GIVEN + name) | refused).alias(GIVEN + name) for name in consents)).drop(
        _REFUSED
    )


def _not_negative(frame: pl.LazyFrame, columns: Sequence[Column]) -> pl.LazyFrame:
    money = [column.name for column in columns if column.kind == "money" and column is not AMOUNT]
    negative = {name: (pl.col(name) < 0).fill_null(False) for name in money}
    values = [pl.when(~negative[name]).then(name).alias(name) for name in money]
    return frame.with_columns(values + [(pl.col(UNREAD + n) | negative[n]).alias(UNREAD + n) for n in money])
