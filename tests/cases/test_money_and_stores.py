"""One shop in three countries: amounts in several currencies, and items of several stores under one id."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest

from tests.support.cases import Case, needs_cases, open_case

pytestmark = needs_cases
STORES = "money-03-several-currencies-and-stores"


@pytest.mark.long
def test_amounts_are_converted_by_the_rates(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Revenue adds euros to euros: 20.00 + 85.00 / 4.25, and 499.00 / 24.90 is not nothing; live purchases likewise."""
    case = open_case(STORES, tmp_path, monkeypatch)
    case.train()
    client = case.serve()

    def revenue(user: str) -> float | None:
        found: float | None = client.get(f"/v1/users/{user}/profile").get_json()["revenue"]
        return found

    assert revenue("4") == pytest.approx(40.0, abs=0.01)
    assert revenue("5") == pytest.approx(499 / 24.9, abs=0.01)
    bought = {"user_id": "4", "event_type": "purchase", "item_id": "CAN", "order_id": "9", "price": 42.5, "currency": "PLN"}
    assert client.post("/v1/events", json={"events": [bought]}).get_json()["accepted"] == 1
    assert revenue("4") == pytest.approx(50.0, abs=0.01)
    case.train()
    client = case.serve()
    assert revenue("4") == pytest.approx(50.0, abs=0.01)


@pytest.mark.parametrize(
    ("file", "title", "price", "currency", "available"),
    [
        ("settings.toml", "Krčah", 20.0, "EUR", True),
        ("settings-pl.toml", "Dzbanek", 85.0, "PLN", True),
        ("settings-cz.toml", "Džbán", 499.0, "CZK", False),
    ],
)
def test_each_store_shows_its_own_item(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, file: str, title: str, price: float, currency: str, available: bool
) -> None:
    """A settings file for each store keeps its rows: title, price, currency and stock are that store's."""
    fitted = open_case(STORES, tmp_path, monkeypatch, file=file).train()
    [item] = [row for row in fitted.shop.items.to_dicts() if row["item_id"] == "JUG"]
    assert (item["title"], item["price"], item["currency"], item["available"]) == (title, price, currency, available)
    assert not [each for each in fitted.shop.findings if each.level != "note"]


@pytest.mark.parametrize("with_currency", [True, False])
def test_rows_of_several_stores_are_asked_about(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, with_currency: bool
) -> None:
    """Without a word on the store, rows of one id that say different things are named with what they say, and a question."""
    case = open_case(STORES, tmp_path, monkeypatch)
    settings = case.settings
    data = msgspec.structs.replace(settings.data, items=msgspec.structs.replace(settings.data.items, where=()))
    if not with_currency:
        text = (case.folder / "items.csv").read_text().replace("currency", "coin")
        (case.folder / "items.csv").write_text(text)
    asked = Case(msgspec.structs.replace(settings, data=data)).read()
    [found] = [each for each in asked.findings if "all rows" in each.rule]
    assert "which store is each row of?" in found.advice
    assert found.example.startswith("JUG: title Krčah, Dzbanek, Džbán; price 20.0, 85.0, 499.0; ")
    assert (found.rows, found.example.endswith("available yes, no")) == (3, True)
