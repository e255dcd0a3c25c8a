"""The profile and the explanation over HTTP: who may ask, what is answered, and what is refused."""

from __future__ import annotations

from pathlib import Path
from typing import TypeVar
from urllib.parse import quote

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recsys.engine.inspection.explain import Explanation
from recsys.engine.inspection.profile_report import ShopperProfile
from recsys.web.http.answers import SlateAnswer
from tests.conftest import NOW, Shop, ago
from tests.support.servers.serving import ADMIN, READ, bearer, client, in_order, token

Answer = TypeVar("Answer", bound=msgspec.Struct)
PROFILE, EXPLAIN = "/v1/users/user-0/profile", "/v1/users/user-0/explain"


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service with keys."""
    return client(artifacts, clock="events")


def profile(answer: TestResponse) -> ShopperProfile:
    """The profile that an answer holds, with no member missing or of another type."""
    return checked(answer, ShopperProfile)


def explanation(answer: TestResponse) -> Explanation:
    """The explanation that an answer holds."""
    return checked(answer, Explanation)


def checked(answer: TestResponse, kind: type[Answer]) -> Answer:
    """An answer as its type, all members there."""
    assert answer.status_code == 200, answer.text
    assert (answer.content_type, answer.headers["Cache-Control"]) == ("application/json", "private, no-store")
    assert in_order(kind, msgspec.json.decode(answer.data))
    return msgspec.json.decode(answer.data, type=kind, strict=True)


@pytest.mark.parametrize("call", [PROFILE, f"{EXPLAIN}?item_id=sofa-1"])
def test_only_admins_ask(web: FlaskClient, call: str) -> None:
    """What is known of a shopper is for admins: neither a read key nor the shopper's own token opens it."""
    assert web.get(call, headers=ADMIN).status_code == 200
    assert web.get(call).status_code == 401
    assert web.get(call, headers=READ).status_code == 403
    assert web.get(call, headers=bearer(token("user-0"))).status_code == 403


def test_a_profile(web: FlaskClient) -> None:
    """The profile of a shopper, now."""
    found = profile(web.get(PROFILE, headers=ADMIN))
    assert (found.user_id, found.known, found.orders, found.lifecycle.stage) == ("user-0", True, 1, "first_time")
    assert found.now > ago(2)
    assert found.brand.name == found.brands[0].name
    assert found.known_since is not None
    assert found.known_since < ago(1)


def test_a_profile_as_of_a_moment(web: FlaskClient) -> None:
    """With now= what came later is not known."""
    found = profile(web.get(f"{PROFILE}?now=2026-03-29T11:35:00Z", headers=ADMIN))
    whole = profile(web.get(PROFILE, headers=ADMIN))
    assert (found.now, found.orders) == (NOW.replace(day=29, hour=11, minute=35), 0)
    assert found.last_seen is not None
    assert whole.last_seen is not None
    assert found.last_seen < found.now < whole.last_seen


@pytest.mark.parametrize("user", ["nobody", "a/b", "ü 😀", "a/profile"])
def test_of_an_unknown_shopper_nothing_is_known(web: FlaskClient, user: str) -> None:
    """An unknown id is answered, whatever it looks like."""
    found = profile(web.get(f"/v1/users/{quote(user, safe='')}/profile", headers=ADMIN))
    assert (found.user_id, found.known, found.session) == (user, False, None)
    stated = explanation(web.get(f"/v1/users/{quote(user, safe='')}/explain?item_id=sofa-1&limit=100", headers=ADMIN))
    assert (stated.user_id, stated.shown, stated.strategy) == (user, True, "new_shopper")


@pytest.mark.parametrize(
    "query",
    [
        "",
        "&limit=1",
        "&placement=pdp&item_id=lamp-1",
        "&category=Home&bought=allow",
        "&now=2026-03-29T12:00:00Z",
        "&exclude=lamp-2",
    ],
)
def test_the_slate_of_the_same_question(web: FlaskClient, query: str) -> None:
    """Of the same parameters the explanation is that of the recommendations: same id, and the item at the place told."""
    asked = web.get(f"/v1/users/user-0/recommendations?{query.lstrip('&')}", headers=ADMIN)
    slate = msgspec.json.decode(asked.data, type=SlateAnswer)
    places = {item.item_id: place for place, item in enumerate(slate.items, 1)}
    for item in ("sofa-1", "sofa-2", "lamp-1", "lamp-2", "bag-1", "gone-1"):
        stated = explanation(web.get(f"{EXPLAIN}?item_id={item}{query}", headers=ADMIN))
        assert (stated.recommendation_id, stated.placement) == (slate.recommendation_id, slate.placement)
        assert (stated.item_id, stated.place, stated.shown) == (item, places.get(item), item in places)
        if stated.shown:
            assert stated.reason == slate.items[places[item] - 1].reason


def test_the_first_item_is_asked_about(web: FlaskClient) -> None:
    """The first item_id is the item asked about; those after it are on the page, also the same one again."""
    twice = explanation(web.get(f"{EXPLAIN}?item_id=bag-1&item_id=bag-1&item_id=no-such", headers=ADMIN))
    assert twice.filter is not None
    assert twice.filter.name == "on_the_page"
    assert twice.notices == ("item_id: there is no 'no-such' in the catalogue",)


def test_an_unknown_item_is_404(web: FlaskClient) -> None:
    """An item that the catalogue lacks cannot be explained."""
    answer = web.get(f"{EXPLAIN}?item_id=no-such", headers=ADMIN)
    assert (answer.status_code, answer.get_json()["value"]) == (404, "no-such")


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ("", "item_id"),
        ("item_id=", "item_id"),
        ("item_id=sofa-1&limit=0", "limit"),
        ("item_id=sofa-1&placement=none", "placement"),
        ("item_id=sofa-1&bought=maybe", "bought"),
        ("item_id=sofa-1&now=yesterday", "now"),
        ("item_id=sofa-1&price_min=5&price_max=4", "price_min"),
        ("item_id=sofa-1&wanted=yes", "wanted"),
        ("&".join(["item_id=sofa-1"] * 51), "item_id"),
    ],
)
def test_wrong_parameters_are_named(web: FlaskClient, query: str, parameter: str) -> None:
    """A wrong parameter is 400 and named."""
    answer = web.get(f"{EXPLAIN}?{query}", headers=ADMIN)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, parameter)
    assert answer.get_json()["allowed"]


def test_the_profile_takes_no_filters(web: FlaskClient) -> None:
    """A profile is of a moment; any other parameter is refused."""
    answer = web.get(f"{PROFILE}?placement=home", headers=ADMIN)
    assert (answer.status_code, answer.get_json()["parameter"]) == (400, "placement")


def test_odd_items_and_sparse_shops(shop: Shop) -> None:
    """Items of any id are explained, also in a shop without events, categories, brands and prices."""
    shop.items = [{"item_id": item_id} for item_id in ("a/b", "ü 😀", '"quoted\\')]
    shop.publish()
    web = client(shop.folder / "artifacts")
    for item in shop.items:
        answer = web.get(f"{EXPLAIN}?item_id={quote(item['item_id'], safe='')}", headers=ADMIN)
        assert explanation(answer).shown
    assert profile(web.get(PROFILE, headers=ADMIN)).price_band is None


def test_an_empty_catalogue(shop: Shop) -> None:
    """Without items there is nothing to explain, and everybody has a profile all the same."""
    shop.items, shop.events = [], []
    shop.toml += "[gate]\nleast_items = 0\n"
    shop.publish(force="a shop without items")
    web = client(shop.folder / "artifacts", clock="events")
    assert not profile(web.get(PROFILE, headers=ADMIN)).known
    assert web.get(f"{EXPLAIN}?item_id=lost", headers=ADMIN).status_code == 404
