"""Items that are never shown and never learned from, by the rules of `[catalog.never]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from recsys.settings.load import parse_settings
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.presets import mapping_of
from recsys.types import SettingsError
from tests.support.shop_tables import an_event, read_rows, the_finding


def item(item_id: str, **values: Any) -> dict[str, Any]:
    """An item of a shop."""
    return {"item_id": item_id, "title": f"Thing {item_id}", "category": "Home > Sofas", "price": 10.0, **values}


ITEMS = [
    item("sofa"),
    item("CARD50", category="Gift cards > Paper", title="Carte cadeau"),
    item("SAMPLE", price=0.0),
    item("SHIP-DE", title="Versandkosten"),
    item("x-1", title="Free sample of tea"),
    item("TEST-1"),
    item("unpriced", price=None),
]


@pytest.mark.parametrize(
    ("never", "gone"),
    [
        ('ids = ["CARD50"]', {"CARD50"}),
        ('categories = ["Gift cards"]', {"CARD50"}),
        ('categories = ["Gift cards > Paper"]', {"CARD50"}),
        ('categories = ["Gift"]', set()),
        ('patterns = ["^SHIP"]', {"SHIP-DE"}),
        ('patterns = ["(?i)carte"]', {"CARD50"}),
        ("free = true", {"SAMPLE"}),
        ('kinds = ["shipping"]', {"SHIP-DE"}),
        ('kinds = ["gift_cards"]', {"CARD50"}),
        ('kinds = ["samples", "tests"]', {"SAMPLE", "x-1", "TEST-1"}),
        ("", set()),
    ],
)
def test_rules_take_items_out_of_the_catalogue(tmp_path: Path, never: str, gone: set[str]) -> None:
    """By id, category and all below, pattern on id or title, price 0, or what they are called; the finding counts them."""
    shop = read_rows(tmp_path, [an_event()], f"[catalog.never]\n{never}\n", items=ITEMS)
    assert set(shop.items["item_id"]) == {row["item_id"] for row in ITEMS} - gone
    assert set(shop.never) == gone
    if gone:
        assert the_finding(shop, "catalog.never").rows == len(gone)


def test_their_events_stay_and_are_no_unlisted_items(tmp_path: Path) -> None:
    """What was paid for them is revenue; they are no reason to doubt the item table, whether it has them or not."""
    rows = [an_event(item_id=each, event_type="purchase", price=50.0, order_id="o") for each in ("CARD50", "CARD99", "sofa")]
    more = '[catalog.never]\npatterns = ["^CARD"]\n'
    shop = read_rows(tmp_path, rows, more, items=ITEMS)
    assert shop.events.collect()["price"].sum() == 150.0
    assert [each.rule for each in shop.findings] == ["may be shown and learned from (`[catalog.never]`)"]
    settings = parse_settings('data.items.paths = ["items.parquet"]\n' + more, tmp_path)
    assert [each for each in usefulness(settings, shop) if each.name == "item ids"] == []


def test_a_shop_without_a_word_on_it_is_asked(tmp_path: Path) -> None:
    """Items that are called gift card, sample, postage or test are named, with what to write; any word on it is an answer."""
    shop = read_rows(tmp_path, [an_event()], "", items=ITEMS)
    found = the_finding(shop, "by its name")
    assert (found.rows, found.example, found.level) == (5, "CARD50, SAMPLE, SHIP-DE, TEST-1, x-1", "note")
    assert 'kinds = ["shipping", "gift_cards", "samples", "tests"]' in found.advice
    codes = [item("a", category="Home > C2"), item("b", category="Home > M")]
    assert not read_rows(tmp_path, [an_event(item_id="a")], "", items=codes).findings
    for answer in ("kinds = []", 'ids = ["x"]'):
        assert not read_rows(tmp_path, [an_event()], f"[catalog.never]\n{answer}\n", items=ITEMS).findings


def test_what_is_given_away_is_free_whatever_it_costs_otherwise(tmp_path: Path) -> None:
    """An item of more orders at 0 than at a price is a sample; one that was given away once is not; neither is where nobody asked."""
    orders = [("sample", 0.0)] * 5 + [("sample", 7.0)] * 2 + [("sofa", 900.0)] * 3 + [("sofa", 0.0)] + [("CARD9", 0.0)]
    rows = [
        an_event(event_id=f"e{at}", event_type="purchase", item_id=name, price=price, order_id=f"o{at}")
        for at, (name, price) in enumerate(orders)
    ]
    items = [item("sofa", price=900.0), item("sample", price=7.0)]
    shop = read_rows(tmp_path, rows, "[catalog.never]\nfree = true\n", items=items)
    assert (shop.items["item_id"].to_list(), set(shop.never)) == (["sofa"], {"sample", "CARD9"})
    assert read_rows(tmp_path, rows, "", items=items).items.height == 2


@pytest.mark.parametrize(
    ("kind", "texts", "others"),
    [
        (
            "shipping",
            [
                "POST",
                "postage",
                "DOTCOM POSTAGE",
                "Free shipping",
                "Carriage",
                "Versand",
                "Frais de port Colissimo",
            ],
            ["Post card", "Shipping box", "Carriage clock", "Posters", "Versandtasche A4", "DOTS"],
        ),
        (
            "gift_cards",
            [
                "Gift Card - $25.00",
                "Dotcomgiftshop Gift Voucher £20.00",
                "gift_0001_20",
                "Geschenkgutschein 50 €",
                "E-Gift",
                "Chèque cadeau",
                "Cartão-presente",
                "Presentkort 500 kr",
                "ギフトカード",
            ],
            [
                "Google Large White Gift Bag",
                "Android Cardboard Sculpture",
                "Google Cork Card Holder",
                "gift-wrap",
                "Gift box",
            ],
        ),
        (
            "samples",
            [
                "SAMPLES",
                "Sample",
                "Free sample of tea",
                "Stoffmuster Samt",
                "échantillon gratuit",
                "Fabric swatch oak",
                "Duftprobe 2 ml",
                "Proben",
                "Free gift",
                "Gift with purchase: pouch",
                "Amostra grátis",
                "Campione omaggio",
            ],
            [
                "Sampler of 12 teas",
                "Example book",
                "Sample rate converter",
                "Muster-Bettwäsche",
                "Cruelty-free gift box",
                "Probetraining",
            ],
        ),
        (
            "tests",
            ["TEST", "test-17", "Test product", "Testartikel", "Do not buy"],
            ["Pregnancy test kit", "Testa di moro", "Latest"],
        ),
        (
            "fees",
            ["M", "Manual", "D", "Discount", "Bank Charges", "AMAZON FEE", "Pfand"],
            ["Manual coffee grinder", "Discount sofa", "MD-1"],
        ),
    ],
)
def test_kinds_know_what_shops_write(tmp_path: Path, kind: str, texts: list[str], others: list[str]) -> None:
    """Words of real shops in several languages, as titles or ids; what only sounds like one stays in the catalogue."""
    items = [{"item_id": f"i{at}", "title": text} for at, text in enumerate(texts + others)]
    shop = read_rows(tmp_path, [an_event()], f'[catalog.never]\nkinds = ["{kind}"]\n', items=items)
    assert set(shop.items["title"]) == set(others)


def test_a_presets_kinds_hold_where_the_settings_name_none(tmp_path: Path) -> None:
    """GA4 exports bring gift cards and shipping; `kinds = []` keeps them."""
    names, at = ("Pan", "Gift Card - $25.00", "Shipping"), 1_780_308_000_000_000
    event = {"event_name": "purchase", "user_pseudo_id": "7.8", "event_timestamp": at}
    rows = [{**event, "item_id": f"i{number}", "item_name": name} for number, name in enumerate(names)]
    table = '[data.events]\npaths = ["events.parquet"]\npreset = "ga4"\n'
    assert "gift_cards" in mapping_of("ga4").never_kinds
    assert read_rows(tmp_path, rows, table).items["item_id"].to_list() == ["i0"]
    assert read_rows(tmp_path, rows, "catalog.never.kinds = []\n" + table).items.height == 3


def test_a_pattern_that_is_none_is_refused(tmp_path: Path) -> None:
    """The error names the setting and the pattern."""
    with pytest.raises(SettingsError, match=r"catalog\.never\.patterns: '\(' is not a regular expression"):
        read_rows(tmp_path, [an_event()], '[catalog.never]\npatterns = ["("]\n')
