"""Orders of exports: totals, states, what came back and what nobody paid, each read right or asked about."""

from __future__ import annotations

from pathlib import Path

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.shop import read_shop
from tests.training.onboarding.test_init_misreadings import read_proposal


def test_a_total_on_the_first_line_of_an_order_is_no_lines(tmp_path: Path) -> None:
    """Nuvemshop says an order's heads once; of two columns of states both count, or cancelled orders would."""
    head = "Número do Pedido;E-mail;Data;Status do Pedido;Status do Pagamento;Total;Valor do Produto;Quantidade Comprada;SKU"
    rows = []
    for at in range(40):
        state = "Cancelado" if at % 10 == 3 else "Aberto"
        rows.append(f"{at};k{at % 7}@shop.invalid;{at % 28 + 1:02}/05/2026;{state};Confirmado;30.00;10.00;1;N{at % 5}")
        rows.append(f"{at};;;;;;20.00;1;N{at % 3 + 5}")
    found = read_proposal(tmp_path, head, rows)
    assert found["columns"]["price"] == "Valor do Produto"
    assert "amount" not in found["columns"]
    assert found["void_orders"] == ["Status do Pedido"]
    found = read_proposal(tmp_path, head.replace("Valor do Produto", "Cor"), rows)
    assert "amount" not in found["columns"]
    assert any("Total stands on the first line of each order alone" in each for each in found["unsure"])


def test_a_second_column_of_states_is_used_or_asked_for(tmp_path: Path) -> None:
    """The payment is done and the order cancelled: one column whose words are known must not hide another."""
    for order, void in (("cancelled", ["Payment Status", "Order Status"]), ("kassiert", ["Payment Status"])):
        rows = [
            f"o{at},u{at % 4},2026-05-{at % 28 + 1:02}T10:00:00Z,P{at % 5},1,9.50,{'failed' if at % 9 == 4 else 'paid'},"
            f"{order if at % 7 == 3 else 'shipped'}"
            for at in range(40)
        ]
        found = read_proposal(
            tmp_path, "order_id,customer_id,created_at,sku,quantity,price,Payment Status,Order Status", rows
        )
        assert found["void_orders"] == void
        assert any("Order Status may say how orders stand" in each for each in found["unsure"]) == (order == "kassiert")


def test_a_quantity_that_is_no_plain_number_raises_a_doubt(tmp_path: Path) -> None:
    """Grocers sell `0,250 kg`: a column that is not used would make a piece of each line in silence."""
    rows = [f"b{at};{at % 28 + 1:02}.05.2026;K{at % 4};A{at % 5};0,{at % 4 + 1}50 kg;4,50" for at in range(40)]
    found = read_proposal(tmp_path, "Beleg;Datum;Kunde;Artikel;Menge;Preis", rows)
    assert "quantity" not in found["columns"]
    assert any(
        "Menge is quantity by its name" in each and "each line counts as one piece" in each for each in found["unsure"]
    )


@pytest.mark.parametrize(
    ("column", "negative"),
    [
        ("qty", "-2"),
        ("qty", "(2)"),
        ("qty", "2-"),
        ("price", "-9.50"),
        ("price", "€ -9.50"),
        ("price", "(9.50)"),
        ("qty", "−2"),
    ],
)
def test_rows_below_zero_are_refunds_however_the_sign_is_written(tmp_path: Path, column: str, negative: str) -> None:
    """Accountants write brackets, SAP a minus behind the number, and some exports a negative price."""
    rows = []
    for at in range(40):
        cells = {"qty": "2", "price": "9.50"} | ({column: negative} if at % 8 == 3 else {})
        rows.append(f"o{at},u{at % 4},2026-05-{at % 28 + 1:02}T10:00:00Z,P{at % 5},{cells['qty']},{cells['price']}")
    found = read_proposal(tmp_path, "order_id,customer_id,created_at,sku,qty,price", rows)
    [rule] = found["type_rules"]
    assert (rule["column"], rule["event_type"]) == (column, "refund")
    stated = f"[data.events]\npaths = ['file.csv']\nconstants.event_type = 'purchase'\ntype_rules = [{{ column = '{column}'"
    stated += f", pattern = '''{rule['pattern']}''', event_type = 'refund' }}]\n"
    stated += "columns = { user_id = 'customer_id', timestamp = 'created_at', item_id = 'sku', quantity = 'qty' }\n"
    shop = read_shop(parse_settings(stated, tmp_path))
    refunds = shop.events.filter(event_type="refund").collect()
    assert (refunds.height, {*refunds["quantity"]}, {*refunds["price"]}) == (5, {2.0}, {9.5})


def test_a_ledger_whose_sales_are_below_zero_is_asked_about(tmp_path: Path) -> None:
    """Of movements of stock the sales are negative: not all of them came back."""
    rows = [f"o{at},u{at % 4},2026-05-{at % 28 + 1:02}T10:00:00Z,P{at % 5},-1,9.50" for at in range(40)]
    found = read_proposal(tmp_path, "order_id,customer_id,created_at,sku,qty,price", rows)
    assert "type_rules" not in found
    assert any("qty is below 0 in 40 of 40 rows" in each for each in found["unsure"])


def test_orders_without_a_moment_of_payment_are_asked_about(tmp_path: Path) -> None:
    """One in five was never paid, and only an empty cell says so."""
    rows = [
        f"o{at},2026-05-{at % 28 + 1:02},{'' if at % 5 == 0 else '2026-06-01'},u{at % 4},P{at % 5},1,9.50"
        for at in range(40)
    ]
    found = read_proposal(tmp_path, "order_id,order_date,paid_date,customer_id,sku,qty,price", rows)
    assert any("paid_date is empty in 20% of the rows" in each for each in found["unsure"])


@pytest.mark.parametrize("price", ["US-$ 9.50", "(EUR) 9.50", "9,-", "9.–", "Rs. 9/-"])
def test_dashes_and_brackets_of_currencies_are_no_signs(tmp_path: Path, price: str) -> None:
    """A dash inside a currency's sign or for no cents makes no refund of a purchase."""
    rows = [f'o{at},u{at % 4},2026-05-{at % 28 + 1:02},P{at % 5},1,"{price if at % 3 else 9.5}"' for at in range(40)]
    found = read_proposal(tmp_path, "order_id,customer_id,created_at,sku,qty,price", rows)
    assert "type_rules" not in found
    assert not any("below 0" in each for each in found["unsure"])


def test_a_moment_of_payment_on_the_first_line_alone_is_not_asked_about(tmp_path: Path) -> None:
    """The further lines of a paid order have no moment of their own."""
    rows = [
        f"o{at // 2},2026-05-{at // 2 % 28 + 1:02},{'' if at % 2 else '2026-06-01'},u{at // 2 % 4},P{at % 5},1,9.50"
        for at in range(40)
    ]
    found = read_proposal(tmp_path, "order_id,order_date,paid_date,customer_id,sku,qty,price", rows)
    assert not any("paid_date is empty" in each for each in found["unsure"])


@pytest.mark.parametrize("every", [2, 9])
def test_a_second_column_that_takes_many_orders_out_is_asked_about(tmp_path: Path, every: int) -> None:
    """Orders on account stay `pending` for weeks, and are bought; one in nine may be cancelled."""
    rows = [
        f"o{at},u{at % 4},2026-05-{at % 28 + 1:02},P{at % 5},1,9.50,completed,{'pending' if at % every == 1 else 'paid'}"
        for at in range(40)
    ]
    rows[0] = rows[0].replace("completed", "cancelled")
    found = read_proposal(tmp_path, "order_id,customer_id,created_at,sku,quantity,price,order_status,payment_status", rows)
    assert found["void_orders"] == ["order_status", "payment_status"]
    assert any("payment_status takes out 50% of the rows" in each for each in found["unsure"]) == (every == 2)


def test_a_column_of_states_with_a_strange_word_is_not_given_up_for_another(tmp_path: Path) -> None:
    """Cancelled orders stand in the first one; that all words of the second are known lets none of them count."""
    states, parcels = ["paid", "cancelled", "paid", "sonderfall"], ["shipped", "returned"]
    rows = [
        f"o{at},u{at % 4},2026-05-{at % 28 + 1:02},P{at % 5},1,9.50,{states[at % 4]},{parcels[at % 9 == 4]}"
        for at in range(40)
    ]
    found = read_proposal(tmp_path, "order_id,customer_id,created_at,sku,quantity,price,order_status,payment_status", rows)
    assert found["void_orders"] == ["order_status", "payment_status"]


def test_what_is_never_cancelled_so_far_may_be_some_day(tmp_path: Path) -> None:
    """A moment that no order has yet, and flags of which all rows say the same, guard the rows that are still to come."""
    rows = [f"{at},k{at % 7},2026-05-{at % 28 + 1:02}T10:00:00Z,S{at % 4},1,1{at}.00,false,,1,0," for at in range(40)]
    head = "order_no,customer_no,created,sku,qty,price,is_test,cancelled_at,valid,qty_cancelled,is_cancelled"
    moment, flag, *others = read_proposal(tmp_path, head, rows)["void_orders"]
    assert moment == "cancelled_at"
    assert flag["column"] == "is_cancelled"
    assert {"true", "yes", "1"} < {*flag["one_of"]}
    assert others == [{"column": "is_test", "one_of": ["true"]}, {"column": "valid", "one_of": ["0"]}]


def test_closed_beside_complete_is_asked_about(tmp_path: Path) -> None:
    """Magento closes an order that was refunded in full; elsewhere the word means that it is done."""
    head = "Order #,Customer Email,Created At,Status,SKU,Qty Ordered,Price"
    for done, asks in (("complete", True), ("shipped", False)):
        states = (done, "closed", "canceled", done)
        rows = [
            f"10{at:02},c{at % 9}@x.de,2026-05-{at % 28 + 1:02} 10:00:00,{states[at % 4]},S{at % 3},1,3{at}.00"
            for at in range(40)
        ]
        unsure = read_proposal(tmp_path, head, rows)["unsure"]
        assert any('set `no = ["closed"]`' in each for each in unsure) == asks


def test_a_day_is_no_time_with_a_zone(tmp_path: Path) -> None:
    """The year of 31-05-2026 is no offset: whose midnight it is has to be said."""
    rows = [f"o{at},k{at % 5},{at % 18 + 13}-05-2026,S{at % 4},1,9.50" for at in range(40)]
    unsure = read_proposal(tmp_path, "order_no,customer_no,order_date,sku,qty,price", rows)["unsure"]
    assert [each for each in unsure if "timezone" in each]
