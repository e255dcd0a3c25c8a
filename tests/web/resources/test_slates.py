"""Slates over HTTP: their form, and that they stay inside what was asked."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from flask.testing import FlaskClient
from hypothesis import given
from hypothesis import strategies as st
from werkzeug.test import TestResponse

from recsys.ids.event_ids import id_problem
from recsys.web.http.answers import ItemAnswer, SlateAnswer
from tests.conftest import Shop, event
from tests.support.servers.serving import ADMIN, READ, client, serve

HOME = "/v1/users/ada/recommendations"


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service with keys."""
    return client(artifacts)


@pytest.fixture(scope="module")
def items(web: FlaskClient) -> tuple[ItemAnswer, ...]:
    """Some items of the catalogue."""
    return slate(web.get("/v1/bestsellers?limit=100", headers=READ)).items


def slate(answer: TestResponse) -> SlateAnswer:
    """The slate that an answer holds, with no member missing or of another type."""
    assert answer.status_code == 200, answer.text
    assert answer.content_type == "application/json"
    assert answer.headers["Cache-Control"] in ("private, no-store", "public, max-age=60")
    return msgspec.json.decode(answer.data, type=SlateAnswer, strict=True)


def test_a_slate_has_exactly_the_documented_members(web: FlaskClient) -> None:
    """Members and their order are part of the contract; a reason carries only the evidence that it has."""
    answer = web.get(HOME, headers=READ)
    assert slate(answer).items
    raw = msgspec.json.decode(answer.data)
    assert tuple(raw) == tuple(name for name in SlateAnswer.__struct_fields__ if name != "experiments")
    for item in raw["items"]:
        assert (*item, "attributes") == ItemAnswer.__struct_fields__
        assert {"code", "text"} <= set(item["reason"])
        assert None not in item["reason"].values()


@pytest.mark.parametrize(
    "path", ["/v1/users/user-0/recommendations", "/v1/bestsellers", "/v1/popular", "/v1/items/sofa-1/similar"]
)
def test_reasons_are_in_the_language_asked_for(web: FlaskClient, path: str) -> None:
    """Items, codes and evidence are the same in every language, texts and the slate's id are not; English is the default."""

    def ask(**more: str) -> SlateAnswer:
        return slate(web.get(path, query_string={"now": "2026-03-31T12:00:00Z", **more}, headers=ADMIN))

    found, plain = {name: ask(locale=name) for name in ("en", "de", "fr", "ar")}, ask()
    assert found["en"] == plain == ask(locale="pl-PL")
    assert found["de"] == ask(locale="de_AT")
    assert len({each.recommendation_id for each in found.values()}) == 4
    for place, item in enumerate(plain.items):
        others = [each.items[place] for each in found.values()]
        assert {(other.item_id, other.score, other.reason.code, other.reason.buyers) for other in others} == {
            (item.item_id, item.score, item.reason.code, item.reason.buyers)
        }
        assert len({other.reason.text for other in others}) == 4


def test_a_page_is_in_one_language_unless_a_slate_has_its_own(web: FlaskClient) -> None:
    """`locale` of the page holds for all its slates, that of a placement for itself."""
    placements = [{"placement": "bestsellers", "limit": 2}, {"placement": "bestsellers", "limit": 2, "locale": "fr"}]
    answer = web.post("/v1/slates", json={"locale": "de", "placements": placements}, headers=READ).get_json()
    first, second = ({item["reason"]["text"][:10] for item in each["items"]} for each in answer["slates"])
    assert (first, second) == ({"Bestseller"}, {"Meilleure "})


def test_what_is_no_locale_is_refused(web: FlaskClient) -> None:
    """A text that is no language tag, and a locale beside a send, are 400 and say what is allowed."""
    answer = web.get(f"{HOME}?locale=not%20a%20locale", headers=READ)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "locale")
    assert "de or fr-CA" in answer.get_json()["allowed"]
    assert web.get(f"{HOME}?locale=de&send_id=w", headers=READ).status_code == 400


def test_an_unknown_shopper_gets_a_full_slate(web: FlaskClient) -> None:
    """Somebody without a history is answered 200 with a fallback."""
    found = slate(web.get("/v1/users/nobody-has-this-id/recommendations?limit=4", headers=READ))
    assert found.user_id == "nobody-has-this-id"
    assert not found.personalized
    assert found.fallback
    assert len(found.items) == 4


def test_every_read_call_answers_slates_of_its_placement(web: FlaskClient, items: tuple[ItemAnswer, ...]) -> None:
    """Calls for all shoppers name no shopper."""
    item_id = quote(items[0].item_id, safe="")
    calls = {
        f"/v1/items/{item_id}/similar": "similar",
        f"/v1/items/{item_id}/bought-together": "bought_together",
        "/v1/bestsellers": "bestsellers",
        "/v1/popular": "popular",
    }
    for address, placement in calls.items():
        found = slate(web.get(address, headers=READ))
        assert (found.placement, found.user_id) == (placement, None)
        assert found.items


def test_an_item_is_not_similar_to_itself(web: FlaskClient, items: tuple[ItemAnswer, ...]) -> None:
    """The item of the path stands in none of its own lists."""
    for call in ("similar", "bought-together"):
        found = slate(web.get(f"/v1/items/{quote(items[0].item_id, safe='')}/{call}?limit=100", headers=READ))
        assert items[0].item_id not in {item.item_id for item in found.items}


@pytest.mark.parametrize("call", [HOME, "/v1/bestsellers", "/v1/popular"])
def test_a_slate_never_leaves_its_filters(web: FlaskClient, items: tuple[ItemAnswer, ...], call: str) -> None:
    """Category, brand, price bounds and exclusions hold for every item, fallbacks too."""
    one = next(item for item in items if item.brand and item.category)
    below = f"{one.category} > "
    checks: dict[str, Callable[[ItemAnswer], bool]] = {
        f"category={quote(one.category or '')}": lambda item: f"{item.category} > ".startswith(below),
        f"brand={quote(one.brand or '')}": lambda item: item.brand == one.brand,
        f"price_min={one.price}": lambda item: (item.price or 0) >= (one.price or 0),
        f"price_max={one.price}": lambda item: (item.price or 0) <= (one.price or 0),
        f"exclude={quote(one.item_id)}": lambda item: item.item_id != one.item_id,
    }
    for query, holds in checks.items():
        found = slate(web.get(f"{call}?limit=100&{query}", headers=READ))
        assert found.items, query
        assert all(holds(item) for item in found.items), query


def test_exclude_is_the_next_page(web: FlaskClient) -> None:
    """Excluding what was shown continues the list."""
    first = slate(web.get("/v1/bestsellers?limit=3", headers=READ)).items
    shown = "&".join(f"exclude={quote(item.item_id)}" for item in first)
    second = slate(web.get(f"/v1/bestsellers?limit=3&{shown}", headers=READ)).items
    six = slate(web.get("/v1/bestsellers?limit=6", headers=READ)).items
    assert [item.item_id for item in first + second] == [item.item_id for item in six]


@pytest.mark.parametrize("query", ["category=No > Such", "brand=No Such", "price_min=999999999", "item_id=no-such"])
def test_impossible_filters_are_answered(web: FlaskClient, query: str) -> None:
    """What the catalogue does not know or have is 200: empty or short, an unknown value with a notice."""
    name, _, value = query.partition("=")
    found = slate(web.get(f"{HOME}?{name}={quote(value)}", headers=READ))
    assert (not found.items) == (name != "item_id")
    assert bool(found.notices) == (name != "price_min")


def test_without_a_limit_the_placement_says_how_many(web: FlaskClient, artifacts: Path) -> None:
    """The default length is the placement's setting."""
    placement = serve(artifacts).service.settings.placement("bestsellers")
    assert placement is not None
    eligible = len(slate(web.get("/v1/bestsellers?limit=100", headers=READ)).items)
    assert len(slate(web.get("/v1/bestsellers", headers=READ)).items) == min(placement.limit, eligible)


def test_the_same_question_has_the_same_bytes(web: FlaskClient, artifacts: Path) -> None:
    """With now= the answer is the same from any process that serves the snapshot."""
    address = f"{HOME}?now=2030-01-01T00:00:00Z"
    assert web.get(address, headers=ADMIN).data == client(artifacts).get(address, headers=ADMIN).data


def test_the_clock_of_events_stands_still(artifacts: Path) -> None:
    """With clock = "events" now is the snapshot's newest event."""
    app = serve(artifacts, clock="events")
    as_of = app.service.live.serving().engine.snapshot.as_of
    web = app.test_client()
    assert web.get(HOME, headers=READ).data == web.get(f"{HOME}?now={as_of}", headers=ADMIN).data


ids = st.text(
    st.characters(codec="utf-8", exclude_categories=("Cc", "Cs")) | st.sampled_from("/%?#+&. 😀"), min_size=1, max_size=20
)


@given(ids)
def test_any_id_works_in_a_path(web: FlaskClient, user_id: str) -> None:
    """Slashes, spaces, percent signs, dots, emoji: percent-encoded, every id comes through unchanged."""
    assert id_problem(user_id) is None
    answer = web.get(f"/v1/users/{quote(user_id, safe='')}/recommendations?limit=1", headers=READ)
    assert slate(answer).user_id == user_id


@pytest.mark.parametrize(
    "user_id", ["a/b", "/a", "a/", "//", "a//b", "recommendations", "a/recommendations", "a/similar", ".", "x" * 256]
)
def test_slashes_in_ids_do_not_confuse_the_routes(web: FlaskClient, user_id: str) -> None:
    """An id reaches from its place to the call's last word, also where a proxy has decoded its slashes."""
    for written in (user_id, quote(user_id, safe="")):
        assert slate(web.get(f"/v1/users/{written}/recommendations?limit=1", headers=READ)).user_id == user_id
        for call in ("similar", "bought-together"):
            answer = web.get(f"/v1/items/{written}/{call}", headers=READ)
            assert (answer.status_code, msgspec.json.decode(answer.data)["value"]) == (404, user_id)


def test_head_answers_without_a_body(web: FlaskClient) -> None:
    """HEAD has the headers of GET."""
    answer = web.head(HOME, headers=READ)
    assert (answer.status_code, answer.data) == (200, b"")


ODD_IDS = ["a/b", "/similar", "ü 😀", "100%", "a?b=c&d#e", '"quoted\\', "x" * 256, ".."]


def test_items_with_odd_ids_have_addresses_too(shop: Shop) -> None:
    """An item of any id is found by its path, and stands in the JSON as it is in the catalogue."""
    shop.items = [{"item_id": item_id, "title": item_id, "category": "Odd", "brand": "Ö/1"} for item_id in ODD_IDS]
    shop.add(*(event(f"user-{number}", item_id) for number in range(3) for item_id in ODD_IDS))
    shop.publish()
    web = client(shop.folder / "artifacts", clock="events")
    for item_id in ODD_IDS:
        found = slate(web.get(f"/v1/items/{quote(item_id, safe='')}/similar?limit=100", headers=READ))
        assert {item.item_id for item in found.items} == set(ODD_IDS) - {item_id}
        query = f"exclude={quote(item_id, safe='')}&brand={quote('Ö/1', safe='')}&limit=100"
        found = slate(web.get(f"/v1/bestsellers?{query}", headers=READ))
        assert {item.item_id for item in found.items} == set(ODD_IDS) - {item_id}


PLAIN = {"item_id": "only"}
SPARSE_SHOPS: dict[str, tuple[list[dict[str, Any]], list[dict[str, Any]]]] = {
    "no items and no events": ([], []),
    "no events": ([PLAIN], []),
    "one user and one item": ([PLAIN], [event("ada", "only")]),
    "no item events": ([PLAIN], [event("ada", None, "home_view")]),
    "nothing available": ([PLAIN | {"available": False}], [event("ada", "only", "purchase", order_id="o")]),
    "a buyer of everything": ([PLAIN], [event("ada", "only", "purchase", order_id="o")]),
}


@pytest.mark.parametrize("name", SPARSE_SHOPS)
def test_sparse_shops_are_served(shop: Shop, name: str) -> None:
    """Without items, events, brands, categories, prices or purchases every call still answers, if need be an empty slate."""
    shop.items, shop.events = SPARSE_SHOPS[name]
    shop.toml += "[gate]\nleast_items = 0\n"
    shop.publish(force="a shop that is hardly one")
    web = client(shop.folder / "artifacts", clock="events")
    shown = {item["item_id"] for item in shop.items if item.get("available", True)}
    for address in (HOME, HOME + "?bought=only", HOME + "?category=X&brand=Y&item_id=Z", "/v1/bestsellers", "/v1/popular"):
        assert {item.item_id for item in slate(web.get(address, headers=READ)).items} <= shown
    for item_id in shown:
        assert slate(web.get(f"/v1/items/{item_id}/similar", headers=READ)).items == ()
