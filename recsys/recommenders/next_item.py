"""Next item: what shoppers turn to within the next few steps, in the order in which they do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Annotated, ClassVar, NamedTuple

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import ages_in_days, compact_rows, decay, event_weights, steps_of_users
from recsys.jit import INT, MASK, OWN_REALS, OWN_ROWS, OWN_SCORES, ROWS, SCORES, TIMES, compiled
from recsys.ranking import NO_MORE, Sums, add_to, strongest_of_blocks, take_sums, widened
from recsys.recommenders.base import EvidenceItem, Recommender, RecommenderSettings
from recsys.recommenders.neighbours import Neighbours, seeds
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative, Share
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events, Tables
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores, Times

_LAID_OUT = ("lengths", "items", "weights", "steps")


class NextItemSettings(RecommenderSettings, frozen=True):
    """Reach of a step, its direction, and the decay of the shopper's history."""

    steps: Annotated[int, msgspec.Meta(ge=1, le=20)] = 5
    """How many steps ahead count; one that is n steps ahead counts 1/n."""
    backward: Share = 0.5
    """Part for which the other direction counts: what was done before."""
    item_power: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.25
    """p: how much a frequent item is held down among what comes next."""
    source_power: Annotated[float, msgspec.Meta(ge=0, le=2)] = 0.5
    """q: how much a frequent item of the shopper's history is held down."""
    neighbours: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 50
    """K: strongest next items kept per item."""
    half_life_days: NotNegative = 365.0
    """Age at which an event counts half in the fit and in the shopper's history; 0: no decay."""
    half_life_steps: NotNegative = 2.0
    """Steps since an event after which it counts half in the shopper's history; 0: no decay."""
    history_items: Annotated[int, msgspec.Meta(ge=1)] = 30
    """Strongest items of the shopper's history that an answer starts from."""
    most_steps: Annotated[int, msgspec.Meta(ge=2, extra={"tuned": False})] = 500
    """Latest steps of one shopper that the fit reads."""
    most_lines: Annotated[int, msgspec.Meta(ge=1, extra={"tuned": False})] = 100
    """A step of more items is wholesale, not a choice: nothing follows from it, and it follows from nothing."""


class NextItem(Recommender[NextItemSettings]):
    """Scores what comes next after the items of the history: history × W.

    A step is what a shopper did at one moment: an order with all its lines, or one page (`behaviour.steps_of`). With r[t, i] the
    decayed event weight of item i in step t, m(t) the items of a step, and d(i) the sum of r over all steps,
    W[i, j] = d(i)^-q · d(j)^-p · Σ over shoppers and steps s ≠ t of b / |s - t| · [i in t] · r[s, j] / sqrt(m(t) m(s)), b being 1
    for s after t and the part `backward` for s before it. They are the sequential rules of Ludewig and Jannach, "Evaluation of
    session-based recommendation algorithms" (UMUAI 2018), section 3.1, over a shopper's whole past, in both directions, and
    degree-normalised.

    Arrays: neighbours int32[n, K] strongest first · weights float32[n, K] (0: padding).
    """

    name: ClassVar[str] = "next_item"
    Settings: ClassVar[type[RecommenderSettings]] = NextItemSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def partial(tables: Tables, behaviour: BehaviourSettings, settings: NextItemSettings) -> Arrays:
        """Lay the shoppers' steps out, the latest of each, and decay them."""
        from scipy.sparse import coo_array

        events, weights = tables.events, event_weights(behaviour)
        events = events.where((weights[events.kinds] > 0) & (events.items >= 0))
        steps = steps_of_users(events.users, events.items, events.kinds, events.times, weights)
        events, steps, counts = _latest(events, steps, tables.n_users, settings.most_steps)
        rows = (np.cumsum(counts) - counts)[events.users] + steps
        strengths = weights[events.kinds] * decay(ages_in_days(events.times, tables.as_of), settings.half_life_days)
        laid_out = coo_array((strengths, (rows, events.items)), shape=(int(counts.sum()), tables.catalog.n_items)).tocsr()
        return {**compact_rows(laid_out), "steps": counts.astype(np.int32)}

    @staticmethod
    def merge(parts: Sequence[Arrays], tables: Tables, behaviour: BehaviourSettings, settings: NextItemSettings) -> Arrays:
        """Pair the steps of each shopper, block by block of items, and keep what most often comes next."""
        return _next_items(_laid_out(parts), tables.catalog.n_items, settings)

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: NextItemSettings) -> None:
        self._seeds = seeds(behaviour, settings.half_life_days, settings.history_items, settings.half_life_steps)
        self._neighbours = Neighbours(arrays, catalog.tie_rank)
        self._evidence = EvidenceItem(catalog)

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Add up what comes next after the items in the query's context, else after the latest of the shopper's history."""
        return self._neighbours.of_seeds(self._seeds, query, profile.history, allowed, n)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Name the item that spoke most for this one."""
        return self._evidence.reason(query, profile, explained_by)

    def reasons(self, query: RowQuery, profile: Profile, items: Sequence[int], explained_by: Sequence[int]) -> list[Reason]:
        """Name the evidence item of each of several."""
        return self._evidence.reasons(query, profile, explained_by)


def _latest(events: Events, steps: Rows, n_users: int, max_n: int) -> tuple[Events, Rows, NDArray[np.int64]]:
    """The events of each user's latest steps, the steps numbered from 0 again, and how many there are of each user, int64[u]."""
    counts = np.zeros(n_users, np.int64)
    counts[events.users] = steps + 1
    early = np.maximum(counts - max_n, 0)
    kept = steps >= early[events.users]
    events, steps = events.where(kept), (steps[kept] - early[events.users[kept]]).astype(np.int32)
    return events, steps, np.minimum(counts, max_n)


def _next_items(steps: _Steps, n_items: int, settings: NextItemSettings) -> Arrays:
    """Fit W on the steps of all shoppers; see `NextItem` for the arrays."""
    totals = np.zeros(n_items)
    _add_up(steps.items, steps.weights, totals)
    sources, followers = (_power(totals, power) for power in (settings.source_power, settings.item_power))
    held = 1 / np.sqrt(np.arange(settings.most_lines + 1).clip(1)).astype(np.float32)
    _hold_down(steps.starts, steps.items, steps.weights, held, followers)
    starts, places = _places_of(steps.starts, steps.items, settings.most_lines, n_items)
    parts = (1 / np.arange(1, settings.steps + 1)).astype(np.float32)
    read = (starts, places, steps.starts, steps.begins, steps.items, steps.weights, held, sources)
    reach = (parts, parts * np.float32(settings.backward))

    def multiply(first: int, last: int, room: Sums) -> tuple[Rows, Rows, Scores]:
        return _near(*read, *reach, first, last, room.sums, room.nexts)

    return strongest_of_blocks(n_items, settings.neighbours, multiply)


class _Steps(NamedTuple):
    """Steps of all shoppers, end to end: where each starts int64[s + 1], whether it is its shopper's first bool[s], and the items
    int32[m] and decayed weights float32[m] of all of them."""

    starts: Times
    begins: Mask
    items: Rows
    weights: Scores


def _laid_out(parts: Sequence[Arrays]) -> _Steps:
    lengths, items, weights, counts = (np.concatenate([part[name] for part in parts]) for name in _LAID_OUT)
    starts = np.zeros(len(lengths) + 1, np.int64)
    np.cumsum(lengths, out=starts[1:])
    begins = np.zeros(len(lengths), bool)
    begins[(np.cumsum(counts, dtype=np.int64) - counts)[counts > 0]] = True
    return _Steps(starts, begins, items, weights)


def _power(totals: NDArray[np.float64], power: float) -> Scores:
    return np.where(totals > 0, np.maximum(totals, 1e-12) ** -power, 0).astype(np.float32)


@compiled(ROWS, SCORES, OWN_REALS)
def _add_up(items: Rows, weights: Scores, totals: NDArray[np.float64]) -> None:
    """Add the weights of each item to its total, one after another."""
    for entry in range(len(items)):
        totals[items[entry]] += weights[entry]


@compiled(TIMES, ROWS, OWN_SCORES, SCORES, SCORES)
def _hold_down(starts: Times, items: Rows, weights: Scores, held: Scores, powers: Scores) -> None:
    """Multiply each weight by what its step's size and its item hold it down; 0 in steps of more items than `held` knows."""
    for step in range(len(starts) - 1):
        size = starts[step + 1] - starts[step]
        for entry in range(starts[step], starts[step + 1]):
            weights[entry] = held[size] * weights[entry] * powers[items[entry]] if size < len(held) else 0


@compiled(TIMES, ROWS, INT, INT)
def _places_of(starts: Times, items: Rows, most_lines: int, n_items: int) -> tuple[Times, Rows]:
    """The steps of up to `most_lines` items in which each item is, int32[m] ascending, and where each item's start, int64[n + 1]."""
    counts = np.zeros(n_items + 1, np.int64)
    for step in range(len(starts) - 1):
        if starts[step + 1] - starts[step] <= most_lines:
            for entry in range(starts[step], starts[step + 1]):
                counts[items[entry] + 1] += 1
    ends = np.cumsum(counts)
    steps, filled = np.empty(ends[n_items], np.int32), ends[:n_items].copy()
    for step in range(len(starts) - 1):
        if starts[step + 1] - starts[step] <= most_lines:
            for entry in range(starts[step], starts[step + 1]):
                steps[filled[items[entry]]] = step
                filled[items[entry]] += 1
    return ends, steps


@compiled(
    *(TIMES, ROWS, TIMES, MASK, ROWS, SCORES, SCORES, SCORES, SCORES, SCORES),
    *(INT, INT, OWN_SCORES, OWN_ROWS),
    on_all_cores=True,
)
def _near(
    own_starts: Times,
    own_steps: Rows,
    starts: Times,
    begins: Mask,
    items: Rows,
    weights: Scores,
    held: Scores,
    sources: Scores,
    ahead: Scores,
    behind: Scores,
    first: int,
    last: int,
    sums: Scores,
    nexts: Rows,
) -> tuple[Rows, Rows, Scores]:
    """Add up, for the items from `first` to `last`, what is in the steps near theirs; returns rows as `ranking.Multiply` does.

    `ahead` and `behind`: what a step counts that is so many steps later or earlier, from 1; a shopper's steps end where another's
    begin.
    """
    n_steps, found = len(begins), np.zeros(last - first + 1, np.int32)
    met, scores = np.empty(len(sums), np.int32), np.empty(len(sums), np.float32)
    for item in range(first, last):
        head = NO_MORE
        for place in range(own_starts[item], own_starts[item + 1]):
            step = own_steps[place]
            value = sources[item] * held[starts[step + 1] - starts[step]]
            for shift in range(1, len(ahead) + 1):
                near = step + shift
                if near >= n_steps or begins[near]:
                    break
                part = value * ahead[shift - 1]
                for entry in range(starts[near], starts[near + 1]):
                    head = add_to(items[entry], part * weights[entry], sums, nexts, head)
            for shift in range(1, len(behind) + 1):
                near = step - shift
                if behind[shift - 1] == 0 or near < 0 or begins[near + 1]:
                    break
                part = value * behind[shift - 1]
                for entry in range(starts[near], starts[near + 1]):
                    head = add_to(items[entry], part * weights[entry], sums, nexts, head)
        at = found[item - first]
        if at + len(sums) > len(met):
            met, scores = widened(met, at + len(sums)), widened(scores, at + len(sums))
        found[item - first + 1] = take_sums(head, sums, nexts, met, scores, at)
    end = found[last - first]
    return found, met[:end], scores[:end]
