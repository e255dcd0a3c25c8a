"""Read-out of an experiment: every measure of every arm against the control, the verdict, and the curve day by day.

`make experiment ID=home_lead` prints it, and writes ID.json and ID.csv.
"""

from __future__ import annotations

import csv
import math
from datetime import datetime
from pathlib import Path
from typing import Any

import msgspec
import polars as pl

from recsys.clock import DAY, to_datetime, to_microseconds
from recsys.disk import write_whole
from recsys.experiments.assignment import expected_shares, key_of
from recsys.experiments.read_outs import READ_OUTS, Compared, Point, ReadOut
from recsys.experiments.sizes import sizes_p
from recsys.live.databases import open_log, open_slates
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.settings.experiments import HOLDOUT, INTERLEAVED, Experiment
from recsys.types import DataError
from training import console
from training.experiments.interleaved import CLICKS, ORDERS, Credited, credited, deciding, preference
from training.experiments.interleaved import pace as pace_of_persons
from training.experiments.ledger import Ledger, read_ledger
from training.experiments.measures import MEASURES
from training.experiments.statistics import Difference, adjusted, aggregates, difference, units_needed
from training.experiments.units import exposed, unit_table
from training.experiments.verdict import Pace, verdict

MOST_POINTS = 30
"""Points of the curve."""


def experiment(
    settings: Settings, name: str, now: datetime, out: Path | None, erasure_keys: ErasureKeys | None = None
) -> int:
    """Print the read-out of an experiment and write it to a folder.

    Raises:
        DataError: if there is no such experiment, or nobody was exposed to it yet; else as reading the tables does.
        StateError: if the log cannot be read.
    """
    found = read_out(settings, name, now, erasure_keys)
    folder = out or settings.artifacts / READ_OUTS
    _show(found)
    for path in _write(found, folder):
        console.say(f"✓ {path}")
    return 0


def read_out(settings: Settings, name: str, now: datetime, erasure_keys: ErasureKeys | None = None) -> ReadOut:
    """Work out what an experiment says; raises as `experiment` does."""
    log = open_log(settings).experiments
    known = {each: declared.experiment for each, declared in log.declared().items()} | dict(settings.experiments)
    if name not in known:
        raise DataError(f"ID {name!r}: there is no such experiment; there are {', '.join(sorted(known)) or 'none'}")
    chosen = known[name]
    ledger = read_ledger(settings, now, erasure_keys)
    persons, crossed = exposed((each for batch in log.exposures(key_of(name, chosen)) for each in batch), ledger.owners)
    if persons.is_empty():
        raise DataError(f"ID {name!r}: nobody was exposed to it yet; ask for lists on {chosen.placement!r} while it runs")
    if chosen.kind == INTERLEAVED:
        return _read_interleaved(
            name, chosen, ledger, persons, credited(ledger, persons, open_slates(settings).heads(), name), now
        )
    return _read(name, chosen, ledger, persons, crossed, now)


def _read_interleaved(
    name: str, chosen: Experiment, ledger: Ledger, persons: pl.DataFrame, found: Credited, now: datetime
) -> ReadOut:
    until, decides, arm = to_microseconds(now), deciding(chosen), chosen.arms[1].name
    by_measure = {CLICKS: found.clicks, ORDERS: found.orders}
    told = adjusted([preference(measure, arm, each) for measure, each in by_measure.items()], decides)
    first = next(each for each in told if each.measure == decides)
    progress = pace_of_persons(persons, by_measure[decides], chosen.smallest_effect, until)
    return ReadOut(
        id=name,
        key=key_of(name, chosen),
        placement=chosen.placement,
        metric=decides,
        since=_day(int(persons["at"].min())),  # type: ignore[arg-type]
        until=now,
        currency=ledger.currency,
        units={INTERLEAVED: persons.height},
        expected_shares=expected_shares(chosen),
        sizes_p=1.0,
        crossed=0,
        verdicts={arm: verdict(first, progress, chosen.smallest_effect, 1.0)},
        differences=tuple(_finite(each) for each in told),
    )


def _read(name: str, chosen: Experiment, ledger: Ledger, persons: pl.DataFrame, crossed: int, now: datetime) -> ReadOut:
    until = to_microseconds(now)
    counts = {arm: int(persons.filter(pl.col("arm") == arm).height) for arm in expected_shares(chosen)}
    sizes = sizes_p(counts, expected_shares(chosen))
    told = compare(unit_table(ledger, persons, until, chosen.winsorize), chosen)
    return ReadOut(
        id=name,
        key=key_of(name, chosen),
        placement=chosen.placement,
        metric=chosen.metric,
        since=_day(int(persons["at"].min())) if persons.height else None,  # type: ignore[arg-type]
        until=now,
        currency=ledger.currency,
        units=counts,
        expected_shares=expected_shares(chosen),
        sizes_p=sizes,
        crossed=crossed,
        verdicts={
            each.arm: verdict(each, pace(ledger, persons, chosen, each.arm, until), chosen.smallest_effect, sizes)
            for each in told
            if each.measure == chosen.metric and each.arm != HOLDOUT
        },
        differences=tuple(_finite(each) for each in told),
        curve=tuple(_curve(ledger, persons, chosen, until)),
    )


def compare(table: pl.DataFrame, chosen: Experiment) -> list[Difference]:
    """Every measure of every arm against the control, as far as both have somebody."""
    sums, control = aggregates(table, list(MEASURES.values())), chosen.arms[0].name
    others = [arm for arm in expected_shares(chosen) if arm != control and arm in sums and sums[arm].count() > 1]
    if control not in sums or sums[control].count() <= 1:
        return []
    found = [difference(each, arm, sums[control], sums[arm]) for arm in others for each in MEASURES.values()]
    return adjusted(found, chosen.metric)


def pace(ledger: Ledger, persons: pl.DataFrame, chosen: Experiment, arm: str, until: int) -> Pace:
    """Return how many persons the control and an arm have, need, and get a day."""
    both = persons.filter(pl.col("arm").is_in([chosen.arms[0].name, arm]))
    table = unit_table(ledger, both, until, chosen.winsorize).with_columns(pl.lit("all").alias("arm"))
    measure = MEASURES[chosen.metric]
    needed = (
        units_needed(measure, aggregates(table, [measure])["all"], chosen.smallest_effect) if both.height > 1 else math.inf
    )
    first = min(both["at"].to_list(), default=until)
    return Pace(both.height, needed, both.height / max((until - first) / DAY, 1.0))


def _curve(ledger: Ledger, persons: pl.DataFrame, chosen: Experiment, until: int) -> list[Point]:
    """The deciding measure at the end of each day, or of so many of them evenly."""
    first = min(persons["at"].to_list())
    days = max(math.ceil((until - first) / DAY), 1)
    step = max(math.ceil(days / MOST_POINTS), 1)
    points = []
    for day in [*range(step, days, step), days]:
        moment = min(first + day * DAY, until)
        table = unit_table(ledger, persons, moment, chosen.winsorize)
        units = dict(table.group_by("arm").len().iter_rows())
        for each in compare(table, chosen):
            if each.measure == chosen.metric:
                told = (each.relative, each.always_low, each.always_high)
                points.append(Point(_day(moment), each.arm, units[each.arm], *map(_number, told)))
    return points


def _finite(told: Difference) -> Compared:
    return Compared(**{name: _number(value) for name, value in msgspec.structs.asdict(told).items()})


def _number(value: Any) -> Any:
    """A figure as JSON has it: what is not finite is null."""
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _day(moment: int) -> str:
    return to_datetime(moment).date().isoformat()


def _show(found: ReadOut) -> None:
    sizes = [(arm, f"{count:,}", f"{found.expected_shares[arm]:.1%}") for arm, count in found.units.items()]
    console.table(f"Experiment {found.id} on {found.placement}, from {found.since}", ("arm", "persons", "drawn"), sizes)
    rows = [_row(each) for each in found.differences]
    columns = ("measure", "arm", "control", "value", "difference", "looking once", "looking daily", "p", "adjusted")
    console.table("Against the control", columns, rows)
    crossed = f", {found.crossed:,} of the persons were in two arms before they signed in" if found.crossed else ""
    console.say(f"sizes of the arms: p = {found.sizes_p:.3g}{crossed}")
    for text in found.verdicts.values():
        console.say(f"• {text}")


def _row(each: Compared) -> tuple[object, ...]:
    return (
        each.measure,
        each.arm,
        _figure(each.control),
        _figure(each.value),
        _share(each.relative),
        f"{_share(each.low)} to {_share(each.high)}",
        f"{_share(each.always_low)} to {_share(each.always_high)}",
        _figure(each.p),
        _figure(each.adjusted_p),
    )


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value:+.1%}"


def _write(found: ReadOut, folder: Path) -> list[Path]:
    try:
        folder.mkdir(parents=True, exist_ok=True)
        with write_whole(folder / f"{found.id}.json") as file:
            file.write_bytes(msgspec.json.format(msgspec.json.encode(found)) + b"\n")
        with write_whole(folder / f"{found.id}.csv") as file, file.open("w", newline="") as text:
            lines = csv.DictWriter(text, Compared.__struct_fields__)
            lines.writeheader()
            lines.writerows(map(msgspec.structs.asdict, found.differences))
    except OSError as error:
        raise DataError(f"--out {folder}: cannot be written ({error.strerror})") from error
    return [folder / f"{found.id}.json", folder / f"{found.id}.csv"]
