"""Lists as the console shows them: answered like those of the shop, and counted nowhere."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any

import msgspec

from recsys.behaviour import VIEW
from recsys.engine.serving_state import ServingState
from recsys.settings.placements import Placement
from recsys.types import Query, Slate

MAX_ITEMS = 12
"""Most items of a list that a page shows."""
_BESIDE_ITEMS = frozenset(("item_item", "bought_together", "content"))
_BESIDE_CART = "bought_together"
Shown = Mapping[str, Any]


def every_list(
    serving: ServingState, user_id: str, now: int, about: str = "", step: Callable[[], None] = lambda: None
) -> Iterator[Shown]:
    """A shopper's list of every placement; `step` is called before each."""
    for name in serving.engine.settings.placement_names():
        step()
        yield one_list(serving, name, user_id, now, about)


def one_list(
    serving: ServingState, placement: str, user_id: str, now: int, about: str = "", max_n: int = MAX_ITEMS
) -> Shown:
    """One list; a placement that stands beside items stands beside `about`, else beside what the shopper looked at last.

    Raises:
        SettingsError: if there is no such placement.
    """
    query = list_query(serving, placement, user_id, now, about, max_n)
    return shown(serving, serving.answer(query).slate, query.context_items)


def list_query(
    serving: ServingState, placement: str, user_id: str, now: int, about: str = "", max_n: int = MAX_ITEMS
) -> Query:
    """The question for such a list, which is as long as that of the shop, up to `max_n`.

    Raises:
        SettingsError: if there is no such placement.
    """
    rules = serving.engine.placement(placement)
    query = Query(
        now=now,
        placement=placement,
        user_id=user_id or None,
        limit=rules.limit,
        context_items=_context(serving, rules, user_id, now, about),
        locale=serving.reason_locale(user_id or None),
    )
    query = serving.with_own_limit(query)
    return msgspec.structs.replace(query, limit=min(query.limit, max_n))


def shown(serving: ServingState, slate: Slate, context_items: tuple[str, ...] = ()) -> Shown:
    """A slate with what a template needs of its items."""
    catalog = serving.engine.catalog
    about = context_items[0] if context_items else ""
    row = catalog.row(about) if about else -1
    return {
        "placement": slate.placement,
        "strategy": slate.strategy,
        "fallback": slate.fallback,
        "personalized": slate.personalized,
        "notices": slate.notices,
        "experiments": slate.experiments,
        "about": catalog.title(row) if row >= 0 else about,
        "about_id": about,
        "items": [
            {**catalog.item(row), "reason": reason.text, "score": score, "source": source}
            for row, reason, score, source in zip(slate.items, slate.reasons, slate.scores, slate.sources, strict=True)
        ],
    }


def stands_beside_items(rules: Placement) -> bool:
    """Tell whether a placement is asked for beside the item of a page, or those of a cart."""
    return any(rule.when.context for rule in rules.rules) or all(
        rule.recommenders and set(rule.recommenders) <= _BESIDE_ITEMS for rule in rules.rules
    )


def _context(serving: ServingState, rules: Placement, user_id: str, now: int, about: str) -> tuple[str, ...]:
    if about:
        return (about,)
    if not stands_beside_items(rules):
        return ()
    history = serving.history(user_id).until(now)
    catalog = serving.engine.catalog
    if any(rule.when.context and _BESIDE_CART in rule.recommenders for rule in rules.rules):
        cart = serving.engine.profiler.profile(user_id, history, now).cart
        if len(cart):
            return tuple(map(catalog.item_id, cart[:MAX_ITEMS].tolist()))
    viewed = history.items[(history.kinds == VIEW) & (history.items >= 0)]
    return (catalog.item_id(int(viewed[-1])),) if len(viewed) else ()
