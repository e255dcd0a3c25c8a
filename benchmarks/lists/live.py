"""Does the next answer follow what a shopper has just done, and what does that cost? `RECSYS_DATA=… make benchmark-live`.

Replay: a snapshot of the first half of the REES46 sample is served by two workers and the rest is posted in event order, one event
a request. After each cart_add, and after the third view in one leaf category of a session, the shopper is asked for at once, until
both workers have answered. Every answer is held against the one before the event, against the policy, and against what the pipeline
answers offline from the same events. Load: one synthetic shop is served with a live log and without one, both at the same time, and
wrk asks them in turn.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from datetime import UTC, datetime
from pathlib import Path
from typing import Any, NamedTuple
from urllib.parse import quote

import msgspec
import numpy as np
from numpy.typing import NDArray

from benchmarks.http.live_load import load
from benchmarks.http.service import Service, publish_fit, running
from recsys import clock
from recsys.behaviour import CART_ADD, VIEW, sessions
from recsys.engine.inspection.profile_report import shopper_profile
from recsys.engine.pipeline import Engine, answer
from recsys.engine.slate_json import slate_json
from recsys.settings.load import load_settings
from recsys.snapshot.histories import Events
from recsys.snapshot.store import current_version, open_snapshot
from recsys.types import KIND_WORDS, History, Lines, Query, Rows
from training import console
from training.job.job import Prepared, prepare

OUT = Path("benchmarks/out")
REES46 = Path("examples/rees46/settings.toml")
SPLIT = datetime(2019, 10, 1, 2, 35, tzinfo=UTC)
"""The sample runs from 00:00 to 02:50 with next to nothing from 00:20 to 02:10; about half of it comes after this."""
PLACEMENT = "home"
MAX_TRIES = 40
"""Most times that a shopper is asked for until both workers have answered."""
REPLAY_SETTINGS = """\
[data]
currency = "USD"
[data.events]
paths = ["$RECSYS_DATA/rees46/events.parquet"]
preset = "rees46"
[data.items]
paths = ["items.parquet"]
[web]
clock = "events"
auth = "off"
development = true
"""

JSON = Any
"""A decoded answer."""


class ResolvedQuery(NamedTuple):
    """One answer after an event, of the worker that took the event or of the other one.

    first: the very next answer · reflects: it follows the event (`follows_cart`, `follows_views`) · changed: other items than
    before the event · same: the whole slate as offline, its id too · profile: `GET …/profile` as offline · led: who answered.
    """

    after: str
    first: bool
    other: bool
    reflects: bool
    changed: bool
    same: bool
    profile: bool
    led: str


def main() -> int:
    """Run both parts, print them and write live.json; returns the exit code, 1 if an answer was not as offline."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--only", choices=("replay", "load"), help="one part alone")
    parser.add_argument("--events", type=int, default=20_000, help="most events to post (default: 20,000)")
    parser.add_argument("--users", type=int, default=60_000, help="shoppers of the synthetic shop (default: 60,000)")
    parser.add_argument("--rounds", type=int, default=10, help="wrk rounds of each service (default: 10)")
    parser.add_argument("--seconds", type=int, default=4, help="seconds of one round (default: 4)")
    chosen = parser.parse_args()
    parts = (chosen.only,) if chosen.only else ("replay", "load")
    if missing := _missing(parts):
        console.complain(missing)
        return 1
    file = OUT / "live.json"
    results = json.loads(file.read_text()) if file.exists() else {}
    followed = True
    if "replay" in parts:
        asked = replay(OUT / "live", chosen.events)
        results["replay"] = _show_replay(asked)
        followed = all(each.same and each.profile for each in asked)
    if "load" in parts:
        results["load"] = load(OUT / "live-shop", chosen.users, chosen.rounds, chosen.seconds)
        console.facts("With a live log against without", list(results["load"].items()))
    file.write_text(json.dumps(results, indent=1) + "\n")
    return 0 if followed else 1


def replay(folder: Path, most: int) -> list[ResolvedQuery]:
    """Serve the sample up to `SPLIT`, post at most so many events after it; every answer that was asked for."""
    settings = _publish(folder)
    offline = Offline(settings)
    with running(settings) as service, console.bar("Posting", "events") as progress:
        return list(answers(service, offline, most, progress))


class Offline:
    """Judgement of the pipeline on a shopper from the shop's tables alone: all events of the sample, cut at a place."""

    def __init__(self, settings_file: Path) -> None:
        settings = load_settings(settings_file)
        self._prepared: Prepared = prepare(settings, now=datetime.now(UTC))
        self.events = self._prepared.events
        artifacts = settings.artifacts
        self.engine = Engine(open_snapshot(artifacts, current_version(artifacts) or ""), settings)
        self.sessions = sessions(self.events.users, self.events.times, settings.behaviour)
        self.questions = questions(self.events, self.engine.catalog.category, self.sessions)
        self._starts = np.searchsorted(self.events.users, np.arange(len(self._prepared.user_ids)))

    def user_id(self, place: int) -> str:
        """Whose event this is."""
        return str(self._prepared.user_ids[self.events.users[place]])

    def says(self, place: int) -> tuple[JSON, JSON]:
        """Slate and profile right after the event at a place."""
        engine, now, history = self.engine, int(self.events.times[place]), self._history(place)
        query = Query(now=now, placement=PLACEMENT, user_id=self.user_id(place), limit=engine.placement(PLACEMENT).limit)
        slate = slate_json(engine.catalog, answer(engine, query, history))
        profile = shopper_profile(engine.profiler, self.user_id(place), history, now)
        return json.loads(slate), json.loads(msgspec.json.encode(profile))

    def _history(self, place: int) -> History:
        events, part = self.events, slice(int(self._starts[self.events.users[place]]), place + 1)
        lines = Lines(events.order_ids[part], events.quantities[part], events.prices[part], events.kept[part])
        return History(events.items[part], events.kinds[part], events.times[part], events.orders[part], None, lines)


def questions(events: Events, leaf_of: Rows, session: NDArray[np.int64]) -> list[str]:
    """Return what is asked after each event: `cart_add`, `third view` of a session in that leaf category, or nothing ("")."""
    leaves = np.where(events.items >= 0, leaf_of[np.maximum(events.items, 0)], -1)
    viewed = np.flatnonzero((events.kinds == VIEW) & (leaves >= 0))
    place = viewed[np.lexsort((viewed, leaves[viewed], session[viewed]))]
    keys = np.stack([session[place], leaves[place]])
    starts = np.flatnonzero(np.append(True, (np.diff(keys) != 0).any(axis=0))) if len(place) else place
    number = np.arange(len(place)) - np.repeat(starts, np.diff(np.append(starts, len(place))))
    asked = np.full(len(events), "", dtype="U10")
    asked[events.kinds == CART_ADD] = "cart_add"
    asked[place[number == 2]] = "third view"
    return [str(each) for each in asked]


def answers(service: Service, offline: Offline, most: int, progress: Callable[[int, int], None]) -> Iterator[ResolvedQuery]:
    """Post the events after `SPLIT` in order; ask before and after those that raise a question."""
    events, since = offline.events, clock.to_microseconds(SPLIT)
    order = np.argsort(events.times, kind="stable")
    order = order[events.times[order] >= since][:most].tolist()
    for done, place in enumerate(order):
        question = offline.questions[place]
        before = service.ask("GET", _address(offline, place)).body if question else None
        taker = _post(service, offline, place)
        if question:
            yield from _after(service, offline, place, before, taker)
        progress(done + 1, len(order))


def follows_cart(before: JSON, after: JSON, item_id: str, profile: JSON) -> bool:
    """Return what was put into the cart is no longer shown, and a buyer is answered: with a focus by that category's bestsellers,
    without one by another rule or with other items than before."""
    if item_id in _items(after) or profile["intent"]["intent"] != "buyer":
        return False
    if profile["focus"]["name"] is not None:
        return bool(after["strategy"] == "category_buyer")
    return bool(after["strategy"] != before["strategy"] or _items(after) != _items(before))


def follows_views(before: JSON, after: JSON, category: str) -> bool:
    """Other items are shown than before, or that category had the lead already."""
    led = before["strategy"] == "category_buyer" and before["items"] and before["items"][0]["category"] == category
    return bool(led or _items(after) != _items(before))


def _after(service: Service, offline: Offline, place: int, before: JSON, taker: str) -> Iterator[ResolvedQuery]:
    """Ask until both workers have answered: the next answer, and the first one of the other worker."""
    slate, profile = offline.says(place)
    catalog, item, question = offline.engine.catalog, int(offline.events.items[place]), offline.questions[place]
    profile_seen, fallback = service.ask("GET", _address(offline, place, "profile")).body, slate["fallback"]
    for number in range(MAX_TRIES):
        reply = service.ask("GET", _address(offline, place))
        other = reply.worker != taker
        if number and not other:
            continue
        if question == "cart_add":
            reflects = follows_cart(before, reply.body, catalog.item_id(item), profile)
        else:
            reflects = follows_views(before, reply.body, catalog.categories.text(catalog.category[item]))
        changed = _items(reply.body) != _items(before)
        same, led = reply.body == slate, slate["strategy"] + (f", filled from {fallback}" if fallback else "")
        yield ResolvedQuery(question, not number, other, reflects, changed, same, profile_seen == profile, led)
        if other:
            return


def _post(service: Service, offline: Offline, place: int) -> str:
    """Post one event; returns the worker that took it.

    Raises:
        RuntimeError: unless it is accepted.
    """
    events, catalog = offline.events, offline.engine.catalog
    price = float(events.prices[place])
    row = {
        "user_id": offline.user_id(place),
        "event_type": KIND_WORDS[events.kinds[place]],
        "item_id": catalog.item_id(int(events.items[place])),
        "timestamp": int(events.times[place]),
        **({} if np.isnan(price) else {"price": price}),
    }
    reply = service.ask("POST", "/v1/events", {"events": [row]})
    if reply.status != 202 or reply.body["accepted"] != 1:
        raise RuntimeError(f"POST /v1/events answered {reply.status} {reply.body} to {row}")
    return reply.worker


def _address(offline: Offline, place: int, what: str = f"recommendations?placement={PLACEMENT}") -> str:
    return f"/v1/users/{quote(offline.user_id(place), safe='')}/{what}"


def _items(slate: JSON) -> list[str]:
    return [item["item_id"] for item in slate["items"]]


def _missing(parts: Sequence[str]) -> str:
    if "replay" in parts and not Path(os.environ.get("RECSYS_DATA") or "/nowhere", "rees46").is_dir():
        return "set RECSYS_DATA to the folder that holds rees46/"
    if "load" in parts and shutil.which("wrk") is None:
        return "wrk is needed (Debian: apt-get install wrk)"
    return ""


def _publish(folder: Path) -> Path:
    """Train on what came before `SPLIT`, over a table of all items as a shop would have it; returns the settings file."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir(parents=True)
    now = datetime.now(UTC)
    prepare(load_settings(REES46), now=now).shop.items.write_parquet(folder / "items.parquet")
    file = folder / "settings.toml"
    file.write_text(REPLAY_SETTINGS)
    publish_fit(load_settings(file), before=SPLIT)
    return file


def _show_replay(asked: Sequence[ResolvedQuery]) -> dict[str, object]:
    """Print how many answers followed, and who led where nothing moved; returns the counts."""
    fields = ("reflects", "changed", "same", "profile")
    rows, quiet = [], []
    for question in ("cart_add", "third view"):
        of = [each for each in asked if each.after == question]
        following = [each for each in of if each.first]
        for name, chosen in (("next answer", following), ("other worker's first", [each for each in of if each.other])):
            rows.append((question, name, len(chosen), *(sum(getattr(each, field) for each in chosen) for field in fields)))
        led = Counter(each.led for each in following)
        still = Counter(each.led for each in following if not each.reflects)
        quiet += [(question, name, count, still[name]) for name, count in led.most_common()]
    columns = ("after", "answer", "asked", "follow", "other items", "as offline", "profile too")
    console.table("REES46 sample over HTTP, two workers", columns, rows)
    led_columns = ("after", "led by", "next answers", "do not follow")
    console.table("Who led the next answer", led_columns, quiet)
    return {"columns": columns, "rows": rows, "led columns": led_columns, "led": quiet}


if __name__ == "__main__":
    sys.exit(main())
