"""Columns of shops whose names or values look like something that they are not."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from training.onboarding.choosing import needed
from training.onboarding.files import look_at
from training.onboarding.names import event_words, named
from training.onboarding.proposals import propose


@pytest.mark.parametrize(
    ("table", "columns", "stated"),
    [
        ("events", ("Product", "Sales"), {"item_id": "Product", "amount": "Sales"}),
        ("events", ("sku", "orders", "revenue"), {"item_id": "sku", "amount": "revenue"}),
        ("events", ("sku", "Purchase", "order count"), {"item_id": "sku"}),
        ("events", ("Number of items", "order price"), {}),
        ("events", ("sku", "Sold For", "Total Price"), {"item_id": "sku", "price": "Sold For", "amount": "Total Price"}),
        ("events", ("sku", "Paid at", "Fulfilled at"), {"item_id": "sku", "timestamp": "Paid at"}),
        ("events", ("sku", "Paid at", "Order date"), {"item_id": "sku", "timestamp": "Order date"}),
        ("events", ("sku", "Line Price"), {"item_id": "sku", "amount": "Line Price"}),
        ("events", ("sku", "Lineitem price"), {"item_id": "sku", "price": "Lineitem price"}),
        ("events", ("Référence", "N° commande", "Nom"), {"item_id": "Référence", "order_id": "N° commande"}),
        ("events", ("Artikelnummer", "Naam"), {"item_id": "Artikelnummer"}),
        ("events", ("Producto", "Fecha de compra"), {"item_id": "Producto", "timestamp": "Fecha de compra"}),
        ("items", ("sku", "Product Group", "Model"), {"item_id": "sku", "category": "Product Group"}),
        ("items", ("sku", "Purchase Price"), {"item_id": "sku"}),
        ("items", ("sku", "Naam", "item_group_id"), {"item_id": "sku", "title": "Naam", "group_id": "item_group_id"}),
    ],
)  # fmt: skip
def test_a_name_that_may_say_something_else_is_not_taken(
    table: str, columns: tuple[str, ...], stated: dict[str, str]
) -> None:
    """Counts, sums, people's names, product groups and costs are no ids, prices, titles or variants."""
    times = ["Fecha de compra", "Paid at", "Fulfilled at", "Order date"]
    assert named(table, columns, {"timestamp": times}) == stated


def read_proposal(folder: Path, head: str, rows: list[str]) -> dict[str, Any]:
    """What is proposed for a file, with what it is unsure of."""
    (folder / "file.csv").write_text("\n".join([head, *rows]) + "\n")
    seen, _ = look_at([folder / "file.csv"], folder)
    found = propose(seen[0])
    assert found
    return {**found.settings, "unsure": found.unsure}


@pytest.mark.parametrize("cell", ["color: red; size: M", '"10 x 20,30 x 40"'])
def test_packed_text_that_is_no_list_of_items_stays_a_cell(tmp_path: Path, cell: str) -> None:
    """Options and sizes of one item are packed as items are; the item's own column stays the item's."""
    rows = [f"u{at},2026-11-0{at},view,{cell},P{at}" for at in range(1, 9)]
    found = read_proposal(tmp_path, "user_id,timestamp,event_type,about,product_id", rows)
    assert found["columns"]["item_id"] == "product_id"
    assert "unnest" not in found


def test_a_price_of_a_sale_that_holds_zeros_is_not_used(tmp_path: Path) -> None:
    """0 says that there is no sale in many exports; taken for the price, it would give the item away."""
    rows = [f"P{at},Thing {at},{at}.50,{0 if at % 2 else 1}" for at in range(1, 9)]
    found = read_proposal(tmp_path, "sku,title,price,sale price", rows)
    assert found["columns"]["price"] == "price"
    assert any("sale price is not used" in each for each in found["unsure"])


@pytest.mark.parametrize("column", ["name", "tealium_event", "event_table_name", "Foo"])
def test_words_of_events_say_what_happened_whatever_the_column_is_called(tmp_path: Path, column: str) -> None:
    """Nine in ten rows hold words of two kinds: without the column each view would count as bought."""
    words = ["Product Viewed", "Product Added", "Order Completed"]
    rows = [f"u{at % 4},2026-11-{at % 9 + 1:02}T10:00:00Z,{words[at % 3]},P{at % 5},9.50" for at in range(30)]
    found = read_proposal(tmp_path, f"customer_id,timestamp,{column},product_id,price", rows)
    assert found["columns"]["event_type"] == column
    assert "title" not in found["columns"]
    assert "constants" not in found


@pytest.mark.parametrize(
    ("column", "words"), [("Status", ["ordered", "returned"]), ("Tag", ["view", "red", "blue"]), ("Foo", ["sale"])]
)
def test_words_of_states_and_of_few_rows_say_nothing(tmp_path: Path, column: str, words: list[str]) -> None:
    """How an order stands is no kind of event; neither is a word that stands in some rows, or one word alone."""
    rows = [f"u{at % 4},o{at},2026-11-{at % 9 + 1:02}T10:00:00Z,{words[at % len(words)]},P{at % 5},9.50" for at in range(30)]
    found = read_proposal(tmp_path, f"customer_id,order_id,timestamp,{column},product_id,price", rows)
    assert "event_type" not in found["columns"]


def test_the_plain_id_of_a_row_with_lines_is_its_orders(tmp_path: Path) -> None:
    """Orders of an API name themselves `id`: cancelled ones are told by their states."""
    lines = [
        {"id": f"x{at}", "status": ("canceled", "completed")[at % 2], "email": f"k{at % 4}@shop.invalid",
         "created_at": f"2026-11-0{at % 9 + 1}",
         "items": [{"sku": f"P{at % 5}", "quantity": 1, "unit_price": 5}, {"sku": "P9", "quantity": 2, "unit_price": 3}]}
        for at in range(20)
    ]  # fmt: skip
    (tmp_path / "orders.ndjson").write_text("\n".join(map(json.dumps, lines)))
    found = propose(look_at([tmp_path / "orders.ndjson"], tmp_path)[0][0])
    assert found
    assert found.settings["columns"]["order_id"] == "id"
    assert found.settings["void_orders"] == ["status"]


def test_a_lone_number_is_no_moment(tmp_path: Path) -> None:
    """Numbers that could be days, as of identity cards, are none under a name that does not say so."""
    (tmp_path / "file.csv").write_text(
        "customer,sku,DNI,price\n" + "".join(f"u{at},P1,200010{at:02},5\n" for at in range(10, 29))
    )
    found = propose(look_at([tmp_path / "file.csv"], tmp_path)[0][0])
    assert found is None or found.table != "events"


def test_columns_without_a_value_give_way_and_accounts_of_books_are_nobody(tmp_path: Path) -> None:
    """An empty `Reference` is no item where another column may be; an account's code is no customer where an address stands."""
    rows = [f"k{at % 4}@shop.invalid,I{at},,2026-11-{at % 9 + 10},P{at % 5},2,9.50,200" for at in range(20)]
    found = read_proposal(
        tmp_path, "EmailAddress,InvoiceNumber,Reference,InvoiceDate,InventoryItemCode,Quantity,UnitAmount,AccountCode", rows
    )
    stated = {name: found["columns"].get(name) for name in ("user_id", "item_id")}
    assert stated == {"user_id": "EmailAddress", "item_id": "InventoryItemCode"}


def test_a_path_of_an_orders_lines_is_read_from_its_inside() -> None:
    """`Order Lines/Product` is an item, as Odoo writes it; other slashes stand between two names of one thing."""
    names = (
        "Order Lines/Product",
        "Order Lines/Quantity",
        "Order Lines/Unit Price",
        "Order Lines/Total",
        "Customer",
        "Order Date",
    )
    stated = named("events", names, {})
    assert stated["item_id"] == "Order Lines/Product"
    assert stated["quantity"] == "Order Lines/Quantity"
    assert stated["price"] == "Order Lines/Unit Price"


CODES = {
    "day, month and year, now and then": [f"{at % 31 + 1:02}.{at * 7 % 60:02}.{at * 37 % 100:02}" for at in range(60)],
    "days of a whole century": [f"{at % 28 + 1:02}.{at % 12 + 1:02}.{at % 90 + 10:02}" for at in range(60)],
    "days with a letter behind": [f"{at % 28 + 1:02}.{at % 12 + 1:02}.24-A" for at in range(60)],
    "names of months in front": [f"MAI-{at % 28 + 1}-{at * 37 % 100:02}" for at in range(60)],
    "days of the far future": [f"{4711 + at}-{at % 12 + 1}-{at % 28 + 1}" for at in range(60)],
    "weeks": [f"2024-W{at % 52 + 1:02}" for at in range(60)],
    "months": [f"2024{at % 12 + 1:02}" for at in range(60)],
}


@pytest.mark.parametrize("kind", CODES)
@pytest.mark.parametrize("more", [[], ["order date"]])
def test_codes_and_weeks_are_no_moments_of_orders(tmp_path: Path, kind: str, more: list[str]) -> None:
    """A column without a time's name is none for being the only one that looks so; nobody's orders become a table of items either."""
    rows = [f"u{at % 4},P{at % 5},{code}{',2024-W05' * len(more)},1,9.50" for at, code in enumerate(CODES[kind])]
    (tmp_path / "file.csv").write_text(
        "\n".join([",".join(["customer_id", "sku", "shelf", *more, "quantity", "price"]), *rows])
    )
    seen, _ = look_at([tmp_path / "file.csv"], tmp_path)
    assert propose(seen[0]) is None
    assert "not found: timestamp" in needed(seen[0])


@pytest.mark.parametrize("cell", ["01.09.2026 14 Uhr", "13.9.26", "Sep-13-26", "2026-09-01 um 14.05 Uhr"])
def test_moments_of_any_form_are_found_under_any_name(tmp_path: Path, cell: str) -> None:
    """Nearly all of the values are plausible times."""
    found = read_proposal(
        tmp_path, "customer_id;sku;foo;quantity;price", [f"u{at % 4};P{at % 5};{cell};1;9.50" for at in range(60)]
    )
    assert found["columns"]["timestamp"] == "foo"


DONE = ["view", "add_to_cart", "purchase", "view"]


@pytest.mark.parametrize(
    ("names", "words"),
    [
        ("event,action", ["home", "product", "cart", "checkout"]),
        ("event_type,kind", ["click", "page", "track", "track"]),
        ("event,event_action", ["page", "ecommerce", "order", "page"]),
        ("page_type,what", ["homepage", "search", "cart", "checkout"]),
        ("page,foo", ["homepage", "search", "cart", "checkout"]),
        ("pagetype,foo", ["home", "view", "cart", "purchase"]),
        ("Seite,Vorgang", ["Suche", "Warenkorb", "Kasse", "Suche"]),
    ],
)
@pytest.mark.parametrize("turned", [False, True])
def test_what_happened_is_told_by_values_and_not_by_the_name(
    tmp_path: Path, names: str, words: list[str], turned: bool
) -> None:
    """A column of pages, or of few words of events, loses against the one whose words are events, or no purchase would count."""
    cells = [(words[at % 4], DONE[at // 4 % 4]) for at in range(48)]
    heads = names.split(",")
    rows = [
        f"u{at % 4},2026-11-0{at % 9 + 1}T10:00:00Z,{','.join(each[:: -1 if turned else 1])},P{at % 5},9.5"
        for at, each in enumerate(cells)
    ]
    found = read_proposal(tmp_path, f"user_id,timestamp,{','.join(heads[:: -1 if turned else 1])},product_id,price", rows)
    assert found["columns"]["event_type"] == heads[1]
    assert found["event_types"] == {"add_to_cart": "cart_add"}


def test_a_column_of_pages_alone_tells_nothing_and_is_named(tmp_path: Path) -> None:
    """Where nothing else tells what happened, pages are no events; it is said that each row counts as bought."""
    pages = ["home", "cart", "checkout", "search"]
    rows = [f"u{at % 4},o{at},2026-11-0{at % 9 + 1}T10:00:00Z,{pages[at % 4]},P{at % 5},9.50" for at in range(40)]
    found = read_proposal(tmp_path, "customer_id,order_id,timestamp,last page,product_id,price", rows)
    assert "event_type" not in found["columns"]
    assert any("last page says on which page somebody was" in each for each in found["unsure"])


@pytest.mark.parametrize(
    ("words", "known"), [("Payment Refund", 2), ("Payment Purchase Refund", 2), ("Payment View", 1), ("Payment", 0)]
)
def test_a_payment_is_a_purchase_beside_refunds_alone(words: str, known: int) -> None:
    """Square calls its sales so; where purchases have a word of their own, a payment would count them twice."""
    assert len(event_words(words.split())) == known


@pytest.mark.parametrize(
    ("table", "header", "row"),
    [
        ("users", "user_id,email,birthday,order_id", "u{at},u{at}@shop.example,1980-05-{at:02},o{at}"),
        ("users", "customer_id,email,birthday,last_order_id,quantity", "u{at},u{at}@shop.example,1980-05-{at:02},o{at},3"),
        ("items", "product_id,customer_id,title,quantity,price", "P{at},c1,Thing {at},4,9.50"),
        ("items", "id,user_id,name,quantity,price", "P{at},7,Thing {at},4,9.50"),
        ("identities", "anonymous_id,user_id,order_id", "a{at},u1,o{at}"),
    ],
)
def test_an_order_or_a_stock_beside_a_user_makes_no_order_of_a_table(
    tmp_path: Path, table: str, header: str, row: str
) -> None:
    """Items of sellers, and users and identities with an order, are no orders without a moment: each row is of another one."""
    (tmp_path / "file.csv").write_text("\n".join([header, *(row.format(at=at) for at in range(10, 28))]))
    seen, _ = look_at([tmp_path / "file.csv"], tmp_path)
    found = propose(seen[0])
    assert found is not None
    assert found.table == table


@pytest.mark.parametrize("other", ["source", "previous_action", "lastEvent"])
def test_where_somebody_came_from_is_not_what_happened(tmp_path: Path, other: str) -> None:
    """A shop's own words are asked for; words of events in a column of something before do not make views of purchases."""
    own, before = ["seen_pdp", "basket_in", "paid"], ["search", "view"]
    rows = [f"u{at % 4},2026-11-{at % 9 + 1:02}T10:00:00Z,{own[at % 3]},{before[at % 2]},P{at % 5}" for at in range(30)]
    found = read_proposal(tmp_path, f"user_id,timestamp,event,{other},product_id", rows)
    assert found["columns"]["event_type"] == "event"


@pytest.mark.parametrize("own", ["Vorgang", "Schritt"])
def test_a_foreign_column_with_words_of_events_raises_a_doubt(tmp_path: Path, own: str) -> None:
    """What happened may stand in the shop's own words beside it, under a name that says so or not."""
    steps, goals = ["angeklickt", "reingelegt", "bezahlt"], ["view", "purchase"]
    rows = [f"u{at % 4},2026-11-{at % 9 + 1:02}T10:00:00Z,{steps[at % 3]},{goals[at % 2]},P{at % 5}" for at in range(30)]
    found = read_proposal(tmp_path, f"customer_id,timestamp,{own},Kampagnenziel,product_id", rows)
    assert found["columns"]["event_type"] == "Kampagnenziel"
    [doubt] = [each for each in found["unsure"] if "taken for what happened" in each]
    assert f"{own} may say it in the shop's own (angeklickt, " in doubt


@pytest.mark.parametrize("own", ["type", "behavior", "actionType", "evt"])
def test_a_name_of_kinds_with_words_of_events_raises_no_doubt(tmp_path: Path, own: str) -> None:
    """Countries and devices beside it are no shop's words for what happened."""
    kinds, countries = ["view", "cart", "purchase"], ["DE", "AT"]
    rows = [f"u{at % 4},2026-11-{at % 9 + 1:02}T10:00:00Z,{kinds[at % 3]},{countries[at % 2]},P{at % 5}" for at in range(30)]
    found = read_proposal(tmp_path, f"customer_id,timestamp,{own},country,product_id", rows)
    assert found["columns"]["event_type"] == own
    assert not any("taken for what happened" in each for each in found["unsure"])


@pytest.mark.parametrize(("column", "read"), [("wann", True), ("Vermerk", True), ("Modell", False)])
def test_some_words_among_days_leave_them_days(tmp_path: Path, column: str, read: bool) -> None:
    """`noch offen` in 8 rows of 100 is no day; articles that look like days have years of two digits."""
    form = "{:02}.05.2026" if read else "{:02}.05.26"
    rows = [f"u{at % 7},P{at % 5},{'noch offen' if at % 12 == 11 else form.format(at % 28 + 1)},2" for at in range(96)]
    (tmp_path / "file.csv").write_text("\n".join([f"Kunde,Artikel,{column},Menge", *rows]) + "\n")
    found = propose(look_at([tmp_path / "file.csv"], tmp_path)[0][0])
    assert (found is not None and found.table == "events" and found.origin("timestamp") == column) == read
