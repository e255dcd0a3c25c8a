"""The offline job: what counts, from when to when, on small, odd and real shops."""

from __future__ import annotations

import os
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import msgspec
import numpy as np
import polars as pl
import pytest

from recsys.engine.pipeline import Engine, answer
from recsys.recommenders import RECOMMENDERS
from recsys.settings.load import load_settings
from recsys.snapshot.id_index import unknown_item
from recsys.snapshot.store import versions
from recsys.types import DataError, GateError, Query, SettingsError
from tests.conftest import ITEMS, NOW, Shop, ago, ask, event, micros, shown
from tests.support.shops.handmade import canonical, world
from tests.support.training import train
from training.job.job import fit
from training.runners.rows import map_events


def test_fit_says_what_it_does(busy_shop: Shop) -> None:
    """Every step is named to the watcher as it begins, each recommender has one, and each is timed in the manifest."""
    busy_shop.write()
    watched: list[str] = []
    fitted = fit(busy_shop.settings, now=NOW, watch=watched.append)
    assert watched[:5] == ["read tables", "map events", "learn blend", "fit ranker", "item facts"]
    assert {f"fit {name}" for name in RECOMMENDERS} < set(watched)
    assert sorted(fitted.seconds) == sorted(watched)
    assert all(seconds >= 0 for seconds in fitted.seconds.values())
    assert set(fitted.manifest.timings_seconds) <= set(watched)


def test_manifest_says_what_was_learned(busy_shop: Shop) -> None:
    """The manifest counts what was fitted, as of the newest event, with every recommender's settings."""
    busy_shop.toml += "[recommenders.bestsellers]\nwindow_days = 14\n"
    manifest = busy_shop.fit().manifest
    purchases = sum(row["event_type"] == "purchase" for row in busy_shop.events)
    assert manifest.counts == {"events": len(busy_shop.events), "users": 30, "items": 12, "purchases": purchases}
    assert manifest.as_of == micros(max(row["timestamp"] for row in busy_shop.events))
    assert sorted(manifest.recommenders) == sorted(RECOMMENDERS)
    assert manifest.recommenders["bestsellers"]["window_days"] == 14
    assert manifest.version.startswith("20260331T120000Z-")


def test_events_of_the_future_are_left_out(busy_shop: Shop) -> None:
    """What a wrong clock dated after now is not fitted and moves no window; an event of this very moment is."""
    plain = busy_shop.fit().manifest
    busy_shop.add(event("ann", "sofa-1", "purchase", NOW + timedelta(days=400)))
    assert busy_shop.fit().manifest.content_hash == plain.content_hash
    busy_shop.add(event("ann", "sofa-1", "purchase", NOW))
    assert busy_shop.fit().manifest.as_of == micros(NOW)


def test_before_is_as_if_the_rest_had_never_happened(busy_shop: Shop, make_shop_in: Callable[[str], Shop]) -> None:
    """Fitted before a moment, events at that moment or later leave no trace: every array is the same without them."""
    moment = ago(days=3)
    past = make_shop_in("past")
    past.add(*(row for row in busy_shop.events if row["timestamp"] < moment))
    assert 0 < len(past.events) < len(busy_shop.events)
    busy_shop.add(event("ann", "sofa-1", "purchase", moment))
    known, cut = busy_shop.fit(before=moment), past.fit(before=moment)
    assert known.manifest.as_of == cut.manifest.as_of == micros(moment)
    assert known.manifest.content_hash == cut.manifest.content_hash


def test_a_table_without_events_is_as_of_now(shop: Shop) -> None:
    """Without events the snapshot is as of the moment of training."""
    assert shop.fit().manifest.as_of == micros(NOW)


@pytest.mark.parametrize(("quantity", "counted"), [(None, 1), (1.0, 1), (0.5, 1), (0.0, 0), (-2.0, 0)])
def test_purchases_of_nothing_do_not_count(shop: Shop, quantity: float | None, counted: int) -> None:
    """A purchase of quantity 0 or less is kept out of all counts; an unknown quantity counts."""
    fitted = shop.add(event("ann", "sofa-1", "purchase", quantity=quantity)).fit()
    assert fitted.manifest.counts["purchases"] == counted
    assert fitted.groups["bestsellers"]["buyers"].sum() == counted
    assert len(fitted.snapshot().histories.of("ann")) == counted


def test_refunds_of_tables_cancel(shop: Shop) -> None:
    """A refunded order is in nobody's counts, from the table to the answer."""
    rows = [
        event("ann", "sofa-1", kind, ago(day), order_id="o-1", quantity=1.0)
        for kind, day in (("purchase", 3), ("refund", 2))
    ]
    engine = shop.add(*rows, event("bob", "lamp-1", "purchase", ago(4), quantity=1.0)).engine()
    assert engine.snapshot.groups["bestsellers"]["buyers"].sum() == 1
    slate = ask(engine, "ann", limit=12)
    assert "sofa-1" in shown(engine, slate)
    assert slate.reasons[shown(engine, slate).index("sofa-1")].buyers is None


@pytest.mark.long
def test_fitting_publishes_nothing_and_training_keeps_the_newest(busy_shop: Shop) -> None:
    """Only train writes; it keeps as many snapshots as the settings say, and a table of the items for people."""
    busy_shop.toml += "[snapshot]\nkeep = 2\n"
    busy_shop.fit()
    artifacts = busy_shop.folder / "artifacts"
    assert not artifacts.exists()
    published = [busy_shop.publish(NOW + timedelta(minutes=minute)) for minute in range(3)]
    assert versions(artifacts) == published[1:]
    people = pl.read_parquet(artifacts / published[2] / "people" / "items.parquet")
    assert set(people["item_id"]) == {item["item_id"] for item in ITEMS}
    assert people["buyers_30_days"].is_sorted(descending=True)
    assert people["buyers_30_days"].max() > 0  # type: ignore[operator]


@pytest.mark.parametrize(
    ("toml", "said"),
    [
        ('[placements.home]\nfallback = ["magic"]', "placements.home: no recommender 'magic'"),
        ("[recommenders.magic]\nk = 1", "recommenders.magic: no such recommender"),
        ("[recommenders.als]\nfactors = 0", "recommenders.als: .* `factors`"),
    ],
)
def test_wrong_names_stop_before_anything_is_read(shop: Shop, toml: str, said: str) -> None:
    """Settings that name what does not exist stop the job before it reads the tables."""
    shop.toml += toml
    with pytest.raises(SettingsError, match=said):
        fit(shop.settings, now=NOW)


def test_missing_tables_stop_the_job(shop: Shop) -> None:
    """A table that is not there is a DataError."""
    with pytest.raises(DataError, match=r"events\.parquet"):
        train(shop.settings, now=NOW)


def test_mapping_orders_events_by_user_and_time() -> None:
    """Mapped events stand by user, then time; absent orders are -1, absent quantities NaN, unknown items below -1."""
    rows = [
        event("bob", "sofa-1", "purchase", ago(1), order_id="b", quantity=2.0),
        event("ann", "no-such", "view", ago(1)),
        event("ann", "lamp-1", "purchase", ago(2), order_id="a"),
        event("ann", None, "home_view", ago(3)),
    ]
    catalog = world([]).catalog
    events, users = map_events(canonical(rows), catalog)
    assert users == ["ann", "bob"]
    assert events.users.tolist() == [0, 0, 0, 1]
    assert events.items.tolist() == [-1, catalog.row("lamp-1"), unknown_item("no-such"), catalog.row("sofa-1")]
    assert events.times.tolist() == [micros(ago(day)) for day in (3, 2, 1, 1)]
    assert [order >= 0 for order in events.order_ids.tolist()] == [False, True, False, True]
    assert events.order_ids[1] != events.order_ids[3]
    np.testing.assert_array_equal(events.quantities, [np.nan, np.nan, np.nan, 2])


ODD = ["a/b", "..", " spaced  out ", "👜🛋️", "ü", "x" * 256, "%2F?&#", '"quoted"', "Nullabor", "0012", "back\\slash"]


def odd_shop(shop: Shop) -> None:
    """Ids, titles and categories of the oddest texts."""
    shop.items = [{"item_id": text, "title": text, "category": text.replace("/", "-"), "brand": text} for text in ODD]
    shop.events = [event(user, item, kind) for user in ODD for item in ODD[:4] for kind in ("view", "purchase")]


def nan_prices(shop: Shop) -> None:
    """Prices that are no numbers, as pandas writes what it does not know."""
    prices = [float("nan"), float("nan"), 10.0, None]
    shop.items = [{**row, "price": prices[at % 4]} for at, row in enumerate(ITEMS)]


def one_user(shop: Shop) -> None:
    """One shopper's events."""
    shop.events = [row for row in shop.events if row["user_id"] == "user-0"]


def one_item(shop: Shop) -> None:
    """A shop with one item."""
    shop.items, shop.events = ITEMS[:1], [{**row, "item_id": "sofa-1"} for row in shop.events]


def only_unknown_items(shop: Shop) -> None:
    """Events of items that are no longer sold."""
    shop.events = [{**row, "item_id": f"old-{row['item_id']}"} for row in shop.events]


def empty_tables(shop: Shop) -> None:
    """Tables with columns and no rows."""
    shop.events, shop.items = [], []


def no_purchases(shop: Shop) -> None:
    """Views only."""
    shop.events = [row for row in shop.events if row["event_type"] == "view"]


def no_items_in_events(shop: Shop) -> None:
    """Visits to the home page only."""
    shop.events = [event(f"u{n}", None, "home_view") for n in range(5)]


COLD: dict[str, Callable[[Shop], Any]] = {
    "empty tables": empty_tables,
    "no events": lambda shop: shop.events.clear(),
    "no items": lambda shop: shop.items.clear(),
    "one user": one_user,
    "one item": one_item,
    "one event": lambda shop: shop.events.__delitem__(slice(1, None)),
    "no brands": lambda shop: [row.update(brand=None) for row in shop.items],
    "no categories": lambda shop: [row.update(category=None) for row in shop.items],
    "no prices": lambda shop: [row.update(price=None) for row in shop.items],
    "no titles": lambda shop: [row.update(title=None) for row in shop.items],
    "all sold out": lambda shop: [row.update(available=False) for row in shop.items],
    "no purchases": no_purchases,
    "only unknown items": only_unknown_items,
    "no items in events": no_items_in_events,
    "odd ids": odd_shop,
    "NaN prices": nan_prices,
}


USELESS = {"empty tables", "no items", "one item", "all sold out", "only unknown items", "no items in events"}
"""Shops of which nothing can be recommended: what was fitted answers, and is not published."""


@pytest.mark.parametrize("case", COLD)
def test_cold_and_odd_shops_train_and_answer(busy_shop: Shop, case: str) -> None:
    """Whatever a shop lacks, it trains, publishes unless it is of no use, and answers known and unknown users with all that may be
    shown."""
    busy_shop.items = [dict(row) for row in busy_shop.items]
    COLD[case](busy_shop)
    if case in USELESS:
        with pytest.raises(GateError, match="The gate refused this snapshot"):
            busy_shop.publish()
    engine = busy_shop.engine() if case in USELESS else busy_shop.published_engine()
    eligible = int(engine.catalog.available.sum())
    histories = engine.snapshot.histories.users
    users = [histories.text(row) for row in range(min(len(histories), 4))]
    for user in [*users, "nobody", "no/such 👤"]:
        for placement in busy_shop.settings.placement_names():
            context = (
                (engine.catalog.item_id(0),) if engine.catalog.n_known and placement in ("pdp", "cart", "similar") else ()
            )
            slate = ask(engine, user, placement=placement, limit=20, bought=None, context_items=context)
            items = shown(engine, slate)
            assert len(items) == len(set(items)) <= eligible
            assert np.isfinite(slate.scores).all()
            assert len(slate.reasons) == len(items)
            if user not in users and engine.settings.placement(placement).bought != "only":  # type: ignore[union-attr]
                assert len(items) == min(20, eligible - len(set(context) & {engine.catalog.item_id(0)} if eligible else ()))


def test_odd_ids_are_found_again(shop: Shop) -> None:
    """Ids with slashes, spaces, emoji and 256 bytes come back byte for byte, as users and as items."""
    odd_shop(shop)
    engine = shop.published_engine()
    assert [len(engine.snapshot.histories.of(user)) for user in ODD] == [8] * len(ODD)
    assert set(shown(engine, ask(engine, "nobody", limit=100))) == set(ODD)


def test_ids_of_257_bytes_are_bad(busy_shop: Shop) -> None:
    """A user id that is too long makes a bad row, left out and counted; such an item id is emptied; too many stop it."""
    busy_shop.add(event("x" * 257, "sofa-1"), event("ann", "ü" * 129))
    fitted = busy_shop.fit()
    assert fitted.shop.counts["events"].rejected == 1
    assert fitted.manifest.counts["users"] == 31
    assert fitted.snapshot().histories.of("ann").items.tolist() == [-1]
    busy_shop.add(*(event("x" * 257 + str(n), "sofa-1") for n in range(20)))
    with pytest.raises(DataError, match=r"(?s)events: 21 of 182 rows .* 256 bytes"):
        busy_shop.fit()


def test_nan_prices_are_no_prices(busy_shop: Shop) -> None:
    """A price that is NaN is no price: such items show without one, and no price filter lets them through."""
    nan_prices(busy_shop)
    engine = busy_shop.published_engine()
    priced = {item["item_id"] for item in busy_shop.items if item["price"] == 10.0 and item.get("available", True)}
    assert set(shown(engine, ask(engine, "nobody", limit=100, price_min=0.0))) == priced
    assert engine.catalog.item(engine.catalog.row("sofa-1"))["price"] is None
    assert engine.catalog.item(engine.catalog.row("sofa-2"))["price"] is None


DATA = os.environ.get("RECSYS_DATA")
REAL = {
    "completejourney": (2_405, 92_331),
    "online_retail": (4_363, 3_676),
    "rees46": (4_504, 6_493),
    "ga4": (2_285, 988),
}
"""Users and items of each real shop."""


@pytest.mark.long
@pytest.mark.skipif(not DATA, reason="RECSYS_DATA, the folder of the real data sets, is not set")
@pytest.mark.parametrize("name", REAL)
def test_real_shops(name: str, tmp_path: Path) -> None:
    """Each example's settings train on its real data; every tenth customer gets a full list, no item twice, each with a reason."""
    file = Path(__file__).parents[3] / "examples" / name / "settings.toml"
    settings = msgspec.structs.replace(load_settings(file), root=str(tmp_path))
    fitted = fit(settings, now=datetime(2026, 3, 31, tzinfo=UTC))
    engine = Engine(fitted.snapshot(), settings)
    histories = engine.snapshot.histories
    assert (len(histories.users), engine.catalog.n_known) == REAL[name]
    strategies = set()
    for row in range(0, len(histories.users), 10):
        query = Query(now=engine.snapshot.as_of, user_id=histories.users.text(row), limit=12)
        slate = answer(engine, query, histories.at(row))
        assert len(set(slate.items)) == len(slate.items) == len(slate.reasons) == 12
        assert engine.catalog.available[list(slate.items)].all()
        strategies.add(slate.strategy)
    assert len(strategies) > 1


def guest_orders() -> list[dict[str, Any]]:
    """What nobody bought: three orders of a lamp, one of them given back, and a thousand views."""
    rows = [event("guest", "lamp-3", "purchase", ago(1, minutes=at), order_id=f"g{at}", quantity=2.0) for at in range(3)]
    rows.append(event("guest", "lamp-3", "refund", ago(0), order_id="g0", quantity=2.0))
    return rows + [event("guest", "lamp-2", "view", ago(1, minutes=at)) for at in range(1000)]


def test_what_nobody_did_changes_no_list(busy_shop: Shop) -> None:
    """Every fitted array is that of a shop without it, but for the units that were sold."""
    alone = busy_shop.fit()
    busy_shop.add(*guest_orders())
    beside = busy_shop.fit()
    assert beside.manifest.counts == alone.manifest.counts
    for owner, arrays in alone.groups.items():
        for name, array in arrays.items():
            if (owner, name) != ("catalog", "sold"):
                np.testing.assert_array_equal(beside.groups[owner][name], array)
    catalog, before = beside.snapshot().catalog, alone.snapshot().catalog
    sold = {catalog.item_id(row): float(n) for row, n in enumerate(catalog.sold - before.sold) if n}
    assert sold == {"lamp-3": 4.0}


def test_orders_of_nobody_count_one_by_one_where_the_shop_says_so(busy_shop: Shop) -> None:
    """A till's orders are as many buyers; its views are nothing still."""
    alone = busy_shop.fit()
    busy_shop.add(*guest_orders())
    busy_shop.toml += "[recommenders.bestsellers]\nguest_orders = true\n"
    beside = busy_shop.fit()
    one, other = (each.groups["bestsellers"] for each in (beside, alone))
    buyers = one["buyers"].astype(int) - other["buyers"].astype(int)
    scores = one["scores"].astype(float) - other["scores"].astype(float)
    row = beside.snapshot().catalog.row("lamp-3")
    assert (buyers[row], buyers.sum(), scores[row]) == (2, 2, pytest.approx(2))
