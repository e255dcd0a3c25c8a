"""The offline half of the ranker: fitted on rolling windows of the shop's past, and judged on windows that it had not seen.

Boosted trees by LightGBM, one model for each task: LambdaMART (Burges, "From RankNet to LambdaRank to LambdaMART", 2010) for
`repeat`, the chance that an item is bought (logistic loss) for `new`. LightGBM is imported
inside `fit` alone; what serves are plain arrays.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from importlib.util import find_spec
from math import sqrt
from typing import NamedTuple, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY, to_datetime
from recsys.engine.pipeline import Engine
from recsys.engine.ranker.features import Describer
from recsys.engine.ranker.items import item_facts
from recsys.engine.ranker.trees import RANK_TASKS, Trees
from recsys.settings.placements import BlendSettings
from recsys.settings.ranker import RankerSettings
from recsys.snapshot.histories import Events
from recsys.snapshot.manifest import ClickRecord, RankerRecord, TaskVerdict
from recsys.types import Arrays
from training.job.ranker.budget import Size, size_of
from training.job.ranker.clicked_lists import ClickedList, Span
from training.job.ranker.clicks import Clicks, all_of, click_record, gather_clicks, in_words
from training.job.ranker.examples import Examples, Truth, gather, truth_of
from training.job.ranker.probe import Probe, probe_of
from training.job.ranker.trees import fit
from training.job.tasks import Task

_MIN_WINDOWS = 3
"""Two to learn from and to judge by, and one more for the model that the gate measures."""
_NOT_THERE = (
    "The blend leads: LightGBM is not installed, without which no ranker is learned (.venv/bin/pip install lightgbm)."
)
_OFF = "The blend leads: ranker.mode is off."


@dataclass(frozen=True)
class FittedRanker:
    """The arrays of the tasks that it leads on (none: nowhere), the record of what it did, and a probe of what it was told in its last
    window (None: there was none)."""

    arrays: Arrays = field(default_factory=dict)
    record: RankerRecord = field(default_factory=RankerRecord)
    probe: Probe | None = None


@dataclass(frozen=True)
class Rankers:
    """The ranker that serves, and the one fitted on all windows but the last, which may be measured on that."""

    serving: FittedRanker
    held_out: FittedRanker


@dataclass(frozen=True)
class Past:
    """A shop's past as it is cut: settled events up to a moment (microseconds, outside), and an engine fitted on them."""

    events_until: Callable[[int], Events]
    engine_at: Callable[[int], Engine]
    first: int
    as_of: int
    n_events: int
    n_users: int
    n_items: int
    clicked: Callable[[Sequence[Span], int], list[Iterator[ClickedList]]]
    """Lists of spans of time, at most so many of each, that were clicked in them."""


class Round(NamedTuple):
    """One task of one window: what it teaches of purchases, and of clicks."""

    examples: Examples
    clicks: Clicks


def fit_ranker(past: Past, settings: RankerSettings, blend: BlendSettings, days: int, seed: int) -> Rankers:
    """Learn a ranker from the windows of so many days before `past.as_of`; it leads on the tasks on which it earned it."""
    why = _why_none(past, settings, days)
    if why:
        return _none(why)
    asked = {start: _truth(past, settings, start, start + days * DAY, seed) for start in _starts(past, settings, days)}
    asked = {start: truth for start, truth in asked.items() if len(truth.users) >= settings.least_users}
    if len(asked) < _MIN_WINDOWS:
        asked = {}
    sizes, rounds, probe = _gathered(past, settings, blend, asked, days)
    windows = [f"{_date(start)} + {days} days" for start in asked]
    record = RankerRecord(windows=tuple(windows))
    serving, held_out = FittedRanker(record=record, probe=probe), FittedRanker(record=record, probe=probe)

    def learned(task: Task) -> Learned | None:
        return learn_task(
            [(name, each[task]) for name, each in zip(windows, rounds, strict=True)], settings, seed, sizes[task], task
        )

    if rounds:
        with ThreadPoolExecutor(len(RANK_TASKS)) as pool:
            for task, found in zip(RANK_TASKS, pool.map(learned, RANK_TASKS), strict=True):
                if found:
                    serving = _with(serving, task, found.whole, found.trees)
                    held_out = _with(held_out, task, found.earlier, found.held_out)
    return Rankers(_said(serving, settings), _said(held_out, settings))


class Learned(NamedTuple):
    """One task, learned: the verdict on all windows and the trees that serve, and the same without the last window."""

    whole: TaskVerdict
    trees: Trees
    earlier: TaskVerdict
    held_out: Trees


def learn_task(
    windows: Sequence[tuple[str, Round]], settings: RankerSettings, seed: int, size: Size, task: Task
) -> Learned | None:
    """Fit a task on the windows before each window, and judge it there; None: too few are thick enough.

    Each fit has one thread, and the tasks are learned beside each other, so that two cores give the same trees as one.
    """
    thick = [(name, each) for name, each in windows if len(each.examples) >= settings.least_users]
    if len(thick) < _MIN_WINDOWS:
        return None
    names, rounds = [name for name, _ in thick], [each for _, each in thick]

    def recipe(clicks: bool) -> Recipe:
        def fit_on(some: Sequence[Round]) -> Trees:
            return fit(
                [each.examples for each in some], settings, seed, size, task, [each.clicks for each in some if clicks]
            )

        models = [fit_on(rounds[:count]) for count in range(1, len(rounds))]
        later = [each.examples for each in rounds[1:]]
        gains = [one.ndcg(trees.scores(one.matrix)) - one.blend for trees, one in zip(models, later, strict=True)]
        return Recipe(fit_on, models[-1], gains)

    clicks = all_of([each.clicks for each in rounds[:-1]])
    with_clicks = recipe(True) if len(clicks) >= settings.least_users else None
    found = None
    if settings.clicked_lists:
        found = click_record(with_clicks and with_clicks.held_out, clicks, settings.least_users)
    alone = recipe(False)
    whole, earlier = (
        _decided(alone, with_clicks, found, rounds[1:last], names[1:last], size) for last in (len(rounds), len(rounds) - 1)
    )
    trees = whole.recipe.fit(rounds) if whole.verdict.leads else whole.recipe.held_out
    return Learned(whole.verdict, trees, earlier.verdict, earlier.recipe.held_out)


class Recipe(NamedTuple):
    """A way to fit a task, its trees of all windows but the last, and their gains float64[u] over the blend on each window but the
    first, of trees that were fitted on those before it."""

    fit: Callable[[Sequence[Round]], Trees]
    held_out: Trees
    gains: Sequence[NDArray[np.float64]]


class Decided(NamedTuple):
    """Recipe of a task that was chosen by some windows, and how it compares with the blend there."""

    recipe: Recipe
    verdict: TaskVerdict


def _decided(
    alone: Recipe,
    with_clicks: Recipe | None,
    clicks: ClickRecord | None,
    judged: Sequence[Round],
    names: Sequence[str],
    size: Size,
) -> Decided:
    """Choose purchases alone, or clicks besides where that is surely better, by these windows."""
    chosen = alone
    if clicks and with_clicks:
        more = [one - other for one, other in zip(with_clicks.gains, alone.gains, strict=True)]
        used, difference = earned(more[: len(judged)])
        clicks = msgspec.structs.replace(clicks, used=used, difference=difference)
        chosen = with_clicks if used else alone
    found = verdict(chosen.gains[: len(judged)], [each.examples for each in judged], names)
    return Decided(chosen, msgspec.structs.replace(found, sources=size.sources, depth=size.depth, clicks=clicks))


def sources_of(blend: BlendSettings) -> tuple[str, ...]:
    """The recommenders that have a weight in any segment, sorted: who brings candidates."""
    weights = [getattr(blend, segment) for segment in blend.__struct_fields__]
    return tuple(sorted({name for each in weights for name, weight in each.items() if weight > 0}))


def verdict(gains: Sequence[NDArray[np.float64]], examples: Sequence[Examples], names: Sequence[str]) -> TaskVerdict:
    """Tell whether a ranker leads, by its gains float64[u] in NDCG@10 over the blend, shopper by shopper, on windows that it had not
    seen.

    The mean over the windows, each weighing twice the one before, must lie above 0 with its whole interval, and so must the mean of
    the last window alone, without its interval. Intervals are mean ± 1.96 standard errors.
    """
    leads, difference = earned(gains)
    means, errors = zip(*(_mean(each) for each in gains), strict=True)
    blends, shares = [float(each.blend.mean()) for each in examples], _shares(len(gains))
    return TaskVerdict(
        leads=leads,
        blend=round(float(shares @ blends), 4),
        ranker=round(float(shares @ np.add(blends, means)), 4),
        difference=difference,
        by_window={name: _interval(mean, error) for name, mean, error in zip(names, means, errors, strict=True)},
    )


def earned(gains: Sequence[NDArray[np.float64]]) -> tuple[bool, tuple[float, float, float]]:
    """Tell by gains float64[u] on several windows whether there is one for sure, and the mean with its interval: as `verdict`."""
    means, errors = zip(*(_mean(each) for each in gains), strict=True)
    shares = _shares(len(gains))
    difference = _interval(float(shares @ means), sqrt(float(np.square(shares * errors).sum())))
    return difference[1] > 0 and means[-1] > 0, difference


def _shares(windows: int) -> NDArray[np.float64]:
    """Weights of windows, each twice that of the one before."""
    shares = 2.0 ** np.arange(windows)
    return cast("NDArray[np.float64]", shares / shares.sum())


def _why_none(past: Past, settings: RankerSettings, days: int) -> str:
    """Return why none can be learned; empty: one can."""
    if settings.mode == "off":
        return _OFF
    if find_spec("lightgbm") is None:
        return _NOT_THERE
    windows = len(_starts(past, settings, days))
    if windows < _MIN_WINDOWS:
        needed = f"{_MIN_WINDOWS} windows of {days} days after as many days of events"
        return f"The blend leads: a ranker needs {needed}; there are {windows}."
    if past.n_events > settings.most_events:
        return f"The blend leads: {past.n_events:,} events are more than ranker.most_events ({settings.most_events:,})."
    return ""


def _starts(past: Past, settings: RankerSettings, days: int) -> list[int]:
    """Return when the windows begin, oldest first: the last ends at `past.as_of`, the first has as many days of events before it."""
    fitting = int((past.as_of - past.first) // (days * DAY)) - 1
    return [past.as_of - days * DAY * back for back in range(min(settings.folds, max(fitting, 0)), 0, -1)]


def _truth(past: Past, settings: RankerSettings, start: int, end: int, seed: int) -> Truth:
    """Return what was bought in one window."""
    return truth_of(past.events_until(end), start, past.n_users, past.n_items, settings.users, seed)


def _gathered(
    past: Past, settings: RankerSettings, blend: BlendSettings, asked: Mapping[int, Truth], days: int
) -> tuple[dict[Task, Size], list[dict[Task, Round]], Probe | None]:
    """The sizes, chosen by the oldest window, on which nothing is judged, what every window teaches of both tasks, and a probe of the
    last."""
    sizes: dict[Task, Size] = {}
    rounds, probe = [], None
    spans = [(start, start + days * DAY) for start in asked]
    clicked: Sequence[Iterable[ClickedList]] = [()] * len(spans)
    if settings.clicked_lists and spans:
        clicked = past.clicked(spans, settings.clicked_lists)
    for (start, truth), lists in zip(asked.items(), clicked, strict=True):
        window = Window.at(past, start, truth)
        if not sizes:
            sources = sources_of(blend)
            whole = {task: window.examples(task, sources, settings.depth) for task in RANK_TASKS}
            sizes = {task: size_of(task, whole[task], sources, settings, blend, past.n_items) for task in RANK_TASKS}
        rounds.append(window.rounds(lists, sizes))
        if start == max(asked):
            probe = probe_of(window.engine, window.facts, past.events_until(start + DAY))
    return sizes, rounds, probe


@dataclass(frozen=True)
class Window:
    """One window of the past: an engine fitted on what came before it, what was known of items then, and what was bought in it."""

    engine: Engine
    facts: NDArray[np.float32]
    truth: Truth

    @classmethod
    def at(cls, past: Past, start: int, truth: Truth) -> Window:
        """The window that begins at a moment."""
        facts = cast("NDArray[np.float32]", item_facts(past.events_until(start), past.n_items, start)["facts"])
        return cls(past.engine_at(start), facts, truth)

    def examples(self, task: Task, sources: Sequence[str], depth: int) -> Examples:
        """Candidates of these recommenders, so many of each, and which of them were bought."""
        describer = Describer(self.engine.catalog, self.facts, sources)
        return gather(self.engine, describer, self.truth, task, sources, depth)

    def rounds(self, lists: Iterable[ClickedList], sizes: Mapping[Task, Size]) -> dict[Task, Round]:
        """Both tasks of the window: its purchases, and the clicks on these lists."""
        clicks = gather_clicks(self.engine, self.facts, lists, sizes)
        return {task: Round(self.examples(task, size.sources, size.depth), clicks[task]) for task, size in sizes.items()}


def _with(ranker: FittedRanker, task: Task, found: TaskVerdict, trees: Trees) -> FittedRanker:
    """The ranker with what was found on a task, and with its trees if it leads there."""
    record = msgspec.structs.replace(ranker.record, tasks={**ranker.record.tasks, task: found})
    return replace(ranker, arrays={**ranker.arrays, **(trees.arrays(task) if found.leads else {})}, record=record)


def _said(ranker: FittedRanker, settings: RankerSettings) -> FittedRanker:
    said = f"The blend leads: in fewer than {_MIN_WINDOWS} windows {settings.least_users:,} known shoppers bought."
    if ranker.record.tasks:
        said = " ".join(_sentence(task, found) for task, found in ranker.record.tasks.items())
    return replace(ranker, record=msgspec.structs.replace(ranker.record, said=said))


def _sentence(task: str, found: TaskVerdict) -> str:
    leader, (mean, low, high) = "the ranker" if found.leads else "the blend", found.difference
    scored = f"NDCG@10 {found.ranker:.4f} against the blend's {found.blend:.4f}"
    clicks = f" {in_words(found.clicks)}" if found.clicks else ""
    return f"On `{task}` {leader} leads: {scored}, {mean:+.4f} [{low:+.4f}, {high:+.4f}].{clicks}"


def _none(why: str) -> Rankers:
    nothing = FittedRanker(record=RankerRecord(said=why))
    return Rankers(nothing, nothing)


def _mean(values: NDArray[np.float64]) -> tuple[float, float]:
    """Mean and standard error."""
    return float(values.mean()), float(values.std() / sqrt(max(len(values), 1)))


def _interval(mean: float, error: float) -> tuple[float, float, float]:
    return round(mean, 5), round(mean - 1.96 * error, 5), round(mean + 1.96 * error, 5)


def _date(moment: int) -> str:
    return f"{to_datetime(moment):%Y-%m-%d}"
