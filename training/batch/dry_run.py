"""`make dry-run SEND=…`: what a declared send would show, before anybody gets it; nothing is pinned, nothing is logged."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from pathlib import Path
from typing import Any

import numpy as np
from jinja2 import Environment, FileSystemLoader, StrictUndefined

from recsys.clock import SECOND
from recsys.disk import write_whole
from recsys.engine.serving_state import ServingState
from recsys.live.databases import open_log
from recsys.live.erasure import ErasureKeys
from recsys.messages.cards.cards import Card, CardError, Cards
from recsys.messages.cards.data import compose, event_of
from recsys.messages.sends import Sends
from recsys.settings import Settings
from recsys.types import DataError, Query, Send, Slate
from training import console
from training.batch.export import Progress, Source, published, read_users

SAMPLES = 6
"""Users whose cards stand on the page."""
TOP = 10
"""Most shown items that concentration looks at, and that are listed."""
MAIL_WIDTHS = (600, 320)


@dataclass(frozen=True)
class Sample:
    """One user's cards: `why` this user was picked · `cards` by channel · `error` what a template failed with."""

    user_id: str
    why: str
    slate: Slate
    cards: Mapping[str, Card]
    errors: Mapping[str, str]


@dataclass(frozen=True)
class DryRun:
    """What a send would show to `users` shoppers, as shares of them unless it says otherwise.

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
    settings: Settings,
    now: datetime,
    send_id: str,
    users: Path | None,
    max_n: int,
    out: Path,
    erasure_keys: ErasureKeys | None = None,
) -> int:
    """Answer a send for at most so many users, drawn from all or from a file, print the summary and write the page.

    Raises:
        DataError: if the send is not declared, or there is nobody to ask.
        SnapshotError: if no snapshot is published.
    """
    artifacts = settings.path(settings.snapshot.artifacts)
    source = Source(settings, artifacts, published(artifacts), True, erasure_keys)
    serving = source.serving(source.engine())
    assert serving is not None
    asked = _users(serving, users, max_n, settings.seed)
    moment = serving.newest if settings.web.clock == "events" else int(now.timestamp() * SECOND)
    with console.bar("Asking", "users") as progress:
        found = look(settings, serving, send_id, asked, moment, progress)
    _write_page(found, out)
    _print(found, out)
    return 0


def look(
    settings: Settings, serving: ServingState, send_id: str, users: Sequence[str], now: int, progress: Progress
) -> DryRun:
    """Answer the send for these users as of `now` (microseconds), and sum up."""
    engine, state = serving.engine, open_log(settings)
    send = state.pins.send(send_id)
    if send is None:
        raise DataError(f"SEND {send_id!r}: is not declared; declare it with PUT /v1/sends/{send_id} first")

    sends = Sends(
        engine.catalog, state.pins, lambda query: serving.answer_message(query).slate, settings.messages.unseen_sends, now
    )
    slates = []
    for done, user in enumerate(users, 1):
        slates.append(sends.preview(send, Query(now=now), user))
        progress(done, len(users))
    return _summed_up(settings, serving, send, slates, now)


def _summed_up(settings: Settings, serving: ServingState, send: Send, slates: Sequence[Slate], now: int) -> DryRun:
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
        samples=_samples(settings, serving, send, slates, now),
    )


def _shares(names: Any) -> dict[str, float]:
    counts = Counter(names)
    return {name: count / counts.total() for name, count in counts.most_common()}


def _samples(settings: Settings, serving: ServingState, send: Send, slates: Sequence[Slate], now: int) -> list[Sample]:
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
    folder = settings.messages.templates
    cards = Cards(settings.path(folder) if folder else None, settings.messages)
    channels = cards.kinds().get(send.template)
    if channels is None:
        raise DataError(f"template {send.template!r} of the send: there are {', '.join(cards.kinds())}")
    chosen = list(picked.items())[:SAMPLES]
    return [_sample(cards, channels, serving, send, slate, why, now) for why, slate in chosen]


def _sample(
    cards: Cards, channels: Sequence[str], serving: ServingState, send: Send, slate: Slate, why: str, now: int
) -> Sample:
    user = slate.user_id or ""
    history = serving.history(user)
    event = event_of(send.template, serving.engine, history, now)
    seen = compose(serving.engine, slate, send.send_id, serving.person(user), history, now, event)
    made, errors = {}, {}
    for channel in channels:
        try:
            made[channel] = cards.render(send.template or "", channel, seen)
        except CardError as error:
            errors[channel] = str(error)
    return Sample(user, why, slate, made, errors)


def _users(serving: ServingState, file: Path | None, max_n: int, seed: int) -> list[str]:
    if file is not None:
        found = read_users(file)
    else:
        snapshot = serving.engine.snapshot
        ids = snapshot.people.users if len(snapshot.people) else snapshot.histories.users
        rows = random.Random(seed).sample(range(len(ids)), min(max_n, len(ids)))
        found = [ids.text(row) for row in sorted(rows)]
    found = [user for user in found if serving.forgotten.at(user) is None][:max_n]
    if not found:
        raise DataError("there is nobody to ask: the snapshot, or --users, has no user")
    return found


def _write_page(found: DryRun, out: Path) -> None:
    pages = Environment(loader=FileSystemLoader(Path(__file__).parent), autoescape=True, undefined=StrictUndefined)
    text = pages.get_template("dry_run.html").render(run=found, widths=MAIL_WIDTHS)
    try:
        out.parent.mkdir(parents=True, exist_ok=True)
        with write_whole(out) as aside:
            aside.write_text(text)
    except OSError as error:
        raise DataError(f"--out {out}: cannot be written ({error.strerror})") from error


def _print(found: DryRun, out: Path) -> None:
    percent = "{:.1%}".format
    console.facts(
        f"Send {found.send.send_id}: {found.send.placement}, {found.send.limit} items, template {found.send.template or 'none'}",
        [
            ("users asked", found.users),
            ("snapshot", found.snapshot),
            *((f"fallback {name}", percent(share)) for name, share in found.fallback.items()),
            *((f"strategy {name}", percent(share)) for name, share in found.strategy.items()),
            ("users short of items", percent(found.short)),
            ("users without any", percent(found.empty)),
            ("distinct items", found.items),
            (f"places filled by the {TOP} most shown", percent(found.top_share)),
            *((f"places without {name}", percent(share)) for name, share in found.without.items()),
        ],
    )
    wrong = {channel: each for sample in found.samples for channel, each in sample.errors.items()}
    broken = {str(each) for sample in found.samples for card in sample.cards.values() for each in card.broken}
    for channel, error in wrong.items():
        console.say(f"✗ {channel}: {error}")
    for each in sorted(broken):
        console.say(f"✗ {each}")
    console.say(f"✓ samples and figures: {out}")
