"""Running experiments over one engine: which arms answer a shopper's query.

An experiment says nothing about a query that every arm would answer as it is answered without: the answer is the plain one then, and
nobody is counted. So what a slate names are the arms that could have changed it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import NamedTuple

from msgspec import structs

from recsys.engine.choice import Choice, Identities
from recsys.engine.pipeline import Engine
from recsys.engine.snapshot_line import Lines
from recsys.engine.strategy import first_rule, holds, segment_of, weights_of, weights_within
from recsys.experiments.arms import change_of, line_of, refused_over, with_blend, with_change, without_line
from recsys.experiments.assignment import arm_of, expected_shares, is_held_out, key_of
from recsys.experiments.exposures import NO_ARM, FirstExposures
from recsys.live.experiments import Exposure
from recsys.settings.experiments import HOLDOUT, INTERLEAVED, ArmChange, Experiment
from recsys.settings.placements import BlendSettings, Placement
from recsys.types import Assignment, Bought, History, Intent, Lifecycle, Profile, Query, StateError


class _Facts(NamedTuple):
    """Everything of a query and its shopper that rules and audiences look at."""

    known: bool
    intent: Intent
    focus: bool
    brand: bool
    dormant: bool
    lifecycle: Lifecycle
    has_context: bool
    ordered: bool
    bought: Bought | None


NO_LINES: Lines = {}
"""No snapshot but the one that serves."""
MAX_KEPT_WAYS = 1_000
"""Most kinds of shoppers for which an experiment remembers whether it concerns them."""


class RunningExperiments:
    """The experiments that run over an engine, by placement."""

    def __init__(
        self, engine: Engine, experiments: Mapping[str, Experiment], first: FirstExposures, lines: Lines = NO_LINES
    ) -> None:
        self._engine, self._holdout, self._first = engine, engine.settings.holdout, first
        self._lines = lines
        self.experiments = experiments
        self._on: dict[str, list[_Contest]] = {}
        self.refused = refused_over(engine, experiments, lines)
        """Experiments that do not run over this snapshot, and why: everybody is answered as without them."""
        waiting: dict[str, tuple[str, ...]] = {}
        for name, experiment in sorted(experiments.items()):
            if not experiment.stopped and name not in self.refused:
                self._on.setdefault(experiment.placement, []).append(_Contest(engine, name, experiment, lines))
            elif name in without_line({name: experiment}, lines):
                notice = f"experiment {name}: a snapshot line cannot be used, so that no arm answers"
                waiting[experiment.placement] = (*waiting.get(experiment.placement, ()), notice)
        self._plain = {placement: engine.noting(notices) for placement, notices in waiting.items()}
        """Placement = the engine whose slates say that an experiment waits for its line."""
        self._engines: dict[tuple[Assignment, ...], Engine] = {}

    def changes_limit(self, placement: str) -> bool:
        """Tell whether an arm changes the length of a placement's lists."""
        return any("limit" in each.experiment.changes for each in self._on.get(placement, ()))

    def choose(self, identities: Identities, query: Query, history: History, is_message: bool = False) -> Choice:
        """Find what answers a query: the engine under the arms of the shopper that could change the answer; a message is never
        interleaved."""
        contests = self._on.get(query.placement, ())
        if is_message:
            contests = [each for each in contests if each.experiment.kind != INTERLEAVED]
        plain = self._plain.get(query.placement, self._engine)
        if not contests or query.user_id is None:
            return Choice(plain)
        profile = self._engine.profiler.profile(query.user_id, history, query.now)
        facts = self._facts(query, profile)
        try:
            drawn = [self._drawn(each, identities, query) for each in contests if each.concerns(query, profile, facts)]
        except StateError:
            return Choice(plain, profile)  # nobody can say which arm it was: none is better than another one
        arms = tuple([arm for arm, _ in drawn if arm is not None])
        exposures = tuple([exposure for _, exposure in drawn if exposure is not None])
        return Choice(self._under(query.placement, arms) if arms else plain, profile, exposures)

    def exposed(self, exposures: Sequence[Exposure], received_at: int, known: int | None = None) -> list[Exposure]:
        """Write exposures down, durably when it returns; tells which are new.

        Raises:
            StateError: if the log cannot be written, or somebody was forgotten after number `known`.
        """
        return self._first.write(exposures, received_at, known)

    def people_changed(self) -> None:
        """Take in that ids were joined or erased."""
        self._first.clear()

    def _facts(self, query: Query, profile: Profile) -> _Facts:
        """Look at a query and its shopper as rules and audiences do."""
        row = self._engine.catalog.row
        return _Facts(
            len(profile.history) > 0,
            profile.intent,
            profile.focus >= 0,
            profile.brand >= 0,
            profile.dormant,
            profile.lifecycle,
            any(row(item_id) >= 0 for item_id in query.context_items),
            profile.orders > 0,
            query.bought,
        )

    def _drawn(self, contest: _Contest, identities: Identities, query: Query) -> tuple[Assignment | None, Exposure | None]:
        """The arm of a person, by the first exposure of any of the person's ids, and the exposure if it is to be the first."""
        user_id, changes = query.user_id or "", self._first.changes
        kept = self._first.kept(contest.key, user_id)
        if kept is not None:
            return contest.assignments.get(kept) if kept else None, None
        unit = identities.owner_of(user_id)
        arm = self._first.of(contest.key, identities.ids_of(unit))
        if arm is None:
            drawn = None if is_held_out(self._holdout, unit) else arm_of(contest.name, contest.experiment, unit)
            if drawn is not None:
                return contest.assignments[drawn], Exposure(contest.key, unit, drawn, query.now)
            arm = NO_ARM
        self._first.keep(contest.key, user_id, arm, changes)
        return contest.assignments.get(arm), None

    def _under(self, placement: str, arms: tuple[Assignment, ...]) -> Engine:
        engine = self._engines.get(arms)
        if engine is None:
            engine = self._engines[arms] = self._made(placement, arms)
        return engine

    def _made(self, placement: str, arms: tuple[Assignment, ...]) -> Engine:
        plain, changes = self._plain.get(placement, self._engine), []
        for each in arms:
            experiment = self.experiments[each.id]
            if each.arm == experiment.kind == INTERLEAVED:
                return self._interleaved(plain, experiment, each)
            changes.append(change_of(experiment, each.arm))
        for line in (line_of(self._lines, change) for change in changes):
            plain = plain if line is None else line.ranks_for(plain)
        settings, blend = plain.settings, plain.blend
        for change in changes:
            settings, blend = with_change(settings, placement, change), with_blend(blend, change)
        return plain.in_arms(settings, blend, arms)

    def _interleaved(self, plain: Engine, experiment: Experiment, drawn: Assignment) -> Engine:
        """The engines of two arms, neither of which draws: no other experiment has the shopper on this placement. Each says which
        snapshot ranks for it."""
        name = experiment.placement
        teams = []
        for arm in experiment.arms:
            line = line_of(self._lines, arm.change)
            ranked = plain if line is None else line.ranks_for(plain)
            settings = with_change(plain.settings, name, arm.change).without_exploration(name)
            said = drawn if line is None else structs.replace(drawn, snapshot=line.version)
            teams.append(ranked.in_arms(settings, with_blend(ranked.blend, arm.change), (said,)))
        first, second = teams
        return first.interleaved_with(second)


class _Plan(NamedTuple):
    """A placement as one arm has it, the weights of the blend, and the snapshot that ranks."""

    placement: Placement
    blend: BlendSettings
    snapshot: str


class _Contest:
    """One experiment, and the placement as each of its arms has it."""

    def __init__(self, engine: Engine, name: str, experiment: Experiment, lines: Lines) -> None:
        self.name, self.experiment, self.key = name, experiment, key_of(name, experiment)
        ranking = {arm.name: line_of(lines, arm.change) for arm in experiment.arms}
        self.assignments = {
            arm: Assignment(name, arm, None if (line := ranking.get(arm)) is None else line.version)
            for arm in (*ranking, HOLDOUT, INTERLEAVED)
        }
        self._plain = _plan(engine, experiment, ArmChange(), lines)
        drawn = [arm.name for arm in experiment.arms] if experiment.kind == INTERLEAVED else expected_shares(experiment)
        self._campaigns = engine.campaigns if "campaigns_off" in experiment.changes else None
        self._plans = [_plan(engine, experiment, change_of(experiment, arm), lines) for arm in drawn]
        self._limits = {plan.placement.limit for plan in (self._plain, *self._plans)}
        self._known: dict[_Facts, tuple[bool, bool]] = {}

    def concerns(self, query: Query, profile: Profile, facts: _Facts) -> bool:
        """Tell whether the experiment is for this shopper, and one of its arms would not answer this query as it is without."""
        found = self._known.get(facts)
        if found is None:
            if len(self._known) >= MAX_KEPT_WAYS:
                self._known = {}
            found = self._known[facts] = self._looked_at(query, profile, facts.has_context)
        is_for, differs = found
        if not is_for or differs:
            return is_for
        return (len(self._limits) > 1 and query.limit in self._limits) or self._campaigns_differ(
            query, profile, facts.has_context
        )

    def _campaigns_differ(self, query: Query, profile: Profile, has_context: bool) -> bool:
        """Tell whether a campaign that holds by now changes the list of one arm, and not of another."""
        if self._campaigns is None:
            return False
        first, *others = (
            self._campaigns.held(query.placement, plan.placement, query.now, profile, has_context)
            for plan in (self._plain, *self._plans)
        )
        return any(each != first for each in others)

    def _looked_at(self, query: Query, profile: Profile, has_context: bool) -> tuple[bool, bool]:
        """Tell whether it is for such a shopper, and whether an arm ranks otherwise for one."""
        plain = _way(self._plain, query, profile, has_context)
        differs = any(_way(plan, query, profile, has_context) != plain for plan in self._plans)
        return holds(self.experiment.when, profile, has_context), differs


def _plan(engine: Engine, experiment: Experiment, change: ArmChange, lines: Lines) -> _Plan:
    placement = with_change(engine.settings, experiment.placement, change).placement(experiment.placement)
    assert placement is not None
    line = line_of(lines, change)
    ranks = engine if line is None else line
    return _Plan(placement, with_blend(ranks.blend, change), engine.snapshot.version if line is None else line.version)


def _way(plan: _Plan, query: Query, profile: Profile, has_context: bool) -> tuple[object, ...]:
    """Return how a query is answered: what differs here may give another list."""
    placement, blend, snapshot = plan
    rule = first_rule(placement, profile, has_context)
    bought = query.bought or Bought(placement.bought, placement.bought_days)
    drawn = (placement.rotate or 0.0, placement.variety or 0.0)
    changed = (snapshot, placement.fallback, bought, placement.limits or (), placement.filter or {}, *drawn)
    if rule is None:
        return {}, None, *changed
    segment = segment_of(profile, bought)
    return dict(weights_of(rule, blend, segment)), weights_within(rule, blend, segment), *changed
