"""Benchmark of the profile: stages of shoppers held against their later purchases. `RECSYS_DATA=… make benchmark-intent`.

REES46 sample: after every event of a session but purchases, the profile is asked with nothing but what had happened by then, and
the rest of the session tells whether a purchase followed. Synthetic shop (no evidence about real shoppers): at one moment the
profile of everybody who was seen in the 30 days before it, and who of them buys in the 7 days after it. Shares come with
percentile bootstrap intervals (Efron, 1979) over sessions, respectively shoppers.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import sys
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import NamedTuple, get_args

import numpy as np
from numpy.typing import NDArray

from benchmarks.http.bench import prepare as prepare_shop
from recsys.behaviour import CART_ADD, CHECKOUT, PURCHASE, sessions
from recsys.clock import DAY
from recsys.engine.profile import Profiler
from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.snapshot.catalog import Catalog
from recsys.snapshot.histories import Events
from recsys.types import CANCELLED, EventType, History, Lifecycle, Lines, Mask, Profile
from simulator import default_items
from training import console
from training.cli.evaluation_commands import last_event
from training.evaluation.metrics import Interval
from training.evaluation.split import Fold, split
from training.job.job import Prepared, prepare

OUT = Path("benchmarks/out")
REES46 = Path("examples/rees46/settings.toml")
SEED = 20
RESAMPLES = 1000
WINDOW_DAYS = 30
AHEAD_DAYS = 7

Counts = NDArray[np.int64]


class Moments(NamedTuple):
    """Events after which a profile is asked, each array of one length m.

    places int64[m] in the events · sessions int64[m] · later bool[m]: a purchase follows in the session · untouched bool[m]: so
    far nothing was put into the cart or checked out in it · depth int64[m]: events of the session so far, this one too.
    """

    places: Counts
    sessions: Counts
    later: Mask
    untouched: Mask
    depth: Counts

    def where(self, chosen: Mask) -> Moments:
        """The moments for which the mask bool[m] holds."""
        places, groups, later, untouched, depth = self
        return Moments(places[chosen], groups[chosen], later[chosen], untouched[chosen], depth[chosen])


class MomentPayload(NamedTuple):
    """One line of a table: of so many moments or shoppers, in so many groups, the share that bought, with its interval."""

    part: str
    value: str
    asked: int
    groups: int
    share: Interval


def main() -> int:
    """Ask, print both tables and write intent.json; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--moments", type=int, default=50_000, help="most moments; of more, sessions are drawn")
    parser.add_argument("--users", type=int, default=20_000, help="shoppers of the synthetic shop")
    parser.add_argument("--events", type=int, default=1_000_000, help="events of the synthetic shop")
    parser.add_argument("--folder", type=Path, default=OUT / "intent-shop", help="where that shop is kept for the next run")
    chosen = parser.parse_args()
    if not Path(os.environ.get("RECSYS_DATA") or "/nowhere", "rees46").is_dir():
        console.complain("set RECSYS_DATA to the folder that holds rees46/")
        return 1
    prepare_shop(chosen.folder, chosen.users, default_items(chosen.users), chosen.events)
    now = datetime.now(UTC)
    real = of_sessions(load_settings(REES46), now, chosen.moments)
    made = of_shoppers(load_settings(chosen.folder / "settings.toml"), now)
    _show("REES46 sample: a purchase follows later in the session", "sessions", real)
    _show(f"Synthetic shop: buys within {AHEAD_DAYS} days", "shoppers", made)
    OUT.mkdir(parents=True, exist_ok=True)
    written = {"rees46": [line._asdict() for line in real], "synthetic": [line._asdict() for line in made]}
    OUT.mkdir(parents=True, exist_ok=True)
    (OUT / "intent.json").write_text(json.dumps(written, indent=1) + "\n")
    return 0


def of_sessions(settings: Settings, now: datetime, most: int) -> list[MomentPayload]:
    """Hold intent and exit stage at every moment against the rest of the session."""
    prepared = prepare(settings, now=now)
    events = prepared.events
    moments = moments_of(events, sessions(events.users, events.times, settings.behaviour))
    moments = moments.where(drawn(moments.sessions, most, SEED))
    profiles = _profiles(settings, prepared, moments.places, None)
    buyer = np.array([each.intent == "buyer" for each in profiles])
    stages = np.array([each.exit_stage for each in profiles])
    deep = moments.untouched & (moments.depth >= settings.profile.buyer_views)
    parts = {
        ("all moments", ""): np.ones(len(buyer), bool),
        **_of_intent("intent", buyer),
        **_of_intent("nothing in the cart yet", buyer, moments.untouched),
        **_of_intent("the same, third event or later", buyer, deep),
        **_by("exit stage", stages, sorted(set(stages))),
    }
    return lines(parts, moments.later, moments.sessions, SEED)


def of_shoppers(settings: Settings, now: datetime) -> list[MomentPayload]:
    """Hold intent, lifecycle and dormancy at one moment against the purchases of the days after it."""
    at = last_event(settings, now) - timedelta(days=AHEAD_DAYS)
    found = split(settings, Fold(at, AHEAD_DAYS), now)
    events, moment = found.prepared.events, found.prepared.as_of
    last = np.flatnonzero(np.append(events.users[1:] != events.users[:-1], True))
    last = last[events.times[last] > moment - WINDOW_DAYS * DAY]
    profiles = _profiles(settings, found.prepared, last, moment)
    buyers = set(found.truth.users)
    bought = np.array([found.prepared.user_ids[user] in buyers for user in events.users[last]])
    buyer = np.array([each.intent == "buyer" for each in profiles])
    parts = {
        ("all shoppers", ""): np.ones(len(last), bool),
        **_of_intent("intent", buyer),
        **_of_intent("seen within a day", buyer, events.times[last] > moment - DAY),
        **_by("lifecycle", np.array([each.lifecycle for each in profiles]), get_args(Lifecycle)),
        **_by("dormant", np.array(["yes" if each.dormant else "no" for each in profiles]), ("yes", "no")),
    }
    return lines(parts, bought, np.arange(len(last)), SEED)


def moments_of(events: Events, session: Counts) -> Moments:
    """Every event but purchases and refunds, with what came before and after it in its session, int64[e]."""
    places = np.arange(len(events))
    n = int(session[-1]) + 1 if len(session) else 0
    last_purchase, first_touch = np.full(n, -1), np.full(n, len(events))
    bought, touched = events.kinds == PURCHASE, np.isin(events.kinds, (CART_ADD, CHECKOUT))
    np.maximum.at(last_purchase, session[bought], places[bought])
    np.minimum.at(first_touch, session[touched], places[touched])
    depth = places - np.searchsorted(session, session) + 1
    every = Moments(places, session, last_purchase[session] > places, first_touch[session] > places, depth)
    return every.where(~bought & (~np.isin(events.kinds, (EventType.REFUND, CANCELLED))))


def drawn(groups: Counts, most: int, seed: int) -> Mask:
    """Return which rows to keep so that about `most` remain: whole groups, drawn with a seed; all where there are no more."""
    if len(groups) <= most:
        return np.ones(len(groups), bool)
    distinct, sizes = np.unique(groups, return_counts=True)
    order = np.random.default_rng(seed).permutation(len(distinct))
    kept = order[np.cumsum(sizes[order]) <= most]
    return np.isin(groups, distinct[kept])


def lines(parts: Mapping[tuple[str, str], Mask], bought: Mask, groups: Counts, seed: int) -> list[MomentPayload]:
    """Share of `bought` in each part that is not empty, and how much larger it is in buyers than in browsers.

    Intervals are the middle 95 % of resamples that draw whole groups int64[m] anew, the same draws for every line.
    """
    parts = {name: chosen for name, chosen in parts.items() if chosen.any()}
    distinct, group = np.unique(groups, return_inverse=True)
    totals, hits = (
        np.stack([np.bincount(group[chosen & kept], minlength=len(distinct)) for chosen in parts.values()], axis=1)
        for kept in (np.ones(len(group), bool), bought)
    )
    shares = dict(zip(parts, _resampled(hits, totals, seed).T, strict=True))
    counts = dict(zip(parts, zip(totals.sum(axis=0), np.count_nonzero(totals, axis=0), strict=True), strict=True))
    found = []
    for (part, value), share in shares.items():
        asked, of = counts[part, value]
        found.append(MomentPayload(part, value, int(asked), int(of), _interval(share)))
        if value == "browser" and (part, "buyer") in shares:
            found.append(MomentPayload(part, "difference", 0, 0, _interval(shares[part, "buyer"] - share)))
    return found


def _resampled(hits: Counts, totals: Counts, seed: int) -> NDArray[np.float64]:
    """Σ hits / Σ totals of each column int64[groups, columns]: the first row of all groups, the others of groups drawn anew."""
    rng, n = np.random.default_rng(seed), len(totals)
    both = np.concatenate([hits, totals], axis=1).astype(np.float64)
    sums = [both.sum(axis=0), *(np.bincount(rng.integers(0, n, n), minlength=n) @ both for _ in range(RESAMPLES))]
    top, below = np.split(np.stack(sums), 2, axis=1)
    shares: NDArray[np.float64] = np.divide(top, below, out=np.full(top.shape, np.nan), where=below > 0)
    return shares


def _interval(shares: NDArray[np.float64]) -> Interval:
    """The first value with the middle 95 % of the others; a resample without anybody says nothing."""
    low, high = np.nanpercentile(shares[1:], (2.5, 97.5))
    return Interval(float(shares[0]), float(low), float(high))


def _profiles(settings: Settings, prepared: Prepared, places: Counts, now: int | None) -> list[Profile]:
    """The shopper's profile right after each of these events, or at `now`, from the events up to there alone."""
    events = prepared.events
    profiler = Profiler(Catalog(prepared.base), settings.behaviour, settings.profile)
    starts = np.searchsorted(events.users, events.users[places])
    found = []
    with console.bar("Asking profiles", "moments") as progress:
        for done, (start, place) in enumerate(zip(starts.tolist(), places.tolist(), strict=True)):
            history = _history(events, slice(start, place + 1))
            found.append(profiler.profile(None, history, int(history.times[-1]) if now is None else now))
            if done % 500 == 0:
                progress(done, len(places))
    return found


def _history(events: Events, part: slice) -> History:
    lines = Lines(events.order_ids[part], events.quantities[part], events.prices[part], events.kept[part])
    return History(events.items[part], events.kinds[part], events.times[part], events.orders[part], None, lines)


def _of_intent(part: str, buyer: Mask, chosen: Mask | None = None) -> dict[tuple[str, str], Mask]:
    within = np.ones(len(buyer), bool) if chosen is None else chosen
    return {(part, "buyer"): within & buyer, (part, "browser"): within & ~buyer}


def _by(part: str, values: NDArray[np.str_], names: Sequence[str]) -> dict[tuple[str, str], Mask]:
    return {(part, name): values == name for name in names}


def _show(title: str, groups: str, found: Sequence[MomentPayload]) -> None:
    columns = ("of", "", "asked", groups, "share", "low", "high")
    rows = [(each.part, each.value, each.asked or "", each.groups or "", *map(_short, each.share)) for each in found]
    console.table(title, columns, rows)


def _short(share: float) -> str:
    return re.sub(r"^(-?)0\.", r"\1.", f"{share:.3f}")


if __name__ == "__main__":
    sys.exit(main())
