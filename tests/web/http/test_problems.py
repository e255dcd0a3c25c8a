"""Every error is a problem detail (RFC 9457)."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recsys.web.http.answers import ProblemAnswer
from recsys.web.http.parameters import BODY_BYTES
from tests.support.servers.serving import ADMIN, READ, client, serve

PAGE = "/v1/slates"


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service with keys."""
    return client(artifacts)


def problem(answer: TestResponse, status: int) -> ProblemAnswer:
    """The problem that an answer holds, its form and status checked."""
    assert answer.status_code == status
    assert answer.content_type == "application/problem+json"
    assert answer.headers["Cache-Control"] == "private, no-store"
    found = msgspec.json.decode(answer.data, type=ProblemAnswer)
    assert found.status == status
    assert found.title
    assert found.detail
    return found


@pytest.mark.parametrize("address", ["/", "/v1", "/v2/bestsellers", "/v1/user/ada", "/v1/bestsellers/", "//", "/%00"])
def test_an_unknown_address_is_404(web: FlaskClient, address: str) -> None:
    """Addresses that no call has are 404 and point to the description."""
    assert "/openapi.json" in problem(web.get(address, headers=READ), 404).detail


def test_a_wrong_method_is_405(web: FlaskClient) -> None:
    """The answer says which methods the address has."""
    answer = web.delete("/v1/bestsellers", headers=READ)
    problem(answer, 405)
    assert set(answer.headers["Allow"].split(", ")) == {"GET", "HEAD", "OPTIONS"}
    problem(web.get(PAGE, headers=READ), 405)


@pytest.mark.parametrize("media", ["text/plain", "application/x-www-form-urlencoded", ""])
def test_a_body_that_is_not_json_is_415(web: FlaskClient, media: str) -> None:
    """Bodies are application/json, with or without parameters."""
    body = b'{"placements": ["home"]}'
    assert "application/json" in problem(web.post(PAGE, data=body, content_type=media, headers=READ), 415).detail
    assert web.post(PAGE, data=body, content_type="application/json; charset=utf-8", headers=READ).status_code == 200


def test_a_body_may_have_a_mebibyte(web: FlaskClient) -> None:
    """A body of the largest size is read, one more byte is 413."""
    largest = b'{"placements": ["home"]}'.ljust(BODY_BYTES)
    assert web.post(PAGE, data=largest, content_type="application/json", headers=READ).status_code == 200
    problem(web.post(PAGE, data=largest + b" ", content_type="application/json", headers=READ), 413)


def test_a_post_takes_no_query_string(web: FlaskClient) -> None:
    """Parameters of a POST stand in its body; ignored ones would mislead."""
    problem(web.post(f"{PAGE}?limit=5", json={"placements": ["home"]}, headers=READ), 400)


def test_an_unknown_placement_is_refused_with_the_known_ones(web: FlaskClient) -> None:
    """A placement that the settings do not have is 400 wherever it can be named."""
    answers = [
        web.get("/v1/users/ada/recommendations?placement=hom", headers=READ),
        web.post(PAGE, json={"placements": ["home", "hom"]}, headers=READ),
        web.post("/v1/recommendations", json={"user_ids": ["ada"], "placement": "hom"}, headers=READ),
    ]
    for answer in answers:
        found = problem(answer, 400)
        assert (found.parameter, found.value) == ("placement", "hom")
        assert "home" in (found.allowed or "").replace(",", "").split()


@pytest.mark.parametrize("user_id", ["", "%00", "%0A", "%7F", "%C2%85", "x" * 257, "%F0%9F%98%80" * 64 + "x"])
def test_an_id_that_cannot_be_one_is_refused(web: FlaskClient, user_id: str) -> None:
    """Empty ids, control characters and more than 256 bytes are 400."""
    found = problem(web.get(f"/v1/users/{user_id}/recommendations", headers=READ), 400)
    assert found.parameter == "user_id"
    assert problem(web.get(f"/v1/items/{user_id}/similar", headers=READ), 400).parameter == "item_id"


def test_an_unknown_item_in_the_path_is_404(web: FlaskClient) -> None:
    """An item that the catalogue does not have is 404 and is named as it was understood."""
    for call in ("similar", "bought-together"):
        found = problem(web.get(f"/v1/items/no%2Fsuch%20%F0%9F%8E%81/{call}", headers=READ), 404)
        assert (found.parameter, found.value) == ("item_id", "no/such 🎁")


def test_now_is_for_admins(web: FlaskClient) -> None:
    """A key that only reads may not choose the moment; an admin's may, but it must be one."""
    address = "/v1/bestsellers?now=2020-01-01T00:00:00Z"
    assert problem(web.get(address, headers=READ), 403).parameter == "now"
    assert web.get(address, headers=ADMIN).status_code == 200
    assert problem(web.get("/v1/bestsellers?now=soon", headers=ADMIN), 400).parameter == "now"


def test_an_unexpected_error_shows_nothing_of_the_inside(artifacts: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A 500 tells the caller nothing of the program and the log nothing of the shopper; the error is counted."""
    app = serve(artifacts)

    def broken() -> Any:
        raise ZeroDivisionError("secret inside")

    app.add_url_rule("/broken", "broken", broken)
    answer = app.test_client().get("/broken?user=ada")
    assert "secret" not in answer.text
    assert "ZeroDivisionError" not in answer.text
    problem(answer, 500)
    assert "secret inside" in caplog.text
    assert "ada" not in caplog.text
    assert 'recsys_errors_total{route="other"} 1.0' in app.service.metrics.text().decode()
