"""Clicks that a ranker is fitted on besides purchases: what stood on lists that were shown, where it stood, and what was clicked.

Whatever stands higher is clicked more, better or not. LightGBM's lambdarank learns a bias of each position beside the trees, so that
the trees are left with what the items are worth (`position` of a row). Inverse propensities, the other way, would need the chance
that a place is looked at, which no log has: it has to be estimated first, weighs the few clicks far down by twenty and more, and says
nothing of lists that chance had no part in.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from recsys.engine.inspection.replay import history_of
from recsys.engine.lesson import lesson_of_list
from recsys.engine.pipeline import Engine
from recsys.engine.ranker.features import Describer, FeatureMatrix
from recsys.engine.ranker.trees import Trees
from recsys.snapshot.manifest import ClickRecord
from recsys.types import History, Mask, Query
from training.job.ranker.budget import Size
from training.job.ranker.clicked_lists import ClickedList
from training.job.ranker.examples import BLEND_ALONE
from training.job.tasks import DEPTH, TASKS, Task

MAX_PLACES = 20
"""Places with a bias of their own; those below share the last one's."""
_ROUNDS = 50


@dataclass(frozen=True)
class Clicks:
    """One task's lists of one window, one after another: features float32[m, f] of their items, clicked bool[m], places int32[m] from
    1, items of each list int64[q], and on which of these chance had a part in the order, bool[q]."""

    matrix: FeatureMatrix
    clicked: Mask
    places: NDArray[np.int32]
    lengths: NDArray[np.int64]
    drawn: Mask

    def __len__(self) -> int:
        return len(self.lengths)

    def by_chance(self) -> Clicks:
        """Those on which chance had a part in the order."""
        rows = np.repeat(self.drawn, self.lengths)
        return Clicks(
            self.matrix[rows], self.clicked[rows], self.places[rows], self.lengths[self.drawn], self.drawn[self.drawn]
        )


def no_clicks() -> Clicks:
    """Return no lists."""
    nothing = np.empty(0, bool)
    return Clicks(np.empty((0, 0), np.float32), nothing, np.empty(0, np.int32), np.empty(0, np.int64), nothing)


def all_of(windows: Sequence[Clicks]) -> Clicks:
    """Lay windows together."""
    some = [each for each in windows if len(each)]
    if not some:
        return no_clicks()
    return Clicks(
        np.concatenate([each.matrix for each in some]),
        np.concatenate([each.clicked for each in some]),
        np.concatenate([each.places for each in some]),
        np.concatenate([each.lengths for each in some]),
        np.concatenate([each.drawn for each in some]),
    )


def gather_clicks(
    engine: Engine, facts: FeatureMatrix, lists: Iterable[ClickedList], sizes: Mapping[Task, Size]
) -> dict[Task, Clicks]:
    """Describe lists as of their moments, by recommenders that were fitted before all of them, and by the histories that they were
    answered from, for each task. A list of which nothing was clicked, or everything, says nothing of its items and is left out.

    facts: of items, float32[n, f], as of the engine's moment.
    """
    found: dict[Task, list[Clicks]] = {task: [] for task in sizes}
    describers = {task: Describer(engine.catalog, facts, size.sources) for task, size in sizes.items()}
    for each in lists:
        history = history_of(each.note.history, engine).until(each.note.query.now)
        for task, size in sizes.items():
            found[task] += _of_list(engine, describers[task], each, history, task, size)
    return {task: all_of(some) for task, some in found.items()}


def _of_list(
    engine: Engine, describer: Describer, each: ClickedList, history: History, task: Task, size: Size
) -> Iterator[Clicks]:
    note, row = each.note, engine.catalog.row
    places = {row(item): min(place, MAX_PLACES) for place, (item, _) in enumerate(note.shown, 1) if _counts(each, item)}
    query = Query(now=note.query.now, user_id=note.user_id, placement=BLEND_ALONE, limit=DEPTH, bought=TASKS[task])
    shown = np.array([*places], np.int32)
    rows, matrix = lesson_of_list(engine, query, history, size.sources, size.depth, describer, shown)
    clicked = np.isin(rows, [row(item) for item in each.clicked])
    if clicked.any() and not clicked.all():
        at = np.array([places[item] for item in rows.tolist()], np.int32)
        yield Clicks(matrix, clicked, at, np.array([len(rows)]), np.array([each.is_drawn]))


def _counts(each: ClickedList, item: str) -> bool:
    return each.seen is None or item in each.seen or item in each.clicked


def position_curve(trees: Trees, clicks: Clicks) -> tuple[float, ...]:
    """Return how likely a click at each place is against the likeliest, the first as a rule, were the same item there; of a place at
    which nothing stood −1, for nothing is known of it.

    Of a list's clicks each item has a share in proportion to exp(score) times its place's factor; the factors are those under which
    every place has as many clicks as it got (the conditional logit's likelihood, climbed as in Hunter, "MM algorithms for generalized
    Bradley-Terry models", 2004).
    """
    lists = np.repeat(np.arange(len(clicks)), clicks.lengths)
    places, clicked = clicks.places - 1, clicks.clicked.astype(np.float64)
    worth, in_list = np.exp(trees.scores(clicks.matrix)), np.bincount(lists, clicked)[lists]
    got, stood = np.bincount(places, clicked), np.bincount(places) > 0
    curve = np.ones(len(got))
    for _ in range(_ROUNDS):
        chances = worth * curve[places]
        expected = chances / np.bincount(lists, chances)[lists] * in_list
        curve *= got / np.maximum(np.bincount(places, expected), 1e-9)
    known = curve / curve[stood].max()
    return tuple(round(float(each), 3) if there else -1.0 for each, there in zip(known, stood, strict=True))


def click_record(trees: Trees | None, clicks: Clicks, least: int) -> ClickRecord:
    """Return the record of these lists, with the curve that the trees leave to positions; None: too few to learn from.

    The curve is that of the lists by chance, if there are so many: on the others, places and features say the same.
    """
    by_chance = clicks.by_chance()
    positions = position_curve(trees, by_chance if len(by_chance) >= least else clicks) if trees else ()
    return ClickRecord(lists=len(clicks), drawn=len(by_chance), positions=positions)


def in_words(found: ClickRecord) -> str:
    """Say what came of clicks."""
    if not found.positions:
        return f"Clicks are not learned from: only {found.lists:,} lists had something clicked and something not."
    mean, low, high = found.difference
    learned = "are learned from, too" if found.used else "are not learned from, for purchases alone teach as much"
    places = [place for place in (2, 5, 10) if place <= len(found.positions) and found.positions[place - 1] >= 0]
    curve = ", ".join(f"{found.positions[place - 1]:.2f} at place {place}" for place in places)
    positions = f"; of the clicks that an item gets at the best place it gets {curve}" if places else ""
    return (
        f"Clicks on {found.lists:,} lists, {found.drawn:,} of them drawn by chance, {learned}: {mean:+.4f} [{low:+.4f}, "
        f"{high:+.4f}]{positions}."
    )
