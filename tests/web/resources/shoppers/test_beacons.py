"""Bodies that carry their own token: what a page sends while it is left, without a header and without a preflight."""

from __future__ import annotations

import json
import logging
from pathlib import Path
from typing import Any

import pytest
from werkzeug.test import TestResponse

from recsys.web.app import RESOURCES, Application
from recsys.web.http.browsers.beacons import BEACON_BYTES
from tests.support.servers.intake import EVENTS, EVENTS_KEY, intake
from tests.support.servers.serving import READ_KEY, bearer, token

VIEW = {"event_type": "view", "item_id": "sofa-1", "user_id": "ada"}
PAGE = {"user_id": "ada", "placements": ["home"]}


@pytest.fixture(scope="module")
def app(artifacts: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The service with a log of its own."""
    return intake(artifacts, tmp_path_factory.mktemp("beacons"))


def beacon(app: Application, address: str, body: Any, media: str = "text/plain;charset=UTF-8", **more: Any) -> TestResponse:
    """Send text as a page does."""
    text = body if isinstance(body, str | bytes) else json.dumps(body)
    return app.test_client().post(address, data=text, content_type=media, **more)


def test_a_page_tells_and_asks_without_a_header(app: Application) -> None:
    """A browser token in a body of text opens what it opens in a header: its own shopper's events and slates."""
    stated = beacon(app, "/v1/events", {"token": token("ada"), "events": [VIEW | {"event_id": "b-1"}]})
    assert (stated.status_code, stated.get_json()["accepted"]) == (202, 1)
    again = app.test_client().post("/v1/events", json={"events": [VIEW | {"event_id": "b-1"}]}, headers=bearer(token("ada")))
    assert again.get_json()["duplicates"] == 1
    asked = beacon(app, "/v1/slates", {"token": token("ada"), **PAGE})
    assert (asked.status_code, asked.get_json()["slates"][0]["user_id"]) == (200, "ada")
    assert asked.headers["Cache-Control"] == "private, no-store"


HALF = '"view", "item_id": "sofa-1", "query": "velvet \\\\udead \\ud83d"'
HUGE = '"cart_add", "item_id": "sofa-1", "quantity": 1e999'


@pytest.mark.parametrize(("row", "rejected"), [(HALF, []), (HUGE, [1]), (HUGE.replace("quantity", "colour"), [])])
@pytest.mark.parametrize("by_key", [False, True])
def test_what_is_odd_in_one_event_is_its_own(app: Application, row: str, rejected: list[int], by_key: bool) -> None:
    """Half an emoji of a text that was cut, and a number that none can be, leave the events beside it alone."""
    good = json.dumps(VIEW)
    events = f'"events": [{good}, {{"user_id": "ada", "event_type": {row}}}, {good}]'
    if by_key:
        answer = app.test_client().post(
            "/v1/events", data=f"{{{events}}}", content_type="application/json", headers=bearer(EVENTS_KEY)
        )
    else:
        answer = beacon(app, "/v1/events", f'{{"token": "{token("ada")}", {events}}}')
    assert answer.status_code == 202, answer.text
    assert [each["index"] for each in answer.get_json()["rejected"]] == rejected
    assert answer.get_json()["accepted"] == 3 - len(rejected)


def test_it_opens_nothing_more(app: Application) -> None:
    """Another shopper's rows and slates stay closed, as with a header."""
    rows = [VIEW | {"user_id": "bob"}, {"event_type": "purchase", "item_id": "sofa-1", "user_id": "ada"}]
    stated = beacon(app, "/v1/events", {"token": token("ada"), "events": rows}).get_json()
    assert [each["index"] for each in stated["rejected"]] == [0, 1]
    assert beacon(app, "/v1/slates", {"token": token("bob"), **PAGE}).status_code == 403


@pytest.mark.parametrize("key", [EVENTS_KEY, READ_KEY])
def test_a_key_has_no_place_in_a_body(app: Application, key: str) -> None:
    """It would be a key in a browser: refused, also where it opens the call."""
    answer = beacon(app, "/v1/events", {"token": key, "events": [VIEW]})
    assert answer.status_code == 403
    assert key not in answer.text


@pytest.mark.parametrize(
    ("body", "status"),
    [
        ({"events": [VIEW]}, 401),
        ({"token": "", "events": [VIEW]}, 401),
        ({"token": "no-token", "events": [VIEW]}, 401),
        ({"token": token("ada", exp=1), "events": [VIEW]}, 401),
        ({"token": token("ada", secret="s" * 40), "events": [VIEW]}, 401),
        ({"token": 5, "events": [VIEW]}, 400),
        ({"token": None, "events": [VIEW]}, 400),
        ("", 400),
        ("[]", 400),
        ("[" * 20_000, 400),
        (b"\xff\xfe", 400),
        ({"token": token("ada"), "events": 5}, 400),
        ({"token": token("ada"), "event": [VIEW], "colour": 1}, 400),
        ({"token": token("ada"), "events": ["x" * BEACON_BYTES]}, 413),
    ],
)
def test_other_text_is_refused(app: Application, body: Any, status: int) -> None:
    """Without a valid token, or without the call's JSON, nothing is taken."""
    answer = beacon(app, "/v1/events", body)
    assert (answer.status_code, answer.content_type) == (status, "application/problem+json")
    assert ("WWW-Authenticate" in answer.headers) == (status == 401)


def test_only_calls_that_a_browser_may_make_take_text(app: Application) -> None:
    """All others want JSON and a key in the header, as before; so does text beside a header."""
    takes = {(one.method, one.path) for resource in RESOURCES.values() for one in resource.OPERATIONS if one.takes_beacons}
    assert takes == {("post", "/v1/events"), ("post", "/v1/slates")}
    body = {"token": token("ada"), "identities": []}
    assert beacon(app, "/v1/identities", body).status_code == 401
    assert beacon(app, "/v1/recommendations", {"token": READ_KEY, "user_ids": ["ada"]}).status_code == 401
    assert beacon(app, "/v1/events", {"events": [VIEW]}, headers=EVENTS).status_code == 415
    assert beacon(app, "/v1/events", {"token": token("ada"), "events": [VIEW]}, "text/html").status_code == 401


def test_a_token_never_stands_in_an_address(app: Application, caplog: pytest.LogCaptureFixture) -> None:
    """As a parameter it is refused, so that it ends up in no log; of a body nothing is logged."""
    text = token("ada")
    with caplog.at_level(logging.DEBUG):
        assert app.test_client().get(f"/v1/users/ada/recommendations?token={text}").status_code == 401
        assert app.test_client().post(f"/v1/events?token={text}", json={"events": [VIEW]}).status_code == 401
        assert app.test_client().get(f"/v1/bestsellers?token={text}", headers=bearer(text)).status_code == 400
        beacon(app, "/v1/events", {"token": text, "events": [5]})
        beacon(app, "/v1/events", {"token": text[:-1], "events": [VIEW]})
    assert text[:40] not in caplog.text
