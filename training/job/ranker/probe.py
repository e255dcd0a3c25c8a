"""Probe of a ranker's features: a few shoppers and items as a window of the past told them, to be told again from tables that end
where the window begins. If one looked ahead, the two differ."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from recsys.clock import DAY
from recsys.engine.pipeline import Engine
from recsys.engine.ranker.features import MIXED, Describer, FeatureMatrix, feature_names
from recsys.engine.ranker.items import ITEM_FACTS
from recsys.snapshot.histories import NEVER, Events
from recsys.snapshot.identity_links import Links
from recsys.types import Candidates, EventType, RowQuery

SHOPPERS, ITEMS = 20, 50
OF_TODAY = frozenset(("item_price", "price_difference", "shopper_price", "shopper_price_spread"))
"""Features that know today's prices in every window of the past (docs/evaluation.md says so)."""
MOST_DIFFERING = 0.1
"""Share of a feature's known values that may differ: tables that go on tell machines and absurd lines apart a little differently."""
_SOLD = ITEM_FACTS.index("item_sold_28")
_NO_ROWS = np.empty(0, np.int32)


class Probe(NamedTuple):
    """Features as they were told at a moment (microseconds): float32[u, m, f] of shoppers and items, both by id."""

    moment: int
    users: tuple[str, ...]
    items: tuple[str, ...]
    at_fit: FeatureMatrix


def probe_of(engine: Engine, facts: FeatureMatrix, ahead: Events) -> Probe:
    """Tell the features of shoppers who bought on the day from the engine's moment on, with what they bought then and what sold best
    before. `ahead` are events up to the end of that day; nothing else is read of them.

    Shoppers who were linked to an id later are none of them: tables of that day do not know that what the id did was theirs.
    """
    moment, catalog = engine.snapshot.as_of, engine.catalog
    late = ahead.where((ahead.times >= moment) & (ahead.times < moment + DAY) & (ahead.kinds == EventType.PURCHASE))
    histories, links = engine.snapshot.histories, engine.snapshot.links
    before = (row for row in np.unique(late.users).tolist() if len(histories.at(row)))
    known = [*islice((row for row in before if _last_link(links, histories.users.text(row)) < moment), SHOPPERS)]
    bought = np.unique(late.items[np.isin(late.users, known) & (late.items >= 0)])[: ITEMS // 2]
    sold = np.argsort(-facts[:, _SOLD], kind="stable")[:ITEMS]
    rows = np.unique(np.concatenate([bought, sold[: ITEMS - len(bought)]]))
    rows = rows[rows < catalog.n_known]
    users = tuple(histories.users.text(row) for row in known)
    items = tuple(catalog.item_id(row) for row in rows.tolist())
    return Probe(moment, users, items, tell(engine, facts, users, items))


def _last_link(links: Links, user_id: str) -> int:
    """Moment at which a user was last linked to an anonymous id (microseconds)."""
    return max(
        (link.timestamp for each in links.anonymous_ids(user_id, 1) for link in links.of(each) if link.user_id == user_id),
        default=NEVER,
    )


def tell(engine: Engine, facts: FeatureMatrix, users: Sequence[str], items: Sequence[str]) -> FeatureMatrix:
    """Features float32[u, m, f] of shoppers and items as of the engine's moment; NaN of items that it does not have."""
    catalog, now = engine.catalog, engine.snapshot.as_of
    names, describer = feature_names(()), Describer(catalog, facts, ())
    rows = np.array([catalog.row(item_id) for item_id in items], np.int32)
    at_fit = np.full((len(users), len(items), len(names)), np.nan, np.float32)
    have = np.flatnonzero(rows >= 0)
    for place, user in enumerate(users if len(have) else ()):
        history = engine.snapshot.histories.of(user)
        profile = engine.profiler.profile(user, history, now)
        lists = {"probe": Candidates(rows[have], np.ones(len(have), np.float32))}
        described = describer.describe(lists, {}, RowQuery(now, -1, -1, _NO_ROWS, "en"), profile)
        if described is not None:
            at_fit[place, have] = described.columns.T[np.searchsorted(described.items, rows[have])]
    return at_fit


def looked_ahead(probe: Probe, again: FeatureMatrix) -> list[str]:
    """The features of a probe that are otherwise when they are told again, by name."""
    found = []
    for place, name in enumerate(feature_names(())):
        one, other = probe.at_fit[:, :, place], again[:, :, place]
        if name not in OF_TODAY and name not in MIXED and _differing(one, other) > MOST_DIFFERING:
            found.append(name)
    return found


def _differing(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Share of the values that are known on either side which differ; 0 where none is known."""
    known = ~(np.isin(one, (-1, 0)) & np.isin(other, (-1, 0)))
    return float((one != other)[known].mean()) if known.any() else 0.0
