"""Attributes over HTTP: the same filter in addresses and bodies, what is refused, and attributes in JSON."""

from __future__ import annotations

from typing import Any

import pytest
from flask.testing import FlaskClient

from tests.support.servers.serving import MESSAGES_KEY, READ, bearer, client
from tests.support.shops.attribute_shop import attribute_shop


@pytest.fixture(scope="module")
def web(tmp_path_factory: pytest.TempPathFactory) -> FlaskClient:
    """The service over a shop with attributes."""
    shop = attribute_shop(tmp_path_factory.mktemp("attributes"))
    shop.publish()
    return client(shop.folder / "artifacts")


def ids(answer: Any) -> set[str]:
    """The items of a list."""
    assert answer.status_code == 200, answer.text
    return {item["item_id"] for item in answer.get_json()["items"]}


@pytest.mark.parametrize(
    ("address", "body"),
    [
        ("attr.gender=women", {"gender": {"any": ["women"]}}),
        (
            "attr.gender=women&attr.gender=men&attr.margin.min=0.3",
            {"gender": {"any": ["women", "men"]}, "margin": {"min": 0.3}},
        ),
        ("attr.tags.all=new&attr.tags.all=wool", {"tags": {"all": ["new", "wool"]}}),
        ("attr.tags.none=sale&attr.vegan=no", {"tags": {"none": ["sale"]}, "vegan": {"any": [False]}}),
        ("attr.price.max=12&attr.category.none=Gifts", {"price": {"max": 12}, "category": {"none": ["Gifts"]}}),
    ],
)
def test_an_address_says_what_a_body_says(web: FlaskClient, address: str, body: dict[str, Any]) -> None:
    """The flat form and the JSON give the same list, and so do calls for everybody."""
    found = ids(web.get(f"/v1/users/nobody/recommendations?limit=100&{address}", headers=READ))
    page = {"placements": [{"placement": "home", "limit": 100, "attributes": body}]}
    [slate] = web.post("/v1/slates", json=page, headers=READ).get_json()["slates"]
    assert (
        found
        == {item["item_id"] for item in slate["items"]}
        == ids(web.get(f"/v1/popular?limit=100&{address}", headers=READ))
    )
    assert found


@pytest.mark.parametrize(
    ("query", "parameter", "allowed"),
    [
        ("attr.colour=red", "attributes.colour", "gender"),
        ("attr.margin=much", "attributes.margin.any", "numbers"),
        ("attr.margin.least=1", "attr.margin.least", ".min"),
        ("attr.margin.min=1&attr.margin.min=2", "attr.margin.min", ".min"),
        ("attr.gender.min.max=1", "attr.gender.min.max", ".min"),
        ("attributes=x", "attributes", "attr.NAME"),
        ("attr.=x", "attributes.", "gender"),
        ("category=Gifts&category=", "category[1]", "levels"),
        ("category=Gifts&category=Home&attr.category.none=Clothes", "category", "under attributes"),
        ("with_attributes=perhaps", "with_attributes", "true or false"),
    ],
)
def test_what_is_misspelt_is_refused(web: FlaskClient, query: str, parameter: str, allowed: str) -> None:
    """With the name at fault and what there is, so that no list leaves its filter."""
    answer = web.get(f"/v1/users/nobody/recommendations?{query}", headers=READ)
    problem = answer.get_json()
    assert (answer.status_code, problem["parameter"]) == (400, parameter)
    assert allowed in problem["allowed"]


def test_several_categories_are_any_of_them(web: FlaskClient) -> None:
    """Repeated in an address, a list in a body."""
    found = ids(web.get("/v1/bestsellers?limit=100&category=Gifts&category=Home", headers=READ))
    assert found == {"coat-1", "bow-1", "bow-2", "cup-1", "cup-2"}
    page = {"placements": [{"placement": "home", "limit": 100, "category": ["Gifts", "Home"]}]}
    [slate] = web.post("/v1/slates", json=page, headers=READ).get_json()["slates"]
    assert {item["item_id"] for item in slate["items"]} == found


def test_items_come_with_their_attributes_on_request(web: FlaskClient) -> None:
    """In lists, for one item and for several; what cannot be read is absent."""
    one = web.get("/v1/items/coat-1?with_attributes=true", headers=READ).get_json()
    assert one["attributes"] == {
        "gender": "women",
        "margin": 0.35,
        "tags": ["new", "wool"],
        "vegan": False,
        "since": "2026-01-05T00:00:00Z",
    }
    some = web.get("/v1/items?item_id=cup-2&item_id=bow-2&with_attributes=true", headers=READ).get_json()["items"]
    assert [item["attributes"] for item in some] == [
        {"gender": "women", "tags": ["new"], "since": "2026-03-21T00:00:00Z"},
        {"gender": "men"},
    ]
    listed = web.get("/v1/users/u0/recommendations?with_attributes=true&bought=allow", headers=READ).get_json()["items"]
    assert all("attributes" in item for item in listed)
    assert "attributes" not in web.get("/v1/items/coat-1", headers=READ).get_json()


def test_a_cursor_stays_inside_its_filter(web: FlaskClient) -> None:
    """Every page does, and a cursor of one filter is refused for another."""
    address, seen = "/v1/bestsellers?limit=1&attr.gender=women", list[str]()
    cursor: Any = "*"
    while cursor is not None:
        page = web.get(f"{address}&cursor={cursor}", headers=READ).get_json()
        seen += [item["item_id"] for item in page["items"]]
        last, cursor = cursor, page["next_cursor"]
    assert sorted(seen) == ["bow-1", "coat-1", "cup-2"]
    assert web.get(f"/v1/bestsellers?limit=1&attr.gender=men&cursor={last}", headers=READ).status_code == 400


def test_a_send_keeps_its_filter(web: FlaskClient) -> None:
    """Declared once; every slate of it meets the conditions, and another declaration is refused."""
    body = {"placement": "home", "expires_at": 4_000_000_000, "attributes": {"gender": {"any": ["women"]}}}
    headers = bearer(MESSAGES_KEY)
    declared = web.put("/v1/sends/women", json=body, headers=headers)
    assert (declared.status_code, declared.get_json()["attributes"]) == (201, body["attributes"])
    sent = web.get("/v1/users/nobody/recommendations?send_id=women", headers=READ)
    assert ids(sent) == {"coat-1", "bow-1", "cup-2"}
    other = web.put("/v1/sends/women", json={**body, "attributes": {"gender": {"any": ["men"]}}}, headers=headers)
    assert (other.status_code, other.get_json()["parameter"]) == (409, "attributes")
    wrong = web.put("/v1/sends/wrong", json={**body, "attributes": {"colour": {"any": ["red"]}}}, headers=headers)
    assert (wrong.status_code, wrong.get_json()["parameter"]) == (400, "attributes.colour")
