"""Duplicate events of a table: the id of every event, rows that repeat one, and equal rows that are lines of one order.

Two equal purchases (or refunds) with an order id are two lines of that order where they stand in one run of its rows, or differ in
quantity in one file; in another run, or another file, the same lines are told again. Any other two equal rows are one event.
docs/data.md has the rule for shops.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import polars as pl

from recsys.ids.event_ids import EVENT_ID_LENGTH, ID_FIELD_SEPARATOR, ORDER_LINES
from recsys.tables.mapping import SPELLED, Mapped
from recsys.tables.schema import TABLES
from recsys.tables.sources import FILE, ROW, WHOLE, Source
from recsys.tables.validation import BROKE, KEY, Finding, example_of

LINE = "__line"
"""Number of a row among equal lines of its order, from 1 for the second; null where there is no such line."""
_IDENTITY = ("user_id", "event_type", "item_id", "timestamp", "order_id")
_ORDER = ("user_id", "event_type", "timestamp", "order_id")
_AT, _RUN, _GROUP, _UNITS, _NEW = "__at", "__run", "__group", "__units", "__new"


@dataclass(frozen=True, slots=True)
class Repeated:
    """Rows of a table that are equal to an earlier one: `double` ones (`ROW`) count no more, further `lines` (`ROW`, `LINE`) do."""

    double: pl.DataFrame
    lines: pl.DataFrame


def event_id(line: pl.Expr | None = None, spelled: Sequence[str] = ()) -> pl.Expr:
    """The event's own id, else the one derived from its fields and its `LINE` (`event_ids.event_id_of`), before users are resolved.

    Where ids are made alike, those of the columns `spelled` are as they were before, because so the service heard them.
    """
    number = pl.col(LINE) if line is None else line
    fields = pl.struct("event_id", *_identity(spelled), number.cast(pl.UInt32).alias(LINE))
    return fields.map_batches(_with_derived_ids, return_dtype=pl.String(), is_elementwise=True).alias("event_id")


def event_key(spelled: Sequence[str], *, own_ids: bool) -> pl.Expr:
    """A hash that is equal where `event_id` is, every row taken for the first line; without ids of their own, of what those of the
    events are derived from, which spares a digest for each row."""
    return event_id(pl.lit(None), spelled).hash() if own_ids else _derived_from(_identity(spelled)).hash()


def spelled_ids(mapped: Sequence[Mapped]) -> list[str]:
    """The columns in which mapped events carry ids of users and items as they were spelled, where those are made alike."""
    columns = set.intersection(*({*each.frame.collect_schema().names()} for each in mapped)) if mapped else set()
    return [SPELLED + name for name in ("user_id", "item_id") if SPELLED + name in columns]


def repeated_rows(rows: pl.DataFrame, mapped: Sequence[Mapped]) -> Repeated:
    """Sort out which judged rows (`ROW`, `BROKE`, `KEY`, in order) are equal to earlier ones, and what they are then."""
    good = rows.filter(pl.col(BROKE) == 0)
    ordered = good[KEY].sort()
    keys = ordered.filter(ordered == ordered.shift()).unique()
    alike = good.filter(pl.col(KEY).is_in(keys.implode())).select(ROW, KEY)
    if alike.is_empty():
        return Repeated(alike.select(ROW), alike.select(ROW, pl.lit(None, pl.UInt32).alias(LINE)))
    placed = alike.join(_runs(rows, alike, mapped), on=ROW, how="left", maintain_order="left")
    in_run = pl.int_range(pl.len()).over(KEY, _RUN, _UNITS)
    number = pl.when(pl.col(_RUN).is_not_null()).then(in_run).otherwise(0).alias(_AT)
    numbered = placed.with_columns(number).with_columns(pl.struct(KEY, FILE, _UNITS, _AT).is_first_distinct().alias(_NEW))
    line = (pl.col(_NEW).cum_sum().over(KEY, FILE) - 1).cast(pl.UInt32).alias(LINE)
    first = pl.col(_NEW) & pl.struct(KEY, LINE, _NEW).is_first_distinct()
    numbered = numbered.with_columns(line).with_columns(first.alias(_NEW))
    further = pl.col(_NEW) & (pl.col(LINE) > 0)
    return Repeated(numbered.filter(~pl.col(_NEW)).select(ROW), numbered.filter(further).select(ROW, LINE))


def with_lines(events: pl.LazyFrame, repeated: Repeated, spelled: Sequence[str] = ()) -> pl.LazyFrame:
    """The events with their `LINE`; where ids are made alike, also with their `event_id`, while it is known how they were spelled."""
    if repeated.lines.is_empty():
        lined = events.with_columns(pl.lit(None, pl.UInt32).alias(LINE))
    else:
        lined = events.join(repeated.lines.lazy(), on=ROW, how="left", maintain_order="left")
    return lined.with_columns(event_id(spelled=spelled)).drop(spelled) if spelled else lined


def repeated_findings(name: str, mapped: Sequence[Mapped], repeated: Repeated, rows: int) -> list[Finding]:
    """Say how many of a table's rows are double, and how many are further lines."""
    found = []
    if repeated.double.height:
        advice = "nothing, if the export repeats rows; else give each event its own event_id"
        found.append(_finding(name, mapped, repeated.double, rows, "", advice))
    if repeated.lines.height:
        rule = "no equal rows stand beside each other in an order"
        advice = "nothing, if an order may hold an item on several lines, as which they count; else export every line once"
        found.append(_finding(name, mapped, repeated.lines, rows, rule, advice))
    return found


def _identity(spelled: Sequence[str]) -> list[pl.Expr]:
    return [pl.col(SPELLED + name).alias(name) if SPELLED + name in spelled else pl.col(name) for name in _IDENTITY]


def _derived_from(identity: Sequence[pl.Expr]) -> pl.Expr:
    """The text that the id of an event's first line is derived from, from its columns of `_IDENTITY`."""
    parts = list(identity)
    parts[_IDENTITY.index("timestamp")] = parts[_IDENTITY.index("timestamp")].dt.epoch("us")
    return pl.concat_str([part.cast(pl.String).fill_null("") for part in parts], separator=ID_FIELD_SEPARATOR)


def _with_derived_ids(fields: pl.Series) -> pl.Series:
    frame = fields.struct.unnest()
    if not frame["event_id"].null_count():
        return frame["event_id"]
    import polars_hash as plh

    text = _derived_from([pl.col(name) for name in _IDENTITY])
    line = pl.lit(ID_FIELD_SEPARATOR) + pl.col(LINE).cast(pl.String)
    text = pl.concat_str(text, pl.when(pl.col(LINE) > 0).then(line).otherwise(pl.lit("")))
    lacking = frame.select(pl.when(pl.col("event_id").is_null()).then(text).alias("text"))
    derived = lacking.select(plh.col("text").chash.sha2_256().str.slice(0, EVENT_ID_LENGTH)).to_series()
    return frame["event_id"].fill_null(derived)


def _runs(rows: pl.DataFrame, alike: pl.DataFrame, mapped: Sequence[Mapped]) -> pl.DataFrame:
    """`ROW`, `FILE`, units and the run of the orders' lines of which some are alike: rows of one order and time, one after another in
    a file, or entries of one row of it."""
    orders = pl.concat([_order_lines(each).join(alike.lazy(), on=ROW, how="semi").select(_GROUP) for each in mapped])
    wanted = orders.unique().collect(engine="streaming").lazy()
    lines = [_order_lines(each).join(wanted, on=_GROUP, how="semi").join(_places(each.source), on=ROW) for each in mapped]
    found = pl.concat(lines).collect(engine="streaming")
    placed = found.join(rows.select(ROW).with_row_index(_AT), on=ROW).sort(_AT)
    place = pl.struct(_GROUP, FILE, WHOLE)
    same = (pl.col(_AT) == pl.col(_AT).shift() + 1) & (place == place.shift())
    return placed.select(ROW, FILE, _UNITS, (~same).fill_null(True).cum_sum().alias(_RUN))


def _places(source: Source) -> pl.LazyFrame:
    """`ROW`, `FILE` and `WHOLE`: a source row whose lists became rows tells its order once; null where rows stand for themselves."""
    whole = pl.col(WHOLE) if WHOLE in source.frame.collect_schema() else pl.lit(None)
    return source.frame.select(ROW, FILE, whole.cast(pl.UInt64).alias(WHOLE))


def _order_lines(mapped: Mapped) -> pl.LazyFrame:
    """`ROW` of purchases and refunds with an order id and without an id of their own, and what tells their orders apart."""
    lines = pl.col("event_type").is_in(ORDER_LINES) & pl.col("order_id").is_not_null() & pl.col("event_id").is_null()
    units = pl.col("quantity").fill_null(1.0).alias(_UNITS)
    return mapped.frame.filter(lines).select(ROW, units, pl.struct(_ORDER).hash().alias(_GROUP))


def _finding(name: str, mapped: Sequence[Mapped], repeated: pl.DataFrame, rows: int, rule: str, advice: str) -> Finding:
    """Repeated rows as a finding, with the first of them; without a rule of its own it is that rows are double."""
    first = int(repeated[ROW][0])
    owner = [each for each in mapped if each.source.first_row <= first][-1]
    own = owner.origins["event_id"]
    kinds = {column.name: column.kind for column in TABLES[name]}
    places = ("event_id",) if own else _IDENTITY
    names = {own_name: kinds[column] for column in places for own_name in owner.origins[column][:1]}
    file, example = example_of(owner, first, names)
    unique = "event_id is unique" if own else "user, event type, item, time and order are unique together"
    return Finding(
        table=name,
        file=file,
        column=" + ".join(names),
        rule=rule or unique,
        rows=repeated.height,
        share=repeated.height / rows,
        example=example,
        advice=advice,
        level="note" if rule else "left_out",
    )
