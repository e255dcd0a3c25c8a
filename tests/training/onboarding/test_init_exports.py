"""`init` on exports of platforms whose columns look right and are not: counted lines, prices of lines, states elsewhere."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys.settings.load import load_settings
from recsys.tables.shop import read_shop
from tests.training.onboarding.test_init import NOW, looked_at, proposed
from training.cli.init import init
from training.onboarding.choosing import needed
from training.onboarding.proposal import Proposal
from training.onboarding.proposals import propose, with_states

LINES = [
    (f"o{at // 2}", f"u{at // 2 % 7}", f"2026-05-{at // 2 % 28 + 1:02}T10:00:00Z", f"A{at % 10}", at % 3 + 1)
    for at in range(60)
]
PRICES = [3.5, 12.0, 7.25, 40.0, 19.9, 2.0, 5.5, 99.0, 1.1, 8.0]


def lines(price: str = "Price", *, of_line: bool = False, more: tuple[str, ...] = ()) -> str:
    """A file of orders whose price is that of a unit, or of a line; more: a further column, its name and its values in turn."""
    name, *values = more or ("",)
    rows = []
    for at, (order, user, moment, item, count) in enumerate(LINES):
        cost = PRICES[int(item[1:])] * (count if of_line else 1)
        rows.append(f"{order},{user},{moment},{item},{count},{cost:.2f}" + (f",{values[at % len(values)]}" if name else ""))
    return "\n".join([f"Order,Customer,Date,SKU,Qty,{price}" + (f",{name}" if name else ""), *rows, ""])


@pytest.mark.parametrize(
    ("name", "of_line", "stated"),
    [
        ("Item price", True, "amount"),
        ("Item price", False, "price"),
        ("Amount", False, "price"),
        ("Amount", True, "amount"),
    ],
)
def test_a_price_is_of_a_unit_or_a_line_by_its_values(name: str, of_line: bool, stated: str, tmp_path: Path) -> None:
    """What grows with the quantity is the price of a line, whatever its name says; what does not is that of a unit."""
    found = proposed(tmp_path, lines(name, of_line=of_line))
    assert {"price", "amount"} & set(found.settings["columns"]) == {stated}


def test_the_number_of_a_line_within_its_order_is_no_item(tmp_path: Path) -> None:
    """`Item #` names the item where it does, before a name; where it counts the lines of each order, another column does, or none."""
    rows = [row.split(",") for row in lines().splitlines()[1:]]
    counted = "\n".join(",".join([*row[:3], f"Lamp {row[3]}", str(at % 2 + 1), *row[4:]]) for at, row in enumerate(rows))
    named = "\n".join(",".join([*row[:3], "Lamp", row[3], *row[4:]]) for row in rows)
    assert proposed(tmp_path, f"Order,Customer,Date,Item,Item #,Qty,Price\n{counted}\n").origin("item_id") == "Item"
    assert proposed(tmp_path, f"Order,Customer,Date,Item,Item #,Qty,Price\n{named}\n").origin("item_id") == "Item #"
    (tmp_path / "file.csv").write_text(f"Order,Customer,Date,Item Name,Item #,Qty,Price\n{counted}\n")
    [seen] = looked_at(tmp_path, "file.csv")
    assert propose(seen) is None
    assert "(not found: item_id)" in needed(seen)


@pytest.mark.parametrize(
    ("columns", "stated"),
    [
        (("price (excl. VAT)", "price (incl. VAT)"), "price (incl. VAT)"),
        (("Prix (HT)", "Prix (TTC)"), "Prix (TTC)"),
        (("unit_price_tax_excl", "unit_price_tax_incl"), "unit_price_tax_incl"),
        (("Preis (inkl. MwSt.)", "MwSt."), "Preis (inkl. MwSt.)"),
    ],
)
def test_a_price_with_taxes_goes_before_one_without(columns: tuple[str, str], stated: str, tmp_path: Path) -> None:
    """Words for taxes say nothing else where a word beside them says whether they are in the price; alone they are no price."""
    rows = "".join(f"A{at},Thing {at},{at}.00,{at}.19\n" for at in range(1, 9))
    found = proposed(tmp_path, f"sku,title,{','.join(columns)}\n{rows}")
    assert found.settings["columns"]["price"] == stated


@pytest.mark.parametrize("further", ["SKU (2)", "SKU_2", "sku2", "SKU"])
def test_further_items_of_a_row_are_named(further: str, tmp_path: Path) -> None:
    """Columns named as the item's, with a number, hold items that nothing is read from: that is said with what to do."""
    found = proposed(tmp_path, lines(more=(further, "A1", "A2", "")))
    assert [doubt for doubt in found.unsure if "a row may hold several items" in doubt and "only SKU is read" in doubt]


@pytest.mark.parametrize(
    ("column", "values", "said"),
    [
        ("order_status_id", ("5", "5", "7"), "order_status_id may say how orders stand, and nobody knows its words (5, 7)"),
        ("Test", ("on", "off"), "Test has on in 30 rows, which are many for orders of a test"),
    ],
)
def test_states_that_nobody_knows_are_asked_for(column: str, values: tuple[str, ...], said: str, tmp_path: Path) -> None:
    """Numbers of states, and a column of tests with a yes in many rows, take no order out, and are marked with what to write."""
    found = proposed(tmp_path, lines(more=(column, *values)))
    assert "void_orders" not in found.settings
    assert [doubt for doubt in found.unsure if said in doubt and "void_orders = [{ column" in doubt]


def test_states_of_orders_without_a_number_are_asked_for_with_it(tmp_path: Path) -> None:
    """Where nothing names the order, the settings need its number to take orders out: both are said."""
    text = lines(more=("Finanzstatus", "bezahlt", "storniert")).replace("Order,", "Name,", 1)
    [doubt] = [each for each in proposed(tmp_path, text).unsure if "Finanzstatus" in each]
    assert 'set `void_orders = ["Finanzstatus"]`' in doubt
    assert "name the column of the order's number as `order_id`" in doubt


def test_a_flag_of_what_is_valid_takes_the_others_out(tmp_path: Path) -> None:
    """A no in a column called `valid` is of an order that does not stand."""
    found = proposed(tmp_path, lines(more=("valid", "1", "1", "1", "1", "0", "0")))
    assert found.settings["void_orders"] == [{"column": "valid", "one_of": ["0"]}]


@pytest.mark.long
def test_how_orders_stand_may_be_said_by_another_file(tmp_path: Path) -> None:
    """A file with a row for each order and its state is joined to lines that are whole without it: cancelled ones do not count."""
    (tmp_path / "lines.csv").write_text(lines())
    heads = "".join(f"o{at},{'wc-cancelled' if at % 3 == 0 else 'wc-completed'},9.00\n" for at in range(30))
    (tmp_path / "stats.csv").write_text(f"order,status,net total\n{heads}")
    assert init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True) == 0
    settings = load_settings(tmp_path / "settings.toml")
    assert settings.data.events.void_orders == ("status",)
    assert read_shop(settings).events.select(pl.len()).collect().item() == 40
    seen = looked_at(tmp_path, "lines.csv", "stats.csv")
    stated = proposed(tmp_path, lines(more=("status", "paid", "cancelled")))
    assert with_states(stated, [*stated.seen, seen[1]], [stated]) is stated


def test_names_of_people_and_posts_are_no_users(tmp_path: Path) -> None:
    """Two customers may have one name: an address goes before it. `Post` is no address where none stand in it."""
    rows = "".join(
        f"Ann Lee,u{at % 5}@x.invalid,p{at % 3},2026-09-{at + 1:02}T10:00:00Z,A{at % 4},view\n" for at in range(20)
    )
    head = "Customer,E-mail,Post,Date,SKU,Event"
    assert proposed(tmp_path, f"{head}\n{rows}").origin("user_id") == "E-mail"
    (tmp_path / "file.csv").write_text(f"{head}\n{rows}".replace("Customer,E-mail", "Foo,Bar"))
    assert propose(looked_at(tmp_path, "file.csv")[0]) is None


@pytest.mark.parametrize("name", ["Email (Billing)", "Contact email", "Kundenkarte", "properties.distinct_id"])
def test_other_names_of_a_buyer_are_known(name: str, tmp_path: Path) -> None:
    """The address of a bill, of a contact, a customer's card and the id of a tracking tool are who bought."""
    assert proposed(tmp_path, lines().replace("Customer", name, 1)).origin("user_id") == name


def test_a_month_of_two_languages_is_asked_for(tmp_path: Path) -> None:
    """Croatian `listopada` is October and Polish `listopada` November: where no other month says which, it is marked."""
    months = ["listopada", "listopada"]
    for first, said in (("listopada", True), ("września", False)):
        months[0] = first
        rows = "".join(f"o{at},u1,{at % 20 + 1}. {months[at % 2]} 2025,A{at % 5},1,2.00\n" for at in range(20))
        assert _doubts(proposed(tmp_path, f"Order,Customer,Date,SKU,Qty,Price\n{rows}"), "in Croatian it is October") is said


def _doubts(found: Proposal, said: str) -> bool:
    return any(said in doubt for doubt in found.unsure)


def test_hours_beside_days_are_read(tmp_path: Path) -> None:
    """As tills and several platforms export them; a moment that is whole needs none."""
    days = lines(more=("Time", "10:15:00", "9:30 PM")).replace("T10:00:00Z", "")
    assert proposed(tmp_path, days).settings["time_of_day"] == "Time"
    other = proposed(tmp_path, days.replace("Time", "Delivery slot"))
    assert "time_of_day" not in other.settings
    assert _doubts(other, 'set `time_of_day = "Delivery slot"`')
    midnights = lines(more=("Time", "10:15:00", "9:30 PM")).replace("T10:00:00Z", " 00:00:00")
    assert proposed(tmp_path, midnights).settings["time_of_day"] == "Time"
    assert "time_of_day" not in proposed(tmp_path, lines(more=("Time", "10:15:00", "9:30 PM"))).settings


def test_what_would_count_wrongly_is_marked(tmp_path: Path) -> None:
    """Rows of no item, reports with sums, and flags of a catalogue are marked with what to do."""
    empty = "".join(f"o{at},u1,2026-09-01T10:00:00Z,,1,5.00\n" for at in range(9))
    assert _doubts(
        proposed(tmp_path, lines() + empty), "13% of the rows looked at have no SKU and count as purchases of no item"
    )
    sums = "".join(f"c{at % 4},2026-09-{at + 1:02},I{at % 5},{at},{at % 3},{at}.50\n" for at in range(20))
    report = proposed(tmp_path, f"Client ID,Date,Item ID,Items viewed,Items purchased,Item revenue\n{sums}")
    assert _doubts(report, "this is a report with sums")
    paid = proposed(tmp_path, lines().replace("Customer,Date,SKU,Qty", "Customer,Date,SKU,Cart Discount Amount"))
    assert not _doubts(paid, "this is a report with sums")
    flags = "".join(f"A{at},Rzecz {at},{at}.00,{at % 2}\n" for at in range(9))
    goods = proposed(tmp_path, f"SKU,Nazwa,Cena,W sklepie\n{flags}")
    assert _doubts(goods, "W sklepie hold yes and no, and are not used")


@pytest.mark.parametrize(
    ("order", "state"), [("amazon-order-id", "order-status"), ("Order", "state_machine_state"), ("etsy order id", "Status")]
)
def test_words_of_platforms_say_nothing_in_a_name(order: str, state: str, tmp_path: Path) -> None:
    """The number and the state of an order are told all the same."""
    found = proposed(tmp_path, lines(more=(state, "shipped", "shipped", "cancelled")).replace("Order,", f"{order},", 1))
    assert found.settings["columns"]["order_id"] == order
    assert found.settings["void_orders"] == [state]


@pytest.mark.parametrize("more", ["currency", "type,currency"])
def test_a_file_that_says_how_orders_stand_is_no_catalogue(more: str, tmp_path: Path) -> None:
    """It has an id and a status, as items have; it is joined to the lines, and nothing else."""
    (tmp_path / "lines.csv").write_text(lines())
    heads = "".join(f"o{at},{'cancelled' if at % 9 == 8 else 'completed'},{more.replace(',', '-,')}\n" for at in range(30))
    (tmp_path / "heads.csv").write_text(f"id,status,{more}\n{heads}")
    assert init([str(tmp_path / "*.csv")], tmp_path / "s.toml", NOW, yes=True) == 0
    settings = load_settings(tmp_path / "s.toml")
    assert (settings.data.events.void_orders, settings.data.items.paths) == (("status",), ())
