"""The rules that rows must keep, and what is said, in the shop's words, about those that do not."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

import polars as pl

from recsys.tables.mapping import GIVEN, Mapped
from recsys.tables.schema import KINDS, Column
from recsys.tables.sources import FILE, MORE, ROW

Level = Literal["rejected", "emptied", "left_out", "note"]
"""rejected: bad rows, left out and written to the rejects file · left_out: rows that are not bad, but not needed either ·
emptied: the value is dropped, the row stays · note: nothing is changed, but worth knowing."""

BROKE = "__broke"
KEY = "__key"
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
    """One rule: what it asks, of which canonical column, which rows break it (a Polars expression), and what to do then."""

    column: str
    rule: str
    advice: str
    broken: pl.Expr
    rejects: bool
    has_example: bool = True

    @property
    def text(self) -> str:
        """Column and rule, as in the column `broke` of a rejects file."""
        return self.rule if self.column == MORE else f"{self.column} {self.rule}"


def checks_of(columns: Sequence[Column], present: Collection[str]) -> tuple[list[Check], list[Check]]:
    """Give the checks that reject a row and those that only empty a value, for the columns that a source has."""
    hard = [check for c in columns if c.required for check in (_missing(c), _unusable(c))]
    return [*hard, _ragged()], [_unusable(c) for c in columns if not c.required and c.name in present]


def _missing(column: Column) -> Check:
    advice = "fill the column, map another one in the settings, or leave such rows out with `where`"
    return Check(column.name, "has a value", advice, ~pl.col(GIVEN + column.name), rejects=True, has_example=False)


def _unusable(column: Column) -> Check:
    kind, broken = KINDS[column.kind], pl.col(GIVEN + column.name) & pl.col(column.name).is_null()
    return Check(column.name, kind.usable, kind.advice, broken, rejects=column.required)


def _ragged() -> Check:
    advice = "put quotes around texts that hold the separator"
    return Check(MORE, "has as many fields as the first line", advice, pl.col(GIVEN + MORE), rejects=True)


def judge(mapped: Mapped, hard: Sequence[Check], soft: Sequence[Check], key: pl.Expr | None) -> pl.LazyFrame:
    """Judge every row: `ROW`, the number of the first hard check that it breaks (0: none), a bit per soft one, the key."""
    broke = pl.lit(0, pl.UInt8)
    for at, check in reversed(list(enumerate(hard, 1))):
        broke = pl.when(check.broken).then(pl.lit(at, pl.UInt8)).otherwise(broke)
    bits = [check.broken.cast(pl.UInt64) * (1 << at) for at, check in enumerate(soft)]
    flags = pl.sum_horizontal(bits).cast(pl.UInt64) if bits else pl.lit(0, pl.UInt64)
    keys = [key.alias(KEY)] if key is not None else []
    return mapped.frame.select(ROW, broke.alias(BROKE), flags.alias(_SOFT), *keys)


def findings_of(
    table: str, mapped: Mapped, judged: pl.DataFrame, hard: Sequence[Check], soft: Sequence[Check]
) -> list[Finding]:
    """Count what each check found in one source, with the first value that broke it."""
    broken = [(c, judged.filter(pl.col(BROKE) == at)) for at, c in enumerate(hard, 1)]
    broken += [(c, judged.filter(pl.col(_SOFT) // (1 << at) % 2 == 1)) for at, c in enumerate(soft)]
    return [_finding(table, mapped, check, rows, judged.height) for check, rows in broken if rows.height]


def _finding(table: str, mapped: Mapped, check: Check, rows: pl.DataFrame, read: int) -> Finding:
    names = mapped.origins[check.column]
    file, example = example_of(mapped, int(rows[ROW][0]), names)
    return Finding(
        table=table,
        file=file,
        column=_both_names(names, check.column),
        rule=check.rule,
        rows=rows.height,
        share=rows.height / read,
        example=example if check.has_example else "",
        advice=check.advice,
        level="rejected" if check.rejects else "emptied",
    )


def _both_names(names: Sequence[str], canonical: str) -> str:
    own = " + ".join(name for name in names if name != MORE)
    return own if canonical in (own, MORE) else f"{own} ({canonical})" if own else canonical


def example_of(mapped: Mapped, row: int, names: tuple[str, ...]) -> tuple[str, str]:
    """Look one source row up: its file's name, and its values in some of the shop's columns, shortened."""
    frame = mapped.source.frame.filter(pl.col(ROW) == row).select(FILE, *names).collect(engine="streaming")
    file, *values = frame.row(0)
    return str(file), ", ".join(_short(value) for value in values)


def _short(value: object) -> str:
    text = value if isinstance(value, str) else str(value)
    shown = text if len(text) <= 60 else f"{text[:40]}… ({len(text)} characters)"
    return "".join(character if character.isprintable() else repr(character)[1:-1] for character in shown)


DONE: Mapping[Level, str] = {
    "rejected": "left out and written to the rejects file",
    "emptied": "the value is dropped, the row stays",
    "left_out": "left out",
    "note": "",
}
"""What happened to the rows of a finding, for people."""


def explain(finding: Finding) -> str:
    """Put a finding into one sentence: where, how many rows, for instance, what happened to them, what to do."""
    where = f"{finding.table}, {finding.file}" + (f", column {finding.column}" if finding.column else "")
    example = f", for instance “{finding.example}”" if finding.example else ""
    done = f"; {DONE[finding.level]}" if DONE[finding.level] else ""
    return f"{where}: {_who(finding)} the rule “{finding.rule}”{example}{done}. To do: {finding.advice}."


def _who(finding: Finding) -> str:
    if not finding.rows:
        return "the table breaks"
    many = finding.rows != 1
    return f"{finding.rows:,} row{'s' * many} ({percent(finding.share)}) break{'s' * (not many)}"


def percent(share: float) -> str:
    """Write a share as a percentage; a tiny one is not shown as none."""
    return f"{share:.1%}" if share >= 0.0005 or share == 0 else "<0.1%"
