"""Features of the ranker: what it is told of a shopper, an item and the two together, defined once for fitting and for serving.

Ages are days before the query's now, money is logarithms of the catalogue's currency. An unknown value is -1 where the feature
is an age, a count or a share, and 0 where it is a difference. Nothing here depends on which shop it is: no ids, no category codes.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import NamedTuple, TypeAlias

import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import PURCHASE, VIEW, Kinds
from recsys.clock import DAY
from recsys.engine.ranker.items import ITEM_FACTS
from recsys.jit import INT, KINDS, REALS, REALS_2D, ROWS, SCORES, SCORES_2D, TIMES, compiled
from recsys.snapshot.catalog import Catalog
from recsys.types import Candidates, Profile, RowQuery, Rows, Scores, Times

FeatureMatrix: TypeAlias = NDArray[np.float32]

SHOPPER = (
    "shopper_orders",
    "shopper_events",
    "shopper_lines_per_order",
    "shopper_price",
    "shopper_price_spread",
    "shopper_days_since_order",
    "shopper_order_gap_days",
)
PAIR = (
    "item_price",
    "item_gap_days",
    "price_difference",
    "bought_times",
    "bought_days",
    "bought_against_gap",
    "bought_against_own_gap",
    "viewed_times",
    "viewed_days",
    "category_share",
    "brand_share",
)
MIXED = ("blend_score", "blend_rank", "named_by")
"""The blend's score over its best, its rank from 1, and how many sources named the item."""
RECENT = 100
"""Newest events of a shopper that the shares of a category and a brand are of."""
SHARED = len(ITEM_FACTS) + len(SHOPPER) + len(PAIR) + len(MIXED)
"""Columns before those of the sources."""
_N_FACTS, _N_SHOPPER, _N_PAIR, _N_MIXED = len(ITEM_FACTS), len(SHOPPER), len(PAIR), len(MIXED)
_UNRANKED = 1_000.0
"""Rank of an item in the list of a source that did not name it."""
_UNWEIGHTED = 1e-9
"""What a share of a recommender without a weight counts when it is asked who spoke most for an item."""


class Described(NamedTuple):
    """Candidates before they are ranked: distinct items int32[m], ascending, the list int64[m] that spoke most for each and what it
    notes of it int32[m], and their features float32[f, m]."""

    items: Rows
    owners: NDArray[np.int64]
    explained_by: Rows
    columns: FeatureMatrix


class Describer:
    """Computes the features of candidates; `facts` float32[n, 9] are those of `items.item_facts`."""

    def __init__(self, catalog: Catalog, facts: NDArray[np.float32], sources: Sequence[str]) -> None:
        self._catalog, self._facts, self._sources = catalog, facts, tuple(sources)
        self._columns = {name: place for place, name in enumerate(self._sources)}

    def describe(
        self, lists: Mapping[str, Candidates], weights: Mapping[str, float], query: RowQuery, profile: Profile
    ) -> Described | None:
        """Lay the lists together and describe every item once; None: they are all empty."""
        items, scores, notes, ends, end = [], [], [], [], 0
        for found in lists.values():
            n = len(found.items)
            end += n
            items.append(found.items)
            scores.append(found.scores)
            notes.append(_no_evidence(n) if found.explained_by is None else found.explained_by)
            ends.append(end)
        if not end:
            return None
        history, catalog, place = profile.history, self._catalog, self._columns.get
        numbers = np.array(
            (ends, [place(name, -1) for name in lists], [weights.get(name, 0.0) for name in lists]), np.float64
        )
        return Described(
            *_describe(
                np.concatenate(items),
                np.concatenate(scores),
                np.concatenate(notes),
                numbers,
                len(self._sources),
                history.items,
                history.kinds,
                history.times,
                history.orders,
                query.now,
                self._facts,
                catalog.price,
                catalog.gap_days,
                catalog.category,
                catalog.brand,
            )
        )


@lru_cache(256)
def _no_evidence(n: int) -> Rows:
    """Notes of a list that has none on its items."""
    return np.full(n, -1, np.int32)


def feature_names(sources: Sequence[str]) -> tuple[str, ...]:
    """The columns of the matrix, in order: of each source its score over its best and its rank come last."""
    of_sources = [f"{source}_{part}" for source in sources for part in ("score", "rank")]
    return (*ITEM_FACTS, *SHOPPER, *PAIR, *MIXED, *of_sources)


@compiled()
def _shopper(
    columns: FeatureMatrix,
    h_items: Rows,
    h_kinds: Kinds,
    h_times: Times,
    h_orders: Rows,
    now: int,
    price: NDArray[np.float64],
) -> float:
    """Write what is known of the shopper for every item; returns the mean logarithm of the prices paid, 0 if none is known."""
    lines, orders, priced, total, squares, first, last = 0, 0, 0, 0.0, 0.0, 0, 0
    for event in range(len(h_items)):
        if h_kinds[event] != PURCHASE:
            continue
        if lines == 0:
            first = h_times[event]
        lines, last, orders = lines + 1, h_times[event], max(orders, h_orders[event] + 1)
        if h_items[event] >= 0 and price[h_items[event]] > 0:
            value = np.log(price[h_items[event]])
            priced, total, squares = priced + 1, total + value, squares + value * value
    mean = total / priced if priced > 0 else 0.0
    spread = np.sqrt(max(squares / priced - mean * mean, 0.0)) if priced > 0 else -1.0
    since = max(now - last, 0) / DAY if lines > 0 else -1.0
    gap = (last - first) / DAY / (orders - 1) if orders > 1 else -1.0
    numbers = (float(orders), float(len(h_items)), lines / orders if orders > 0 else -1.0, mean, spread, since, gap)
    for column in range(_N_SHOPPER):
        for row in range(columns.shape[1]):
            columns[_N_FACTS + column, row] = numbers[column]
    return mean


@compiled()
def _pairs(
    columns: FeatureMatrix,
    first: int,
    items: Rows,
    h_items: Rows,
    h_kinds: Kinds,
    h_times: Times,
    now: int,
    price: NDArray[np.float64],
    gap_days: NDArray[np.float32],
    mean_price: float,
) -> None:
    """Write price and gap of each item, and what the shopper did with it."""
    n = len(items)
    bought, viewed = np.zeros(n, np.int64), np.zeros(n, np.int64)
    earliest, latest, seen = np.zeros(n, np.int64), np.zeros(n, np.int64), np.zeros(n, np.int64)
    for event in range(len(h_items)):
        if h_kinds[event] != PURCHASE and h_kinds[event] != VIEW:
            continue
        row = np.searchsorted(items, h_items[event])
        if row == n or items[row] != h_items[event]:
            continue
        if h_kinds[event] == VIEW:
            viewed[row], seen[row] = viewed[row] + 1, h_times[event]
            continue
        if bought[row] == 0:
            earliest[row] = h_times[event]
        bought[row], latest[row] = bought[row] + 1, h_times[event]
    for row in range(n):
        cost, gap = price[items[row]], gap_days[items[row]]
        days = max(now - latest[row], 0) / DAY
        own_gap = (latest[row] - earliest[row]) / DAY / (bought[row] - 1) if bought[row] > 1 else 0.0
        columns[first, row] = np.log(cost) if cost > 0 else -1.0
        columns[first + 1, row] = gap if gap >= 0 else -1.0
        columns[first + 2, row] = np.log(cost) - mean_price if cost > 0 and mean_price != 0 else 0.0
        columns[first + 3, row] = bought[row]
        columns[first + 4, row] = days if bought[row] > 0 else -1.0
        columns[first + 5, row] = days / gap if bought[row] > 0 and gap > 0 else -1.0
        columns[first + 6, row] = days / own_gap if own_gap > 0 else -1.0
        columns[first + 7, row] = viewed[row]
        columns[first + 8, row] = max(now - seen[row], 0) / DAY if viewed[row] > 0 else -1.0


@compiled()
def _affinities(columns: FeatureMatrix, first: int, items: Rows, h_items: Rows, category: Rows, brand: Rows) -> None:
    """Write the share of the newest events that were in the item's leaf category, and of its brand."""
    start = max(len(h_items) - RECENT, 0)
    n = len(h_items) - start
    leaves, makers = np.full(n, -1, np.int32), np.full(n, -1, np.int32)
    for place in range(n):
        if h_items[start + place] >= 0:
            leaves[place], makers[place] = category[h_items[start + place]], brand[h_items[start + place]]
    for row in range(len(items)):
        leaf, maker = category[items[row]], brand[items[row]]
        same_leaf, same_maker = 0, 0
        for place in range(n):
            same_leaf += leaves[place] == leaf
            same_maker += makers[place] == maker
        columns[first, row] = same_leaf / n if leaf >= 0 and n > 0 else -1.0
        columns[first + 1, row] = same_maker / n if maker >= 0 and n > 0 else -1.0


@compiled()
def _descending(values: NDArray[np.float64]) -> NDArray[np.int64]:
    """Places of values from the largest down, equal ones as they stand; for so few, each is moved up past those that it beats."""
    order = np.empty(len(values), np.int64)
    for place in range(len(values)):
        at = place
        while at > 0 and values[order[at - 1]] < values[place]:
            order[at] = order[at - 1]
            at -= 1
        order[at] = place
    return order


@compiled()
def _mixed(
    columns: FeatureMatrix, first: int, blended: NDArray[np.float64], shares: FeatureMatrix, ranks: FeatureMatrix
) -> None:
    """Write the blend's score and rank, and each source's."""
    order = _descending(blended)
    best = max(blended[order[0]], 1e-30)
    for rank in range(len(order)):
        columns[first, order[rank]] = blended[order[rank]] / best
        columns[first + 1, order[rank]] = rank + 1 if blended[order[rank]] > 0 else _UNRANKED
    columns[first + 2] = 0
    for source in range(len(shares)):
        column = first + _N_MIXED + 2 * source
        for row in range(len(order)):
            columns[first + 2, row] += ranks[source, row] > 0
            columns[column, row] = shares[source, row]
            columns[column + 1, row] = ranks[source, row] if ranks[source, row] > 0 else _UNRANKED


@compiled()
def _merge(
    items: Rows,
    scores: Scores,
    explained: Rows,
    lists: NDArray[np.float64],
    n_sources: int,
) -> tuple[Rows, NDArray[np.int64], Rows, NDArray[np.float64], FeatureMatrix, FeatureMatrix]:
    """Add the lists up by item: distinct items int32[m] ascending, the list and the evidence of each one's largest part, the blend's
    score float64[m], and share and rank float32[s, m] of each source.

    `lists` float64[3, k]: where each ends, its source (-1: none), and its weight.
    """
    n, ends, source_of, weights = len(items), lists[0].astype(np.int64), lists[1].astype(np.int64), lists[2]
    distinct, owners, evidence = np.empty(n, np.int32), np.empty(n, np.int64), np.empty(n, np.int32)
    blended, strongest = np.zeros(n, np.float64), np.full(n, -np.inf)
    shares, ranks = np.zeros((n_sources, n), np.float32), np.zeros((n_sources, n), np.float32)
    count, owner, owner_of = 0, 0, np.empty(n, np.int64)
    for place in range(n):
        while place >= ends[owner]:
            owner += 1
        owner_of[place] = owner
    for place in np.argsort(items, kind="mergesort"):
        owner = owner_of[place]
        start = ends[owner - 1] if owner > 0 else 0
        share = scores[place] / max(scores[start], 1e-30)
        part = weights[owner] * share if weights[owner] > 0 else _UNWEIGHTED * share
        if count == 0 or distinct[count - 1] != items[place]:
            distinct[count] = items[place]
            count += 1
        if part > strongest[count - 1]:
            strongest[count - 1], owners[count - 1], evidence[count - 1] = part, owner, explained[place]
        blended[count - 1] += weights[owner] * share
        if source_of[owner] >= 0:
            shares[source_of[owner], count - 1] = share
            ranks[source_of[owner], count - 1] = place + 1 - start
    return distinct[:count], owners[:count], evidence[:count], blended[:count], shares[:, :count], ranks[:, :count]


@compiled(ROWS, SCORES, ROWS, REALS_2D, INT, ROWS, KINDS, TIMES, ROWS, INT, SCORES_2D, REALS, SCORES, ROWS, ROWS)
def _describe(
    items: Rows,
    scores: Scores,
    explained: Rows,
    lists: NDArray[np.float64],
    n_sources: int,
    h_items: Rows,
    h_kinds: Kinds,
    h_times: Times,
    h_orders: Rows,
    now: int,
    facts: FeatureMatrix,
    price: NDArray[np.float64],
    gap_days: NDArray[np.float32],
    category: Rows,
    brand: Rows,
) -> tuple[Rows, NDArray[np.int64], Rows, FeatureMatrix]:
    distinct, owners, evidence, blended, shares, ranks = _merge(items, scores, explained, lists, n_sources)
    columns = np.empty((SHARED + 2 * n_sources, len(distinct)), np.float32)
    for row in range(len(distinct)):
        for column in range(_N_FACTS):
            columns[column, row] = facts[distinct[row], column]
    mean_price = _shopper(columns, h_items, h_kinds, h_times, h_orders, now, price)
    first = _N_FACTS + _N_SHOPPER
    _pairs(columns, first, distinct, h_items, h_kinds, h_times, now, price, gap_days, mean_price)
    _affinities(columns, first + 9, distinct, h_items, category, brand)
    _mixed(columns, first + _N_PAIR, blended, shares, ranks)
    return distinct, owners, evidence, columns
