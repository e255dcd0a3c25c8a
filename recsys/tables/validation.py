"""The rules that rows must keep, and what is said, in the shop's words, about those that do not."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Literal

import polars as pl

from recsys.tables.columns.guards import guards
from recsys.tables.mapping import AGAIN, GIVEN, SKIPPED, UNREAD, Mapped
from recsys.tables.schema import KINDS, Column, Kind
from recsys.tables.sources import FILE, MORE, ROW
from recsys.tables.values.examples import joined, words_of
from recsys.tables.values.signs import matches, one_of

Level = Literal["rejected", "closed", "emptied", "left_out", "note"]
"""rejected: bad rows, left out and written to the rejects file · closed: a value that guards is read as no · emptied: the value
is dropped, the row stays · left_out: rows that are not bad, but not needed either · note: nothing is changed, but worth knowing."""

SHORTENED = "is a whole id, and no number that was shortened"
BROKE = "__broke"
KEY = "__key"
SOFT = "__soft"
_SEVERAL = "|".join(
    (
        r"""^\s*\[*\s*\{\s*["']""",
        r"^\s*\[.*\]\s*$",
        r"^\s*\{[^{}]*,[^{}]*\}\s*$",
        r"^\s*\[[\s\[]*[\"'{]",
        r":[^|]*\|[^|:]*:",
        r"=[^|;]*[|;][^|;=]*=",
    )
)
"""JSON, lists as databases and programs write them, or fields with names: what no item's id is."""


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
    given: int = 0
    """Rows with a value, where it is a share of these that counts."""

    @property
    def names_people(self) -> bool:
        """Tell whether its example may be somebody's id or what the shop knows of them."""
        return self.table in ("users", "identities") or any(name in self.column for name in ("user_id", "anonymous_id"))

    @property
    def has_weight(self) -> bool:
        """Tell whether training repeats it: values or rows are lost, or more than a hundredth of the rows are concerned."""
        return self.level in ("rejected", "emptied") or self.share >= 0.01


@dataclass(frozen=True, slots=True)
class Check:
    """One rule: what it asks, of which canonical column, which rows break it (a Polars expression), and what is done then.

    rests_on: the table stops the job where no value of the column can be read.
    """

    column: str
    kind: Kind
    rule: str
    advice: str
    broken: pl.Expr
    level: Level
    has_example: bool = True
    rests_on: bool = False

    @property
    def text(self) -> str:
        """Column and rule, as in the column `broke` of a rejects file."""
        return self.rule if self.column == MORE else f"{self.column} {self.rule}"


def checks_of(columns: Sequence[Column], mapped: Mapped) -> tuple[list[Check], list[Check]]:
    """Give the checks that reject a row and those that only empty a value, for the columns that a source has."""
    present = [column for column in columns if mapped.origins[column.name]]
    needed = [c for c in columns if c.required]
    hard = [check for c in needed for check in (*(() if c.may_be_empty else (_missing(c),)), _unusable(c, "rejected"))]
    closing = guards(columns)
    soft = [_unusable(c, "closed" if c.name in closing else "emptied") for c in present if not c.required]
    hard += [_one_item()] if any(column.name == "item_id" for column in present) else []
    soft += [_whole_id(column) for column in present if column.name in ("item_id", "user_id", "order_id")]
    if any(column.name == "event_type" for column in columns) and mapped.origins["quantity"]:
        soft.append(_given_back())
    return [_names_again(), *hard, _ragged()], [*soft, *(_skipped(c) for c in present if c.name in mapped.zoned)]


def _missing(column: Column) -> Check:
    advice = (
        "fill the column or map another one; set `fill_down` if the first row of an order or product says it for the rows below, "
        "or leave such rows out with `where`"
    )
    broken = ~pl.col(GIVEN + column.name)
    return Check(column.name, column.kind, "has a value", advice, broken, "rejected", has_example=False)


def _unusable(column: Column, level: Level) -> Check:
    kind, rests_on = KINDS[column.kind], level == "closed" or column.name in ("price", "quantity")
    return Check(column.name, column.kind, kind.usable, kind.advice, pl.col(UNREAD + column.name), level, rests_on=rests_on)


def _one_item() -> Check:
    """A cell that holds the items of an order, as JSON or packed, is no item's id."""
    several = matches(pl.col("item_id"), _SEVERAL, one_of(b"[{|="))
    advice = "turn each line into a row with `unnest` in the settings, or export one row for each line"
    return Check("item_id", "id", "holds one item", advice, several, "rejected")


def _whole_id(column: Column) -> Check:
    """4.00638E+12 is what a spreadsheet makes of a long number: many ids became one."""
    shortened = matches(pl.col(column.name), r"^\s*\d(?:[.,]\d+)?[eE]\+\d{2,3}\s*$", one_of(b"+"))
    advice = "export the ids as text, from where they come and not from a spreadsheet"
    return Check(column.name, "id", SHORTENED, advice, shortened, "note")


def _given_back() -> Check:
    """A purchase of fewer than none is a return that no rule makes one: what came back still counts as bought."""
    advice = "make them refunds with a rule of `type_rules` on the column, or leave such rows out with `where`"
    broken = ((pl.col("event_type") == "purchase") & (pl.col("quantity") < 0)).fill_null(False)
    return Check("quantity", "number", "of a purchase is not below 0", advice, broken, "note")


def _names_again() -> Check:
    advice = (
        "export tables whose columns stand in another order as files of their own: rows below stand under the wrong names"
    )
    return Check(MORE, "text", "is a row, and no line of column names", advice, pl.col(AGAIN), "rejected", has_example=False)


def _ragged() -> Check:
    advice = "put quotes around texts that hold the separator"
    return Check(MORE, "text", "has as many fields as the first line", advice, pl.col(GIVEN + MORE), "rejected")


def _skipped(column: Column) -> Check:
    advice = "nothing, if an hour matters little; else export times with their zone"
    rule = "is a time that its zone did not skip, else it is read as that much later"
    return Check(column.name, "time", rule, advice, pl.col(SKIPPED + column.name).fill_null(False), "note")


def judge(mapped: Mapped, hard: Sequence[Check], soft: Sequence[Check], more: Sequence[pl.Expr]) -> pl.LazyFrame:
    """Judge every row: `ROW`, the number of the first hard check that it breaks (0: none), a bit per soft one, and `more`."""
    broke = pl.lit(0, pl.UInt8)
    for at, check in reversed(list(enumerate(hard, 1))):
        broke = pl.when(check.broken).then(pl.lit(at, pl.UInt8)).otherwise(broke)
    bits = [check.broken.cast(pl.UInt64) * (1 << at) for at, check in enumerate(soft)]
    flags = pl.sum_horizontal(bits).cast(pl.UInt64) if bits else pl.lit(0, pl.UInt64)
    return mapped.frame.select(ROW, broke.alias(BROKE), flags.alias(SOFT), *more)


def findings_of(
    table: str, mapped: Mapped, judged: pl.DataFrame, hard: Sequence[Check], soft: Sequence[Check]
) -> list[Finding]:
    """Count what each check found in one source, with the first value that broke it."""
    worst, flags = (each or 0 for each in judged.select(pl.col(BROKE).max(), pl.col(SOFT).bitwise_or()).row(0))
    broken = [(c, judged.filter(pl.col(BROKE) == at)) for at, c in enumerate(hard, 1) if at <= worst]
    broken += [(c, judged.filter(pl.col(SOFT) // (1 << at) % 2 == 1)) for at, c in enumerate(soft) if flags >> at & 1]
    return [_finding(table, mapped, check, rows, judged.height) for check, rows in broken if rows.height]


def _finding(table: str, mapped: Mapped, check: Check, rows: pl.DataFrame, read: int) -> Finding:
    names = mapped.origins[check.column]
    file, example = example_of(mapped, int(rows[ROW][0]), dict.fromkeys(names, check.kind))
    if check.kind in ("flag", "availability", "consent"):
        example = _words(mapped, rows, names, check.kind)
    return Finding(
        table=table,
        file=file,
        column=_both_names(names, check.column),
        rule=check.rule,
        rows=rows.height,
        share=rows.height / read,
        example=example if check.has_example else "",
        advice=check.advice,
        level=check.level,
        given=_given(mapped, check.column) if check.rests_on else 0,
    )


def _given(mapped: Mapped, column: str) -> int:
    return int(mapped.frame.select(pl.col(GIVEN + column).sum()).collect(engine="streaming").item() or 0)


def _words(mapped: Mapped, rows: pl.DataFrame, names: Sequence[str], kind: Kind) -> str:
    """The words of the rows that were not understood, so that they can be named in the settings."""
    theirs = mapped.source.frame.select(ROW, *names).join(rows.select(ROW).lazy(), on=ROW, how="semi")
    texts = theirs.select(pl.concat_str([pl.col(name).cast(pl.String) for name in names], separator=", ", ignore_nulls=True))
    return words_of(texts.collect(engine="streaming").to_series(), kind)


def _both_names(names: Sequence[str], canonical: str) -> str:
    own = " + ".join(name for name in names if name != MORE)
    return own if canonical in (own, MORE) else f"{own} ({canonical})" if own else canonical


def example_of(mapped: Mapped, row: int, kinds: Mapping[str, Kind]) -> tuple[str, str]:
    """Look one source row up: its file's name, and its values in some of the shop's columns, as far as they may be shown."""
    frame = mapped.source.frame.filter(pl.col(ROW) == row).select(FILE, *kinds).collect(engine="streaming")
    file, *values = frame.row(0)
    return str(file), joined(list(kinds.values()), values)


DONE: Mapping[Level, str] = {
    "rejected": "left out and written to the rejects file",
    "closed": "read as no: not shown, not written to",
    "emptied": "the value is dropped, the row stays",
    "left_out": "left out",
    "note": "",
}
"""What happened to the rows of a finding, for people."""


def findings_table(findings: Sequence[Finding], people: bool = True) -> list[dict[str, str]]:
    """Give findings as rows of text, the worst first; without `people`, no example that names somebody."""
    order = ("rejected", "closed", "emptied", "left_out", "note")
    ranked = sorted(findings, key=lambda each: (order.index(each.level), -each.rows))
    return [
        {
            "table": each.table,
            "file": Path(each.file).name,
            "column": each.column,
            "rule": each.rule,
            "rows": f"{each.rows:,}",
            "share": percent(each.share),
            "example": each.example if people or not each.names_people else "",
            "done": DONE[each.level],
            "advice": each.advice,
        }
        for each in ranked
    ]


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
