"""Next item: what shoppers turn to within the next few steps, in the order in which they do it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated, ClassVar

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import QuerySeeds, ages_in_days, compact_rows, decay, event_weights, matrix_of, steps_of_users
from recsys.ranking import Neighbours, strongest_of_product
from recsys.recommenders.base import EvidenceItem, Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings
from recsys.settings.types import NotNegative, Share
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events, Tables
from recsys.types import Arrays, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores

if TYPE_CHECKING:
    from scipy.sparse import csr_array


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
        counts = np.concatenate([part["steps"] for part in parts]).astype(np.int64)
        return _next_items(matrix_of(parts, tables.catalog.n_items), np.repeat(np.arange(len(counts)), counts), settings)

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: NextItemSettings) -> None:
        self._seeds = QuerySeeds(behaviour, settings.half_life_days, settings.history_items, settings.half_life_steps)
        self._neighbours = Neighbours(arrays, catalog.tie_rank)
        self._evidence = EvidenceItem(catalog)

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Add up what comes next after the items in the query's context, else after the latest of the shopper's history."""
        sources, strengths = self._seeds.of(query, profile.history)
        return self._neighbours.of(sources, strengths, allowed, n)

    def reason(self, query: RowQuery, profile: Profile, item: int, explained_by: int) -> Reason:
        """Name the item that spoke most for this one."""
        return self._evidence.reason(query, profile, explained_by)


def _latest(events: Events, steps: Rows, n_users: int, max_n: int) -> tuple[Events, Rows, NDArray[np.int64]]:
    """The events of each user's latest steps, the steps numbered from 0 again, and how many there are of each user, int64[u]."""
    counts = np.zeros(n_users, np.int64)
    counts[events.users] = steps + 1
    early = np.maximum(counts - max_n, 0)
    kept = steps >= early[events.users]
    events, steps = events.where(kept), (steps[kept] - early[events.users[kept]]).astype(np.int32)
    return events, steps, np.minimum(counts, max_n)


def _next_items(matrix: csr_array, owners: NDArray[np.int64], settings: NextItemSettings) -> Arrays:
    """Fit W on steps × items of decayed weights and the user int64[steps] of each; see `NextItem` for the arrays."""
    from scipy.sparse import csr_array, diags_array

    sizes = np.diff(matrix.indptr)
    totals = np.asarray(matrix.sum(axis=0))
    held = np.where((sizes > 0) & (sizes <= settings.most_lines), 1 / np.sqrt(np.maximum(sizes, 1)), 0)
    right = (diags_array(held) @ matrix @ diags_array(_power(totals, settings.item_power))).tocsr().astype(np.float32)
    seen = csr_array((np.ones_like(matrix.data), matrix.indices, matrix.indptr), shape=matrix.shape).T.tocsr()
    del matrix  # as large as each of the others
    left = (diags_array(_power(totals, settings.source_power)) @ seen @ diags_array(held)).tocsr().astype(np.float32)
    del seen
    return strongest_of_product(_Near(left, owners, settings), right, settings.neighbours)


def _power(totals: Scores, power: float) -> NDArray[np.float64]:
    return np.where(totals > 0, np.maximum(totals, 1e-12) ** -power, 0)


class _Near:
    """Items × steps that are near one in which the item is, made for a block of items at a time: it is many times as large as the
    items × steps that it is made of."""

    def __init__(self, held: csr_array, owners: NDArray[np.int64], settings: NextItemSettings) -> None:
        self._held, self._owners = held, owners
        shifts = [(ahead, 1 / ahead) for ahead in range(1, settings.steps + 1)]
        self._shifts = [*shifts, *((-ahead, settings.backward * part) for ahead, part in shifts if settings.backward)]

    def __getitem__(self, block: slice) -> csr_array:
        from scipy.sparse import coo_array

        held = self._held[block].tocoo()
        (rows, steps), values = held.coords, held.data
        found = []
        for shift, part in self._shifts:
            near = steps + shift
            inside = ((near >= 0) & (near < len(self._owners))).nonzero()[0]
            inside = inside[self._owners[near[inside]] == self._owners[steps[inside]]]
            found.append((rows[inside], near[inside], values[inside] * np.float32(part)))
        rows, steps, values = (np.concatenate(each) for each in zip(*found, strict=True))
        return coo_array((values, (rows, steps)), shape=held.shape).tocsr()
