"""`init` on exports of shops in other languages, and what it says of columns that it takes nothing from."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest

from recsys.settings.load import load_settings
from recsys.tables.shop import ShopTables, read_shop
from recsys.types import DataError
from tests.training.onboarding.test_init import proposed
from training.cli.init import init
from training.onboarding.concepts import concepts, rank

NOW = datetime(2026, 10, 1, tzinfo=UTC)
HEADS = {
    "de": ("Kunden-Nr.", "Auftragsnummer", "Bestelldatum", "Art.-Nr.", "Anz.", "VK-Preis"),
    "fr": ("Code client", "Référence commande", "Date de commande", "Référence produit", "Quantité", "Prix unitaire TTC"),
    "es": ("Id cliente", "Nº pedido", "Fecha pedido", "Código producto", "Unidades", "Precio unitario"),
    "it": ("Codice cliente", "Numero ordine", "Data ordine", "Codice articolo", "Quantità", "Prezzo unitario"),
    "nl": ("Klantnummer", "Bestelnummer", "Besteldatum", "Artikelnummer", "Aantal", "Prijs"),
    "pl": ("Klient", "Numer zamówienia", "Data zamówienia", "Kod produktu", "Ilość", "Cena jednostkowa"),
    "pt": ("Código do cliente", "Número do pedido", "Data do pedido", "SKU", "Quantidade", "Preço unitário"),
    "sv": ("Kundnummer", "Ordernummer", "Orderdatum", "Artikelnummer", "Antal", "Pris"),
    "tr": ("Müşteri No", "Sipariş No", "Sipariş Tarihi", "Ürün Kodu", "Adet", "Birim Fiyat"),
    "ja": ("会員ID", "注文番号", "注文日時", "商品コード", "数量", "単価"),
    "cs": ("Zákazník", "Číslo objednávky", "Datum vytvoření", "Kód produktu", "Množství", "Jednotková cena"),
    "hu": ("Vásárló", "Rendelésszám", "Rendelés dátuma", "Cikkszám", "Mennyiség", "Egységár"),
    "ro": ("Client", "Număr comandă", "Data comenzii", "Cod produs", "Cantitate", "Preț unitar"),
    "hr": ("Kupac", "Broj narudžbe", "Datum narudžbe", "Šifra artikla", "Količina", "Cijena"),
    "sk": ("Zákazník", "Číslo objednávky", "Dátum", "Kód tovaru", "Množstvo", "Cena za kus"),
    "el": ("Πελάτης", "Αριθμός παραγγελίας", "Ημερομηνία", "Κωδικός προϊόντος", "Ποσότητα", "Τιμή μονάδας"),
    "ru": ("Клиент", "Номер заказа", "Дата заказа", "Артикул", "Количество", "Цена"),
    "uk": ("Клієнт", "Номер замовлення", "Дата", "Артикул", "Кількість", "Ціна"),
    "zh": ("会员号", "订单编号", "下单时间", "商品编码", "数量", "单价"),
    "tw": ("會員編號", "訂單編號", "訂單日期", "商品編號", "數量", "單價"),
    "ko": ("회원ID", "주문번호", "주문일시", "상품코드", "수량", "판매가"),
    "ar": ("رقم العميل", "رقم الطلب", "تاريخ الطلب", "رمز المنتج", "الكمية", "سعر الوحدة"),
    "he": ("לקוח", "מספר הזמנה", "תאריך הזמנה", 'מק"ט', "כמות", "מחיר יחידה"),
    "tr, bare": ("Müşteri", "Fiş", "Tarih", "Ürün", "Adet", "Birim Fiyat"),
    "pl, bare": ("E-mail", "Zamówienie", "Złożono", "Kod produktu", "Ilość", "Cena"),
    "erp": ("SoldToParty", "SalesOrder", "CreationDate", "Material", "OrderQuantity", "NetPrice"),
}
TAXES = {
    "price": (
        "Net price|Price excl. tax|Price incl. tax|unit_price_tax_excl|unit_price_tax_incl|"
        "price_incl_tax|Unit price (net of VAT)|Price without VAT|Price with tax|Nettopreis|"
        "Preis ohne MwSt|Einzelpreis inkl. MwSt.|Preis exkl. USt|Prix unitaire HT|Prix TTC|"
        "Prix hors taxes|Prix unitaire hors TVA|Precio sin IVA|Precio unitario con IVA|Prezzo IVA inclusa|"
        "Prezzo unitario IVA esclusa|Prezzo senza IVA|Prijs excl. btw|Prijs incl btw|Prijs inclusief BTW|"
        "Cena bez DPH|Cena s DPH|Cena brutto|Cena bez VAT|Pris inkl. moms|"
        "Preço sem impostos|KDV Dahil Fiyat|KDV Hariç Birim Fiyat|Цена без НДС|Цена с НДС"
    ),
    "amount": (
        "Amount net of tax|Total excl. tax|Total before tax|total_price_tax_incl|row_total_incl_tax|"
        "Line total (ex VAT)|Total excluding VAT|Betrag inkl. MwSt|Gesamtpreis exkl. MwSt|Summe ohne Steuern|"
        "Montant TTC|Montant hors taxe|Total toutes taxes comprises|Importe sin impuestos|Total con IVA|"
        "Totale IVA inclusa|Importo senza IVA|Bedrag excl. BTW|Totaal incl. btw|Kwota brutto|"
        "Suma bez VAT|Tutar (KDV dahil)"
    ),
    "": (
        "Net tax amount|Gross tax amount|Tax amount|Betrag MwSt brutto|Tax amount excl. discount|"
        "Tax total|Tax included in price|Total tax|VAT net|Sales tax amount|"
        "Net VAT total|Tax amount net|MwSt-Betrag netto|Steuerbetrag|Summe Steuer brutto|"
        "MwSt Betrag|Umsatzsteuerbetrag|Montant TVA|Montant TVA net|Total taxe brut|"
        "Montant de la taxe|TVA totale|Importe IVA|Importe neto IVA|Total impuestos|"
        "Importe bruto de impuestos|Importo IVA|Totale IVA netto|Totale imposte|Btw bedrag|"
        "Bedrag btw netto|Totaal btw|Btw-bedrag bruto|Kwota VAT|Kwota podatku netto|"
        "Částka DPH|KDV Tutarı|Сумма НДС|Moms belopp|Valor imposto líquido|"
        "incl. VAT|Tax excl. discount"
    ),
}
"""Names that speak of taxes, by the column that they are; the last ones are the taxes themselves."""
ROWS = [
    (f"K{at % 7}", f"B{at // 2}", f"{at % 20 + 9:02}.09.2026 10:00", f"A{at % 5}", at % 3 + 1, f"{at % 5 + 1},50 €")
    for at in range(30)
]


def read(folder: Path, head: tuple[str, ...], rows: Sequence[tuple[object, ...]]) -> ShopTables:
    """The shop as it is read by the settings that are written for one file."""
    lines = [head, *rows]
    (folder / "export.csv").write_text("\n".join(";".join(map(str, line)) for line in lines) + "\n")
    assert init([str(folder / "export.csv")], folder / "settings.toml", NOW, yes=True) == 0
    return read_shop(load_settings(folder / "settings.toml"))


@pytest.mark.parametrize("language", HEADS)
def test_names_are_read_word_by_word(language: str) -> None:
    """Who, which order, when, what, how many and at what price is told by the words of a name, each of them in its language."""
    meant = ("user_id", "order_id", "timestamp", "item_id", "quantity", "price")
    assert [name for name, own in zip(meant, HEADS[language], strict=True) if rank(name, own) is None] == []


@pytest.mark.long
def test_an_export_of_another_language_is_read_whole(tmp_path: Path) -> None:
    """Users, orders, units and money come out as they stand in the file."""
    events = read(tmp_path, HEADS["fr"], ROWS).events.collect()
    assert events.height == 30
    assert events["quantity"].sum() == sum(int(row[4]) for row in ROWS)
    assert events.select((pl.col("price") * pl.col("quantity")).sum()).item() == pytest.approx(
        sum(row[4] * (at % 5 + 1.5) for at, row in enumerate(ROWS))
    )


@pytest.mark.parametrize(
    "name", ["Shipping price", "Order Total", "customer_name", "Kundengruppe", "payment_date", "tax", "Foobar"]
)
def test_a_name_with_a_word_of_something_else_says_nothing(name: str) -> None:
    """Prices of shipping, totals of orders, and names with a word that nobody knows are taken for nothing."""
    assert [
        each
        for each in ("user_id", "order_id", "timestamp", "item_id", "quantity", "price", "amount")
        if rank(each, name) is not None
    ] == []


@pytest.mark.parametrize("canonical", TAXES)
def test_taxes_are_no_price_beside_net_and_gross(canonical: str) -> None:
    """`Total excl. tax` is a total and `Net tax amount` a tax: the word for taxes says whether they are in, next to a word for it."""
    said = {
        name: {each for each in ("price", "amount", "cost") if rank(each, name) is not None}
        for name in TAXES[canonical].split("|")
    }
    assert {name: stated for name, stated in said.items() if stated != ({canonical} - {""})} == {}


def test_parts_of_compounds_and_of_paths_are_words() -> None:
    """`Bestelldatum`, `orderDate` and `order.created_at` say the same."""
    assert {
        rank("timestamp", name) is not None for name in ("Bestelldatum", "orderDate", "order.created_at", "ORDER DATE")
    } == {True}
    assert concepts("items.unitPrice.amount") == ("item", "price", "total", "unit")


@pytest.mark.long
@pytest.mark.parametrize("column", ["Stornodatum", "Date annulation", "Cancellation time", "キャンセル日時"])
def test_cancelled_orders_do_not_count_whatever_the_column_is_called(column: str, tmp_path: Path) -> None:
    """An order with a moment of cancellation counts in nothing."""
    rows = [(*row, row[2] if at % 6 < 2 else "") for at, row in enumerate(ROWS)]
    assert read(tmp_path, (*HEADS["de"], column), rows).events.select(pl.len()).collect().item() == 20


@pytest.mark.parametrize(
    ("column", "yes", "said"),
    [
        ("returned", "Y", 'one_of = ["y"], not = true'),
        ("Retoure", "ja", 'one_of = ["ja"]'),
        ("Return date", "2026-10-01", "or map it"),
    ],
)
def test_what_came_back_is_asked_for(tmp_path: Path, column: str, yes: str, said: str) -> None:
    """A column that may say what came back is marked with what to write, for its rows would count as bought."""
    rows = "".join(f"k{at % 4};b{at};2026-09-{at % 20 + 1:02};a{at % 5};{yes if at % 4 == 0 else ''}\n" for at in range(20))
    found = proposed(tmp_path, f"Kunde;Beleg;Datum;Artikel;{column}\n{rows}")
    assert any(f"{column} may say what came back" in doubt and said in doubt for doubt in found.unsure)


def test_columns_that_nothing_is_taken_from_are_named(tmp_path: Path) -> None:
    """A price under a name that nobody knows, and words on how orders stand, are no silence: they are marked with what to write."""
    rows = "".join(
        f"k{at % 4};b{at};2026-09-{at % 20 + 1:02};a{at % 5};{at % 3},50;{'storniert' if at % 4 else 'bezahlt'}\n"
        for at in range(20)
    )
    found = proposed(tmp_path, f"Kunde;Beleg;Datum;Artikel;Foo;Bar\n{rows}")
    assert "not used: Foo, Bar" in found.evidence
    assert any(
        "set `price` (of a unit) or `amount` (of a line)" in doubt and "numbers stand in Foo" in doubt
        for doubt in found.unsure
    )
    assert any('set `void_orders = ["Bar"]`' in doubt for doubt in found.unsure)


def test_the_total_of_an_order_is_no_lines(tmp_path: Path) -> None:
    """An amount that is the same on all lines of each order is the order's, and would count as often as it has lines."""
    rows = "".join(f"k{at % 4},b{at // 3},2026-09-{at // 3 + 1:02},a{at % 3},{at // 3 + 10}\n" for at in range(30))
    found = proposed(tmp_path, f"customer,order,date,sku,total\n{rows}")
    assert "amount" not in found.settings["columns"]
    assert any("is taken for the order's total" in doubt for doubt in found.unsure)


def test_the_number_of_a_line_is_no_item(tmp_path: Path) -> None:
    """A column with another value in each row does not name items where another one may; where it is alone, it is marked."""
    rows = "".join(f"{at},k{at % 4},2026-09-01,m{at % 5}\n" for at in range(50))
    assert proposed(tmp_path, f"item id,customer,date,product\n{rows}").settings["columns"]["item_id"] == "product"
    alone = proposed(tmp_path, f"item id,customer,date,foo\n{rows}")
    assert any("item id is another one in each row" in doubt for doubt in alone.unsure)


def test_keys_are_those_of_the_events(tmp_path: Path) -> None:
    """Of a table's several ids the one that the events hold is its key, whatever the others are called."""
    events = "".join(f"{at % 9},2026-09-01T10:00:00Z,view,{at % 7}\n" for at in range(30))
    (tmp_path / "events.csv").write_text(f"user_id,timestamp,event_type,item_id\n{events}")
    (tmp_path / "items.csv").write_text("ref,sku,title\n" + "".join(f"{at},SKU-{at},Thing {at}\n" for at in range(7)))
    (tmp_path / "people.csv").write_text("nr,email,language\n" + "".join(f"{at},u{at}@shop.invalid,de\n" for at in range(9)))
    assert init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True) == 0
    data = load_settings(tmp_path / "settings.toml").data
    assert (data.items.columns["item_id"], data.users.columns["user_id"]) == ("ref", "nr")
    assert data.ids.user == ()


@pytest.mark.parametrize(
    ("cell", "units"),
    [
        ("sku=A1;qty=2;price=3.50|sku=B2;qty=1;price=2.00", 3),
        ("Product ID: 1, Product Qty: 2, Product SKU: A1|Product ID: 7, Product Qty: 1, Product SKU: B2", 3),
        ("2 x A1,1 x B2", 3),
        ("A1 x 2,B2 x 1", 3),
    ],
)
def test_signs_of_packed_cells_are_told_by_their_values(cell: str, units: int, tmp_path: Path) -> None:
    """Whatever stands between lines, fields and names, each line becomes a row; an id is never the rest of a cell."""
    rows: list[tuple[object, ...]] = [
        (f"k{at % 4}", at, f"2026-09-{at + 1:02}T10:00:00Z", cell.replace("|", "|") if at % 3 else cell.partition("|")[0])
        for at in range(1, 9)
    ]
    events = read(
        tmp_path, ("customer", "order", "date", "lines"), [(who, order, at, f'"{text}"') for who, order, at, text in rows]
    ).events
    found = events.collect()
    assert sorted(found["item_id"].drop_nulls().unique()) in (["A1", "B2"], ["1", "7"])
    assert found.filter(order_id="1")["quantity"].sum() == units


def test_fields_of_objects_are_columns(tmp_path: Path) -> None:
    """A path of names says what the last one alone does not: `user.id` is the user, and lists inside of objects become rows."""
    cart = '{"orderId":"o%d","lines":[{"sku":"A","price":{"amount":2.5}}]}'
    line = f'{{"type":"purchase","at":"2026-09-01T10:00:00Z","user":{{"id":"u%d"}},"cart":{cart}}}\n'
    (tmp_path / "e.ndjson").write_text("".join(line % (at, at) for at in range(4)))
    assert init([str(tmp_path / "e.ndjson")], tmp_path / "settings.toml", NOW, yes=True) == 0
    events = read_shop(load_settings(tmp_path / "settings.toml")).events.collect().sort("user_id")
    assert events.select("user_id", "order_id", "item_id", "price").row(0) == ("u0", "o0", "A", 2.5)


def test_each_file_is_named_with_what_it_lacks(tmp_path: Path) -> None:
    """A file that could be a table of items is named, too, where no events are found."""
    (tmp_path / "goods.csv").write_text("sku,title,price\nA,Thing,2\nB,Other,3\n")
    with pytest.raises(DataError, match=r"goods\.csv was not recognised.*\(not found: user_id, timestamp\)"):
        init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True)


@pytest.mark.parametrize(
    ("day", "said"),
    [
        ("2569-11-%02d", "2569 (Buddhist, 543 years ahead)"),
        ("%02d/11/2569 14:05", "2569 (Buddhist, 543 years ahead)"),
        ("๒๕๖๙-11-%02d", "2569 (Buddhist, 543 years ahead)"),
        ("1405/09/%02d", "1405 (Persian or Islamic, some 580 to 622 years behind)"),
    ],
)
def test_years_of_other_calendars_are_named(day: str, said: str, tmp_path: Path) -> None:
    """A sentence says which calendar they are of and what to do, and not that there is no time."""
    rows = "".join(f"u{at % 7},A{at % 5},{day % (at % 28 + 1)},o{at}\n" for at in range(40))
    (tmp_path / "orders.csv").write_text(f"customer_id,sku,order_date,order_id\n{rows}")
    with pytest.raises(DataError) as refused:
        init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True)
    assert f"column order_date counts years by another calendar than the Gregorian one, such as {said}" in str(refused.value)


@pytest.mark.long
@pytest.mark.parametrize(
    ("view", "purchase"),
    [("vue produit", "achat"), ("Produktansicht", "Kauf"), ("vista_producto", "compra"), ("商品閲覧", "購入")],
)
def test_words_for_events_are_read_in_their_language(view: str, purchase: str, tmp_path: Path) -> None:
    """A view is no purchase, though its row has a column for an order."""
    rows = [
        (f"k{at % 4}", f"2026-09-{at + 1:02}", view if at % 3 else purchase, f"a{at % 5}", "" if at % 3 else f"o{at}")
        for at in range(20)
    ]
    events = read(tmp_path, ("customer", "date", "event", "sku", "order"), rows).events.collect()
    assert dict(events.group_by("event_type").len().iter_rows()) == {"view": 13, "purchase": 7}


def test_a_column_of_events_whose_words_nobody_knows_is_no_purchase(tmp_path: Path) -> None:
    """Where a column says that it tells what happened, its words are asked for, and no row is taken for a purchase."""
    rows = "".join(f"k{at % 4},2026-09-{at + 1:02},{'foo' if at % 2 else 'bar'},a{at % 5},o{at},2\n" for at in range(20))
    found = proposed(tmp_path, f"customer,date,event,sku,order,price\n{rows}")
    assert "constants" not in found.settings
    assert sum("is no event: map it under `event_types`" in doubt for doubt in found.unsure) == 2


def test_the_price_of_a_sale_goes_before_the_usual_one(tmp_path: Path) -> None:
    """Where it is given, whatever the language of its name."""
    rows = "".join(f"A{at};Ding {at};{at + 20},00 €;{f'{at + 10},00 €' if at % 2 else ''}\n" for at in range(9))
    found = proposed(tmp_path, f"Artikelnummer;Bezeichnung;Preis;Angebotspreis\n{rows}")
    assert found.settings["columns"]["price"] == ["Angebotspreis", "Preis"]


@pytest.mark.long
def test_units_do_not_pin_the_decimal_mark_of_prices(tmp_path: Path) -> None:
    """A stock of `3,0` says how units are written, and prices such as 9.50 stay what they are."""
    rows = "".join(f"A{at};Ding {at};9.50;{at},0\n" for at in range(9))
    (tmp_path / "items.csv").write_text(f"Artikelnummer;Bezeichnung;Preis;Bestand\n{rows}")
    (tmp_path / "events.csv").write_text("user_id,timestamp,event_type,item_id\n" + "u1,2026-09-01T10:00:00Z,view,A1\n" * 3)
    assert init([str(tmp_path)], tmp_path / "settings.toml", NOW, yes=True) == 0
    items = read_shop(load_settings(tmp_path / "settings.toml")).items
    assert items["price"].to_list() == [9.5] * 9
    assert items["available"].to_list() == [False, *[True] * 8]


@pytest.mark.long
@pytest.mark.parametrize(
    ("column", "yes", "no"), [("Storniert", "ja", "nein"), ("Cancelled", "TRUE", "FALSE"), ("Is test order", "1", "0")]
)
def test_a_yes_that_says_cancelled_or_test_takes_the_order_out(column: str, yes: str, no: str, tmp_path: Path) -> None:
    """Where the column has no moments but yes and no, the words for yes are a condition."""
    rows = [(*row, yes if at % 6 < 2 else no) for at, row in enumerate(ROWS)]
    assert read(tmp_path, (*HEADS["de"], column), rows).events.select(pl.len()).collect().item() == 20


def test_lines_that_end_as_on_old_macs_are_read_with_the_encoding_pinned(tmp_path: Path) -> None:
    """What `init` pins reads the file as it was read without."""
    (tmp_path / "e.csv").write_bytes(b"user_id,timestamp,event_type,item_id\r" + b"u1,2026-09-01T10:00:00Z,view,A\r" * 3)
    assert init([str(tmp_path / "e.csv")], tmp_path / "settings.toml", NOW, yes=True) == 0
    assert load_settings(tmp_path / "settings.toml").data.events.encoding == "utf-8"


@pytest.mark.long
def test_the_euro_of_iso_8859_15_is_no_currency_sign(tmp_path: Path) -> None:
    """A file with the byte of ¤, and none that only Windows has, is of ISO 8859-15: its prices are in euros."""
    rows = "".join(f"k{at % 4};b{at};2026-09-{at + 1:02};a{at % 5};Größe {at};{at + 1},50 €\n" for at in range(20))
    (tmp_path / "e.csv").write_bytes(f"Kunde;Beleg;Datum;Artikel;Bezeichnung;Preis\n{rows}".encode("iso-8859-15"))
    assert init([str(tmp_path / "e.csv")], tmp_path / "settings.toml", NOW, yes=True) == 0
    shop = read_shop(load_settings(tmp_path / "settings.toml"))
    assert (shop.currency, shop.events.select(pl.col("price").sum()).collect().item()) == ("EUR", 220.0)
