"""Answers that caches may keep: the lists and items that are the same for everybody, and nothing else."""

from __future__ import annotations

from pathlib import Path

import pytest
from flask.testing import FlaskClient

from tests.support.servers.intake import EVENTS, intake
from tests.support.servers.serving import ADMIN, READ, bearer, client, token

SAME_FOR_ALL = (
    "/v1/bestsellers?limit=3",
    "/v1/popular?limit=3",
    "/v1/items/sofa-1/similar",
    "/v1/items/sofa-1/bought-together",
    "/v1/items/sofa-1",
    "/v1/items?item_id=sofa-1&item_id=lamp-1",
)


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service with keys."""
    return client(artifacts)


@pytest.mark.parametrize("address", SAME_FOR_ALL)
def test_what_is_the_same_for_everybody_may_be_kept(web: FlaskClient, address: str) -> None:
    """It has an ETag that is the same for a key and for any token, and is not sent again to whoever has it."""
    first = web.get(address, headers=READ)
    assert first.headers["Cache-Control"] == "public, max-age=60"
    assert "Origin" in first.headers["Vary"]
    for headers in (READ, bearer(token("ada")), bearer(token("bob"))):
        answer = web.get(address, headers=headers)
        assert (answer.status_code, answer.headers["ETag"]) == (200, first.headers["ETag"])
        again = web.get(address, headers={**headers, "If-None-Match": f'"other", {first.headers["ETag"]}'})
        assert (again.status_code, again.data) == (304, b"")
        assert again.headers["ETag"] == first.headers["ETag"]
        assert again.headers["Cache-Control"] == first.headers["Cache-Control"]
    assert web.get(address, headers={**READ, "If-None-Match": '"other"'}).status_code == 200


@pytest.mark.parametrize("address", SAME_FOR_ALL)
def test_a_kept_answer_is_no_way_around_keys(web: FlaskClient, address: str) -> None:
    """Without a key or token nothing is answered, not even that nothing changed."""
    tag = web.get(address, headers=READ).headers["ETag"]
    assert web.get(address, headers={"If-None-Match": tag}).status_code == 401


@pytest.mark.parametrize(
    ("address", "headers"),
    [
        ("/v1/users/ada/recommendations", READ),
        ("/v1/users/ada/recommendations", bearer(token("ada"))),
        ("/v1/users/ada/profile", ADMIN),
        ("/v1/bestsellers?now=2026-03-31T12:00:00Z", ADMIN),
        ("/v1/items/no-such-item", READ),
        ("/v1/bestsellers?limit=0", READ),
    ],
)
def test_what_is_of_one_shopper_is_never_kept(web: FlaskClient, address: str, headers: dict[str, str]) -> None:
    """Nor an error, nor an answer for a moment that was asked for."""
    answer = web.get(address, headers={**headers, "If-None-Match": "*"})
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert "ETag" not in answer.headers
    assert answer.status_code != 304
    page = web.post("/v1/slates", json={"user_id": "ada", "placements": ["home"]}, headers=bearer(token("ada")))
    assert page.headers["Cache-Control"] == "private, no-store"


def test_a_changed_item_is_sent_anew(artifacts: Path, tmp_path: Path) -> None:
    """After a new price neither the item nor a list that shows it is what somebody has."""
    app = intake(artifacts, tmp_path)
    web = app.test_client()
    addresses = ("/v1/items/sofa-1", "/v1/bestsellers?limit=100")
    tags = [web.get(address, headers=READ).headers["ETag"] for address in addresses]
    assert web.patch("/v1/items", json={"items": [{"item_id": "sofa-1", "price": 5}]}, headers=EVENTS).status_code == 202
    for address, tag in zip(addresses, tags, strict=True):
        answer = web.get(address, headers={**READ, "If-None-Match": tag})
        assert answer.status_code == 200
        assert answer.headers["ETag"] != tag
        assert '"price":5.0' in answer.text


def test_how_long_is_a_setting(artifacts: Path) -> None:
    """0 makes everybody ask again each time; the ETag still saves sending it."""
    web = client(artifacts, max_age_seconds=0)
    first = web.get("/v1/bestsellers", headers=READ)
    assert first.headers["Cache-Control"] == "public, max-age=0"
    assert web.get("/v1/bestsellers", headers={**READ, "If-None-Match": first.headers["ETag"]}).status_code == 304
