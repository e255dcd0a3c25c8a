"""One stream of events, served live over an older snapshot and trained on whole: one history, and one set of figures.

Streams are drawn: two ids that links join, events that arrive late, refunds of items and of whole orders, pages loaded again, pasts
that a snapshot cuts short. The limits of what a cut past can tell are those that docs/data.md names.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from recsys.behaviour import PURCHASE
from recsys.clock import MINUTE
from recsys.engine.inspection.profile_report import shopper_profile
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.live.databases import log_in
from recsys.orders import bounded, settle
from recsys.settings import BehaviourSettings
from recsys.snapshot.histories import history_arrays
from recsys.snapshot.identity_links import link_arrays
from recsys.snapshot.store import Snapshot
from recsys.tables.identities import resolve
from recsys.tables.schema import TIME, schema
from recsys.types import Event, History, Link
from tests.conftest import ITEMS, NOW, Shop, busy_events, event, micros
from tests.support.shops.handmade import canonical, world
from training.job.customer_value import past_of
from training.report.customers import order_lines
from training.runners.rows import map_events

START = NOW - timedelta(minutes=4200)
KNOWN = [each["item_id"] for each in ITEMS[:3]]
KINDS = ("view", "view", "cart_add", "cart_remove", "search", "impression", "purchase", "purchase", "purchase", "refund")
LINES = ("purchase", "refund")
some = settings(
    deadline=None,
    max_examples=120,
    derandomize=True,
    suppress_health_check=[HealthCheck.too_slow, HealthCheck.filter_too_much],
)


@dataclass(frozen=True)
class Stream:
    """What two ids did: rows that a snapshot has, rows that came in afterwards in the order of their arrival, and links of both."""

    before: list[dict[str, Any]]
    after: list[dict[str, Any]]
    links: list[Link]
    later_links: list[Link]
    behaviour: BehaviourSettings


@st.composite
def rows(draw: st.DrawFn, users: Sequence[str], max_n: int = 16) -> list[dict[str, Any]]:
    """Events by time; either all orders have ids, of which some lines are told again, or none has."""
    with_ids = draw(st.booleans())
    made: list[dict[str, Any]] = []
    for minute in sorted(draw(st.lists(st.integers(0, 240), min_size=2, max_size=max_n))):
        kind, item = draw(st.sampled_from(KINDS)), draw(st.sampled_from([*KNOWN, "unknown", "not this"]))
        row = event(
            draw(st.sampled_from(users)), None if kind == "search" else item, kind, START + timedelta(minutes=minute)
        )
        if kind in LINES:
            row |= {"quantity": draw(st.sampled_from([None, 0.0, 1.0, 2.0])), "price": draw(st.sampled_from([None, 4.5]))}
            row |= {"order_id": draw(st.sampled_from(["o1", "o2"]))} if with_ids else {}
        if kind == "refund" and with_ids and draw(st.booleans()):
            row |= {"item_id": None}
        bought = [each for each in made if each["event_type"] == "purchase"]
        if kind == "purchase" and with_ids and bool(bought) and draw(st.booleans()):
            row = bought[draw(st.integers(0, len(bought) - 1))] | {"timestamp": row["timestamp"]}
        made.append(row)
    return made


@st.composite
def streams(draw: st.DrawFn) -> Stream:
    """A stream cut in two at any event, some of the older ones arriving late."""
    stated = draw(rows(("ana", "cookie")))
    cut, late = draw(st.integers(0, len(stated))), draw(st.sets(st.integers(0, len(stated)), max_size=4))
    behaviour = BehaviourSettings(
        history_events=draw(st.sampled_from([2, 200])), history_purchases=draw(st.sampled_from([2, 2000]))
    )
    before = [row for place, row in enumerate(stated[:cut]) if place not in late]
    after = [row for place, row in enumerate(stated) if place >= cut or place in late]
    after = draw(st.permutations([row for row in after if can_be_estimated(row, before, behaviour)]))
    link = Link("cookie", "ana", micros(START) + draw(st.integers(0, 240)) * MINUTE)
    links, later = draw(st.sampled_from([([], []), ([link], []), ([], [link])]))
    return Stream(before, list(after), links, later if behaviour.history_purchases > 2 else [], behaviour)


def can_be_estimated(row: dict[str, Any], before: Sequence[dict[str, Any]], behaviour: BehaviourSettings) -> bool:
    """Whether a cut past still has what a later row is about: nothing belongs to an order that may be gone, nothing comes from
    before what was kept."""
    orders = {each["order_id"] for each in before if each.get("order_id")}
    if behaviour.history_purchases == 2 and (row["event_type"] == "refund" or row.get("order_id") in orders):
        return False
    for of_lines, max_n in ((True, behaviour.history_purchases), (False, behaviour.history_events)):
        kept = [each for each in before if (each["event_type"] in LINES) == of_lines]
        for users in (["ana"], ["cookie"], ["ana", "cookie"]):
            times = sorted(each["timestamp"] for each in kept if each["user_id"] in users)
            if len(times) >= max_n and row["timestamp"] <= times[-max_n]:
                return False
    return True


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """An engine whose catalogue and settings every example shares."""
    return Shop(tmp_path_factory.mktemp("base"), busy_events()).engine()


def trained(engine: Engine, stated: Sequence[dict[str, Any]], links: Sequence[Link], behaviour: BehaviourSettings) -> Engine:
    """What the job makes of rows and links: an engine of the same catalogue with their histories."""
    frame = canonical(stated).with_columns(pl.lit(None, pl.String).alias("anonymous_id"))
    linked = [(each.anonymous_id, each.user_id, each.timestamp) for each in links]
    raw = pl.DataFrame(linked, schema=dict(schema("identities")) | {"timestamp": pl.Int64()}, orient="row")
    events, users = map_events(resolve(frame, raw.with_columns(pl.col("timestamp").cast(TIME))), engine.catalog)
    settled = settle(events, behaviour)
    groups = {
        **engine.snapshot.groups,
        "history": history_arrays(settled, bounded(settled, behaviour), users),
        "links": link_arrays(raw, pl.Series(["ana"])),
    }
    manifest = msgspec.structs.replace(engine.snapshot.manifest, behaviour=behaviour)
    return Engine(Snapshot(manifest, groups), engine.settings)


def served(engine: Engine, stream: Stream, folder: Path) -> ServingState:
    """A worker over the snapshot, once the log has what came in afterwards."""
    log = log_in(folder)
    stated = [
        row | {"event_id": str(place), "timestamp": micros(row["timestamp"])} for place, row in enumerate(stream.after)
    ]
    log.add_events([Event(**row) for row in stated], micros(NOW))
    log.add_links(stream.later_links, micros(NOW))
    serving = ServingState(engine, log, None)
    serving.catch_up()
    return serving


def said(engine: Engine, user: str, history: History) -> dict[str, Any]:
    """All that a history says of a shopper, in words that two snapshots share."""
    profile = msgspec.to_builtins(shopper_profile(engine.profiler, user, history, micros(NOW)))
    assert isinstance(profile, dict)
    first_line: dict[int, int] = {}
    orders = [
        -1 if number < 0 else first_line.setdefault(number, place) for place, number in enumerate(history.orders.tolist())
    ]
    bought = np.flatnonzero(history.kinds == PURCHASE)
    kept = history.lines.kept[bought] if history.lines else bought
    owned = engine.profiler.profile(user, history, micros(NOW))
    return profile | {
        "events": list(zip(history.items.tolist(), history.kinds.tolist(), history.times.tolist(), orders, strict=True)),
        "kept": np.nan_to_num(kept, nan=-1).tolist(),
        "owned": list(zip(owned.bought.tolist(), owned.bought_at.tolist(), strict=True)),
        "last_order": owned.last_order,
    }


@pytest.mark.long
@some
@given(streams())
def test_served_live_and_trained_again(base: Engine, tmp_path_factory: pytest.TempPathFactory, stream: Stream) -> None:
    """Whatever came in after the snapshot: the shopper is who the next snapshot says."""
    older = trained(base, stream.before, stream.links, stream.behaviour)
    newer = trained(base, [*stream.before, *stream.after], [*stream.links, *stream.later_links], stream.behaviour)
    serving = served(older, stream, tmp_path_factory.mktemp("log"))
    for user in ["ana"] if stream.links or stream.later_links else ["ana", "cookie"]:
        live = serving.history(user)
        assert (np.diff(live.times) >= 0).all()
        assert said(older, user, live) == said(newer, user, newer.snapshot.histories.of(user))


@pytest.mark.long
@some
@given(rows(("ana", "ben", "eve"), 24))
def test_the_report_counts_what_the_snapshot_counts(base: Engine, stated: list[dict[str, Any]]) -> None:
    """Customers, orders and revenue of the report, of histories, of customer value and of profiles are the same."""
    made = world(stated)
    histories, lines = made.histories, order_lines(canonical(stated), made.catalog, made.behaviour)
    orders = lines.group_by("user_id").agg(pl.col("order").n_unique(), pl.col("revenue").sum())
    report = {user: (count, pytest.approx(money, abs=0.01)) for user, count, money in orders.iter_rows()}
    users = [histories.users.text(row) for row in range(len(histories))]
    past = past_of(made.tables.events, made.tables.as_of, len(users))
    for row, user in enumerate(users):
        expected = report.get(user, (0, 0.0))
        profile = shopper_profile(base.profiler, user, histories.at(row), micros(NOW))
        assert (profile.orders, profile.revenue or 0.0) == expected
        assert (int(histories.order_count[row]), float(histories.revenue()[row])) == expected
        assert (int(past.orders[row]), float(np.nan_to_num(past.revenue[row]))) == expected
