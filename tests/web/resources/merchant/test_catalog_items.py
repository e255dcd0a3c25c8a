"""Items of the catalogue over HTTP, one and several."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.web.http.answers import CatalogItemAnswer, ItemsAnswer
from recsys.web.resources.items import MAX_ITEMS
from tests.conftest import Shop, event
from tests.support.servers.serving import READ, bearer, client, token


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service with keys."""
    return client(artifacts)


def test_an_item_has_exactly_the_documented_members(web: FlaskClient) -> None:
    """Those that slates show of it, without score and reason."""
    answer = web.get("/v1/items/sofa-1", headers=READ)
    assert answer.status_code == 200
    found = msgspec.json.decode(answer.data, type=CatalogItemAnswer, strict=True)
    assert (found.item_id, found.title, found.price, found.available) == ("sofa-1", "Oak sofa", 900.0, True)
    assert (*answer.get_json(), "attributes") == CatalogItemAnswer.__struct_fields__


def test_an_item_that_cannot_be_bought_is_told_so(web: FlaskClient) -> None:
    """It stands in no list, but it is an item."""
    assert web.get("/v1/items/gone-1", headers=bearer(token("ada"))).get_json()["available"] is False


@pytest.mark.parametrize("address", ["/v1/items/no-such-item", "/v1/items/sofa-1/", "/v1/items/sofa-1/similar-ish"])
def test_an_unknown_item_is_404(web: FlaskClient, address: str) -> None:
    """And named."""
    answer = web.get(address, headers=READ)
    assert (answer.status_code, answer.get_json()["parameter"]) == (404, "item_id")


def test_an_item_whose_id_has_slashes_has_an_address(shop: Shop) -> None:
    """As every id; one that ends like a call of the service is found among several."""
    ids = ("a/b 😀", "c/similar")
    shop.items.extend({**shop.items[0], "item_id": item_id} for item_id in ids)
    shop.add(event("ada", "sofa-1")).publish()
    web = client(shop.folder / "artifacts")
    assert web.get("/v1/items/a%2Fb%20%F0%9F%98%80", headers=READ).get_json()["item_id"] == ids[0]
    query = {"item_id": list(ids)}
    assert [each["item_id"] for each in web.get("/v1/items", query_string=query, headers=READ).get_json()["items"]] == list(
        ids
    )


def test_several_items_come_in_the_order_asked(web: FlaskClient) -> None:
    """Each once; what the catalogue does not have is told beside them."""
    query = "item_id=lamp-1&item_id=nothing&item_id=sofa-1&item_id=lamp-1&item_id=none"
    answer = web.get(f"/v1/items?{query}", headers=READ)
    found = msgspec.json.decode(answer.data, type=ItemsAnswer, strict=True)
    assert [item.item_id for item in found.items] == ["lamp-1", "sofa-1"]
    assert found.unknown == ("nothing", "none")


@pytest.mark.parametrize("query", [{}, {"item_id": [f"i{n}" for n in range(MAX_ITEMS + 1)]}, {"item_id": ""}, {"limit": 3}])
def test_how_many_may_be_asked_is_bounded(web: FlaskClient, query: dict[str, Any]) -> None:
    """At least one, at most a hundred, and nothing else."""
    answer = web.get("/v1/items", query_string=query, headers=READ)
    assert answer.status_code == 400
    assert answer.get_json()["parameter"] in ("item_id", "limit")
