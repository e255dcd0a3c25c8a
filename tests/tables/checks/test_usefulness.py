"""Usefulness: shares of tables that are well formed and of no use, and what stops a publish."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.settings.load import parse_settings
from recsys.tables.checks.usefulness import Headline, surely_above, usefulness
from tests.support.shops.handmade import calm
from tests.support.shops.shop_tables import NOON, Rows, an_event, read_rows


def headlines(folder: Path, events: Rows, more: str = "", **tables: Any) -> dict[str, Headline]:
    """Read tables and measure them."""
    shop = read_rows(folder, events, more, strict=False, **tables)
    named = "".join(
        f'[data.{name}]\npaths = ["{name}.parquet"]\n' for name in ("events", *tables) if f"[data.{name}]" not in more
    )
    return {each.name: each for each in usefulness(parse_settings(more + named, folder), shop)}


def views(count: int, **values: Any) -> Rows:
    """Views by as many people, of as many items unless one is named."""
    return [an_event(**{"user_id": f"u{at}", "item_id": f"i{at}", **values}) for at in range(count)]


@pytest.mark.parametrize(
    ("bad", "total", "above"),
    [(0, 5, False), (1, 1, True), (3, 3, True), (1, 6, False), (2, 6, True), (60, 1000, False), (70, 1000, True)],
)
def test_a_share_is_too_large_beyond_doubt(bad: int, total: int, above: bool) -> None:
    """Wilson's lower bound against 5 %: one stray row of six is none, seventy of a thousand are; all of anything always are."""
    assert surely_above(bad, total, 0.05) is above


@calm
@given(st.integers(0, 500), st.integers(1, 500), st.floats(0, 1))
def test_no_share_below_the_limit_is_above_it(bad: int, total: int, limit: float) -> None:
    """What is within the limit passes, unless it is all there is; and more bad rows never pass where fewer do not."""
    bad = min(bad, total)
    if bad < total:
        assert not (surely_above(bad, total, limit) and bad / total <= limit)
        assert surely_above(bad + 1, total, limit) or not surely_above(bad, total, limit)


def test_sound_tables_say_little(tmp_path: Path) -> None:
    """How many items can be shown is said always; a share is said where there is something to say."""
    items = [{"item_id": f"i{at}", "price": 5.0, "available": at > 0} for at in range(10)]
    found = headlines(tmp_path, views(10), items=items)
    assert {name: (each.passed, each.said) for name, each in found.items()} == {
        "items": (True, "9 of 10 items can be shown.")
    }


@pytest.mark.parametrize(("lacking", "passed"), [(4, True), (17, False)])
def test_events_need_items(tmp_path: Path, lacking: int, passed: bool) -> None:
    """Views, carts and purchases without an item are counted; a home page has none."""
    rows = [*views(20), *views(lacking, item_id=None), *views(9, item_id=None, event_type="home_view")]
    rows += views(20, event_type="cart_add", item_id=None) if not passed else []
    found = headlines(tmp_path, rows)["items of events"]
    counts = (lacking, 20 + lacking) if passed else (20 + lacking, 40 + lacking)
    assert (found.passed, found.said.startswith(f"{counts[0]} of {counts[1]} events")) == (passed, True)


@pytest.mark.parametrize(("shortened", "passed"), [(0, None), (1, True), (12, False)])
def test_ids_that_a_spreadsheet_shortened_are_no_ids(tmp_path: Path, shortened: int, passed: bool | None) -> None:
    """Many items became one: nothing is learned from them, and no shop of them goes live."""
    found = headlines(tmp_path, [*views(40), *views(shortened, item_id="4.00638E+12")])
    assert (found["ids"].passed if "ids" in found else None) == passed


def test_events_that_are_about_nothing_are_of_no_use(tmp_path: Path) -> None:
    """Home pages only."""
    found = headlines(tmp_path, views(5, item_id=None, event_type="home_view"))
    assert not found["items of events"].passed
    assert not found["items"].passed


@pytest.mark.parametrize(
    ("events", "name", "setting"),
    [
        (views(20, item_id="only"), "items", "least_items"),
        (views(20, user_id="me"), "people", "least_people"),
        (views(20, user_id="guest"), "people", "least_people"),
        (views(11, item_id="only", event_type="impression") + views(9, item_id="only"), "items", "least_items"),
        (views(11, user_id="me", event_type="search") + views(9, user_id="me"), "people", "least_people"),
    ],
)
def test_one_alone_is_no_shop(tmp_path: Path, events: Rows, name: str, setting: str) -> None:
    """One item, one shopper, or nobody at all among events of whatever types: the setting that allows it is named, and does."""
    found = headlines(tmp_path, events)[name]
    assert (found.passed, setting in found.said) == (False, True)
    for rows, more in ((events, f"[gate]\n{setting} = 0\n"), (events[-9:], "")):
        allowed = headlines(tmp_path, rows, more).get(name)
        assert allowed is None or setting not in allowed.said


def test_old_events_of_delisted_items_do_not_stop_a_shop(tmp_path: Path) -> None:
    """The last four weeks decide whether ids meet; what was sold before may be gone."""
    old = views(30, timestamp=NOON - timedelta(days=60))
    new = [an_event(item_id="sofa", user_id=f"n{at}") for at in range(5)]
    items = [{"item_id": "sofa"}]
    found = headlines(tmp_path, old + new, items=items)["item ids"]
    assert found.passed
    assert "30 of 35 events (85.7%) are of items that the item table lacks (0 of 5 in the last 28 days)" in found.said
    late = [{**row, "timestamp": NOON} for row in old]
    assert not headlines(tmp_path, late + new, items=items)["item ids"].passed


def test_nobody_is_no_audience(tmp_path: Path) -> None:
    """A shop in which nobody is known is of no use; one with a till beside its customers is."""
    assert not headlines(tmp_path, views(30, user_id="guest"))["people"].passed
    found = headlines(tmp_path, [*views(200, user_id=None), *views(20)])["people"]
    assert (found.passed, found.said.startswith("200 of 220 events (90.9%) name nobody")) == (True, True)


@pytest.mark.parametrize(("unpriced", "passed"), [(3, True), (9, False), (10, True)])
def test_prices_may_be_missing_but_not_most_of_them(tmp_path: Path, unpriced: int, passed: bool) -> None:
    """A shop that has no prices at all is one without; one that lost most of them is broken."""
    items = [{"item_id": f"i{at}", "price": None if at < unpriced else 5.0} for at in range(10)]
    found = headlines(tmp_path, views(10), items=items)
    assert all(each.passed for each in found.values()) is passed
    if not passed:
        assert found["prices"].said.startswith("9 of 10 items (90.0%) that can be shown and that events name have no price")


def test_prices_may_come_from_the_events(tmp_path: Path) -> None:
    """Where the item table has no prices, those of what was sold will do, however many items never were."""
    items = [{"item_id": f"i{at}"} for at in range(40)]
    rows = [{**row, "event_type": "purchase", "order_id": row["item_id"], "price": 5.0} for row in views(10)]
    assert all(each.passed for each in headlines(tmp_path, rows, items=items).values())


def test_prices_that_could_not_be_read_are_lost(tmp_path: Path) -> None:
    """Not one is left, and not because there were none."""
    items = [{"item_id": f"i{at}", "price": "ask us"} for at in range(10)]
    found = headlines(tmp_path, views(10), "data.max_rejected_share = 1.0\n", items=items)
    assert not all(each.passed for each in found.values())


@pytest.mark.parametrize(("left_out", "passed"), [(60, True), (95, False)])
def test_where_hides_no_more_than_a_share(tmp_path: Path, left_out: int, passed: bool) -> None:
    """A pattern that leaves nearly everything out is a mistake, until the settings say otherwise; words left out are not counted."""
    rows = [*views(100 - left_out, channel="web"), *views(left_out, channel="till", item_id="x")]
    rows += views(900, channel="web", event_type="ping")
    table = "[data.events]\npaths = ['events.parquet']\nwhere = [{ column = 'channel', pattern = 'web' }]\n"
    table += "event_types = { ping = '' }\n"
    found = headlines(tmp_path, [*rows[:100]], table)["left out"]
    assert found.passed is passed
    assert (
        found.said == f"events: {left_out} of 100 rows ({left_out:.1f}%) are left out by `where`; is every pattern meant so?"
    )
    assert headlines(tmp_path, rows, table)["left out"].said.startswith(f"events: {left_out} of 1,000 rows")
    assert headlines(tmp_path, rows[:100], "gate.largest_left_out = 0.99\n" + table)["left out"].passed


@pytest.mark.parametrize(("pending", "passed"), [(15, None), (60, True), (95, False)])
def test_orders_that_count_in_nothing_are_told_where_they_are_many(
    tmp_path: Path, pending: int, passed: bool | None
) -> None:
    """A shop that is paid on delivery has pending orders mostly: whoever reads that many are left out can let them stand."""
    rows = [*views(100 - pending, state="paid"), *views(pending, state="pending")]
    rows = [row | {"event_type": "purchase", "order_id": f"o{at}"} for at, row in enumerate(rows)]
    table = "[data.events]\npaths = ['events.parquet']\nvoid_orders = ['state']\n"
    found = headlines(tmp_path, rows, table)
    if passed is None:
        assert "left out" not in found
        return
    assert found["left out"].passed is passed
    said = f"events: {pending} of 100 rows ({pending:.1f}%) are of orders that count in nothing by state, pending ({pending}); if"
    assert found["left out"].said.startswith(said)
    assert "left out" not in headlines(tmp_path, rows, f"{table}yes = ['pending']\n")


def test_orders_that_count_in_nothing_are_counted_in_all_files_together(tmp_path: Path) -> None:
    """A file of cancelled orders beside one that has no such column is a small part of the table."""
    rows = [row | {"event_type": "purchase", "order_id": f"o{at}"} for at, row in enumerate(views(130))]
    pl.DataFrame(rows[:100]).write_parquet(tmp_path / "a.parquet")
    cancelled = pl.DataFrame(rows[100:]).with_columns(cancelled_at=pl.lit("2026-05-01T10:00:00Z"))
    cancelled.write_parquet(tmp_path / "b.parquet")
    table = "[data.events]\npaths = ['a.parquet', 'b.parquet']\nvoid_orders = ['cancelled_at']\n"
    found = headlines(tmp_path, rows, table)["left out"]
    assert found.passed
    assert found.said.startswith(
        "events: 30 of 130 rows (23.1%) are of orders that count in nothing by cancelled_at, a moment"
    )


def test_values_that_cannot_be_read_are_a_headline(tmp_path: Path) -> None:
    """Of each column that guards, with its share; beyond `data.max_unreadable_share` it stops a publish."""
    items = [{"item_id": f"i{at}", "available": "perhaps" if at < 3 else "yes"} for at in range(40)]
    few = headlines(tmp_path, views(10), items=items)["unreadable"]
    assert few.passed
    assert few.said.startswith("3 of 40 values (7.5%) of items, column available, cannot be read; they are read as no")
    assert not headlines(tmp_path, views(10), "data.max_unreadable_share = 0.05\n", items=items)["unreadable"].passed


@pytest.mark.parametrize(("clock", "days", "passed"), [("wall", 6, True), ("wall", 8, False), ("events", 8, None)])
def test_the_age_of_the_newest_event_is_a_headline(tmp_path: Path, clock: str, days: int, passed: bool | None) -> None:
    """Beyond `gate.oldest_days` it stops a publish; a shop whose clock is its events has no age."""
    text = f'[web]\nclock = "{clock}"\n'
    shop = read_rows(tmp_path, views(3, timestamp=NOON), text)
    settings = parse_settings(text, tmp_path)
    found = [each for each in usefulness(settings, shop, NOON + timedelta(days=days)) if each.name == "newest event"]
    assert [each.passed for each in found] == ([] if passed is None else [passed])
