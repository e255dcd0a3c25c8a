"""Events without what cannot be: times of 1970 or still to come, the browsing of machines, absurd prices and quantities."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

import polars as pl

from recsys.settings.tables import DataSettings
from recsys.tables.checks.crowds import find_crowds, like_outlets
from recsys.tables.checks.outliers import Absurd, find_absurd, in_another_unit
from recsys.tables.checks.people import Machines, find_machines, findings_on_people
from recsys.tables.checks.survey import FIRST_PLAUSIBLE, Survey, plausible, survey
from recsys.tables.checks.told_orders import never_both, partial_refunds, repeated_lines
from recsys.tables.validation import Finding

LATER, ZERO = "is not later than now", f"is not of {FIRST_PLAUSIBLE.year - 1}"
"""Rules on times that stop a publish where too many rows break them."""


@dataclass(frozen=True, slots=True)
class Cleaning:
    """Faults of some events, found once, to be taken from every frame of them.

    seen: all events together · left_out: rows at implausible times or of machines.
    """

    seen: Survey
    now: datetime | None
    misdated: int
    machines: Machines
    absurd: Absurd
    left_out: int
    findings: tuple[Finding, ...]

    def people(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """Resolved events as they are learned from."""
        return self.machines.without(self.facts(events))

    def facts(self, events: pl.LazyFrame) -> pl.LazyFrame:
        """Events as items' facts are taken from them, whoever looked."""
        return self.absurd.without(events.filter(plausible(self.now)) if self.misdated else events)


def look_at(rows: pl.LazyFrame, items: pl.DataFrame, data: DataSettings, now: datetime | None, file: str) -> Cleaning:
    """Look at the `COLUMNS` of resolved events whose money is in one currency; `items` is the shop's item table, of any height."""
    seen = survey(rows, now)
    misdated = int(seen.whole["rows"][0] - seen.whole["plausible"][0])
    dated = rows.filter(plausible(now)) if misdated else rows
    machines = find_machines(dated, seen, data)
    theirs = machines.count(dated)
    absurd = find_absurd(dated, seen, items, data)
    crowds = find_crowds(dated, seen, machines.ids["user_id"])
    findings = [*_on_times(seen, file), *findings_on_people(seen, machines, crowds, theirs, file)]
    findings += like_outlets(dated, seen, data.nobody, file) if data.numbered_tills is None else []
    findings += absurd.findings(int(seen.whole["plausible"][0]), file)
    findings += in_another_unit(seen, items, file)
    for find in (repeated_lines, partial_refunds, never_both):
        findings += find(dated, int(seen.whole["plausible"][0]), file)
    return Cleaning(seen, now, misdated, machines, absurd, misdated + theirs, tuple(findings))


def _on_times(seen: Survey, file: str) -> list[Finding]:
    whole = seen.whole.row(0, named=True)
    zone = "name the time zone of the export, or correct the clock that wrote it"
    number = "look at the column: a number that is no time, or an empty one, was written as a date"
    return [
        Finding(
            "events",
            file,
            "timestamp",
            rule,
            rows,
            rows / whole["rows"],
            f"{example:%Y-%m-%d %H:%M:%S} UTC",
            advice,
            "left_out",
        )
        for rule, rows, example, advice in (
            (LATER, whole["later"], whole["latest"], zone),
            (ZERO, whole["zero"], whole["earliest"], number),
        )
        if rows
    ]
