"""Rows newer than a snapshot: seen at once, by everybody, with the meaning that training gives it later."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.clock import DAY
from recsys.engine.inspection.profile_report import shopper_profile
from recsys.engine.pipeline import Engine
from recsys.engine.serving_state import ServingState
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.erasure import Erased, ErasureKeys
from recsys.settings.load import load_settings
from recsys.snapshot.identity_links import FOREVER, Links, link_arrays, periods
from recsys.tables.identities import periods as periods_of_tables
from recsys.tables.schema import TIME
from recsys.types import Event, Link, Query, SettingsError
from simulator import make_shop, shop_settings
from tests.conftest import NOW, Shop, ago, busy_events, event, micros
from tests.support.shops.handmade import calm
from tests.support.shops.synthetic import END
from training.job.job import fit

SECRETS = ErasureKeys(["forget-secret-of-at-least-32-characters"])


def live(row: dict[str, Any], number: int = 0) -> Event:
    """An event row as the service accepts it."""
    fields = {name: value for name, value in row.items() if value is not None}
    return Event(**{"event_id": f"live-{number}"} | fields | {"timestamp": micros(row["timestamp"])})


class Now:
    """A shop with a snapshot and a log, seen by one worker."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.state = log_in(shop.settings.path(shop.settings.state.folder))
        self.engine = shop.engine()
        self.serving = self.worker()

    def worker(self) -> ServingState:
        """Another worker over the same snapshot and log."""
        state = log_in(self.shop.settings.path(self.shop.settings.state.folder))
        return ServingState(self.engine, state, SECRETS)

    def happen(self, *rows: dict[str, Any]) -> None:
        """Let things happen after the snapshot."""
        self.state.add_events([live(row, number) for number, row in enumerate(rows, self.state.last())], micros(NOW))

    def forget(self, user: str, at: datetime = NOW) -> None:
        """Forget a user as the service does."""
        self.serving.catch_up()
        theirs = self.serving.periods_of(user)
        self.state.forget(
            [Erased(SECRETS.sign(each.anonymous_id), each.anonymous_id, each.since, each.until) for each in theirs],
            micros(at),
        )

    def kinds(self, user: str, serving: ServingState | None = None) -> list[int]:
        """What a worker knows of a shopper, as event codes."""
        seen = serving or self.serving
        seen.catch_up()
        return list(map(int, seen.history(user).kinds))

    def items(self, user: str) -> list[str]:
        """The items in a shopper's history; unknown ones are left out."""
        self.serving.catch_up()
        rows = self.serving.history(user).items
        return [self.engine.catalog.item_id(row) for row in rows.tolist() if row >= 0]

    def slate(self, user: str | None = None) -> list[str]:
        """What the shopper is shown on the home page."""
        self.serving.catch_up()
        query = Query(now=micros(NOW), user_id=user)
        return [self.engine.catalog.item_id(row) for row in self.serving.answer(query).slate.items]


@pytest.fixture
def now(tmp_path: Path) -> Now:
    """A busy shop where Ana looked at a sofa."""
    return Now(Shop(tmp_path, [*busy_events(), event("ana", "sofa-1"), event("cookie", "lamp-1", at=ago(days=2))]))


def test_the_next_answer_knows_of_it(now: Now) -> None:
    """An accepted event stands in the history at once, for every worker."""
    other = now.worker()
    before = len(now.kinds("ana")), len(now.kinds("ana", other))
    now.happen(event("ana", "lamp-2", "cart_add", ago(seconds=1)))
    assert len(now.kinds("ana")) == before[0] + 1
    assert len(now.kinds("ana", other)) == before[1] + 1
    assert "lamp-2" not in now.slate("ana")


def test_the_clock_of_events_runs_with_them(now: Now) -> None:
    """Now is the newest accepted event, and never earlier than the snapshot's moment."""
    start = now.serving.newest
    now.happen(event("ana", "lamp-2", at=ago(days=300)))
    now.serving.catch_up()
    assert now.serving.newest == start == now.engine.snapshot.as_of
    now.happen(event("ana", "lamp-2", at=NOW + timedelta(hours=1)))
    now.serving.catch_up()
    assert now.serving.newest == micros(NOW + timedelta(hours=1))


def test_only_what_the_snapshot_lacks_is_read(now: Now) -> None:
    """What the next snapshot has folded in is not counted twice, and a worker on the old one still sees it."""
    now.happen(event("ana", "lamp-2", "purchase", ago(seconds=1)))
    known = now.kinds("ana")
    newer = Now(now.shop)
    assert newer.engine.snapshot.manifest.state_sequence == 1
    assert newer.kinds("ana") == known == now.kinds("ana")


def test_history_follows_a_link_at_once(now: Now) -> None:
    """What was done under the anonymous id, in the snapshot and since, is the user's from then on; that id alone shows its own."""
    now.happen(event("cookie", "bag-1", at=ago(minutes=5)))
    assert now.items("ana") == ["sofa-1"]
    now.state.add_links([Link("cookie", "ana", micros(ago(minutes=1)))], micros(NOW))
    assert now.items("ana") == ["lamp-1", "sofa-1", "bag-1"]
    assert now.items("cookie") == ["lamp-1", "bag-1"]
    assert now.serving.is_known("ana")
    assert now.serving.is_anonymous("cookie")
    assert not now.serving.is_known("cookie")
    assert now.serving.ids_of("ana") == ["ana", "cookie"]


def test_an_anonymous_id_belongs_to_the_latest_link(now: Now) -> None:
    """A device that changed hands: each part of its past belongs to whoever held it, before the first link to the first."""
    links = [Link("cookie", "ana", micros(ago(days=1.5))), Link("cookie", "ben", micros(ago(minutes=10)))]
    now.state.add_links(links, micros(NOW))
    now.happen(event("cookie", "bag-1", at=ago(minutes=20)), event("cookie", "soap-1", at=ago(minutes=5)))
    assert "bag-1" in now.items("ana")
    assert "lamp-1" in now.items("ana")
    assert "soap-1" not in now.items("ana")
    assert now.items("ben")[-1:] == ["soap-1"]
    assert "bag-1" not in now.items("ben")


def test_links_survive_retraining(now: Now) -> None:
    """After the next snapshot the same history stands under the same ids, also for what happens later."""
    now.state.add_links([Link("cookie", "ana", micros(ago(minutes=1)))], micros(NOW))
    before = now.items("ana")
    newer = Now(now.shop)
    assert newer.items("ana") == before
    newer.happen(event("cookie", "bag-2", at=NOW))
    assert newer.items("ana") == [*before, "bag-2"]
    assert newer.serving.is_known("ana")
    assert newer.serving.is_anonymous("cookie")


def test_item_updates_are_seen_by_every_worker(now: Now) -> None:
    """What is sold out is shown no more, a new price stands in the item's JSON and decides price filters."""
    first = now.slate()[0]
    row = now.engine.catalog.row(first)
    now.state.add_items([ItemUpdate(first, stock=0)], micros(NOW))
    assert first not in now.slate()
    assert b'"available":false' in now.engine.catalog.fragment(row)
    now.state.add_items([ItemUpdate(first, available=True, price=3.5), ItemUpdate("no such item", price=1)], micros(NOW))
    assert first in now.slate()
    assert b'"price":3.5' in now.engine.catalog.fragment(row)
    query = Query(now=micros(NOW), price_max=3.5)
    assert now.serving.answer(query).slate.items == (row,)


def test_item_updates_are_folded_in(now: Now) -> None:
    """The next snapshot holds what was patched since the item table was written, and lays nothing over it."""
    now.state.add_items([ItemUpdate("sofa-1", available=False, price=777.0)], received_at := 10 * micros(NOW))
    newer = Engine(fit(now.shop.settings, now=NOW).snapshot(), now.shop.settings)
    row = newer.catalog.row("sofa-1")
    assert (newer.catalog.price[row], newer.catalog.available[row]) == (777.0, False)
    assert newer.catalog.revision == 0 < received_at


def test_the_forgotten_are_gone_at_once(now: Now) -> None:
    """Their past is nobody's, under all their ids, for every worker; what comes later is a new history."""
    now.state.add_links([Link("cookie", "ana", micros(ago(minutes=9)))], micros(NOW))
    now.happen(event("ana", "bag-1", "purchase", ago(minutes=8)))
    other = now.worker()
    now.serving.catch_up()
    now.forget("ana", at=ago(minutes=1))
    assert now.kinds("ana") == now.kinds("ana", other) == now.kinds("cookie", other) == []
    now.happen(event("ana", "lamp-3", "purchase", NOW))
    now.serving.catch_up()
    history = now.serving.history("ana")
    assert (history.orders.tolist(), now.items("ana")) == ([0], ["lamp-3"])
    newer = fit(now.shop.settings, now=NOW + timedelta(minutes=1), erasure_keys=SECRETS).snapshot().histories
    assert newer.of("ana").kinds.tolist() == history.kinds.tolist()
    assert len(newer.of("cookie")) == 0


def test_the_links_of_the_forgotten_are_forgotten(now: Now) -> None:
    """What a device did for somebody who was forgotten since joins nobody, whether the link was folded in or not."""
    now.state.add_links([Link("cookie", "ana", micros(ago(minutes=9)))], micros(NOW))
    newer = Now(now.shop)
    for each in (now, newer):
        each.serving.catch_up()
    now.forget("ana", at=ago(minutes=1))
    now.happen(event("cookie", "bag-1", at=NOW))
    for seen in (now.serving, newer.serving, now.worker(), newer.worker()):
        assert now.kinds("ana", seen) == []
        assert len(now.kinds("cookie", seen)) == 1
        assert not seen.is_known("ana")
        assert not seen.is_anonymous("cookie")
    assert newer.serving.ids_of("ana") == ["ana", "cookie"]
    now.state.add_links([Link("cookie", "ben", micros(NOW))], micros(NOW))
    assert now.items("ben")[-1] == "bag-1"


def test_lists_that_were_only_shown_change_nothing(now: Now) -> None:
    """However many impressions there are, the cart, the purchases and the wish to buy stay, live and after training."""
    now.happen(event("ana", "lamp-1", "purchase", ago(minutes=6)), event("ana", "sofa-2", "cart_add", ago(minutes=5)))
    known = now.kinds("ana")
    now.happen(*(event("ana", "bag-1", "impression", ago(seconds=240 - at / 10)) for at in range(600)))
    assert now.kinds("ana") == known == Now(now.shop).kinds("ana")


def test_a_lost_log_is_noticed(now: Now) -> None:
    """Where the log was lost or put back from a backup, what happens from then on is seen all the same."""
    now.happen(*(event("ana", "lamp-1", at=ago(minutes=9 - at)) for at in range(5)))
    newer = Now(now.shop)
    folder = now.shop.settings.path(now.shop.settings.state.folder)
    for each in (now, newer):
        each.state.close()
        each.serving = each.worker()
    for file in folder.glob("log.sqlite3*"):
        file.unlink()
    fresh = newer.worker()
    known = len(newer.kinds("ana", fresh))
    log_in(folder).add_events([live(event("ana", "bag-1", at=NOW), 99)], micros(NOW))
    assert len(newer.kinds("ana", fresh)) == known + 1


def test_a_lost_secret_brings_nobody_back(now: Now) -> None:
    """Without the secret that they were forgotten under, nothing is answered at all."""
    now.forget("ana")
    with pytest.raises(SettingsError, match="RECSYS_FORGET_SECRETS"):
        ServingState(now.engine, now.state, None)


@calm
@given(
    st.lists(st.tuples(st.sampled_from("ab"), st.sampled_from(["u", "v", "w"]), st.integers(0, 5)), max_size=8),
    st.sets(st.tuples(st.sampled_from("ab"), st.integers(0, 5)), max_size=3),
)
def test_periods_mean_the_same_in_tables_and_while_serving(
    rows: list[tuple[str, str, int]], ends: set[tuple[str, int]]
) -> None:
    """Who an anonymous id belongs to when: the joins of the offline job and the look-ups of the service agree."""
    links = [Link(*row) for row in rows]
    frame = pl.DataFrame(rows, schema={"anonymous_id": pl.String, "user_id": pl.String, "timestamp": pl.Int64}, orient="row")
    ended = pl.DataFrame(sorted(ends), schema={"anonymous_id": pl.String, "timestamp": pl.Int64}, orient="row")
    moments = pl.col("timestamp").cast(pl.Datetime("us")).cast(TIME)
    stated = periods_of_tables(frame.with_columns(moments), ended.with_columns(moments))
    expected = {
        (
            row[0],
            row[1],
            FOREVER.min if row[2] is None else micros(row[2]),
            FOREVER.max if row[3] is None else micros(row[3]),
        )
        for row in stated.rows()
        if row[1] is not None
    }
    mapped = Links(link_arrays(frame, pl.Series(["ana"])))
    assert {
        tuple(period) for each in "ab" for period in periods(mapped.of(each), [at for name, at in ends if name == each])
    } == expected
    assert all(mapped.is_known(link.user_id) for link in links)
    for user in "uvw":
        latest = dict(sorted((link.anonymous_id, link.timestamp) for link in links if link.user_id == user))
        in_order = sorted(latest, key=lambda each: (latest[each], each))
        assert (mapped.anonymous_ids(user), mapped.anonymous_ids(user, 1)) == (in_order, in_order[-1:])


@pytest.mark.long
def test_offline_and_live_profiles_are_one(tmp_path: Path) -> None:
    """On the synthetic shop: a snapshot of a week ago and a week of live events say of everybody what a snapshot of today says."""
    make_shop(tmp_path / "data", users=300, end=END)
    (tmp_path / "settings.toml").write_text(shop_settings())
    settings = load_settings(tmp_path / "settings.toml")
    cut = END - timedelta(days=7)
    today = Engine(fit(settings, now=END).snapshot(), settings)
    old = Engine(fit(settings, now=END, before=cut).snapshot(), settings)
    week = pl.scan_parquet(tmp_path / "data" / "events-*.parquet").filter(pl.col("timestamp") >= cut)
    rows = week.collect().sample(fraction=1.0, shuffle=True, seed=20).to_dicts()
    known = [{name: value for name, value in row.items() if name in Event.__struct_fields__} for row in rows]
    links = pl.read_parquet(tmp_path / "data" / "identities.parquet").filter(pl.col("timestamp") >= cut)
    state = log_in(tmp_path / "state")
    state.add_events([live({"event_id": str(n)} | row, n) for n, row in enumerate(known)], micros(datetime.now(UTC)))
    state.add_links([Link(row["anonymous_id"], row["user_id"], micros(row["timestamp"])) for row in links.to_dicts()], 0)
    serving = ServingState(old, state, None)
    serving.catch_up()
    users = today.snapshot.histories.users
    assert len(rows) > 300
    for user in (users.text(row) for row in range(len(users))):
        now = micros(END) + DAY
        offline, online = today.snapshot.histories.of(user), serving.history(user)
        seen = [
            msgspec.to_builtins(shopper_profile(engine.profiler, user, history, now))
            for engine, history in ((today, offline), (old, online))
        ]
        assert seen[0] == seen[1], user
