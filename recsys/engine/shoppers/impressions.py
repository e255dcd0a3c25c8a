"""Impressions as lists mind them: how often a shopper was shown an item since the last click on it, decayed by age."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import Any, NamedTuple

import msgspec

from recsys.clock import DAY
from recsys.settings.placements import Placement
from recsys.settings.variety import Fatigue
from recsys.types import Query

MAX_IMPRESSIONS = 2_000
"""Most impressions and clicks of one shopper that are looked at, the newest."""
MAX_SHOWN = 200
"""Most items of which a query says how often they were shown, those shown most."""


class Impression(NamedTuple):
    """An item was shown at a moment (microseconds), or clicked."""

    item_id: str
    at: int
    clicked: bool


def with_impressions(
    query: Query, placement: Placement, impressions_of: Callable[[str, int], Iterable[Sequence[Any]]]
) -> Query:
    """A query with what its shopper was shown too often, where its placement minds that."""
    if not placement.fatigue or query.user_id is None:
        return query
    seen = map(Impression._make, impressions_of(query.user_id, MAX_IMPRESSIONS))
    return msgspec.structs.replace(query, shown=shown_without_click(seen, placement.fatigue, query.now))


def shown_without_click(seen: Iterable[Impression], fatigue: Fatigue, now: int) -> tuple[tuple[str, float], ...]:
    """Return how often items were shown since they were last clicked, each decayed by its age, most first; of those that come
    to anything `MAX_SHOWN`."""
    counts: dict[str, float] = {}
    clicked: set[str] = set()
    for each in sorted(seen, key=lambda one: -one.at):
        if each.clicked:
            clicked.add(each.item_id)
        elif each.at <= now and each.item_id not in clicked:
            decayed = 0.5 ** ((now - each.at) / (fatigue.half_life_days * DAY))
            counts[each.item_id] = counts.get(each.item_id, 0.0) + decayed
    tired = [(item, round(count, 3)) for item, count in counts.items() if count >= fatigue.after]
    return tuple(sorted(tired, key=lambda pair: (-pair[1], pair[0]))[:MAX_SHOWN])
