"""Drawing of a read-out: each measure of an arm as a bar around no difference, in boxes that are `WIDTH` wide."""

from __future__ import annotations

from typing import NamedTuple

from recsys.experiments.read_outs import MEASURE_WORDS, Compared, ReadOut, reach_of

WIDTH = 200.0


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


class Drawn(NamedTuple):
    """One arm drawn; the box reaches from -reach to reach (per cent, as text)."""

    arm: str
    verdict: str
    reach: str
    bars: list[Bar]


def drawn(found: ReadOut) -> list[Drawn]:
    """Draw every arm that is compared with the control, in the order of the read-out."""
    arms: dict[str, list[Compared]] = {}
    for each in found.differences:
        arms.setdefault(each.arm, []).append(each)
    return [_arm(found, arm, rows) for arm, rows in arms.items()]


def _arm(found: ReadOut, arm: str, rows: list[Compared]) -> Drawn:
    reach = reach_of(rows)
    bars = [_bar(each, reach, each.measure == found.metric) for each in rows]
    return Drawn(arm, found.verdicts.get(arm, ""), f"{reach:.1%}", bars)


def _bar(row: Compared, reach: float, decides: bool) -> Bar:
    tick = None if row.relative is None else _place(row.relative, reach)
    said = f"{_share(row.relative)}, {_range(row.always_low, row.always_high) or 'no interval yet'}"
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
