"""New settings against live ones on the same days of the past: both fitted on what came before, and asked the same questions."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from tempfile import TemporaryDirectory

import msgspec
import numpy as np

from recsys.engine.pipeline import Engine
from recsys.live.erasure import ErasureKeys
from recsys.settings import Settings
from recsys.settings.placements import BlendSettings
from recsys.types import Arrays, SettingsError
from training.evaluation.evaluate import (
    POPULARITY,
    TASKS,
    Examination,
    Judged,
    Subject,
    Task,
    difference,
    examine,
    judge,
    with_subjects,
)
from training.evaluation.metrics import Bootstrap, Interval, Values
from training.evaluation.split import Fold, folds_before, split
from training.gate.decision import Change, goes_live, in_the_window, on_average
from training.gate.snapshot_checks import BLEND, Check
from training.job.job import Prepared, learn, with_default_blend
from training.job.ranker.ranker import FittedRanker, sources_of
from training.runners.finished import NOTHING_KEPT, Finished

HOME = Subject("placement", "home")
POPULAR = Subject("recommender", POPULARITY)
COMPARED = (BLEND, HOME)
LOOK = "Look for a leak: a time column that says when a row was written, or a recommender that reads more than its tables."


@dataclass(frozen=True)
class Contest:
    """Recipes on the shop's tables: `asked` are the recommenders that any of them listens to, `whole` what training prepared, up to
    now."""

    settings: Settings
    now: datetime
    asked: set[str]
    erasure_keys: ErasureKeys | None = None
    finished: Finished = NOTHING_KEPT
    whole: Prepared | None = None
    _known: dict[Fold, dict[bytes, Arrays]] = field(default_factory=dict)
    _blends: dict[bytes, BlendSettings] = field(default_factory=dict)

    def examination(self, fold: Fold) -> Examination:
        """The days of a fold as questions, for shoppers who were known before it.

        Raises:
            DataError: if the tables cannot be read.
        """
        with TemporaryDirectory() as aside:
            data = msgspec.structs.replace(self.settings.data, rejects=aside, max_rejected_share=1.0)
            as_of_fold = msgspec.structs.replace(self.settings, data=data)
            keys = self.erasure_keys
            cut = split(as_of_fold, fold, self.now, erasure_keys=keys, finished=self.finished, whole=self.whole)
        examined, known = examine(cut, self.settings.evaluation, self.settings.seed), {*cut.prepared.user_ids}
        truths = {
            task: truth.where(np.flatnonzero([user in known for user in truth.users]))
            for task, truth in examined.truths.items()
        }
        return Examination(cut, truths)

    def fit(self, examined: Examination, recipe: Settings, ranker: FittedRanker | None = None) -> Engine:
        """Fit a recipe on what came before the window, with a ranker that was too; recipes share what they have in common."""
        known, prepared = self._known.setdefault(examined.split.fold, {}), examined.split.prepared
        recipe = self._with_blend(examined, recipe)
        verdicts = ranker.record.tasks.values() if ranker else ()
        asked = self.asked | {POPULARITY, *sources_of(recipe.blend), *(name for each in verdicts for name in each.sources)}
        fitted = learn(prepared, recipe, now=self.now, known=known, asked=asked, ranker=ranker)
        return Engine(fitted.snapshot(), with_subjects(recipe))

    def _with_blend(self, examined: Examination, recipe: Settings) -> Settings:
        """The recipe with what it learns of the blend before the window, learned once for all recipes that learn the same."""
        key = msgspec.json.encode(
            (str(examined.split.fold), recipe.blend, recipe.recommenders, recipe.behaviour, recipe.seed)
        )
        if key not in self._blends:
            self._blends[key] = with_default_blend(examined.split.prepared, recipe, now=self.now)[0].blend
        return msgspec.structs.replace(recipe, blend=self._blends[key])

    def judge(self, examined: Examination, recipe: Settings, ranker: FittedRanker | None = None) -> dict[Task, Judged]:
        """Measure a recipe."""
        return judge(self.fit(examined, recipe, ranker), examined, COMPARED)


def against_live(
    contest: Contest, examined: Examination, ours: Mapping[Task, Judged], old: Settings, ranker: FittedRanker | None = None
) -> list[Check]:
    """The new settings lose nothing that matters against the live ones, which had this ranker, and gain nothing incredible."""
    settings = contest.settings
    try:
        theirs = contest.judge(examined, old, ranker)
    except SettingsError as error:
        unfit = f"The live settings can no longer be fitted, so the new ones were compared with popularity only: {error}."
        return [Check("live recipe", True, unfit)]
    changes = _changes(ours, theirs, settings)
    checks = [_live_recipe(contest, examined.split.fold, changes, old)]
    gained = [
        each
        for each, popular in zip(changes, _popular(ours, settings), strict=True)
        if each.live > popular and each.change.low > settings.gate.largest_gain * each.live
    ]
    if gained:
        said = f"Too good to be true: NDCG@10 of {', '.join(map(_in_words, gained))}. {LOOK}"
        checks.append(Check("gain", False, said))
    return checks


def _live_recipe(contest: Contest, window: Fold, changes: Sequence[Change], old: Settings) -> Check:
    """Apply the rule of `decision.py`."""
    limits = contest.settings.gate
    said, outcome = (
        f"NDCG@10 against the live settings: {', '.join(map(_in_words, changes))}",
        in_the_window(changes, limits.largest_loss),
    )
    if outcome == "no worse":
        return Check("live recipe", True, f"{said}.")
    if outcome == "worse":
        lost = [each for each in changes if each.outcome(limits.largest_loss) == "worse"]
        worse = f"The new settings are worse than the live ones by more than {limits.largest_loss:.0%}, or may be"
        return Check("live recipe", False, f"{worse}: NDCG@10 of {', '.join(map(_in_words, lost))}.")
    found, folds = _on_the_folds(contest, window, old), contest.settings.evaluation.folds
    average = on_average(found or changes)
    where = f"on the {f'{folds} windows' if folds > 1 else 'window'} before" if found else "on average"
    better = f"{abs(average):.1%} {'better' if average > 0 else 'worse'} than" if average else "as good as"
    said = f"{said}. So few shoppers decide nothing; {where} the new settings are {better} the live ones"
    return Check("live recipe", goes_live(outcome, average, limits.largest_loss), f"{said}.")


def _on_the_folds(contest: Contest, window: Fold, old: Settings) -> list[Change]:
    """The differences on the windows before, over all their shoppers together; none if nobody bought in them."""
    chosen, settings = contest.settings.evaluation, contest.settings
    pairs = [(subject, task) for task in TASKS for subject in COMPARED]
    found: dict[tuple[Subject, Task], list[tuple[Values, Values]]] = {pair: [] for pair in pairs}
    for fold in folds_before(window.at, chosen.days, chosen.folds):
        examined = contest.examination(fold)
        ours, theirs = (contest.judge(examined, recipe) for recipe in (settings, old))
        for subject, task in pairs:
            new, live = (each[task].values[subject]["ndcg10"][each[task].warm] for each in (ours, theirs))
            found[subject, task].append((new, live))
    changes = []
    for (subject, task), values in found.items():
        new, live = (np.concatenate(each) for each in zip(*values, strict=True))
        if len(live):
            change = float((new - live).mean())
            changes.append(Change(_named(subject, task), Interval(change, change, change), float(live.mean())))
    return changes


def _changes(ours: Mapping[Task, Judged], theirs: Mapping[Task, Judged], settings: Settings) -> list[Change]:
    return [
        Change(
            _named(subject, task),
            difference(ours[task], theirs[task], subject, settings),
            ndcg(theirs[task], subject, settings).mean,
        )
        for task in ours
        for subject in COMPARED
    ]


def _popular(ours: Mapping[Task, Judged], settings: Settings) -> list[float]:
    """Popularity's NDCG@10 beside each of `_changes`."""
    return [ndcg(ours[task], POPULAR, settings).mean for task in ours for _ in COMPARED]


def _named(subject: Subject, task: Task) -> str:
    return f"{subject.name} on `{task}`"


def _in_words(each: Change) -> str:
    return f"{each.name} {in_words(each.change)} against {each.live:.4f}"


def ndcg(judged: Judged, subject: Subject, settings: Settings) -> Interval:
    """Mean NDCG@10 of a subject over the known users, with its interval."""
    values = judged.values[subject]["ndcg10"]
    return Bootstrap(len(values), settings.evaluation.resamples, settings.seed).interval(values, judged.warm)


def in_words(value: Interval) -> str:
    """A mean with its interval."""
    return f"{value.mean:.4f} [{value.low:.4f}, {value.high:.4f}]"
