"""The rules that rows must keep, and what is said, in the shop's words, about those that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from recsys.data.columns import Column, Kind
from recsys.data.mapping import GIVEN, Mapped
from recsys.data.sources import FILE, ROW
from recsys.types import EVENT_TYPES

Level = Literal["rejected", "emptied", "left_out", "note"]
"""rejected: bad rows, left out and written to the rejects file · left_out: rows that are not bad, but not needed either ·
emptied: the value is dropped, the row stays · note: nothing is changed, but worth knowing."""

BROKE = "__broke"
_SOFT = "__soft"


@dataclass(frozen=True, slots=True)
class Finding:
    """Something about a table that its owner should know: `rows` of it, a `share` 0…1, one `example`, and what to do."""

    table: str
    file: str
    column: str
    rule: str
    rows: int
    share: float
    example: str
    advice: str
    level: Level = "note"


@dataclass(frozen=True, slots=True)
class Check:
    """A column and what is asked of it: to be there (`missing`), or to be usable where it is there."""

    column: Column
    missing: bool

    @property
    def rule(self) -> str:
        """What a row has to keep, in words."""
        return "has a value" if self.missing else USABLE[self.column.kind][0]

    @property
    def advice(self) -> str:
        """What to do about rows that do not."""
        return _FILL if self.missing else USABLE[self.column.kind][1]

    def broken(self) -> pl.Expr:
        """True for the rows that do not keep the rule."""
        given = pl.col(GIVEN + self.column.name)
        return ~given if self.missing else given & pl.col(self.column.name).is_null()


_FILL = "fill the column, map another one in the settings, or leave such rows out with `where`"
USABLE: Mapping[Kind, tuple[str, str]] = {
    "id": ("is an id of at most 256 bytes without control characters", "shorten or clean the id where it is exported"),
    "text": ("is text", "export the column as text"),
    "url": ("is a web address (http, https) or a path starting with /", "export full addresses without spaces"),
    "category": ("is a category path", "name the separator of the levels in `category_separator`"),
    "categories": ("is a list of category paths", "export a list, or text with | between the categories"),
    "currency": ("is a currency code of three letters", "export ISO 4217 codes such as EUR"),
    "type": (
        f"is one of {', '.join(EVENT_TYPES)}",
        'map the word under `event_types` in the settings; map it to "" to leave such rows out',
    ),
    "time": ("is a point in time", "export ISO 8601 such as 2026-05-31T09:30:00Z, or seconds, ms or µs since 1970"),
    "date": ("is a date", "export dates such as 1990-05-31"),
    "number": ("is a finite number", "export plain numbers with a decimal point and no unit"),
    "money": ("is a finite number, 0 or more", "export plain numbers with a decimal point, no currency sign, no minus"),
    "flag": ("is yes or no", "export true or false"),
}
"""Kind of column = what makes a value usable, and what to do where it is not."""


def checks_of(columns: Sequence[Column], present: Sequence[str]) -> tuple[list[Check], list[Check]]:
    """Give the checks that reject a row and those that only empty a value, for the columns that a source has."""
    hard = [Check(c, missing) for c in columns if c.required for missing in (True, False)]
    soft = [Check(c, False) for c in columns if not c.required and c.name in present]
    return hard, soft


def judge(mapped: Mapped, hard: Sequence[Check], soft: Sequence[Check], key: pl.Expr | None) -> pl.LazyFrame:
    """Judge every row: `ROW`, the number of the first hard check that it breaks (0: none), a bit per soft one, the key."""
    broke = pl.lit(0, pl.UInt8)
    for at, check in reversed(list(enumerate(hard, 1))):
        broke = pl.when(check.broken()).then(pl.lit(at, pl.UInt8)).otherwise(broke)
    bits = [check.broken().cast(pl.UInt32) * (1 << at) for at, check in enumerate(soft)]
    flags = pl.sum_horizontal(bits).cast(pl.UInt32) if bits else pl.lit(0, pl.UInt32)
    keys = [key.alias("key")] if key is not None else []
    return mapped.frame.select(ROW, broke.alias(BROKE), flags.alias(_SOFT), *keys)


def findings_of(
    table: str, mapped: Mapped, judged: pl.DataFrame, hard: Sequence[Check], soft: Sequence[Check]
) -> list[Finding]:
    """Count what each check found in one source, with the first value that broke it."""
    broken = [(c, judged.filter(pl.col(BROKE) == at)) for at, c in enumerate(hard, 1)]
    broken += [(c, judged.filter(pl.col(_SOFT) // (1 << at) % 2 == 1)) for at, c in enumerate(soft)]
    return [_finding(table, mapped, check, rows, judged.height) for check, rows in broken if rows.height]


def _finding(table: str, mapped: Mapped, check: Check, rows: pl.DataFrame, read: int) -> Finding:
    names = _shop_columns(check.column, mapped)
    file, example = example_of(mapped, int(rows[ROW][0]), names)
    return Finding(
        table=table,
        file=file,
        column=_both_names(names, check.column.name),
        rule=check.rule,
        rows=rows.height,
        share=rows.height / read,
        example="" if check.missing else example,
        advice=check.advice,
        level="rejected" if check.column.required else "emptied",
    )


def _shop_columns(column: Column, mapped: Mapped) -> tuple[str, ...]:
    names = mapped.origins.get(column.name, ())
    return names or (mapped.origins.get("amount", ()) if column.name == "price" else ())


def _both_names(names: tuple[str, ...], canonical: str) -> str:
    own = " + ".join(names)
    return own if own in ("", canonical) and own else f"{own} ({canonical})" if own else canonical


def example_of(mapped: Mapped, row: int, names: tuple[str, ...]) -> tuple[str, str]:
    """Look one source row up: its file's name, and its values in some of the shop's columns, shortened."""
    frame = mapped.source.frame.filter(pl.col(ROW) == row).select(FILE, *names).collect(engine="streaming")
    file, *values = frame.row(0)
    return str(file), ", ".join(_short(value) for value in values)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    shown = text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"
    return shown.encode("unicode_escape").decode() if not shown.isprintable() else shown


DONE: Mapping[Level, str] = {
    "rejected": "left out and written to the rejects file",
    "emptied": "the value is dropped, the row stays",
    "left_out": "left out",
    "note": "",
}
"""What happened to the rows of a finding, for people."""


def explain(finding: Finding) -> str:
    """Put a finding into one sentence: where, what, how many, for instance, what happened, what to do."""
    column = f" column {finding.column}:" if finding.column else ""
    example = f", for instance {finding.example!r}" if finding.example else ""
    rows = f"{finding.rows:,} row{'s' if finding.rows != 1 else ''} ({percent(finding.share)})"
    done = DONE[finding.level]
    where = f"{finding.table}, {finding.file}" if finding.file else finding.table
    broke = "that do not keep the rule" if finding.level != "note" else "where this holds"
    effect = f"; {done}" if done else ""
    return f"{where}:{column} {rows} {broke} “{finding.rule}”{example}{effect}. To do: {finding.advice}."


def percent(share: float) -> str:
    """Write a share as a percentage; a tiny one is not shown as none."""
    return f"{share:.1%}" if share >= 0.0005 or share == 0 else "<0.1%"
