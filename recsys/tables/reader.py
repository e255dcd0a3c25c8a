"""One table of the shop: opened, mapped, and every row judged once, so that valid rows can be read lazily ever after."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import datetime

import polars as pl
from polars.exceptions import PolarsError

from recsys.event_ids import EVENT_ID_LENGTH, ID_FIELD_SEPARATOR
from recsys.settings import Settings
from recsys.settings.tables import Table
from recsys.tables.mapping import GIVEN, Mapped, map_source
from recsys.tables.mapping_checks import check_columns, check_names
from recsys.tables.presets import merged
from recsys.tables.schema import AMOUNT, CONSENTS, Column, mappable
from recsys.tables.sources import FILE, MORE, ROW, open_table, unreadable
from recsys.tables.validation import BROKE, KEY, Check, Finding, checks_of, example_of, findings_of, judge

MAX_REJECTS = 100_000
"""Most bad rows of one table that are written to its rejects file; all of them are counted."""
_IDENTITY = ("user_id", "event_type", "item_id", "timestamp", "order_id")


@dataclass(frozen=True, slots=True)
class Counts:
    """Rows of one table: read = kept + left_out (by the settings) + rejected (bad) + duplicates."""

    read: int = 0
    left_out: int = 0
    rejected: int = 0
    duplicates: int = 0

    @property
    def kept(self) -> int:
        """Rows that stay."""
        return self.read - self.left_out - self.rejected - self.duplicates

    @property
    def rejected_share(self) -> float:
        """Bad rows among those that the settings do not leave out, 0…1."""
        return self.rejected / max(1, self.read - self.left_out)


@dataclass(frozen=True, slots=True)
class Read:
    """A judged table: its valid rows, lazily, with `ROW`, and the bad ones as the shop wrote them with the rule they broke.

    present: the canonical columns that come from the shop or a constant; the others are all null · written: when the newest file was,
    µs since 1970 · read_as: what each file was taken for, and why.
    """

    frame: pl.LazyFrame
    present: frozenset[str]
    findings: tuple[Finding, ...]
    counts: Counts
    rejects: pl.DataFrame
    files: tuple[str, ...]
    written: int = 0
    read_as: tuple[str, ...] = ()


@dataclass(frozen=True, slots=True)
class Erased:
    """Rows of a table that nobody may see or count (`ROW`), and those of which it cannot be told: they are written nowhere."""

    rows: pl.DataFrame
    untold: pl.DataFrame


@dataclass(frozen=True, slots=True)
class _Judged:
    rows: pl.DataFrame
    findings: list[Finding]
    rejects: pl.DataFrame


def map_table(settings: Settings, name: str, table: Table, before: datetime | None = None) -> list[Mapped]:
    """Open and map the files of one table, lazily.

    Raises:
        DataError: if a file or a required column is missing.
        SettingsError: if the table's settings name what there is not.
    """
    columns, preset = mappable(name), merged(table)
    check_names(name, table, preset)
    sources = open_table(settings, name, table, before)
    check_columns(name, table, preset, sources)
    return [map_source(source, table, preset, columns, before) for source in sources]


def read_table(name: str, table: Table, mapped: Sequence[Mapped], erased: Erased | None = None) -> Read:
    """Judge one mapped table, but for the rows that vanished; events lose their duplicates, other tables keep several rows per id.

    Raises:
        DataError: if a file cannot be read to its end.
    """
    with reading(name, mapped):
        return _read(name, mapped, [column for column in mappable(name) if column is not AMOUNT], table, erased)


@contextmanager
def reading(name: str, mapped: Sequence[Mapped]) -> Iterator[None]:
    """Say in words which file it is that cannot be read.

    Raises:
        DataError: naming it.
    """
    try:
        yield
    except (PolarsError, OSError) as error:
        raise unreadable(name, [each.source for each in mapped], error) from error


def event_id() -> pl.Expr:
    """The event's own id, else the one derived from its fields (`event_ids.event_id_of`), before users are resolved."""
    fields = pl.struct("event_id", *_IDENTITY)
    return fields.map_batches(_with_derived_ids, return_dtype=pl.String(), is_elementwise=True).alias("event_id")


def _with_derived_ids(fields: pl.Series) -> pl.Series:
    frame = fields.struct.unnest()
    if not frame["event_id"].null_count():
        return frame["event_id"]
    import polars_hash as plh

    parts = [pl.col(name) for name in _IDENTITY]
    parts[_IDENTITY.index("timestamp")] = pl.col("timestamp").dt.epoch("us")
    text = pl.concat_str([part.cast(pl.String).fill_null("") for part in parts], separator=ID_FIELD_SEPARATOR)
    lacking = frame.select(pl.when(pl.col("event_id").is_null()).then(text).alias("text"))
    derived = lacking.select(plh.col("text").chash.sha2_256().str.slice(0, EVENT_ID_LENGTH)).to_series()
    return frame["event_id"].fill_null(derived)


def _read(name: str, mapped: Sequence[Mapped], columns: Sequence[Column], table: Table, erased: Erased | None) -> Read:
    key = event_id().hash() if name == "events" else None
    read = sum(source.source.height() for source in mapped)
    if erased:
        mapped = [replace(source, frame=_without(source.frame, erased.rows)) for source in mapped]
        read -= erased.rows.height
    each = [_judge(name, source, columns, key, erased) for source in mapped]
    rows = pl.concat([judged.rows for judged in each])
    bad = rows.filter(pl.col(BROKE) > 0).select(ROW)
    double = _duplicates(rows) if key is not None else bad.head(0)
    findings = _together([finding for judged in each for finding in judged.findings], rows.height)
    if double.height:
        findings.append(_duplicates_finding(name, mapped, double, rows.height))
    names = [column.name for column in columns]
    values = [_refused_if_unreadable(name) if name in CONSENTS else pl.col(name) for name in names]
    return Read(
        frame=_without(pl.concat([source.frame.select(ROW, *values) for source in mapped]), pl.concat([bad, double])),
        present=frozenset(n for n in names if n in table.constants or any(source.origins[n] for source in mapped)),
        findings=tuple(findings),
        counts=Counts(read, read - rows.height, bad.height, double.height),
        rejects=pl.concat([judged.rejects for judged in each], how="diagonal_relaxed").head(MAX_REJECTS),
        files=tuple(file for source in mapped for file in source.source.files),
        written=max(source.source.written for source in mapped),
        read_as=tuple(said for source in mapped for said in source.source.read_as),
    )


def _refused_if_unreadable(name: str) -> pl.Expr:
    """A consent, refused where the source has a value that says neither yes nor no."""
    return pl.when(pl.col(GIVEN + name) & pl.col(name).is_null()).then(False).otherwise(pl.col(name)).alias(name)


def _judge(name: str, mapped: Mapped, columns: Sequence[Column], key: pl.Expr | None, erased: Erased | None) -> _Judged:
    hard, soft = checks_of(columns, [column.name for column in columns if mapped.origins[column.name]])
    judged = judge(mapped, hard, soft, key).collect(engine="streaming")
    findings = findings_of(name, mapped, judged, hard, soft)
    told = judged.join(erased.untold, on=ROW, how="anti", maintain_order="left") if erased else judged
    return _Judged(judged.select(ROW, BROKE, *([KEY] if key is not None else [])), findings, _rejects(mapped, told, hard))


def _without(frame: pl.LazyFrame, bad: pl.DataFrame) -> pl.LazyFrame:
    return frame.join(bad.lazy(), on=ROW, how="anti", maintain_order="left") if bad.height else frame


def _duplicates(rows: pl.DataFrame) -> pl.DataFrame:
    good = rows.filter(pl.col(BROKE) == 0)
    return good.filter(~good[KEY].is_first_distinct()).select(ROW)


def _duplicates_finding(name: str, mapped: Sequence[Mapped], double: pl.DataFrame, rows: int) -> Finding:
    first = int(double[ROW][0])
    owner = [each for each in mapped if each.source.first_row <= first][-1]
    own = owner.origins["event_id"]
    names = own or tuple(name for column in _IDENTITY for name in owner.origins[column][:1])
    file, example = example_of(owner, first, names)
    return Finding(
        table=name,
        file=file,
        column=" + ".join(names),
        rule="event_id is unique" if own else "user, event type, item, time and order are unique together",
        rows=double.height,
        share=double.height / rows,
        example=example,
        advice="nothing, if the export repeats rows; else give each event its own event_id",
        level="left_out",
    )


def _rejects(mapped: Mapped, judged: pl.DataFrame, hard: Sequence[Check]) -> pl.DataFrame:
    """The source's bad rows as they are, with what each broke in the column `broke`."""
    rules = pl.DataFrame({"broke": [check.text for check in hard]}).with_row_index(BROKE, 1)
    bad = judged.filter(pl.col(BROKE) > 0).head(MAX_REJECTS).select(ROW, pl.col(BROKE).cast(pl.UInt32))
    rows = mapped.source.frame.drop(FILE, *([MORE] if mapped.source.has_more else []))
    rows = rows if bad.height else rows.head(0)
    wrong = rows.join(bad.join(rules, on=BROKE).lazy(), on=ROW, maintain_order="left")
    return wrong.drop(ROW, BROKE).collect(engine="streaming")


def _together(findings: Sequence[Finding], rows: int) -> list[Finding]:
    """Join what several sources of one table say about the same column and rule."""
    found: dict[tuple[str, str], Finding] = {}
    for each in findings:
        same = found.get((each.column, each.rule))
        count = each.rows + (same.rows if same else 0)
        found[each.column, each.rule] = replace(same or each, rows=count, share=count / rows)
    return list(found.values())
