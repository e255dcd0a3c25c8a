"""Shoppers who may be due for a moment: single ones at one moment, and a shop whose people are found by polls."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, datetime, timedelta
from typing import Any

import msgspec
import polars as pl

from recsys.engine.history_merge import merge_histories
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.live.databases import log_in
from recsys.live.item_changes import Change
from recsys.live.log import LiveEvent
from recsys.moments.context import TriggerContext, TriggerHit, UserContext
from recsys.moments.finder import Finder
from recsys.moments.kinds import KINDS
from recsys.moments.payload import MomentPayload
from recsys.settings.moments import MomentKind, MomentsSettings
from recsys.snapshot.people import Person
from recsys.tables.schema import schema
from recsys.types import EVENT_TYPES, Event, Mask
from tests.conftest import NOW, SETTINGS, Shop, ago, busy_events, event, micros

TABLES = """[data.users]
paths = ["users.parquet"]
[data.contents]
paths = ["contents.parquet"]
"""
MAILED = Person("de-DE", "Europe/Berlin", None, ("email",))
MONTHLY = [
    event(f"regular-{n}", "soap-1", "purchase", ago(days=30 * order), order_id=f"r-{n}-{order}")
    for n in range(12)
    for order in range(1, 4)
]
"""Whoever buys soap buys it again after thirty days."""

Row = dict[str, Any]


def user(user_id: str, **more: Any) -> Row:
    """A row of the user table: somebody in Berlin who may be mailed."""
    return {"user_id": user_id, "locale": "de-DE", "timezone": "Europe/Berlin", "consent_email": True, **more}


def content(content_id: str, category: str, days: float) -> Row:
    """A row of the contents table, published so many days ago."""
    url = f"https://shop.example/{content_id}"
    return {"content_id": content_id, "title": content_id, "url": url, "categories": [category], "published_at": ago(days)}


class MomentShop(Shop):
    """The busy shop with people who may be written to."""

    people: list[Row]
    contents: list[Row]
    more: str

    def __init__(self, folder: Any, *events: Row, people: Sequence[Row] = (), more: str = "") -> None:
        super().__init__(folder, [*busy_events(), *MONTHLY, *events], toml=SETTINGS + TABLES + more)
        names = {row["user_id"] for row in self.events}
        self.people = list(people) or [user(name) for name in sorted(names)]
        self.contents = [content("sofa-guide", "Home > Sofas", 9), content("home-guide", "Home", 3)]

    def write(self) -> None:
        """Write the tables."""
        super().write()
        pl.DataFrame(self.people, schema=schema("users")).write_parquet(self.folder / "users.parquet")
        pl.DataFrame(self.contents, schema=schema("contents")).write_parquet(self.folder / "contents.parquet")


class Worker:
    """One worker over a shop's folder of live state."""

    def __init__(self, engine: Engine, folder: Any) -> None:
        self.engine, self.state = engine, log_in(folder / "state")
        self.serving = ServingState(engine, self.state, None)
        self.finder = Finder(self.serving, self.state, self.answer)

    def answer(self, query: Any) -> Any:
        """Ask the pipeline."""
        return self.serving.answer(query).slate

    def post(self, *rows: Row) -> None:
        """Accept events."""
        events = [
            Event(
                event_id=f"{row['user_id']} {row['event_type']} {row['item_id']} {micros(row['timestamp'])}",
                **{**row, "timestamp": micros(row["timestamp"])},
            )
            for row in rows
        ]
        self.state.add_events(events, micros(NOW))

    def find(self, kind: MomentKind, now: datetime = NOW, limit: int = 1000) -> int:
        """Poll; returns how many are newly due."""
        return self.finder.find(kind, micros(now), limit, micros(now))

    def lines(self, kind: MomentKind, after: int = 0) -> list[Row]:
        """Everything that was ever told of a kind, decoded, the oldest first."""
        return [decoded(line) for _, line in self.state.moments.lines(kind, after, 10_000)]

    def users(self, kind: MomentKind, now: datetime = NOW) -> list[str]:
        """Poll; returns everybody who was ever told, in their order."""
        self.find(kind, now)
        return [line["user_id"] for line in self.lines(kind)]


def decoded(line: bytes) -> Row:
    """A line, which has all the members that it should, as a dict."""
    msgspec.json.decode(line, type=MomentPayload)
    found: Row = msgspec.json.decode(line)
    return found


def with_settings(engine: Engine, **more: Any) -> Engine:
    """The same engine with other settings of moments."""
    settings = msgspec.structs.replace(engine.settings, moments=MomentsSettings(**more))
    return Engine(engine.snapshot, settings)


def user_context(
    engine: Engine,
    *rows: Row,
    now: datetime = NOW,
    person: Person = MAILED,
    changes: Sequence[Change] = (),
    runs_low: Mask | None = None,
    high_spend: float = float("inf"),
) -> UserContext:
    """Somebody who did this, as a rule sees them."""
    live = [_live(number, row) for number, row in enumerate(rows)]
    history = merge_histories([], live, engine.catalog, engine.snapshot.manifest.behaviour)
    return UserContext("ann", person, history, TriggerContext(engine, micros(now), tuple(changes), runs_low, high_spend))


def due(kind: MomentKind, one: UserContext) -> list[TriggerHit]:
    """What the rule of a kind says."""
    return list(KINDS[kind].rule(one))


def anchors(one: UserContext, hits: Sequence[TriggerHit]) -> list[list[str]]:
    """The items that each is about."""
    return [[one.trigger_context.catalog.item_id(row) for row in each.anchors] for each in hits]


def did(item: str | None, kind: str = "view", *, at: datetime | None = None, **before: float) -> Row:
    """An event of the one shopper, so long before NOW."""
    return event("ann", item, kind, at or NOW - timedelta(**before))


def born(month: int, day: int) -> Person:
    """Somebody in Berlin with this birthday."""
    return MAILED._replace(birthday=(month, day))


def birth(month: int, day: int) -> date:
    """A day of birth as the user table has it."""
    return date(1980, month, day)


def _live(number: int, row: Row) -> LiveEvent:
    return LiveEvent(
        number,
        micros(row["timestamp"]),
        EVENT_TYPES.index(row["event_type"]),
        row["item_id"],
        row.get("order_id"),
        row.get("quantity"),
        row.get("price"),
    )
