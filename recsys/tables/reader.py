"""One table of the shop: opened, mapped, and every row judged once, so that valid rows can be read lazily ever after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl

from recsys.settings import Settings
from recsys.settings.attributes import AttributeSettings
from recsys.settings.tables import Table
from recsys.settings.training import TrainingSettings
from recsys.tables.checks.duplicates import event_key, repeated_findings, repeated_rows, spelled_ids, with_lines
from recsys.tables.checks.survey import MAPPED
from recsys.tables.columns.attributes import attribute_columns
from recsys.tables.columns.conditions import filtered_rows
from recsys.tables.columns.orders import order_states
from recsys.tables.columns.raw_values import RawValues
from recsys.tables.columns.spelling import as_spoken, spoken_of
from recsys.tables.mapping import GIVEN, Mapped, map_sources
from recsys.tables.mapping_checks import check_columns, check_names, doubtful_columns, unlike_export
from recsys.tables.presets import Preset, laid_over, merged
from recsys.tables.schema import AMOUNT, Column, mappable
from recsys.tables.shapes import put_into_shape
from recsys.tables.sources import FILE, MORE, ROW, WHOLE, Source, open_table, unreadable
from recsys.tables.sources.lake import reader_errors
from recsys.tables.sources.spool import laid_down
from recsys.tables.validation import BROKE, KEY, SOFT, Check, Finding, checks_of, findings_of, judge
from recsys.tables.values.notation import Guess, notation_of_settings, read_notations

NARROW = (*MAPPED, "anonymous_id", "currency")
"""Columns of events that are kept, in memory or laid down, while they are judged: all of them are looked at together, and every fit
reads them."""
MAX_REJECTS = 100_000
"""Most bad rows of one table that are written to its rejects file; all of them are counted."""


_REFUND_OF_NOTHING = Check(
    column="item_id",
    kind="id",
    rule="says what a refund gives back, or the order_id does: all of that order",
    advice="export the item or the order that was given back; such a refund counts in nothing",
    broken=(pl.col("event_type") == "refund") & pl.col("item_id").is_null() & pl.col("order_id").is_null(),
    level="note",
    has_example=False,
)


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one table: read = kept + left_out (by the settings) + rejected (bad) + duplicates + implausible (at times that cannot
    be, or of machines; those of the log are counted with the events)."""

    read: int = 0
    left_out: int = 0
    filtered: int = 0
    """Of those left out by the settings, the ones that `where` leaves out."""
    rejected: int = 0
    duplicates: int = 0
    implausible: int = 0

    @property
    def kept(self) -> int:
        """Rows that stay."""
        return self.read - self.left_out - self.rejected - self.duplicates - self.implausible

    @property
    def rejected_share(self) -> float:
        """Bad rows among those that the settings do not leave out, 0…1."""
        return self.rejected / max(1, self.read - self.left_out)


@dataclass(frozen=True, slots=True)
class Read:
    """A judged table: its valid rows, lazily, with `ROW`, and the bad ones as the shop wrote them with the rule they broke.

    narrow: of events the columns `NARROW` of the same rows, in memory or laid down, so that no file is read again for them; else as
    `frame` · partitions: how many the rows of events are cut into; of more than one, no column of text is in memory ·
    present: the canonical columns that come from the shop or a constant; the others are all null · written: when the newest file was,
    µs since 1970 · read_as: what each file was taken for, and why · sources: the files in shape, as the shop wrote them.
    """

    frame: pl.LazyFrame
    narrow: pl.LazyFrame
    present: frozenset[str]
    findings: tuple[Finding, ...]
    counts: Counts
    rejects: pl.DataFrame
    files: tuple[str, ...]
    written: int = 0
    read_as: tuple[str, ...] = ()
    guesses: tuple[Guess, ...] = ()
    partitions: int = 1
    sources: tuple[Source, ...] = ()

    def before(self, moment: datetime) -> Read:
        """The same events as far as they are before a moment; what was counted and found is of all of them."""
        frame, narrow = (each.filter(pl.col("timestamp") < moment) for each in (self.frame, self.narrow))
        return replace(self, frame=frame, narrow=narrow)


@dataclass(frozen=True, slots=True)
class Erased:
    """Rows of a table that nobody may see or count (`ROW`), and those of which it cannot be told: they are written nowhere."""

    rows: pl.DataFrame
    unstated: pl.DataFrame


@dataclass(frozen=True, slots=True)
class MappedTable:
    """One table, mapped: its columns, its sources, what was told by their values, and what was found in shaping."""

    columns: tuple[Column, ...]
    sources: tuple[Mapped, ...]
    guesses: tuple[Guess, ...]
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True)
class _Judged:
    rows: pl.DataFrame
    narrow: pl.LazyFrame
    findings: list[Finding]
    rejects: pl.DataFrame


def map_table(settings: Settings, name: str, table: Table, before: datetime | None = None) -> MappedTable:
    """Open the files of one table, put them into shape, and map them, lazily; their values are looked at for how they are written.

    Raises:
        DataError: if a file or a required column is missing, or a file cannot be read.
        SettingsError: if the table's settings name what there is not.
    """
    own, preset = table, merged(name, table)
    table = laid_over(name, own)
    check_names(name, table, preset)
    opened = _opened(settings, name, table, preset, before)
    with reading(name, opened):
        shaped = put_into_shape(settings, name, table, preset, opened, before)
        check_columns(name, own, table, preset, shaped.sources)
        doubts = [*doubtful_columns(name, own, table, preset, shaped.sources), *unlike_export(name, own, opened)]
        attributes = attribute_columns(settings, name, preset, shaped.sources)
        columns, preset = (*mappable(name), *attributes.columns), attributes.mapping(preset)
        data = settings.data
        raw = [RawValues(source, table, preset, columns, data.ids, data.currency) for source in shaped.sources]
        notations, guesses = read_notations(name, table, [place for each in raw for place in each.places()])
        notations_of = {
            column.name: attributes.notation(column.name, notation_of_settings(table)) for column in columns
        } | notations
        mapped = map_sources(raw, notations_of, before, data.nobody)
        return MappedTable(columns, mapped, (*shaped.guesses, *guesses, *attributes.guesses), (*shaped.findings, *doubts))


def _opened(settings: Settings, name: str, table: Table, preset: Preset, before: datetime | None) -> tuple[Source, ...]:
    """The table's files, with its columns named as the settings name them."""
    attributes = settings.data.attributes.values() if name == "items" else ()
    kept = {each.column for each in attributes if isinstance(each, AttributeSettings)}
    spoken = spoken_of(name, table, preset)
    return tuple(as_spoken(source, spoken, preset.also, kept) for source in open_table(settings, name, table, before))


def read_table(
    name: str,
    table: Table,
    mapped: MappedTable,
    erased: Erased | None = None,
    training: TrainingSettings | None = None,
) -> Read:
    """Judge one mapped table, but for the rows that vanished; events lose their duplicates, other tables keep several rows per id.
    `training` says how many partitions events are cut into (None: one).

    Raises:
        DataError: if a file cannot be read to its end.
    """
    table, sources = laid_over(name, table), [each.source for each in mapped.sources]
    with reading(name, sources):
        columns = [column for column in mapped.columns if column is not AMOUNT]
        return _read(name, mapped, columns, table, erased, training)


@contextmanager
def reading(name: str, sources: Sequence[Source]) -> Iterator[None]:
    """Say in words which file it is that cannot be read.

    Raises:
        DataError: naming it.
    """
    try:
        yield
    except reader_errors() as error:
        raise unreadable(name, sources, error) from error


def _read(
    name: str,
    mapped_table: MappedTable,
    columns: Sequence[Column],
    table: Table,
    erased: Erased | None,
    training: TrainingSettings | None,
) -> Read:
    mapped: Sequence[Mapped] = mapped_table.sources
    spelled = spelled_ids(mapped)
    names = [column.name for column in columns]
    present = frozenset(n for n in names if n in table.constants or any(source.origins[n] for source in mapped))
    key = event_key(spelled, own_ids="event_id" in present).alias(KEY)
    more = [key, *map(_value, NARROW)] if name == "events" else []
    read = sum(source.source.height() for source in mapped)
    partitions = training.partitions_of(read) if training and name == "events" else 1
    nothing = merged(name, table).null_values
    filtered = sum(filtered_rows(source.source, table.where, nothing) for source in mapped)
    if erased:
        mapped = [replace(source, frame=_without(source.frame, erased.rows)) for source in mapped]
        read -= erased.rows.height
    each = [_judge(name, source, columns, more, erased, aside=partitions > 1) for source in mapped]
    rows = pl.concat([judged.rows for judged in each])
    bad = rows.filter(pl.col(BROKE) > 0).select(ROW)
    findings = _together([finding for judged in each for finding in judged.findings], rows.height)
    findings += [*mapped_table.findings, *order_states(name, mapped, table, may_name=erased is None)]
    double = bad.head(0)
    kept = [*map(_value, names), *(spelled if more else ())]
    frame = pl.concat([source.frame.select(ROW, *kept) for source in mapped])
    if more:
        repeated = repeated_rows(rows, mapped)
        double, frame = repeated.double, with_lines(frame, repeated, spelled)
        findings += repeated_findings(name, mapped, repeated, rows.height)
    gone = pl.concat([bad, double])
    frame = _without(frame, gone)
    return Read(
        frame=frame,
        narrow=_without(pl.concat([judged.narrow for judged in each]), gone) if more else frame,
        present=present,
        findings=tuple(findings),
        counts=Counts(read, read - rows.height, filtered, bad.height, double.height),
        rejects=pl.concat([judged.rejects for judged in each], how="diagonal_relaxed").head(MAX_REJECTS),
        files=tuple(file for source in mapped for file in source.source.files),
        written=max(source.source.written for source in mapped),
        read_as=tuple(said for source in mapped for said in source.source.read_as),
        guesses=mapped_table.guesses,
        partitions=partitions,
        sources=tuple(source.source for source in mapped),
    )


def _value(name: str) -> pl.Expr:
    """A column; a refund of an item that cannot be told has no order, or it would be taken for one of the whole order."""
    if name == "order_id":
        no_item = pl.col(GIVEN + "item_id") & pl.col("item_id").is_null()
        return pl.when(~(no_item & (pl.col("event_type") == "refund"))).then(name).alias(name)
    return pl.col(name)


def _judge(
    name: str, mapped: Mapped, columns: Sequence[Column], more: Sequence[pl.Expr], erased: Erased | None, *, aside: bool
) -> _Judged:
    """Judge the rows of one source; `aside`: the columns `NARROW` go to a temporary file."""
    hard, soft = checks_of(columns, mapped)
    soft += [_REFUND_OF_NOTHING] if name == "events" else []
    whole = judge(mapped, hard, soft, more)
    whole = laid_down(whole, name) if aside else whole.collect(engine="streaming").lazy()
    narrow = whole.select(ROW, *(NARROW if more else ()))
    narrow = narrow if aside else narrow.collect().lazy()
    judged = whole.select(ROW, BROKE, SOFT, *([KEY] if more else ())).collect()
    findings = findings_of(name, mapped, judged, hard, soft)
    rows = judged.drop(SOFT)
    notations_of = judged.join(erased.unstated, on=ROW, how="anti", maintain_order="left") if erased else judged
    return _Judged(rows, narrow, findings, _rejects(mapped, notations_of, hard))


def _without(frame: pl.LazyFrame, bad: pl.DataFrame) -> pl.LazyFrame:
    return frame.join(bad.lazy(), on=ROW, how="anti", maintain_order="left") if bad.height else frame


def _rejects(mapped: Mapped, judged: pl.DataFrame, hard: Sequence[Check]) -> pl.DataFrame:
    """The source's bad rows as they are, with what each broke in the column `broke`."""
    rules = pl.DataFrame({"broke": [check.text for check in hard]}).with_row_index(BROKE, 1)
    bad = judged.filter(pl.col(BROKE) > 0).head(MAX_REJECTS).select(ROW, pl.col(BROKE).cast(pl.UInt32))
    rows = mapped.source.frame.drop(FILE, WHOLE, *([MORE] if mapped.source.has_more else []), strict=False)
    rows = rows if bad.height else rows.head(0)
    wrong = rows.join(bad.join(rules, on=BROKE).lazy(), on=ROW, maintain_order="left")
    return wrong.drop(ROW, BROKE).collect(engine="streaming")


def _together(findings: Sequence[Finding], rows: int) -> list[Finding]:
    """Join what several sources of one table say about the same column and rule."""
    found: dict[tuple[str, str], Finding] = {}
    for each in findings:
        same = found.get((each.column, each.rule))
        count = each.rows + (same.rows if same else 0)
        given = each.given + (same.given if same else 0)
        found[each.column, each.rule] = replace(same or each, rows=count, share=count / rows, given=given)
    return list(found.values())
