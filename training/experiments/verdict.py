"""Verdict on an arm in one sentence: better, worse, no difference that matters, or too early and how long yet."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from typing import NamedTuple

from recsys.experiments.sizes import MISMATCH
from training.experiments.measures import MEASURES
from training.experiments.statistics import CONTROL, Difference

LONGEST_DAYS = 3650


class Pace(NamedTuple):
    """Progress of an experiment: units of a control and one arm together, those that are needed, and new ones a day."""

    units: int
    needed: float
    daily: float

    @property
    def days_left(self) -> float:
        """Days until enough units are in it at this pace; infinite if none come."""
        missing = self.needed - self.units
        return 0.0 if missing <= 0 else missing / self.daily if self.daily > 0 else math.inf


def verdict(found: Difference, pace: Pace, smallest_effect: float, sizes_p: float, loses_exposures: bool = False) -> str:
    """Say what the deciding measure of an arm comes to, from the interval that holds however often one looks."""
    name = found.measure.replace("_", "-")
    if broken := _broken(sizes_p, loses_exposures):
        return broken
    if found.without:
        way = "better" if found.without == CONTROL else "worse"
        return f"{found.arm} is {way}: {_nothing(found)}. If that cannot be, look for what loses its lists or its events."
    if found.always_low > 0:
        return f"{found.arm} is better: {name} {_range(found)}."
    if found.always_high < 0:
        return f"{found.arm} is worse: {name} {_range(found)}."
    if max(-found.always_low, found.always_high) <= smallest_effect:
        return f"{found.arm}: no difference of {name} larger than {smallest_effect:.1%}."
    if pace.days_left <= 0 and math.isfinite(found.always_high - found.always_low):
        return f"{found.arm}: no difference of {name} larger than {_largest(found)} after {pace.units:,} units, more than were needed."
    return f"Too early for {found.arm}: {name} {_range(found)}; {_left(pace, smallest_effect)}."


def verdict_without(arm: str, control: float, sizes_p: float, loses_exposures: bool) -> str:
    """Say why nothing is said of an arm that, or whose control, has fewer than two persons; `control` is the share of the control."""
    if broken := _broken(sizes_p, loses_exposures):
        return broken
    if not control:
        return f"{arm} cannot be compared: the control, which is the first arm, has a share of 0."
    return f"Too early for {arm}: it or the control has fewer than two persons."


def _broken(sizes_p: float, loses_exposures: bool) -> str:
    """Say what makes an experiment not worth reading; empty: nothing does."""
    if sizes_p < MISMATCH:
        return f"Do not read this: the arms are not as large as they were drawn (p = {sizes_p:.1g}); look for what loses exposures."
    if loses_exposures:
        return (
            "Do not read this: shoppers were answered by an arm without an exposure; look for a node that writes none down."
        )
    return ""


def warnings_of(differences: Sequence[Difference]) -> Iterator[str]:
    """Say which guards got worse, by the interval that holds however often one looks."""
    for each in differences:
        guard = MEASURES[each.measure]
        if not guard.guards or guard.more_is_better is None:
            continue
        if each.without and (each.without == each.arm) == guard.more_is_better:
            yield f"Look out with {each.arm}: {each.measure.replace('_', '-')} got worse, {_nothing(each)}."
        elif each.always_high < 0 if guard.more_is_better else each.always_low > 0:
            yield f"Look out with {each.arm}: {each.measure.replace('_', '-')} got worse, {_range(each)}."


def moves_of(differences: Sequence[Difference]) -> Iterator[str]:
    """Say which guards moved of which neither way is better."""
    for each in differences:
        if MEASURES[each.measure].more_is_better is None and (each.without or each.always_low > 0 or each.always_high < 0):
            moved = _nothing(each) if each.without else _range(each)
            yield f"{each.arm} moved {each.measure.replace('_', '-')}, which is neither better nor worse: {moved}"


def _nothing(found: Difference) -> str:
    other, figure = (found.arm, found.value) if found.without == CONTROL else (CONTROL, found.control)
    return f"{found.without} has no {found.measure.replace('_', '-')} at all where {other} has {figure:,.3g}"


def _range(found: Difference) -> str:
    if not math.isfinite(found.always_low + found.always_high):
        return "cannot be told yet"
    return f"{found.relative:+.1%} ({found.always_low:+.1%} to {found.always_high:+.1%})"


def _largest(found: Difference) -> str:
    return f"{max(-found.always_low, found.always_high):.1%}"


def _left(pace: Pace, smallest_effect: float) -> str:
    if not math.isfinite(pace.days_left) or pace.days_left > LONGEST_DAYS:
        return f"at this pace a difference of {smallest_effect:.1%} will not show"
    days = max(math.ceil(pace.days_left), 1)
    return f"about {days:,} more day{'s' if days > 1 else ''} to show a difference of {smallest_effect:.1%}"
