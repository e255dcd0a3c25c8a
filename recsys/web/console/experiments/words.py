"""Experiments in words: how one stands, what an arm changes, and how large the arms came out."""

from __future__ import annotations

from collections.abc import Mapping, Sequence

from recsys.experiments.sizes import MISMATCH, sizes_p
from recsys.settings.campaigns import ALL
from recsys.settings.experiments import ArmChange, Experiment
from recsys.settings.placements import Rule

RUNNING, STOPPED, REFUSED = "running", "stopped", "does not run"


def state_of(experiment: Experiment, waits: bool) -> str:
    """Tell how an experiment stands: running, stopped, or waiting for something."""
    if experiment.stopped:
        return STOPPED
    return REFUSED if waits else RUNNING


def change_words(change: ArmChange) -> str:
    """Say what an arm changes of its placement."""
    parts = []
    if change.rules is not None:
        parts.append("leads: " + "; ".join(_rule(each) for each in change.rules))
    if change.fallback is not None:
        parts.append("fills up: " + (", ".join(change.fallback) or "nobody"))
    if change.bought is not None:
        parts.append(f"items that are owned: {change.bought}")
    if change.bought_days is not None:
        parts.append(f"hidden for {change.bought_days:,} days")
    if change.limit is not None:
        parts.append(f"{change.limit} items")
    if change.variety is not None:
        parts.append(f"variety {change.variety:g}")
    if change.blend is not None:
        parts.append("other weights of the blend")
    if change.limits is not None:
        most = ", ".join(f"{each.max} of a {each.by} among {each.within}" for each in change.limits)
        parts.append(f"at most {most}" if most else "no limits")
    if change.rotate is not None:
        parts.append(f"rotates by {change.rotate:.0%}")
    if change.filter is not None:
        parts.append(f"only items by {', '.join(sorted(change.filter))}" if change.filter else "no filter")
    if change.campaigns_off is not None:
        parts.append(_campaigns(change.campaigns_off))
    if change.snapshot is not None:
        parts.append(f"ranked by the snapshot line {change.snapshot}")
    return "; ".join(parts).replace("_", " ") or "nothing: the placement as it is"


def _campaigns(off: Sequence[str]) -> str:
    if off == ALL:
        return "no campaign"
    return f"without the campaigns {', '.join(off)}" if off else "all campaigns"


def _rule(rule: Rule) -> str:
    return ", ".join(rule.recommenders) or "nobody"


def sizes_words(counts: Mapping[str, int], shares: Mapping[str, float]) -> tuple[str, bool]:
    """Say whether the arms are as large as they were drawn, and whether they can be trusted."""
    if not sum(counts.values()):
        return "Nobody was exposed to it yet.", True
    chance = sizes_p(counts, shares)
    if chance < MISMATCH:
        return (
            f"The arms are not as large as they were drawn (p = {chance:.1g}): exposures of one get lost. "
            "Do not trust the figures before the reason is found.",
            False,
        )
    return f"The arms are as large as they were drawn, as far as chance goes (p = {chance:.2g}).", True
