"""Rows written down while serving, folded into the shop's tables: nothing lost, nothing double, nothing too early."""

from __future__ import annotations

import os
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest

from recsys.ids.event_ids import event_id_of
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.log import EventLog
from recsys.live.sqlite.log import FILE
from recsys.settings import Settings
from recsys.settings.load import parse_settings
from recsys.tables.live_rows import EVENTS_FOLDER, STORED, event_frame
from recsys.tables.schema import schema
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import DataError, Event, Link
from tests.conftest import NOW, Shop, ago, event, micros
from tests.support.shops.shop_tables import NOON, an_event, read_rows, the_finding
from tests.support.training import train
from training.job.job import fit

RECEIVED = micros(NOON)


def live(event_id: str, at: datetime = NOON, **values: Any) -> Event:
    """A live event: a view of the sofa by anna, but for what is named."""
    said: dict[str, Any] = {"user_id": "anna", "event_type": "view", "item_id": "sofa", **values}
    return Event(event_id=event_id, timestamp=micros(at), **said)


def log_of(folder: Path) -> EventLog:
    """The log that a shop's default settings name."""
    return log_in(folder / "state")


def rows(shop: ShopTables, *columns: str) -> list[tuple[Any, ...]]:
    """The events' values in some columns."""
    return shop.events.select(columns).collect().rows()


def compacted(folder: Path, *events: tuple[int, Event]) -> Path:
    """Write events with their numbers as a compacted file, as `compact` does."""
    target = folder / "state" / EVENTS_FOLDER
    target.mkdir(parents=True, exist_ok=True)
    file = target / f"events-{events[0][0]}-{events[-1][0]}.parquet"
    event_frame([(seq, RECEIVED, each) for seq, each in events]).write_parquet(file)
    return file


def test_a_shop_without_a_log_reads_as_ever(tmp_path: Path) -> None:
    """Nothing is opened, made or counted; the tables say all."""
    shop = read_rows(tmp_path, [an_event()])
    assert (shop.state_sequence, shop.links.height, sorted(shop.counts)) == (0, 0, ["events"])
    assert shop.links.schema == schema("identities")
    assert not (tmp_path / "state").exists()


def test_live_events_follow_those_of_the_tables(tmp_path: Path) -> None:
    """Every field of a live event stands in its column, properties aside, and the newest number of the log is told."""
    names = [name for name in Event.__struct_fields__ if name not in ("event_type", "timestamp", "currency", "properties")]
    said: dict[str, Any] = {name: f"{name} 1" for name in names}
    full = Event(**{**said, "event_type": "purchase", "timestamp": micros(NOON), "currency": "EUR"}
                 | {"quantity": 2.0, "price": 3.5, "discount": 0.5})  # fmt: skip
    log_of(tmp_path).add_events([full, live("e2", NOON + timedelta(seconds=1))], RECEIVED)
    shop = read_rows(tmp_path, [an_event()])
    assert shop.events.collect_schema() == schema("events")
    first, second, third = shop.events.collect().to_dicts()
    assert (first["user_id"], first["item_id"], first["timestamp"]) == ("anna", "sofa", NOON)
    assert second == {**said, "event_type": "purchase", "timestamp": NOON, "currency": "EUR", "quantity": 2.0, "price": 3.5,
                      "discount": 0.5}  # fmt: skip
    assert (third["event_id"], third["timestamp"] - NOON) == ("e2", timedelta(seconds=1))
    assert shop.state_sequence == 2
    assert (shop.counts["live"].read, shop.counts["live"].kept, shop.counts["events"].kept) == (2, 2, 1)


def test_an_event_counts_once_and_the_tables_row_stays(tmp_path: Path) -> None:
    """By its own id, or by the id derived from its fields where the table has none: the shop's row wins."""
    derived = event_id_of("anna", "view", "lamp", micros(NOON), None)
    log = log_of(tmp_path)
    log.add_events(
        [live("mine", query="live"), live(derived, item_id="lamp", query="live"), live("new", query="live")], RECEIVED
    )
    table = [
        an_event(event_id="mine", query="table"),
        an_event(event_id=None, item_id="lamp", query="table"),
        an_event(event_id="other", query="table"),
    ]
    shop = read_rows(tmp_path, table)
    assert sorted(rows(shop, "event_id", "query")) == sorted(
        [("mine", "table"), (derived, "table"), ("other", "table"), ("new", "live")]
    )
    assert (shop.counts["live"].read, shop.counts["live"].duplicates) == (3, 2)


def test_an_id_of_the_table_is_found_whatever_its_time(tmp_path: Path) -> None:
    """The shop's clock may differ from the service's: an event's own id decides."""
    log_of(tmp_path).add_events([live("mine")], RECEIVED)
    shop = read_rows(tmp_path, [an_event(event_id="mine", timestamp=NOON - timedelta(days=30))])
    assert rows(shop, "event_id") == [("mine",)]


def test_files_and_log_are_one(tmp_path: Path) -> None:
    """Rows of the log that a file has do not count, and an id that came again after it was moved counts once, the first time."""
    first, second, third = live("a", query="1"), live("b", query="2"), live("c", query="3")
    log = log_of(tmp_path)
    log.add_events([first, second, third], RECEIVED)
    compacted(tmp_path, (1, first), (2, second))
    assert rows(read_rows(tmp_path, [an_event(event_id="t")]), "event_id", "query")[1:] == [
        ("a", "1"),
        ("b", "2"),
        ("c", "3"),
    ]
    log.drop_events(2)
    log.add_events([live("a", query="again")], RECEIVED)
    shop = read_rows(tmp_path, [an_event(event_id="t")])
    assert rows(shop, "event_id", "query")[1:] == [("a", "1"), ("b", "2"), ("c", "3")]
    assert (shop.state_sequence, shop.counts["live"].duplicates) == (4, 1)


def test_a_file_that_is_being_written_is_none(tmp_path: Path) -> None:
    """Only whole names count."""
    log_of(tmp_path).add_events([live("a")], RECEIVED)
    file = compacted(tmp_path, (1, live("b")))
    file.rename(file.with_suffix(".17.tmp"))
    (tmp_path / "state" / EVENTS_FOLDER / "events-1-x.parquet").write_text("")
    assert rows(read_rows(tmp_path, [an_event(event_id="t")]), "event_id") == [("t",), ("a",)]


def test_a_log_that_was_replaced_is_found(tmp_path: Path) -> None:
    """Files that reach further than the log are of another log: reading on would hide new events behind old numbers."""
    log_of(tmp_path).add_events([live("a")], RECEIVED)
    compacted(tmp_path, (7, live("b")), (9, live("c")))
    with pytest.raises(DataError, match=r"events-7-9\.parquet holds events up to number 9, but the log .* ends with 1"):
        read_rows(tmp_path, [an_event()])


def test_nothing_from_the_cut_on_is_read(tmp_path: Path) -> None:
    """`before` holds for live events, compacted ones and links as it does for the tables."""
    log = log_of(tmp_path)
    log.add_events(
        [live("old", NOON - timedelta(days=1)), live("edge", NOON), live("x", NOON - timedelta(microseconds=1))], RECEIVED
    )
    log.add_links([Link("passer", "anna", micros(NOON)), Link("wanderer", "anna", micros(NOON) - 1)], RECEIVED)
    compacted(tmp_path, (1, live("old", NOON - timedelta(days=1))))
    shop = read_rows(tmp_path, [an_event(event_id="t")], before=NOON)
    assert rows(shop, "event_id") == [("old",), ("x",)]
    assert shop.links["anonymous_id"].to_list() == ["wanderer"]
    assert shop.counts["live"].read == 2


def test_the_log_counts_up_to_its_first_event_that_is_too_late(tmp_path: Path) -> None:
    """What came while the tables were read is left to the service whole: not folded in, not below the snapshot's number."""
    log, late = log_of(tmp_path), NOON + timedelta(seconds=1)
    log.add_events([live("a"), live("late", late), live("b")], RECEIVED)
    log.add_links([Link("passer", "anna", micros(NOON))], RECEIVED)
    log.add_items([ItemUpdate("sofa", price=1.0)], RECEIVED)
    (tmp_path / "events.ndjson").write_text(
        '{"user_id":"t","timestamp":"2026-05-01","event_type":"view","item_id":"sofa"}\n'
    )
    settings = parse_settings('data.events.paths = ["events.ndjson"]', tmp_path)
    shop = read_shop(settings, live_until=NOON)
    assert rows(shop, "user_id") == [("t",), ("anna",)]
    assert (shop.state_sequence, shop.links.height, shop.items["price"].to_list()) == (1, 0, [None])
    assert read_shop(settings, live_until=late).state_sequence == 5


def test_live_links_join_those_of_the_tables(tmp_path: Path) -> None:
    """An anonymous id's history is its user's, whoever told; `links` holds all that are valid."""
    log = log_of(tmp_path)
    log.add_events([live("a", user_id="passer"), live("b", NOON + timedelta(hours=2), user_id="wanderer")], RECEIVED)
    log.add_links([Link("wanderer", "bea", micros(NOON))], RECEIVED)
    table = [{"anonymous_id": "passer", "user_id": "anna", "timestamp": NOON}]
    shop = read_rows(tmp_path, [an_event(user_id="wanderer")], identities=table)
    assert rows(shop, "user_id", "anonymous_id") == [("bea", "wanderer"), ("anna", "passer"), ("bea", "wanderer")]
    assert shop.links.rows() == [("passer", "anna", NOON), ("wanderer", "bea", NOON)]


@pytest.mark.parametrize(
    ("table", "logged"),
    [(("passer", "anna"), ("anna", "bea")), (("anna", "bea"), ("passer", "anna")), (None, ("carl", "bea"))],
)
def test_known_users_are_not_joined_by_the_log_either(
    tmp_path: Path, table: tuple[str, str] | None, logged: tuple[str, str]
) -> None:
    """Who is known is settled over tables and log together: a link from a known user is refused and said."""
    log_of(tmp_path).add_links([Link(*logged, micros(NOON))], RECEIVED)
    links = [] if table is None else [{"anonymous_id": table[0], "user_id": table[1], "timestamp": NOON}]
    tables: dict[str, Any] = {"identities": links} if links else {}
    shop = read_rows(tmp_path, [an_event()], users=[{"user_id": "carl"}], **tables)
    assert shop.links.select("anonymous_id", "user_id").rows() == ([("passer", "anna")] if table else [])
    found = the_finding(shop, "is not the id of a known user")
    assert (found.rows, found.example) == (1, "xxxx → xxx")
    assert (Path(found.file).name == FILE) == (table is None)


def test_live_money_is_the_catalogues(tmp_path: Path) -> None:
    """Without a currency a live price is in the catalogue's; in another currency it counts in no revenue, and is found."""
    sold: dict[str, Any] = {"event_type": "purchase", "quantity": 1.0}
    log_of(tmp_path).add_events(
        [
            live("plain", price=5.0, **sold),
            live("ours", price=6.0, currency="EUR", **sold),
            live("theirs", price=7.0, currency="USD", discount=1.0, **sold),
        ],
        RECEIVED,
    )
    shop = read_rows(tmp_path, [an_event(event_id="t", price=4.0, currency="EUR")])
    assert (shop.currency, rows(shop, "price", "discount")) == ("EUR", [(4.0, None), (5.0, None), (6.0, None), (None, None)])
    found = the_finding(shop, "prices are in EUR")
    assert (found.rows, found.share, found.example) == (1, 0.25, "USD")


def test_live_events_settle_the_currency_where_nothing_else_does(tmp_path: Path) -> None:
    """The one that most of them have; a stray one cannot stop the job."""
    prices = [live(str(at), price=1.0, currency=code) for at, code in enumerate(("USD", "EUR", "EUR"))]
    log_of(tmp_path).add_events(prices, RECEIVED)
    shop = read_rows(tmp_path, [an_event(price=9.0)])
    assert (shop.currency, rows(shop, "price")) == ("EUR", [(9.0,), (None,), (1.0,), (1.0,)])


def test_live_refunds_and_quantities_mean_what_they_mean_in_tables(tmp_path: Path) -> None:
    """A refund's numbers lose their sign; at a quantity of 0 or less there is no price, and the row stays."""
    log_of(tmp_path).add_events(
        [
            live("back", event_type="refund", quantity=-2.0, price=-4.0),
            live("none", event_type="purchase", quantity=0.0, price=4.0),
        ],
        RECEIVED,
    )
    shop = read_rows(tmp_path, [an_event(event_id="t")])
    assert rows(shop, "quantity", "price")[1:] == [(2.0, 4.0), (0.0, None)]


def test_items_are_built_from_live_events_too(tmp_path: Path) -> None:
    """Without an item table the last seen price and category count, wherever they were seen; prices in the catalogue's currency."""
    later = NOON + timedelta(hours=1)
    log_of(tmp_path).add_events(
        [
            live("a", later, price=12.0, category="Home > Sofas"),
            live("b", later + timedelta(hours=1), price=99.0, currency="USD"),
            live("c", item_id="lamp", price=3.0),
        ],
        RECEIVED,
    )
    shop = read_rows(tmp_path, [an_event(title="Sofa")], 'data.currency = "EUR"\n')
    assert shop.items.select("item_id", "title", "category", "price").rows() == [
        ("lamp", None, None, 3.0),
        ("sofa", "Sofa", "Home > Sofas", 12.0),
    ]


def test_a_browser_puts_no_items_into_the_shop(tmp_path: Path) -> None:
    """Live events that say neither price nor category, as those of browser tokens, make no items."""
    log_of(tmp_path).add_events([live("a", item_id="cheap pills"), live("b", item_id="lamp", price=3.0)], RECEIVED)
    shop = read_rows(tmp_path, [an_event()])
    assert shop.items["item_id"].to_list() == ["lamp", "sofa"]


def test_without_an_item_table_the_latest_word_on_a_price_counts(tmp_path: Path) -> None:
    """A price that was patched holds until the shop's own event says another."""
    log_of(tmp_path).add_items([ItemUpdate("sofa", price=850.0, available=False)], micros(NOON) + 1)
    later = NOON + timedelta(days=9999)
    for row, price in ((an_event(price=990.0), 850.0), (an_event(price=990.0, timestamp=later), 990.0)):
        shop = read_rows(tmp_path, [row])
        assert shop.items.select("price", "available").rows() == [(price, False)]


def test_a_live_event_of_an_unlisted_item_is_noted(tmp_path: Path) -> None:
    """As in tables: its event stays, the item is unknown, and a table without rows divides nothing by zero."""
    log_of(tmp_path).add_events([live("a", item_id="gone")], RECEIVED)
    rows_before = [an_event(timestamp=NOON + timedelta(days=2))]
    shop = read_rows(tmp_path, rows_before, items=[{"item_id": "sofa"}], before=NOON + timedelta(days=1))
    assert shop.items["item_id"].to_list() == ["sofa"]
    found = the_finding(shop, "is in the item table")
    assert (found.rows, found.share) == (1, 1.0)


def updated(folder: Path, items: list[dict[str, Any]], *updates: ItemUpdate, minutes: float = 1) -> list[tuple[Any, ...]]:
    """Items (id, available, stock, price) after updates that came so long after the item table was written."""
    settings = _settings(folder, items)
    if items:
        os.utime(folder / "items.parquet", (NOON.timestamp(), NOON.timestamp()))
    log_of(folder).add_items(updates, micros(NOON + timedelta(minutes=minutes)))
    return read_shop(settings).items.select("item_id", "available", "stock", "price").rows()


def _settings(folder: Path, items: list[dict[str, Any]]) -> Settings:
    pl.DataFrame([an_event(price=5.0)]).write_parquet(folder / "events.parquet")
    toml = 'data.events.paths = ["events.parquet"]\n'
    if items:
        pl.DataFrame(items).write_parquet(folder / "items.parquet")
        toml += 'data.items.paths = ["items.parquet"]\n'
    return parse_settings(toml, folder)


SOFA: list[dict[str, Any]] = [{"item_id": "sofa", "price": 10.0, "available": True, "stock": 3.0}]


@pytest.mark.parametrize(
    ("updates", "item"),
    [
        ([ItemUpdate("sofa", price=8.0)], ("sofa", True, 3.0, 8.0)),
        ([ItemUpdate("sofa", stock=0.0)], ("sofa", False, 0.0, 10.0)),
        ([ItemUpdate("sofa", available=False), ItemUpdate("sofa", stock=7.0)], ("sofa", True, 7.0, 10.0)),
        ([ItemUpdate("sofa", stock=0.0, available=True)], ("sofa", True, 0.0, 10.0)),
        ([ItemUpdate("sofa", available=False), ItemUpdate("sofa", price=1.0)], ("sofa", False, 3.0, 1.0)),
        ([ItemUpdate("sofa", price=1.0), ItemUpdate("sofa", price=2.0)], ("sofa", True, 3.0, 2.0)),
        ([ItemUpdate("lamp", price=1.0)], ("sofa", True, 3.0, 10.0)),
    ],
)
def test_item_updates_lie_over_the_item_table(tmp_path: Path, updates: list[ItemUpdate], item: tuple[Any, ...]) -> None:
    """The last word on each value counts, stock alone says whether an item is available, and nothing makes a new item."""
    assert updated(tmp_path, SOFA, *updates) == [item]


@pytest.mark.parametrize(("minutes", "price"), [(-361, 10.0), (-360, 10.0), (-359, 8.0), (1 / 60, 8.0)])
def test_an_update_older_than_any_export_is_known_to_the_item_table(tmp_path: Path, minutes: float, price: float) -> None:
    """A file finds its rows before it is written: an update counts unless it is `export_hours` (6) older than the file."""
    assert updated(tmp_path, SOFA, ItemUpdate("sofa", price=8.0), minutes=minutes)[0][3] == price


@pytest.mark.parametrize(("minutes", "price"), [(-11, 10.0), (-10, 10.0), (-9, 8.0), (5, 8.0)])
def test_a_row_that_says_as_of_when_it_is_knows_older_updates(tmp_path: Path, minutes: float, price: float) -> None:
    """Updates up to the row's `as_of` are known to it, later ones lie over it, whenever the file was written."""
    stated = [{**SOFA[0], "as_of": NOON - timedelta(minutes=10)}]
    assert updated(tmp_path, stated, ItemUpdate("sofa", price=8.0), minutes=minutes)[0][3] == price


def test_updates_of_items_that_are_built_from_events(tmp_path: Path) -> None:
    """Without an item table every update counts, whatever columns the events have."""
    assert updated(tmp_path, [], ItemUpdate("sofa", stock=0.0), minutes=-1e6) == [("sofa", False, 0.0, 5.0)]


def test_a_compacted_file_says_all_that_the_log_said(tmp_path: Path) -> None:
    """Its columns are the number, when it was received, and the canonical ones; read back, no value has changed."""
    file = compacted(tmp_path, (3, live("a", event_type="purchase", price=2.5, query="ü")))
    stored = pl.read_parquet(file)
    assert stored.schema == STORED
    assert stored.select("seq", "received_at", "event_type", "query", "price").rows() == [(3, NOON, "purchase", "ü", 2.5)]


def test_a_snapshot_tells_how_far_it_read(shop: Shop) -> None:
    """The manifest holds the log's last number, and what was folded in is in the histories."""
    shop.add(event("anna", "sofa-1", "view", ago(days=3))).write()
    log_of(shop.folder).add_events([live("a", ago(days=1), item_id="lamp-1"), live("b", NOW, item_id="bag-1")], micros(NOW))
    log_of(shop.folder).add_events([live("while it read", NOW + timedelta(seconds=1))], micros(NOW))
    fitted = fit(shop.settings, now=NOW)
    assert fitted.manifest.state_sequence == 2
    history = fitted.snapshot().histories.of("anna")
    assert [fitted.snapshot().catalog.item_id(row) for row in history.items] == ["sofa-1", "lamp-1", "bag-1"]
    assert fitted.manifest.as_of == micros(NOW)


@pytest.mark.long
def test_training_as_of_a_past_day_leaves_later_events_to_the_service(shop: Shop) -> None:
    """A published snapshot's number is below the first live event that it does not hold."""
    shop.add(event("anna", "sofa-1", "view", ago(days=3))).write()
    log_of(shop.folder).add_events([live("a", ago(days=2)), live("b", ago(days=1)), live("c", ago(days=2))], micros(NOW))
    fitted = train(shop.settings, now=NOW, before=ago(days=1))
    assert (fitted.manifest.state_sequence, fitted.manifest.counts["events"]) == (1, 2)
