"""Rules that earn their place: what each lead rule is worth to the shoppers for whom it leads, on the days after a split.

A rule is measured as it is, with its items in the recommenders' own order and in the blend's (or the ranker's), and taken out, so that
the next rule that holds answers. All four are lists for the same shoppers, and every difference is paired.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Literal

import msgspec
import numpy as np

from recsys.engine.pipeline import Engine
from recsys.engine.strategy import first_rule
from recsys.settings import Settings
from recsys.settings.placements import Placement, Rule
from recsys.settings.when import When
from recsys.types import Mask
from training.evaluation.asking import Examination, Judged, Subject, Task, ask_for
from training.evaluation.metrics import DEPTH, Bootstrap, Interval, Values, per_user

Change = Literal["own", "blend", "without"]
"""What a rule is compared with: its items in its recommenders' own order, in the blend's or ranker's, and the policy without it."""
CHANGES: Mapping[Change, str] = {"own": "own order", "blend": "blend orders", "without": "without it"}


class Changed(msgspec.Struct, frozen=True):
    """NDCG@10 of a changed rule, and what it gains over the rule as it is: the mean of paired differences."""

    ndcg10: Interval
    gain: Interval


class RuleRow(msgspec.Struct, frozen=True, kw_only=True):
    """One rule on one task, over the users with a train event for whom it leads."""

    placements: tuple[str, ...]
    """Those that answer alike where no item is on the page."""
    rule: str
    task: Task
    order: Literal["own", "blend"]
    users: int
    share: float
    """Of all users with a train event."""
    ndcg10: Interval
    changed: Mapping[Change, Changed]


def said_of_gain(gain: Interval) -> str:
    """Say whether a difference is proved."""
    return "better" if gain.low > 0 else "worse" if gain.high < 0 else "not proven"


def alike(settings: Settings) -> dict[str, tuple[str, ...]]:
    """Placements by those that answer alike where no item is on the page; each group under its first name, `home` before others."""
    groups: dict[bytes, list[str]] = {}
    for name in sorted(settings.placement_names(), key=lambda name: (name != "home", name)):
        placement = settings.placement(name)
        assert placement is not None
        rules = tuple(rule for rule in placement.rules if not rule.when.context)
        asked = msgspec.structs.replace(placement, rules=rules, limit=DEPTH, bought="hide", bought_days=0)
        groups.setdefault(msgspec.json.encode(asked, order="deterministic"), []).append(name)
    return {names[0]: tuple(names) for names in groups.values()}


def judge_rules(
    engine: Engine, examination: Examination, judged: Mapping[Task, Judged], settings: Settings
) -> tuple[RuleRow, ...]:
    """Measure every rule that leads some shoppers and not all: of each group of placements that answer alike, on each task.

    `judged` holds what the placements' lists score as they are.
    """
    return tuple(
        row
        for task, found in judged.items()
        for name, names in alike(settings).items()
        for row in _rows(engine, examination, found, task, names, settings)
    )


def _rows(
    engine: Engine, examination: Examination, judged: Judged, task: Task, names: tuple[str, ...], settings: Settings
) -> Iterator[RuleRow]:
    placement, values = engine.placement(names[0]), judged.values[Subject("placement", names[0])]["ndcg10"]
    profiles = [
        engine.profiler.profile(user, engine.snapshot.histories.of(user), examination.now) for user in judged.truth.users
    ]
    leaders = [
        first_rule(placement, profile, False) if warm else None for profile, warm in zip(profiles, judged.warm, strict=True)
    ]
    bootstrap = Bootstrap(len(values), settings.evaluation.resamples, settings.seed)
    for rule in placement.rules:
        led = np.array([leader is rule for leader in leaders], bool)
        if rule.when == When() or not led.any():
            continue
        changed = {}
        for change, other in _changes(placement, rule).items():
            theirs = values.copy()
            if other != placement:
                theirs[led] = _values_of(engine, examination, judged, other, task, led)
            changed[change] = Changed(bootstrap.interval(theirs, led), bootstrap.interval(theirs - values, led))
        yield RuleRow(
            placements=names,
            rule=rule.name,
            task=task,
            order=rule.order,
            users=int(led.sum()),
            share=round(float(led.sum() / judged.warm.sum()), 4),
            ndcg10=bootstrap.interval(values, led),
            changed=changed,
        )


def _changes(placement: Placement, rule: Rule) -> dict[Change, Placement]:
    """The placement with each change of a rule; what the blend leads already has no order of its own."""
    rules = placement.rules
    found: dict[Change, Placement] = {}
    if not rule.blend:
        for order in ("own", "blend"):
            other = msgspec.structs.replace(rule, order=order)
            found[order] = _with(placement, [other if each is rule else each for each in rules])
    found["without"] = _with(placement, [each for each in rules if each is not rule])
    return found


def _with(placement: Placement, rules: Sequence[Rule]) -> Placement:
    return msgspec.structs.replace(placement, rules=tuple(rules))


def _values_of(
    engine: Engine, examination: Examination, judged: Judged, placement: Placement, task: Task, users: Mask
) -> Values:
    """NDCG@10 float64[k] that a placement reaches for the chosen users."""
    name, given = "changed", engine.settings
    changed = msgspec.structs.replace(given, placements={**given.placements, name: placement})
    truth = judged.truth.where(np.flatnonzero(users))
    lists = ask_for(engine.in_arms(changed, engine.blend, ()), examination, name, task, truth.users)
    return per_user(lists.items, truth, engine.catalog.n_items)["ndcg10"]
