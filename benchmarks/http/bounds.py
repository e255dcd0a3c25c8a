"""Bounds of one answer: what a caller can make grow, grown, and what an answer costs then.

`make benchmark-bounds` fills the log of a small shop, then asks the real service: for a shopper with 100,000 linked anonymous ids, for
one whose browser sent 500,000 events, and after 100,000 item updates. Before each answer an event of the same shopper is sent, so that
nothing is at hand. Costs are processor time of the workers, which a busy machine does not change as it changes the clock's.
"""

from __future__ import annotations

import argparse
import shutil
import sys
import time
from collections.abc import Callable
from datetime import UTC, datetime
from functools import partial
from pathlib import Path

from rich.console import Console
from rich.table import Table

from benchmarks.http.service import Service, publish_fit, running
from recsys import clock
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.log import EventLog
from recsys.settings.load import load_settings
from recsys.snapshot.store import current_version, item_ids
from recsys.types import Event, Link
from simulator import make_shop, shop_settings

OUT = Path("benchmarks/out/bounds")
KEY = "bounds-" + "k" * 40
EVENTS_KEY = "bounds-events-" + "k" * 40
AT_ONCE = 10_000


def main() -> int:
    """Fill, ask and print a table; returns the exit code."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--ids", type=int, default=100_000)
    parser.add_argument("--events", type=int, default=500_000)
    parser.add_argument("--updates", type=int, default=100_000)
    parser.add_argument("--answers", type=int, default=100, help="answers of each kind (default: 100)")
    chosen = parser.parse_args()
    shutil.rmtree(OUT, ignore_errors=True)
    make_shop(OUT / "data", users=1000, end=datetime.now(UTC))
    settings = OUT / "settings.toml"
    settings.write_text(shop_settings())
    publish_fit(load_settings(settings))
    items, log = _items(OUT / "artifacts"), log_in(OUT / "state")
    cases: dict[str, Callable[[], None]] = {
        "an ordinary shopper": lambda: None,
        f"{chosen.ids:,} linked ids": lambda: link(log, chosen.ids),
        f"{chosen.events:,} events of one browser": lambda: act(log, chosen.events, items),
        f"after {chosen.updates:,} item updates": lambda: update(log, chosen.updates, items),
    }
    users = ("ordinary", "linked", "busy", "ordinary")
    table = Table("case", "first answer, ms", "processor ms an answer", "first answer of new workers, ms")
    for user, (name, fill) in zip(users, cases.items(), strict=True):
        fill()
        with running(settings, KEY, {"RECSYS_KEYS_EVENTS": EVENTS_KEY}) as service:
            fresh = _timed(partial(_page, service, user))
            _tell(service, user, items[0], 0)
            first = _timed(partial(_page, service, user))
            table.add_row(name, f"{first:.0f}", f"{cost(service, user, items[1], chosen.answers):.1f}", f"{fresh:.0f}")
    log.close()
    Console().print(table)
    return 0


def link(log: EventLog, n: int) -> None:
    """Link so many anonymous ids to one user."""
    for first in range(0, n, AT_ONCE):
        links = [Link(f"browser-{number}", "linked", clock.now()) for number in range(first, min(n, first + AT_ONCE))]
        log.add_links(links, clock.now())


def act(log: EventLog, n: int, items: list[str]) -> None:
    """Write so many views of one shopper."""
    began = clock.now() - n * 1000
    for first in range(0, n, AT_ONCE):
        numbers = range(first, min(n, first + AT_ONCE))
        log.add_events(
            [_view("busy", items[number % len(items)], began + number * 1000, number) for number in numbers], began
        )


def update(log: EventLog, n: int, items: list[str]) -> None:
    """Write so many updates of items."""
    for first in range(0, n, AT_ONCE):
        numbers = range(first, min(n, first + AT_ONCE))
        log.add_items([ItemUpdate(items[number % len(items)], None, 5.0, None) for number in numbers], clock.now())


def cost(service: Service, user: str, item: str, answers: int) -> float:
    """Processor milliseconds of the workers for an event and the answer after it."""
    before = service.cpu_seconds()
    for number in range(answers):
        _tell(service, user, item, number)
        _page(service, user)
    return (service.cpu_seconds() - before) / answers * 1000


def _page(service: Service, user: str) -> None:
    if service.ask("GET", f"/v1/users/{user}/recommendations?limit=12").status != 200:
        raise RuntimeError("a page was not answered")


def _tell(service: Service, user: str, item: str, number: int) -> None:
    events_service = Service(service.pid, service.port, {"Authorization": f"Bearer {EVENTS_KEY}"})
    if (
        events_service.ask(
            "POST", "/v1/events", {"events": [{"user_id": user, "item_id": item, "event_type": "view"}]}
        ).status
        != 202
    ):
        raise RuntimeError(f"event {number} was not taken")


def _timed(ask: Callable[[], None]) -> float:
    began = time.perf_counter()
    ask()
    return (time.perf_counter() - began) * 1000


def _view(user: str, item: str, at: int, number: int) -> Event:
    return Event(event_id=f"{user}-{number}", user_id=user, event_type="view", timestamp=at, item_id=item)


def _items(artifacts: Path) -> list[str]:
    ids = item_ids(artifacts, current_version(artifacts) or "")
    return [ids.text(row) for row in range(len(ids))]


if __name__ == "__main__":
    sys.exit(main())
