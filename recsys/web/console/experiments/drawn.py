"""Drawing of a read-out: each measure of an arm as a bar around no difference, and the deciding one day by day, in boxes that are
`WIDTH` wide."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from recsys.experiments.read_outs import MEASURE_WORDS, Compared, Point, ReadOut, reach_of

WIDTH = 200.0
HEIGHT = 80.0
"""Height of the box of a curve."""


class Span(NamedTuple):
    """Part of the box: where it begins, and how wide it is."""

    start: float
    width: float


class Bar(NamedTuple):
    """One measure drawn: `daily` holds however often one looks, `once` for those who look once; None: not told yet."""

    name: str
    decides: bool
    said: str
    daily: Span | None
    once: Span | None
    tick: float | None


class Curve(NamedTuple):
    """The deciding measure of an arm day by day: SVG paths of the difference and of the interval that holds however often one looks
    (empty: there was none yet). The box reaches from -reach to reach (per cent, as text); `said` is the same as a sentence."""

    line: str
    band: str
    reach: str
    since: str
    until: str
    said: str


class Drawn(NamedTuple):
    """One arm drawn; the box reaches from -reach to reach (per cent, as text)."""

    arm: str
    verdict: str
    reach: str
    bars: list[Bar]
    curve: Curve | None


def drawn(found: ReadOut) -> list[Drawn]:
    """Draw every arm that is compared with the control, in the order of the read-out."""
    arms: dict[str, list[Compared]] = {}
    for each in found.differences:
        arms.setdefault(each.arm, []).append(each)
    return [_arm(found, arm, rows) for arm, rows in arms.items()]


def _arm(found: ReadOut, arm: str, rows: list[Compared]) -> Drawn:
    reach = reach_of(rows)
    bars = [_bar(each, reach, each.measure == found.metric) for each in rows]
    curve = _curve([each for each in found.curve if each.arm == arm])
    return Drawn(arm, found.verdicts.get(arm, ""), f"{reach:.1%}", bars, curve)


def _curve(points: Sequence[Point]) -> Curve | None:
    """Draw a curve; None: there are not two days of it."""
    known = [(at, each.relative) for at, each in enumerate(points) if each.relative is not None]
    if len(known) < 2:
        return None
    sure = [
        (at, each.always_low, each.always_high)
        for at, each in enumerate(points)
        if each.always_low is not None and each.always_high is not None
    ]
    edges = [edge for _, low, high in sure for edge in (low, high)]
    reach = min(max(map(abs, edges or [value for _, value in known])), 1.0) or 0.01
    step = WIDTH / (len(points) - 1)
    line = _path([(at * step, value) for at, value in known], reach)
    there = [(at * step, low) for at, low, _ in sure]
    back = [(at * step, high) for at, _, high in reversed(sure)]
    first, last = points[0], points[-1]
    said = f"{_share(last.relative)}, {_range(last.always_low, last.always_high) or 'no interval yet'}, by {last.day}"
    return Curve(line, f"{_path(there + back, reach)}z" if len(sure) > 1 else "", f"{reach:.1%}", first.day, last.day, said)


def _path(places: Sequence[tuple[float, float]], reach: float) -> str:
    """An SVG path through (x, value); what lies beyond the box is cut off."""
    said = [f"{x:.2f} {(1 - min(max(value / reach, -1.0), 1.0)) / 2 * HEIGHT:.2f}" for x, value in places]
    return "M" + "L".join(said)


def _bar(row: Compared, reach: float, decides: bool) -> Bar:
    tick = None if row.relative is None else _place(row.relative, reach)
    none = row.relative is None and row.control == row.value == 0
    said = (
        "none in either"
        if none
        else f"{_share(row.relative)}, {_range(row.always_low, row.always_high) or 'no interval yet'}"
    )
    daily, once = _span(row.always_low, row.always_high, reach), _span(row.low, row.high, reach)
    return Bar(MEASURE_WORDS.get(row.measure, row.measure.replace("_", " ")), decides, said, daily, once, tick)


def _span(low: float | None, high: float | None, reach: float) -> Span | None:
    if low is None or high is None:
        return None
    start = _place(low, reach)
    return Span(start, round(max(_place(high, reach) - start, 0.0), 2))


def _place(value: float, reach: float) -> float:
    return round((min(max(value / reach, -1.0), 1.0) + 1) / 2 * WIDTH, 2)


def _range(low: float | None, high: float | None) -> str:
    return "" if low is None or high is None else f"{_share(low)} to {_share(high)}"


def _share(value: float | None) -> str:
    return "not known yet" if value is None else f"{value:+.1%}"
