"""A few shoppers, as the shop's own data has them, and what the home placement shows them and why. Nobody is named."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from recsys.engine.pipeline import Engine, answer
from recsys.messages.slots import web_address
from recsys.snapshot.catalog import Catalog
from recsys.types import CANCELLED, NO_HISTORY, EventType, History, Intent, Lifecycle, Query, Slate

LOOKED_AT = 1000
"""Shoppers among whom examples are looked for, evenly spread over all."""
MAX, PLACES, PAST = 4, 6, 3
_DID = {
    EventType.VIEW: "viewed",
    EventType.CART_ADD: "added to the cart",
    EventType.CART_REMOVE: "took out of the cart",
    EventType.CHECKOUT: "checked out with",
    EventType.PURCHASE: "bought",
    CANCELLED: "bought and gave back",
    EventType.REFUND: "gave back",
    EventType.IMPRESSION: "was shown",
    EventType.CLICK: "clicked",
}


@dataclass(frozen=True)
class Shown:
    """One place of a slate."""

    title: str
    brand: str | None
    price: float | None
    reason: str
    source: str
    image: str | None
    """Address of its picture, http or https."""


@dataclass(frozen=True)
class Example:
    """One shopper: what is known, the last things done (newest first), the rule that led, and the slate."""

    lifecycle: Lifecycle | None
    intent: Intent
    orders: int
    past: tuple[tuple[str, str], ...]
    strategy: str
    fallback: str | None
    shown: tuple[Shown, ...]


def pick_examples(engine: Engine, now: int) -> tuple[Example, ...]:
    """Somebody unknown, then shoppers who together show every lifecycle stage and strategy found, at most four.

    Of shoppers alike the first with five events or more is taken, in the order of the snapshot; the same snapshot and
    moment give the same examples.
    """
    histories = engine.snapshot.histories
    found: dict[tuple[str, str], tuple[int, Example]] = {}
    for row in range(0, len(histories.users), -(-len(histories.users) // LOOKED_AT) or 1):
        history = histories.at(row)
        example = _example(engine, histories.users.text(row), history, now)
        known = min(len(example.past), PAST)
        key = example.lifecycle or "", example.strategy
        if key not in found or found[key][0] < known:
            found[key] = known, example
    stranger = _example(engine, None, NO_HISTORY, now)
    return (stranger, *_various(example for _, (_, example) in sorted(found.items(), key=lambda each: each[0])))


def _various(found: Iterable[Example]) -> list[Example]:
    """Leave out those that show neither a new stage nor a new strategy."""
    kept: list[Example] = []
    for example in found:
        stages, strategies = {each.lifecycle for each in kept}, {each.strategy for each in kept}
        if (example.lifecycle not in stages or example.strategy not in strategies) and len(kept) < MAX:
            kept.append(example)
    return kept


def _example(engine: Engine, user_id: str | None, history: History, now: int) -> Example:
    limit = engine.placement("home").limit
    slate = answer(engine, Query(now=now, user_id=user_id, placement="home", limit=limit), history)
    profile = engine.profiler.profile(user_id, history, now)
    return Example(
        lifecycle=profile.lifecycle if user_id is not None else None,
        intent=profile.intent,
        orders=profile.orders,
        past=_past(history, engine.catalog),
        strategy=slate.strategy,
        fallback=slate.fallback,
        shown=_shown(slate, engine.catalog),
    )


def _past(history: History, catalog: Catalog) -> tuple[tuple[str, str], ...]:
    """The last things done with items, newest first; the same thing with the same item once."""
    done: dict[tuple[str, str], None] = {}
    for kind, item in zip(history.kinds[::-1].tolist(), history.items[::-1].tolist(), strict=True):
        if item >= 0 and len(done) < PAST:
            done.setdefault((_DID[kind], catalog.title(item)))
    return tuple(done)


def _shown(slate: Slate, catalog: Catalog) -> tuple[Shown, ...]:
    shown = []
    for row, reason, source in list(zip(slate.items, slate.reasons, slate.sources, strict=True))[:PLACES]:
        item = catalog.item(row)
        shown.append(
            Shown(catalog.title(row), item["brand"], item["price"], reason.text, source, web_address(item["image_url"]))
        )
    return tuple(shown)
