"""Read-out of an experiment as text, JSON and CSV."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from pathlib import Path

import msgspec

from recsys.disk import write_whole
from recsys.experiments.read_outs import Compared, ReadOut, Segment
from recsys.types import DataError
from training import console

_LAST_POINTS = 7
_AGAINST = ("measure", "control", "value", "differs", "looking once", "looking daily", "p", "p adj.")


def show(found: ReadOut) -> None:
    """Print a read-out: arms, measures, the last days, segments, and what it comes to."""
    title = f"Experiment {found.id} on {found.placement}, from {found.since}"
    console.table(
        title, ("arm", "persons", "drawn", "exposures", "logged lists", "coverage", "ms an answer"), list(_arms(found))
    )
    for arm in dict.fromkeys(each.arm for each in found.differences):
        console.table(f"{arm} against the control", _AGAINST, [_row(each) for each in found.differences if each.arm == arm])
    if found.curve:
        points = [
            (each.day, each.arm, each.units, _share(each.relative), _range(each.always_low, each.always_high))
            for each in found.curve[-_LAST_POINTS * max(len(found.verdicts), 1) :]
        ]
        console.table(f"{found.metric} day by day", ("until", "arm", "persons", "difference", "looking daily"), points)
    if found.segments:
        rows = [_segment(each) for each in found.segments]
        columns = ("segment", "arm", "persons", "differs", "looking once", "p", "p adj.")
        console.table(f"Exploratory: {found.metric} by segment, for what to look at next", columns, rows)
    for text in _sentences(found):
        console.say(text)
    for text in (*found.verdicts.values(), *found.warnings):
        console.say(f"• {text}")


def write(found: ReadOut, folder: Path) -> list[Path]:
    """Write ID.json and ID.csv; returns where they are.

    Raises:
        DataError: if they cannot be written.
    """
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


def _arms(found: ReadOut) -> Iterator[tuple[object, ...]]:
    for arm, count in found.units.items():
        stated = found.arms.get(arm)
        yield (
            arm,
            f"{count:,}",
            f"{found.expected_shares.get(arm, 0):.1%}",
            stated.exposures if stated else "",
            stated.lists if stated else "",
            "" if stated is None or stated.coverage is None else f"{stated.coverage:.1%}",
            "" if stated is None or stated.milliseconds is None else f"{stated.milliseconds:.2f}",
        )


def _sentences(found: ReadOut) -> Iterator[str]:
    crossed = f", {found.crossed:,} of the persons were in two arms before they signed in" if found.crossed else ""
    yield f"sizes of the arms: p = {found.sizes_p:.3g}{crossed}"
    if found.left_out:
        yield "not counted: " + ", ".join(f"{count:,} {why}" for why, count in found.left_out.items())
    yield from found.notes


def _row(each: Compared) -> tuple[object, ...]:
    return (
        each.measure,
        _figure(each.control),
        _figure(each.value),
        _share(each.relative),
        _range(each.low, each.high),
        _range(each.always_low, each.always_high),
        _chance(each.p),
        _chance(each.adjusted_p),
    )


def _segment(each: Segment) -> tuple[object, ...]:
    stated = _share(each.relative), _range(each.low, each.high), _chance(each.p), _chance(each.adjusted_p)
    return (each.segment, each.arm, each.units, *stated)


def _range(low: float | None, high: float | None) -> str:
    return "?" if low is None or high is None else f"{_share(low)} to {_share(high)}"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _chance(p: float | None) -> str:
    return "" if p is None else f"{p:.2g}"


def _share(value: float | None) -> str:
    return "?" if value is None else f"{value:+.1%}"
