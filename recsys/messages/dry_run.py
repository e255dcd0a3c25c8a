"""Dry runs: what a declared send would show to many shoppers, before anybody gets it; nothing is pinned, nothing is logged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

import numpy as np

from recsys.engine.serving_state import ServingState
from recsys.live.pinned_slates import PinnedSlates
from recsys.messages.cards.cards import Card, CardError, Cards
from recsys.messages.cards.data import compose, event_of
from recsys.messages.sends import Sends
from recsys.types import DataError, Query, Send, Slate

SAMPLES = 6
"""Users whose cards are rendered."""
TOP = 10
"""Most shown items that concentration looks at, and that are listed."""

Progress: TypeAlias = Callable[[int, int], None]
"""Called with how many users were asked, and how many there are."""


@dataclass(frozen=True)
class Sample:
    """One user's cards: `why` this user was picked · `cards` by channel · `errors` what a template failed with."""

    user_id: str
    why: str
    slate: Slate
    cards: Mapping[str, Card]
    errors: Mapping[str, str]


@dataclass(frozen=True)
class DryRun:
    """Outcome of a send for `users` shoppers, as shares of them unless it says otherwise.

    fallback, strategy: share by name, the largest first · short, empty: with fewer items than the send's limit, and with none ·
    top_share: share of all places that the `TOP` most shown items fill · items: distinct items · top: (title, share) ·
    without: share of the places whose item has no image, address or price · broken: by channel, samples that break a limit.
    """

    send: Send
    snapshot: str
    users: int
    places: int
    fallback: Mapping[str, float]
    strategy: Mapping[str, float]
    short: float
    empty: float
    items: int
    top_share: float
    top: Sequence[tuple[str, float]]
    without: Mapping[str, float]
    samples: Sequence[Sample]


def dry_run(
    serving: ServingState, pins: PinnedSlates, cards: Cards, send: Send, users: Sequence[str], now: int, progress: Progress
) -> DryRun:
    """Answer a send for these users as of `now` (microseconds), and sum up.

    Raises:
        DataError: if there is nobody to ask, or no such template.
    """
    if not users:
        raise DataError("there is nobody to ask: no user is known")
    slates = []
    for done, user in enumerate(users, 1):
        slates.append(preview(serving, pins, send, user, now))
        progress(done, len(users))
    return _summed_up(cards, serving, send, slates, now)


def preview(serving: ServingState, pins: PinnedSlates, send: Send, user_id: str, now: int) -> Slate:
    """Answer what a first fetch of a send would pin for a user, and pin nothing."""
    unseen = serving.engine.settings.messages.unseen_sends
    sends = Sends(serving.engine.catalog, pins, lambda query: serving.answer_message(query).slate, unseen, now)
    return sends.preview(send, Query(now=now), user_id)


def draw_users(serving: ServingState, max_n: int) -> list[str]:
    """At most so many users of the shop's table, or else of the events, drawn by the settings' seed; nobody who was forgotten."""
    snapshot, seed = serving.engine.snapshot, serving.engine.settings.seed
    ids = snapshot.people.users if len(snapshot.people) else snapshot.histories.users
    rows = random.Random(seed).sample(range(len(ids)), min(max_n, len(ids)))
    found = [ids.text(row) for row in sorted(rows)]
    return [user for user in found if serving.forgotten.at(user) is None]


def cards_of(
    cards: Cards, serving: ServingState, send: Send, slate: Slate, now: int, locale: str | None = None
) -> tuple[dict[str, Card], dict[str, str]]:
    """Render a slate of a send on every channel of its template: the cards by channel, and what failed by channel.

    `locale` stands for the reader's own.

    Raises:
        DataError: if there is no such template.
    """
    channels = cards.kinds().get(send.template or "")
    if channels is None:
        raise DataError(f"template {send.template!r} of the send: there are {', '.join(cards.kinds())}")
    user = slate.user_id or ""
    history, person = serving.history(user), serving.person(user)
    if locale is not None:
        person = person._replace(locale=locale)
    event = event_of(send.template, serving.engine, history, now, serving.disliked_at(user, now))
    seen = compose(serving.engine, slate, send.send_id, person, history, now, event)
    made, errors = {}, {}
    for channel in channels:
        try:
            made[channel] = cards.render(send.template or "", channel, seen)
        except CardError as error:
            errors[channel] = str(error)
    return made, errors


def _summed_up(cards: Cards, serving: ServingState, send: Send, slates: Sequence[Slate], now: int) -> DryRun:
    catalog, users = serving.engine.catalog, len(slates)
    rows = np.array([row for slate in slates for row in slate.items], np.int64)
    shown = np.bincount(rows, minlength=catalog.n_items)
    top = np.argsort(-shown, kind="stable")[:TOP]
    lengths = np.array([len(slate.items) for slate in slates])
    lacks = {name: np.zeros(catalog.n_items, bool) for name in ("image_url", "url", "price")}
    for row in np.flatnonzero(shown).tolist():
        item = catalog.item(row)
        for name, mask in lacks.items():
            mask[row] = item[name] is None
    places = max(len(rows), 1)
    return DryRun(
        send=send,
        snapshot=serving.engine.snapshot.version,
        users=users,
        places=len(rows),
        fallback=_shares(slate.fallback or "none needed" for slate in slates),
        strategy=_shares(slate.strategy for slate in slates),
        short=float((lengths < send.limit).mean()),
        empty=float((lengths == 0).mean()),
        items=int(np.count_nonzero(shown)),
        top_share=float(shown[top].sum() / places),
        top=[(catalog.title(row), shown[row] / users) for row in top.tolist() if shown[row]],
        without={name: float(mask[rows].mean()) if len(rows) else 0.0 for name, mask in lacks.items()},
        samples=_samples(cards, serving, send, slates, now),
    )


def _shares(names: Iterable[str]) -> dict[str, float]:
    counts = Counter(names)
    return {name: count / counts.total() for name, count in counts.most_common()}


def _samples(cards: Cards, serving: ServingState, send: Send, slates: Sequence[Slate], now: int) -> list[Sample]:
    """The shortest slate, one of each strategy and one of each fallback, the most frequent first."""
    if send.template is None:
        return []
    picked: dict[str, Slate] = {}
    shortest = min(slates, key=lambda slate: len(slate.items))
    if len(shortest.items) < send.limit:
        picked[f"{len(shortest.items)} of {send.limit} items"] = shortest
    for name in ("strategy", "fallback"):
        for value, _ in Counter(getattr(slate, name) for slate in slates if getattr(slate, name)).most_common():
            picked.setdefault(f"{name} {value}", next(slate for slate in slates if getattr(slate, name) == value))
    chosen = list(picked.items())[:SAMPLES]
    return [Sample(slate.user_id or "", why, slate, *cards_of(cards, serving, send, slate, now)) for why, slate in chosen]
