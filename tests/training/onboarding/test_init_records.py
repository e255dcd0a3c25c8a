"""Exports whose rows are no plain lines, items or people: several items in a cell, kinds of documents, heads above their lines."""

from __future__ import annotations

from pathlib import Path

import polars as pl
import pytest

from recsys.settings import Settings
from recsys.settings.load import load_settings
from recsys.tables.shop import read_shop
from tests.training.onboarding.test_init import NOW
from tests.training.onboarding.test_init_misreadings import read_proposal
from training.cli.init import init

DAY = "2026-11-01T10:00:00Z"


def test_products_of_an_order_are_unfolded_as_woocommerce_writes_them(tmp_path: Path) -> None:
    """`1× Tea, 3× Cup`: the money beside them is the order's, and no name of our own is asked about."""
    rows = [
        f'2026-11-{at % 28 + 1:02},{at},{at % 9}@x.de,"{at % 3 + 1}× Tea {at % 5}, 3× Cup {at % 7}",48.25'
        for at in range(30)
    ]
    found = read_proposal(tmp_path, "Date,Order #,Email,Product(s),N. Revenue", rows)
    assert found["unnest"] == {"column": "Product(s)", "between": ",", "fields": "× ", "names": ("quantity", "sku")}
    assert not {"amount", "price"} & {*found["columns"]}
    assert any("no column is told to be a price" in each for each in found["unsure"])
    assert not any("Revenue" in each or "__whole" in each for each in found["unsure"])


@pytest.mark.parametrize(
    ("words", "kinds"),
    [
        (("Angebot", "Auftrag", "Lieferschein", "Rechnung", "Gutschrift"), ("", "", "", "purchase", "refund")),
        (("Quote", "Sales Order", "Delivery Note", "Sales Invoice", "Credit Note"), ("", "", "", "purchase", "refund")),
        (("Offerte", "Order", "Pakbon"), ("", "purchase", "")),
        (("Devis", "Commande", "Bon de livraison"), ("", "purchase", "")),
    ],
)
def test_one_kind_of_document_is_the_sale(tmp_path: Path, words: tuple[str, ...], kinds: tuple[str, ...]) -> None:
    """A sale of which a quote, an order, a delivery and an invoice are told would count four times."""
    rows = [f"{word},{word[:2]}{at},{DAY},C{at % 9},P{at % 7},1,6.25" for at in range(20) for word in words]
    found = read_proposal(tmp_path, "Document Type,Document No,Date,Customer,Item Code,Qty,Price", rows)
    said = ", ".join(f'"{word}" = "{kind}"' for word, kind in zip(words, kinds, strict=True))
    assert any(f"event_types = {{ {said} }}" in each for each in found["unsure"])


def test_credit_notes_are_taken_off_what_was_bought(tmp_path: Path) -> None:
    """By the sign of their quantity: a state that says so too would leave them out."""
    rows = [f"C{at % 9},P{at % 7},{DAY},R{at},{'1,bezahlt' if at % 8 else '-1,Gutschrift'},6.25" for at in range(64)]
    found = read_proposal(tmp_path, "Customer,SKU,Date,Order,Quantity,Status,Price", rows)
    assert (found["void_orders"], found["yes"]) == (["Status"], ["Gutschrift"])
    rows = [row.replace("-1,Gutschrift", f"{'-' if at % 16 else ''}1,Gutschrift") for at, row in enumerate(rows)]
    (tmp_path / "both").mkdir()
    assert "yes" not in read_proposal(tmp_path / "both", "Customer,SKU,Date,Order,Quantity,Status,Price", rows)


@pytest.mark.parametrize(
    ("column", "cells", "kept"),
    [
        (
            "deleted_at",
            ("2026-10-01 00:00:00", "NULL"),
            '[{ column = "deleted_at", empty = true }]`, and `null_values = ["NULL"]`',
        ),
        ("Löschvormerkung", ("X", ""), '[{ column = "Löschvormerkung", empty = true }]`'),
        ("Discontinued", ("TRUE", "FALSE"), '[{ column = "Discontinued", one_of = ["true"], not = true }]`'),
        ("Lifecycle", ("End of life", "Active"), "map it to `available`"),
    ],
)
def test_what_is_gone_is_asked_about(tmp_path: Path, column: str, cells: tuple[str, str], kept: str) -> None:
    """A catalogue that keeps what was deleted would have it recommended."""
    rows = [f"P{at},Tea {at},9.50,{cells[at % 4 > 0]}" for at in range(20)]
    found = read_proposal(tmp_path, f"sku,title,price,{column}", rows)
    assert any(each.startswith(f"{column} ") and kept in each for each in found["unsure"])


def written(folder: Path, **files: str) -> Settings:
    """The settings that are written for these files, named with their endings behind a `_`."""
    for name, text in files.items():
        (folder / name.replace("_", ".")).write_text(text)
    init([str(folder / "*.[cj]s*")], folder / "settings.toml", NOW, yes=True)
    return load_settings(folder / "settings.toml")


def test_lines_below_a_cancelled_order_go_with_it(tmp_path: Path) -> None:
    """Shopify's bulk operations write an order and then its lines, which name it: what takes the order out takes these out."""
    text = ""
    for at in range(30):
        gone, test = "null" if at % 5 else '"2025-12-03T10:00:00Z"', str(at % 7 == 0).lower()
        text += (
            f'{{"id": "gid://Order/{at}", "email": "u{at % 9}@x.de", "createdAt": "2025-12-{at % 28 + 1:02}T10:00:00Z",'
            f' "cancelledAt": {gone}, "test": {test}}}\n'
        )
        for line in range(2):
            price = f'"price": "6.25", "__parentId": "gid://Order/{at}"'
            text += f'{{"id": "gid://LineItem/{at}{line}", "sku": "P{(at + line) % 6}", "quantity": 1, {price}}}\n'
    settings = written(tmp_path, bulk_jsonl=text)
    assert settings.data.events.columns["order_id"] == ("__parentId", "id")
    bought = read_shop(settings).events.filter(pl.col("item_id").is_not_null()).collect()
    stand = {f"gid://Order/{at}" for at in range(30) if at % 5 and at % 7}
    assert ({*bought["order_id"]}, bought.height) == (stand, 2 * len(stand))


def test_a_currency_with_fields_of_its_own_is_read(tmp_path: Path) -> None:
    """And an object that has the name of another column is none of it."""
    line = '{"sku": "P%d", "quantity": 1, "unitPrice": 6.25}'
    orders = [
        f'{{"id": {at}, "createdAt": "2025-12-{at % 28 + 1:02}T10:00:00Z", "customerId": "c{at % 9}", "channel": {{"k": 1, "v": 2}},'
        f' "currency": {{"isoCode": "EUR", "factor": 1}}, "lines": [{line % (at % 5)}, {line % (at % 7)}]}}'
        for at in range(30)
    ]
    settings = written(tmp_path, orders_json=f"[{','.join(orders)}]")
    assert (settings.data.events.columns["currency"], settings.data.events.columns["channel"]) == ("currency.isoCode", ())
    assert read_shop(settings).events.collect()["currency"].unique().to_list() == ["EUR"]


ORDERS = "created_at,order_id,email,product_id,sku,quantity,price\n" + "".join(
    f"2025-12-{at % 28 + 1:02}T10:00:00Z,{at},u{at % 9}@x.de,80{at % 6},P{at % 6},1,6.25\n" for at in range(40)
)


@pytest.mark.parametrize("column", ["Unsubscribed", "HasOptedOutOfEmail", "Blacklisted"])
def test_a_file_of_refusals_alone_is_one_of_people(tmp_path: Path, column: str) -> None:
    """Whoever said no would be written to, were it thrown away."""
    people = f"Email,First Name,{column}\n" + "".join(f"u{at}@x.de,A,{'yes' if at == 3 else 'no'}\n" for at in range(9))
    settings = written(tmp_path, orders_csv=ORDERS, people_csv=people)
    assert settings.data.users.refused == (column,)


def test_the_item_of_events_is_the_column_that_the_catalogue_knows(tmp_path: Path) -> None:
    """A number of the product stands beside the sku of the catalogue."""
    goods = "sku,title,price\n" + "".join(f"P{at},Tea {at},6.25\n" for at in range(6))
    assert written(tmp_path, orders_csv=ORDERS, goods_csv=goods).data.events.columns["item_id"] == "sku"


def test_stock_by_place_is_to_be_joined(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Named beside the catalogue its rows would be further ones of the same items."""
    goods = "Variant SKU,Title,Price,Vendor,Category\n" + "".join(f"P{at},Tea {at},6.25,Clay,Tea\n" for at in range(6))
    places = "SKU,Title,Location,Available\n" + "".join(f"P{at},Tea {at},{at % 2},{at}\n" for at in range(6))
    written(tmp_path, orders_csv=ORDERS, goods_csv=goods, stock_csv=places)
    said = " ".join(capsys.readouterr().out.split())
    assert 'on = { "Variant SKU" = "SKU" }, total = ["Available"] }]`' in said
    assert "name it under `paths`" not in said
