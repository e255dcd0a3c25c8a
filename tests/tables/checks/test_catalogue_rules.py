"""Items that are never shown and never learned from, by the rules of `[catalog.never]`."""

from __future__ import annotations

from pathlib import Path
from typing import Any, get_args

import pytest

from recsys.settings.catalog import NeverKind
from recsys.settings.load import parse_settings
from recsys.tables.checks.usefulness import usefulness
from recsys.tables.presets import mapping_of
from recsys.types import SettingsError
from tests.support.shops.line_titles import DOUBTFUL, LINES, PRODUCTS
from tests.support.shops.shop_tables import an_event, read_rows, the_finding


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
        ('kinds = ["samples", "tests"]', {"x-1"}),
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
    found = the_finding(shop, "is no gift card")
    assert (found.rows, found.level) == (3, "note")
    assert found.example == "CARD50 (Carte cadeau), SHIP-DE (Versandkosten), x-1 (Free sample of tea)"
    assert 'kinds = ["shipping", "gift_cards", "samples"]' in found.advice
    found = the_finding(shop, "surely a product")
    assert (found.rows, found.example, found.level) == (2, "SAMPLE (Thing SAMPLE), TEST-1 (Thing TEST-1)", "note")
    assert "`ids`, `categories` or `patterns`" in found.advice
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


def test_products_that_sound_like_other_lines_stay(tmp_path: Path) -> None:
    """Whatever kinds are on: a word beside another one is a product, and a doubtful word is only asked about."""
    titles = [*PRODUCTS, *DOUBTFUL]
    items = [{"item_id": f"i{at}", "title": title} for at, title in enumerate(titles)]
    kinds = ", ".join(f'"{kind}"' for kind in get_args(NeverKind))
    shop = read_rows(tmp_path, [an_event()], f"[catalog.never]\nkinds = [{kinds}]\n", items=items)
    assert set(titles) - set(shop.items["title"]) == set()


@pytest.mark.parametrize("kind", get_args(NeverKind))
def test_kinds_know_what_shops_write(tmp_path: Path, kind: str) -> None:
    """What is no product by its whole title, its beginning or an unmistakable word, in the languages of shops."""
    items = [{"item_id": f"i{at}", "title": title} for at, title in enumerate([*LINES[kind], "Pan"])]
    shop = read_rows(tmp_path, [an_event()], f'[catalog.never]\nkinds = ["{kind}"]\n', items=items)
    assert shop.items["title"].to_list() == ["Pan"]
    assert the_finding(shop, "catalog.never").rows == len(LINES[kind])


def test_doubtful_words_are_asked_about_and_take_nothing_out(tmp_path: Path) -> None:
    """Under a preset's kinds, too: items are named by id and title; kinds in the settings are the answer."""
    items = [{"item_id": f"i{at:02}", "title": title} for at, title in enumerate([*DOUBTFUL, "Pan"])]
    table = '[data.items]\npaths = ["items.parquet"]\npreset = "google_merchant"\ncolumns = { item_id = "item_id" }\n'
    for more in ("", table):
        shop = read_rows(tmp_path, [an_event()], more, items=items)
        found = the_finding(shop, "surely a product")
        assert (shop.items.height, found.rows, found.level) == (len(items), len(DOUBTFUL), "note")
        assert found.example.startswith("i00 (Delivery), i01 (Porto)")


def test_doubtful_names_of_the_kinds_of_the_settings_are_told(tmp_path: Path) -> None:
    """They stay in lists although the settings leave their kind out; other kinds, and no kinds, are an answer."""
    titles = ["Gift card collection 2026", "Carta regalo", "Carta regalo 50 €", "Delivery", "Pan"]
    items = [{"item_id": f"i{at}", "title": title} for at, title in enumerate(titles)]
    shop = read_rows(tmp_path, [an_event(item_id="i4")], 'catalog.never.kinds = ["gift_cards"]\n', items=items)
    assert shop.items["title"].to_list() == ["Gift card collection 2026", "Carta regalo", "Delivery", "Pan"]
    found = the_finding(shop, "none of gift_cards")
    assert (found.example, found.level) == ("i0 (Gift card collection 2026), i1 (Carta regalo)", "note")
    for kinds in ("[]", '["tests"]'):
        assert not read_rows(tmp_path, [an_event(item_id="i4")], f"catalog.never.kinds = {kinds}\n", items=items).findings


@pytest.mark.parametrize("title", ["Geschenkverpackung", "Gift wrap", "Gift wrapping fee", "Emballage cadeau"])
def test_the_wrapping_of_a_gift_is_asked_about(tmp_path: Path, title: str) -> None:
    """It stands among the lines of orders, and goes with everything."""
    items = [
        {"item_id": "a", "title": title},
        {"item_id": "b", "title": f"{title} rot"},
        {"item_id": "sofa", "title": "Sofa"},
    ]
    shop = read_rows(tmp_path, [an_event()], "", items=items)
    assert shop.items.height == 3
    assert the_finding(shop, "surely a product").rows == 1


@pytest.mark.parametrize("title", ["Pröbchen Set", "Free samples of freedom", "Pröbchen-Box Sommer", "Carta regalo fiori"])
def test_products_named_after_what_is_given_away_stay_and_are_asked_about(tmp_path: Path, title: str) -> None:
    """A word for a sample, or for paper around a gift, does not take a product out."""
    shop = read_rows(
        tmp_path, [an_event()], "", items=[{"item_id": "a", "title": title}, {"item_id": "sofa", "title": "Sofa"}]
    )
    assert shop.items.height == 2
    assert the_finding(shop, "surely a product").rows == 1


@pytest.mark.parametrize(
    ("values", "gone"),
    [
        ({"item_id": "gift-card-50", "title": None}, True),
        ({"item_id": "gift-card-holder", "title": None}, False),
        ({"item_id": "shipping", "title": "Wooden box"}, False),
        ({"item_id": "POST", "title": "POSTAGE"}, True),
        ({"item_id": "M", "title": "Manual"}, True),
        ({"item_id": "M", "title": "Shirt"}, False),
        ({"item_id": "C2", "title": None}, False),
        ({"item_id": "w1", "title": "Swatch - Skin Irony 42", "category": "Watches > Swatch"}, False),
        ({"item_id": "test-strips", "title": "Strips"}, False),
        ({"title": "50 for you", "category": "Gift cards"}, False),
        ({"title": "Gift card for you", "category": "Gift cards"}, True),
        ({"title": None, "category": "Home > Gift cards"}, True),
        ({"title": None, "category": "Gift cards > Holders"}, False),
        ({"title": "Maternity bag", "category": "Delivery > Kits"}, False),
        ({"title": "Tawny", "category": "Wine > Porto"}, False),
    ],
)
def test_ids_and_categories_say_it_where_no_title_gainsays(
    tmp_path: Path, values: dict[str, str | None], gone: bool
) -> None:
    """An id or a category alone takes out what has no title, or a title that may mean it, too."""
    kinds = 'kinds = ["shipping", "gift_cards", "samples", "tests", "fees"]'
    items = [{**item("a"), **values}, item("pan")]
    shop = read_rows(tmp_path, [an_event()], f"[catalog.never]\n{kinds}\n", items=items)
    assert (shop.items.height == 1) == gone


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
