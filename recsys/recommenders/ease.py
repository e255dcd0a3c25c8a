"""EASE: which items speak for which, solved at once for all of them by one ridge regression."""

from __future__ import annotations

from functools import lru_cache
from typing import Annotated, ClassVar, cast

import msgspec
import numpy as np
from numpy.typing import NDArray

from recsys.behaviour import ages_in_days, event_weights, fade, item_weights
from recsys.data.catalog import Catalog
from recsys.data.history import Tables
from recsys.ranking import keep_strongest, neighbours_of
from recsys.recommender import REASONS_KEPT, Recommender, RecommenderSettings
from recsys.settings import BehaviourSettings, NotNegative
from recsys.types import NO_CANDIDATES, Arrays, Candidates, Mask, Profile, Reason, RowQuery, Rows, Scores

_TEXTS = {
    "similar": "Shoppers interested in {} also like this",
    "because_bought": "Because you bought {}",
    "because_viewed": "Because you viewed {}",
}


class EaseSettings(RecommenderSettings, frozen=True):
    """What the regression reads, and how much of it is kept."""

    regularization: Annotated[float, msgspec.Meta(ge=0.001, le=1e9)] = 100.0
    """λ: ridge on the weights; the more, the closer they come to plain co-occurrence."""
    power: Annotated[float, msgspec.Meta(ge=0, le=1)] = 0.5
    """Exponent on a shopper's faded event weights of an item: 1 takes them as they are, 0 only whether there are any."""
    half_life_days: NotNegative = 60.0
    """Age at which an event counts half in the fit and in the shopper's history; 0: no fading."""
    most_items: Annotated[int, msgspec.Meta(ge=1, le=20_000)] = 4_000
    """Items of the largest total weight that take part; the others have no neighbours. The fit holds 32 bytes per pair of them."""
    neighbours: Annotated[int, msgspec.Meta(ge=1, le=1000)] = 200
    """K: strongest positive weights kept per item."""
    history_items: Annotated[int, msgspec.Meta(ge=1)] = 100
    """Strongest items of the shopper's history that an answer starts from."""


class Ease(Recommender):
    """Scores items by history × B, B = I - P · diag(1 / diag P), P = (XᵀX + λI)⁻¹: Steck, "Embarrassingly shallow autoencoders
    for sparse data" (WWW 2019), equation 8.

    B is what best rebuilds X from itself while no item may speak for itself. X is users × items of (faded event weights)^power,
    and a shopper's history is weighed in the same way. Negative weights are left out.

    Arrays: neighbours int32[n, K] strongest first · weights float32[n, K] (0: padding); row i holds the largest B[i, j].
    """

    name: ClassVar[str] = "ease"
    Settings: ClassVar[type[RecommenderSettings]] = EaseSettings
    personal: ClassVar[bool] = True
    ranks_everything: ClassVar[bool] = False

    @staticmethod
    def fit(tables: Tables, behaviour: BehaviourSettings, settings: EaseSettings) -> Arrays:
        """Weigh, solve for the items that take part, and keep the strongest neighbours."""
        n = tables.catalog.n_items
        users, items, values = _entries(tables, behaviour, settings)
        part = _heaviest(_sums(items, values, n), settings.most_items)
        column = np.full(n, -1)
        column[part] = np.arange(len(part))
        kept = column[items] >= 0
        gram = _gram(users[kept], column[items[kept]], values[kept], len(part))
        neighbours = np.zeros((n, min(settings.neighbours, max(n - 1, 1))), np.int32)
        weights = np.zeros(neighbours.shape, np.float32)
        for row, scores in zip(part.tolist(), _solution(gram, settings.regularization), strict=True):
            keep_strongest(neighbours, weights, row, part, scores.astype(np.float32))
        return {"neighbours": neighbours, "weights": weights}

    def __init__(self, arrays: Arrays, catalog: Catalog, behaviour: BehaviourSettings, settings: EaseSettings) -> None:
        self._neighbours = cast(Rows, arrays["neighbours"])
        self._weights = cast(Scores, arrays["weights"])
        self._event_weights = event_weights(behaviour)
        self._catalog = catalog
        self._settings = settings
        self._reason = lru_cache(REASONS_KEPT)(self._explain)

    def recommend(self, query: RowQuery, profile: Profile, n: int, allowed: Mask) -> Candidates:
        """Add up the neighbours of the items in the query's context, else of the shopper's history."""
        if len(query.context):
            sources, strengths = query.context, np.ones(len(query.context), np.float32)
        else:
            settings = self._settings
            sources, strengths = item_weights(
                profile.history, query.now, self._event_weights, settings.half_life_days, settings.history_items
            )
            strengths = strengths ** np.float32(settings.power)
        if not len(sources):
            return NO_CANDIDATES
        return neighbours_of(sources, strengths, self._neighbours, self._weights, allowed, self._catalog.tie_rank, n)

    def reason(self, query: RowQuery, profile: Profile, item: int, because: int) -> Reason:
        """Name the item that spoke most for this one."""
        if len(query.context):
            return self._reason("similar", because)
        return self._reason("because_bought" if because in profile.has_bought else "because_viewed", because)

    def _explain(self, code: str, because: int) -> Reason:
        title, item_id = self._catalog.title(because), self._catalog.item_id(because)
        return Reason(code, _TEXTS[code].format(title), because_item_id=item_id)


_Numbers = NDArray[np.int64]
_Reals = NDArray[np.float64]


def _entries(tables: Tables, behaviour: BehaviourSettings, settings: EaseSettings) -> tuple[_Numbers, _Numbers, _Reals]:
    """X as users, items int64[z] of its distinct entries, by user, then item, and their values float64[z]."""
    events, n = tables.events, max(tables.catalog.n_items, 1)
    strengths = event_weights(behaviour)[events.kinds]
    strengths = strengths * fade(ages_in_days(events.times, tables.as_of), settings.half_life_days)
    counted = (strengths > 0) & (events.items >= 0)
    pairs = events.users[counted].astype(np.int64) * n + events.items[counted]
    distinct, entry = np.unique(pairs, return_inverse=True)
    users, items = np.divmod(distinct, n)
    return users, items, _sums(entry, strengths[counted], len(distinct)) ** settings.power


def _sums(rows: _Numbers, values: Scores | _Reals, n: int) -> _Reals:
    """The sum float64[n] of the values of each row."""
    return np.bincount(rows, values, n).astype(np.float64)


def _heaviest(totals: _Reals, most: int) -> Rows:
    """Items int32[m ≤ most] of the largest totals above zero, largest first; of equal ones the lower row comes first."""
    order = np.argsort(-totals, kind="stable")[:most]
    return order[totals[order] > 0].astype(np.int32)


def _gram(users: _Numbers, columns: _Numbers, values: _Reals, m: int) -> _Reals:
    """XᵀX float64[m, m], shopper by shopper: most have few items, and a dense X would not fit into memory."""
    gram = np.zeros((m, m))
    starts = np.flatnonzero(np.diff(users)) + 1
    for own, weighed in zip(np.split(columns, starts), np.split(values, starts), strict=True):
        gram[np.ix_(own, own)] += np.outer(weighed, weighed)
    return gram


def _solution(gram: _Reals, regularization: float) -> _Reals:
    """B float64[m, m] but for its diagonal, from XᵀX, which is overwritten; one thread makes the same bytes on every run."""
    from threadpoolctl import threadpool_limits

    diagonal = np.diag_indices_from(gram)
    gram[diagonal] += regularization
    with threadpool_limits(1, user_api="blas"):
        solution = cast(_Reals, np.linalg.inv(gram))
    solution /= -solution[diagonal]
    return solution
