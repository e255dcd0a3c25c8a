"""Whole items over HTTP: put while serving, shown by every worker at its next answer, and there after the next training."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from recsys.engine.pipeline import Engine
from recsys.settings.load import parse_settings
from recsys.web.app import Application, create_app
from tests.support.servers.intake import EVENTS, EVENTS_KEY, row_results
from tests.support.servers.serving import ENVIRONMENT
from tests.support.shops.attribute_shop import TOML, attribute_shop

NEW = {
    "item_id": "hat-1",
    "title": "Felt hat",
    "brand": "Nova",
    "categories": ["Clothes > Hats", "Gifts"],
    "price": 30,
    "stock": 4,
    "url": "/hat-1",
    "attributes": {
        "gender": "women",
        "tags": ["new", "felt"],
        "margin": 0.5,
        "vegan": True,
        "since": "2026-03-01T00:00:00Z",
    },
}
SPARE = TOML + "\n[catalog]\nspare_items = 3\n"


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A published shop with room for three more items."""
    folder = tmp_path_factory.mktemp("shop")
    shop = attribute_shop(folder, SPARE)
    shop.publish()
    return folder


@pytest.fixture
def folder(made: Path, tmp_path: Path) -> Path:
    """The shop, with a log of its own."""
    copy = tmp_path / "shop"
    shutil.copytree(made, copy)
    return copy


def service(folder: Path) -> Application:
    """A worker over the shop."""
    return create_app(parse_settings(SPARE, folder), ENVIRONMENT | {"RECSYS_KEYS_EVENTS": EVENTS_KEY})


def put(app: Application, *rows: Any) -> TestResponse:
    """Put items."""
    return app.test_client().put("/v1/items", json={"items": list(rows)}, headers=EVENTS)


def shown(app: Application, query: str = "") -> list[str]:
    """Items of the list of bestsellers."""
    return [each["item_id"] for each in app.test_client().get(f"/v1/bestsellers?limit=100{query}").get_json()["items"]]


def test_a_new_item_is_on_every_worker_at_its_next_answer(folder: Path) -> None:
    """In lists, filters, categories and brands that there were not, its own page, pins, and of the next worker that starts."""
    app, other = service(folder), service(folder)
    assert "hat-1" not in shown(other)
    assert row_results(put(app, NEW)) == {"accepted": 1, "rejected": []}
    for worker in (app, other, service(folder)):
        for query in (
            "",
            "&category=Clothes > Hats",
            "&category=Clothes",
            "&category=Gifts",
            "&brand=Nova",
            "&attr.gender=women",
            "&attr.tags=felt&attr.margin.min=0.4&attr.vegan=true&attr.price.max=30",
            "&attr.category.all=Gifts&attr.category.all=Clothes > Hats",
        ):
            assert "hat-1" in shown(worker, query), query
        assert "hat-1" not in shown(worker, "&category=Home")
        stated = worker.test_client().get("/v1/items/hat-1?with_attributes=true").get_json()
        assert (stated["title"], stated["brand"], stated["category"], stated["price"]) == (
            "Felt hat",
            "Nova",
            "Clothes > Hats",
            30,
        )
        assert stated["attributes"] == NEW["attributes"]
        assert worker.test_client().get("/v1/items/hat-1/similar").status_code == 200


def test_a_new_item_has_look_alikes_and_is_one(folder: Path) -> None:
    """On every worker, at the next answer after it is put."""
    app, other = service(folder), service(folder)

    def similar(worker: Application, item: str) -> list[str]:
        answer = worker.test_client().get(f"/v1/items/{item}/similar?limit=3").get_json()
        return [each["item_id"] for each in answer["items"]]

    closest = similar(other, "coat-1")
    stated = app.test_client().get("/v1/items/coat-1").get_json()
    row_results(put(app, {name: stated[name] for name in ("title", "brand", "category", "price")} | {"item_id": "coat-x"}))
    for worker in (app, other, service(folder)):
        assert similar(worker, "coat-x")[0] == "coat-1"
        assert similar(worker, "coat-1") == [closest[0], "coat-x", closest[1]]


def test_a_new_item_can_be_pinned(folder: Path) -> None:
    """By a campaign from before it was there: it stands from the next answer on, and is on no later page of the list again."""
    app = service(folder)
    pin = {"placements": ["bestsellers"], "actions": [{"pin": {"item_id": "hat-1", "place": 2}}]}
    assert app.test_client().put("/v1/campaigns/hats", json=pin).status_code == 201
    assert "hat-1" not in shown(app)
    row_results(put(app, NEW))
    assert shown(app)[1] == "hat-1"
    more = app.test_client().get("/v1/bestsellers?limit=2&cursor=*").get_json()
    following = app.test_client().get(f"/v1/bestsellers?limit=2&cursor={more['next_cursor']}").get_json()
    assert more["items"][1]["item_id"] == "hat-1"
    assert "hat-1" not in [each["item_id"] for each in following["items"]]


def test_a_shopper_who_cares_for_a_new_item_is_answered(folder: Path) -> None:
    """Its brand and category, new ones too, are those of the profile; every list, card and explanation has an answer."""
    app = service(folder)
    row_results(put(app, NEW, {"item_id": "hat-2", "title": "Cap", "category": "Clothes > Hats", "brand": "Nova"}))
    web = app.test_client()
    events = [{"user_id": "eve", "event_type": kind, "item_id": "hat-1"} for kind in ("view", "view", "cart_add", "view")]
    assert web.post("/v1/events", json={"events": events}, headers=EVENTS).get_json()["accepted"] > 0
    profile = web.get("/v1/users/eve/profile").get_json()
    assert "Clothes > Hats" in str(profile)
    assert "Nova" in str(profile)
    for path in (
        "/v1/users/eve/recommendations?limit=20",
        "/v1/users/eve/recommendations?placement=cart&item_id=hat-1",
        "/v1/items/hat-1/bought-together",
        "/v1/items/hat-1/similar?limit=20",
        "/v1/users/eve/explain?item_id=hat-2",
        "/v1/bestsellers?category=Clothes > Hats",
    ):
        assert web.get(path).status_code == 200, path
    assert "hat-2" in [each["item_id"] for each in web.get("/v1/items/hat-1/similar?limit=20").get_json()["items"]]


def test_an_item_is_replaced_whole(folder: Path) -> None:
    """Nothing of what was known of it stays, but what was learned: it leaves its category, brand and words, and takes others."""
    app = service(folder)
    row_results(put(app, {"item_id": "coat-1", "title": "Blue coat", "category": "Gifts", "brand": "Norr", "price": 70}))
    stated = app.test_client().get("/v1/items/coat-1?with_attributes=true").get_json()
    assert (stated["title"], stated["category"], stated["brand"], stated["price"]) == ("Blue coat", "Gifts", "Norr", 70)
    assert stated["attributes"] == {}
    for query in ("&category=Clothes", "&category=Clothes > Sale", "&brand=Sella", "&attr.tags=wool", "&attr.gender=women"):
        assert "coat-1" not in shown(app, query), query
    for query in ("&category=Gifts", "&brand=Norr", "&attr.category=Gifts"):
        assert "coat-1" in shown(app, query), query
    assert shown(app)[0] == "coat-1"


def test_it_is_folded_in_by_the_next_training(folder: Path) -> None:
    """The next snapshot has it among its items, with what was changed of it since, and asks no spare row for it."""
    app = service(folder)
    row_results(put(app, NEW, {"item_id": "cup-1", "title": "Jar", "category": "Home > Jars"}))
    app.test_client().patch("/v1/items", json={"items": [{"item_id": "hat-1", "price": 25}]}, headers=EVENTS)
    shop = attribute_shop(folder, SPARE)
    shop.write()
    catalog = Engine(shop.fit().snapshot(), shop.settings).catalog
    row = catalog.row("hat-1")
    assert 0 <= row < len(catalog.items.published)
    assert (catalog.title(row), catalog.price[row], catalog.n_items - catalog.n_known) == ("Felt hat", 25, 3)
    assert row in catalog.items_in("Clothes > Hats")
    assert row in catalog.items_in("Gifts")
    assert catalog.attributes.of(row) == NEW["attributes"]
    jar = catalog.row("cup-1")
    assert (catalog.title(jar), catalog.attributes.of(jar)) == ("Jar", {})
    assert jar in catalog.items_in("Home > Jars")


def test_what_there_is_no_room_for_is_refused(folder: Path) -> None:
    """By row, in words that say what to do; what replaces an item needs no room. Two workers do not give one row twice."""
    app, other = service(folder), service(folder)
    shown(app), shown(other)
    row_results(put(app, NEW, {"item_id": "hat-2"}))
    found = row_results(put(other, {"item_id": "hat-3"}, {"item_id": "hat-4"}, {"item_id": "hat-1"}, {"item_id": "cup-2"}))
    ((index, error),) = [(each["index"], each["error"]) for each in found["rejected"]]
    assert (found["accepted"], index) == (3, 1)
    assert error.startswith("item_id: 'hat-4' is new, and no spare row is left for it; train a new snapshot")
    for worker in (app, other):
        assert {"hat-1", "hat-2", "hat-3", "cup-2"} <= set(shown(worker))
        assert "hat-4" not in shown(worker)


@pytest.mark.long
@pytest.mark.parametrize(
    ("row", "said"),
    [
        (5, "row: 5"),
        ({"title": "x"}, "item_id: is needed"),
        ({"item_id": ""}, "item_id: '' is empty"),
        ({"item_id": "x", "price": 0}, "price: 0"),
        ({"item_id": "x", "stock": -1}, "stock: -1"),
        ({"item_id": "x", "url": "javascript:alert(1)"}, "url: 'javascript:alert(1)'"),
        ({"item_id": "x", "image_url": "https://ann:pass@shop.example/x"}, "image_url: "),
        ({"item_id": "x", "published_at": "soon"}, "published_at: 'soon'"),
        (
            {"item_id": "x", "published_at": "2026-02-01T00:00:00Z", "published_until": "2026-01-01T00:00:00Z"},
            "published_until: ",
        ),
        ({"item_id": "x", "categories": ["A"] * 21}, "categories: "),
        ({"item_id": "x", "attributes": {"size": "L"}}, "attributes.size: 'L'"),
        ({"item_id": "x", "attributes": {"margin": "much"}}, "attributes.margin: 'much'"),
        ({"item_id": "x", "attributes": {"gender": ["men", "women"]}}, "attributes.gender: "),
        ({"item_id": "x", "sold": 5}, "sold: 5"),
    ],
)
def test_a_bad_row_is_rejected_alone(folder: Path, row: Any, said: str) -> None:
    """It is named with its place, its value and what is allowed; the others are taken."""
    app = service(folder)
    found = row_results(put(app, {"item_id": "cup-1"}, row, {"item_id": "cup-2"}))
    ((index, error),) = [(each["index"], each["error"]) for each in found["rejected"]]
    assert (found["accepted"], index) == (2, 1)
    assert error.startswith(said)
    assert "allowed: " in error


def test_an_item_is_shown_within_its_span_and_stock(folder: Path) -> None:
    """It opens and closes by the clock of the request, and with less stock than `min_stock` it cannot be bought."""
    app = service(folder)
    span = {"published_at": "2026-04-02T00:00:00Z", "published_until": "2026-04-03T00:00:00Z"}
    row_results(put(app, {**NEW, **span}, {"item_id": "hat-2", "stock": 2, "min_stock": 3}))
    for now, there in (("2026-04-01T23:59:59Z", False), ("2026-04-02T00:00:00Z", True), ("2026-04-03T00:00:00Z", False)):
        assert ("hat-1" in shown(app, f"&now={now}")) is there, now
    assert "hat-2" not in shown(app)
    for change, there in (
        ({"available": True}, False),
        ({"stock": 3}, True),
        ({"stock": 2}, False),
        ({"available": True}, False),
    ):
        app.test_client().patch("/v1/items", json={"items": [{"item_id": "hat-2", **change}]}, headers=EVENTS)
        assert ("hat-2" in shown(app)) is there, change
