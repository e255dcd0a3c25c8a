"""SQLite's plans of the queries: each finds its rows by an index, however long the log is."""

from __future__ import annotations

import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from recsys.live import experiments, item_changes, moments, pinned_slates, rows
from recsys.live.rows import EVER, MAX_LOOKED
from recsys.live.sqlite.log import FILE, SqliteLog
from recsys.live.sqlite.log_format import LOG_FORMAT
from recsys.live.sqlite.transaction import ONE_SEQUENCE, sql
from recsys.types import Event

SEARCHING = {
    "events_of": rows.EVENTS_OF,
    "orders_of": rows.ORDERS_OF,
    "active": rows.ACTIVE,
    "events_between": rows.EVENTS_BETWEEN,
    "first_event": rows.FIRST_EVENT,
    "drop_events": rows.DROP_EVENTS,
    "forget_events": rows.FORGET_EVENTS,
    "links": rows.LINKS,
    "item_updates": rows.ITEM_UPDATES,
    "news": rows.since_query(ONE_SEQUENCE.last),
    "forget_links": rows.FORGET_LINKS,
    "changes": item_changes._SINCE,
    "drop_changes": item_changes._DROP,
    "send": pinned_slates._SEND,
    "pin": pinned_slates._PIN,
    "image_served": pinned_slates._IMAGE_SERVED,
    "pinned_last": pinned_slates._PINNED_LAST,
    **{f"drop_{name}": pinned_slates._DROP.format(name) for name in pinned_slates._TABLES},
    **{f"forget_{name}": pinned_slates._FORGET.format(name) for name in pinned_slates._TABLES},
    "notified": moments._NOTIFIED,
    "notified_to": moments._NOTIFIED_TO,
    "lines": moments._LINES,
    "last_until": moments._LAST_UNTIL,
    "moment": moments._OF,
    "moments_of_period": moments._OF_PERIOD,
    "forget_moments": moments._FORGET,
    "first_exposure": experiments._FIRST,
    "exposures": experiments._EXPOSURES,
    "forget_exposures": experiments._FORGET,
}
SORTED_BY_INDEX = (
    "events_of",
    "orders_of",
    "pinned_last",
    "lines",
    "last_until",
    "changes",
    "exposures",
)
COVERED = ("events_of", "orders_of")
"""What an answer reads: the index alone has it, no row is looked up."""
ONE_ROW = ("SCAN sequence", "SCAN written")
"""The number given last, and what a bounded part of a query found."""


@pytest.mark.parametrize("name", SEARCHING)
def test_no_query_reads_a_whole_table(name: str) -> None:
    """Tables are searched; what needs an order has it from the index; an answer reads nothing but the index."""
    query = sql(SEARCHING[name])
    with closing(sqlite3.connect(":memory:", isolation_level=None)) as database:
        LOG_FORMAT.create(database)
        plan = [row[3] for row in database.execute(f"EXPLAIN QUERY PLAN {query}", (1,) * query.count("?"))]
    assert [step for step in plan if step.startswith("SCAN") and step not in ONE_ROW and "json_each" not in step] == []
    assert any(step.startswith(("SEARCH", "MULTI-INDEX OR")) for step in plan), plan
    if name in SORTED_BY_INDEX:
        assert not any("TEMP B-TREE" in step for step in plan), plan
    if name in COVERED:
        assert all("COVERING INDEX" in step for step in plan if not step.startswith("SCALAR SUBQUERY")), plan
    if name == "news":
        assert any("events USING COVERING INDEX events_by_seq" in step for step in plan), plan
        assert [step for step in plan if "TEMP B-TREE" in step] == ["USE TEMP B-TREE FOR GROUP BY"], (
            plan
        )  # of a bounded part
    if name == "orders_of":
        assert "orders_by_user" in plan[0]


@pytest.mark.parametrize(("user", "event_type"), [("shown", "impression"), ("folded", "view")])
def test_a_look_up_is_bounded_whatever_a_user_did(tmp_path: Path, user: str, event_type: str) -> None:
    """Of a user with far more rows than count (lists that were shown, views that were folded in) a look-up goes through so many."""
    state = SqliteLog(tmp_path)
    looked = MAX_LOOKED
    done = [
        Event(event_id=str(n), user_id=user, event_type=event_type, timestamp=10 + n, item_id="x") for n in range(3 * looked)
    ]
    state.add_events(done, 5)
    state.add_events([Event(event_id="order", user_id=user, event_type="purchase", timestamp=1, item_id="x")], 5)
    with closing(sqlite3.connect(tmp_path / FILE)) as database:
        ticks = list[int]()
        database.set_progress_handler(lambda: ticks.append(1), 1_000)
        after = 0 if user == "shown" else len(done)
        assert database.execute(rows.EVENTS_OF, (user, after, user, looked, EVER, 500)).fetchall() == []
        in_events = len(ticks)
        orders = database.execute(rows.ORDERS_OF, (user, after, 1 << 60, 500)).fetchall()
    assert [row[1] for row in orders] == [1]
    assert in_events <= looked * 20 / 1_000
    assert len(ticks) - in_events <= 1
    state.close()
