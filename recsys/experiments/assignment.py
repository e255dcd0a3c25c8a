"""Assignment of shoppers to arms: a hash of names, the same on every node and in every language (docs/experiments.md).

Who takes part and which arm it is are drawn by different hashes, so that more traffic moves nobody who is in already.
"""

from __future__ import annotations

from hashlib import sha256
from itertools import accumulate

from recsys.settings.experiments import HOLDOUT, INTERLEAVED, Experiment, HoldoutSettings

_DIGITS = 13
"""Hex digits of a hash that are read: 52 bits, which every language's floating-point numbers hold exactly."""
_RANGE = float(16**_DIGITS)


def bucket(*fields: str) -> float:
    """Draw a number from 0 up to, not including, 1: the first 13 hex digits of SHA-256 over the fields in UTF-8, a line each."""
    return int(sha256("\n".join(fields).encode()).hexdigest()[:_DIGITS], 16) / _RANGE


def arm_of(name: str, experiment: Experiment, unit: str) -> str | None:
    """Find the arm of a unit, which may be `holdout`; None: it does not take part."""
    start = experiment.layer_start
    if not start <= _place(name, experiment, unit) < start + experiment.traffic:
        return None
    if experiment.kind == INTERLEAVED:
        return INTERLEAVED
    drawn = bucket("arm", name, experiment.salt, unit)
    for edge, arm in _edges(experiment):
        if drawn < edge:
            return arm
    return experiment.arms[-1].name


def key_of(name: str, experiment: Experiment) -> str:
    """Return what exposures in an experiment are counted under: another salt begins anew."""
    return f"{name}/{experiment.salt}" if experiment.salt else name


def is_held_out(holdout: HoldoutSettings, unit: str) -> bool:
    """Tell whether a unit is in no experiment at all."""
    return holdout.share > 0 and bucket("holdout", holdout.salt, unit) < holdout.share


def expected_shares(experiment: Experiment) -> dict[str, float]:
    """Share of those who take part, by arm, the holdout last where there is one."""
    if experiment.kind == INTERLEAVED:
        return {INTERLEAVED: 1.0}
    drawn = 1 - experiment.holdout
    shares = {arm.name: arm.share * drawn for arm in experiment.arms if arm.share > 0}
    return {**shares, HOLDOUT: experiment.holdout} if experiment.holdout else shares


def _place(name: str, experiment: Experiment, unit: str) -> float:
    """Return where a unit stands in the experiment's layer, or in one of its own."""
    return bucket("layer", experiment.layer, unit) if experiment.layer else bucket("traffic", name, experiment.salt, unit)


def _edges(experiment: Experiment) -> list[tuple[float, str]]:
    """Return where each arm ends, in order; the holdout comes first."""
    drawn = 1 - experiment.holdout
    ends = accumulate(arm.share * drawn for arm in experiment.arms)
    edges = [(experiment.holdout + end, arm.name) for end, arm in zip(ends, experiment.arms, strict=True) if arm.share > 0]
    return [(experiment.holdout, HOLDOUT), *edges]
