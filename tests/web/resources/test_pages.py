"""Many slates in one request."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient

from recsys.engine.serving_state import ServingState
from recsys.live.sqlite.log import FILE
from recsys.types import Event, Query, Send, Slate
from recsys.web.http.answers import PageAnswer, SlateAnswer
from recsys.web.http.auth import DEVELOPER
from recsys.web.http.parameters import BulkBody
from recsys.web.operations import Call
from recsys.web.resources.pages import LINES_AT_ONCE, bulk
from recsys.web.serving.service import Service
from tests.support.servers.intake import intake
from tests.support.servers.serving import ADMIN, READ, client, serve

BULK = "/v1/recommendations"


@pytest.fixture(scope="module")
def web(artifacts: Path) -> FlaskClient:
    """The service with keys."""
    return client(artifacts)


def page(web: FlaskClient, **body: Any) -> PageAnswer:
    """The slates of one page."""
    answer = web.post("/v1/slates", json=body, headers=READ)
    assert answer.status_code == 200, answer.text
    return msgspec.json.decode(answer.data, type=PageAnswer)


def lines(web: FlaskClient, **body: Any) -> list[dict[str, Any]]:
    """The lines of a bulk answer."""
    answer = web.post(BULK, json=body, headers=READ)
    assert (answer.status_code, answer.content_type) == (200, "application/x-ndjson")
    assert answer.data.endswith(b"\n")
    return [msgspec.json.decode(line) for line in answer.data.splitlines()]


def test_no_item_stands_twice_on_a_page(web: FlaskClient) -> None:
    """Placements choose in their order, and each leaves out what stands before it."""
    asked = ["home", {"placement": "bestsellers", "limit": 3}, {"placement": "home", "limit": 2}, "popular"]
    found = page(web, user_id="user-0", placements=asked).slates
    assert [slate.placement for slate in found] == ["home", "bestsellers", "home", "popular"]
    shown = [item.item_id for slate in found for item in slate.items]
    assert len(shown) == len(set(shown))
    assert {slate.user_id for slate in found} == {"user-0"}


def test_a_page_of_one_placement_is_the_single_answer(web: FlaskClient) -> None:
    """Both calls answer the same slate."""
    moment = "2030-01-01T00:00:00Z"
    single = web.get(f"/v1/users/user-0/recommendations?now={moment}&limit=3&brand=Norr", headers=ADMIN).data
    body = {"user_id": "user-0", "placements": [{"limit": 3, "brand": ["Norr"]}], "now": moment}
    assert web.post("/v1/slates", json=body, headers=ADMIN).data == b'{"slates":[' + single + b"]}"


def test_a_page_for_nobody_known_is_answered(web: FlaskClient) -> None:
    """Without a user_id the slates are those of an unknown shopper."""
    (found,) = page(web, placements=["home"]).slates
    assert found.user_id is None
    assert found.items


def test_a_bulk_answer_has_a_line_for_each_id_in_order(web: FlaskClient) -> None:
    """Known, unknown and repeated ids get the very slate of the single call, over all chunks."""
    ids = ["user-0", "nobody", "user-1", "user-0", "a/b 😀"] * LINES_AT_ONCE
    found = lines(web, user_ids=ids, limit=2)
    assert [line["user_id"] for line in found] == ids
    assert found[0] == found[3]
    for line in found[:5]:
        assert len(msgspec.convert(line, SlateAnswer).items) == 2


def test_a_bulk_answer_takes_as_long_as_its_last_line(artifacts: Path) -> None:
    """The time of a streamed answer is counted once its end is sent, not before its first line."""
    web = client(artifacts)
    seconds = 'recsys_request_seconds_count{route="/v1/recommendations"}'
    answer = web.post(BULK, json={"user_ids": ["user-1", "user-2"]}, headers=READ)
    assert seconds not in web.get("/metrics", headers=ADMIN).text
    assert len(answer.get_data().splitlines()) == 2
    answer.close()
    assert f"{seconds} 1.0" in web.get("/metrics", headers=ADMIN).text


def test_an_id_that_cannot_be_one_gets_a_problem_as_its_line(web: FlaskClient) -> None:
    """One wrong id does not cost the others their slates."""
    found = lines(web, user_ids=["user-0", "x" * 257, "", "\n", "user-1"])
    assert [line.get("status") for line in found] == [None, 400, 400, 400, None]
    assert found[1]["user_id"] == "x" * 257
    assert found[1]["parameter"] == "user_id"


class Failing(Service):
    """A service with an error that one shopper meets."""

    def recommend(self, serving: ServingState, query: Query, is_message: bool = False) -> Slate:
        """Fail for user-1."""
        if query.user_id == "user-1":
            raise ZeroDivisionError("secret inside")
        return super().recommend(serving, query)


def test_an_unexpected_error_costs_one_line(artifacts: Path, caplog: pytest.LogCaptureFixture) -> None:
    """A shopper whose slate fails gets a problem that shows nothing of the inside; the others get their slates."""
    service = serve(artifacts).service
    failing = Failing(service.settings, service.auth, service.live, service.metrics, service.cards)
    answer = bulk(Call(failing, {}, DEVELOPER, {}, BulkBody(user_ids=("user-0", "user-1", "user-2"))))
    text = b"".join(answer({}, lambda *_: None))
    found = [msgspec.json.decode(line) for line in text.splitlines()]
    assert [line.get("status") for line in found] == [None, 500, None]
    assert b"secret" not in text
    assert "secret inside" in caplog.text
    assert "user-1" not in caplog.text
    assert 'recsys_errors_total{route="/v1/recommendations"} 1.0' in service.metrics.text().decode()


@pytest.mark.parametrize("send", [{}, {"send_id": "weekly"}], ids=["slates", "a send"])
def test_live_state_that_fails_is_asked_once_a_chunk(
    artifacts: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture, send: dict[str, str]
) -> None:
    """Where the log breaks while a bulk answer runs, the lines of its chunk say so after one look-up; what came before stands."""
    app = intake(artifacts, tmp_path)
    state = app.service.live.state
    state.pins.declare(Send(send_id="weekly", placement="home", limit=3, expires_at=2**60), 1)
    ids = [f"user-{number}" for number in range(2 * LINES_AT_ONCE)]  # nobody is looked up who did nothing
    state.add_events([Event(event_id=each, user_id=each, event_type="view", timestamp=1) for each in ids], 1)
    answer = app.test_client().post("/v1/recommendations", json={"user_ids": ids, **send}, headers=READ)
    chunks = answer.iter_encoded()
    first = next(chunks).splitlines()
    state.close()
    for file in (tmp_path / "state").glob(f"{FILE}*"):
        file.unlink()
    (tmp_path / "state" / FILE).write_bytes(b"no database" * 1_000)
    found = [msgspec.json.decode(line) for line in [*first, *b"".join(chunks).splitlines()]]
    assert [line["user_id"] for line in found] == ids
    assert [line.get("status") for line in found] == [None] * LINES_AT_ONCE + [503] * LINES_AT_ONCE
    assert [record.message.startswith("the live log failed") for record in caplog.records] == [True]
    assert 'recsys_errors_total{route="/v1/recommendations"} 1.0' in app.service.metrics.text().decode()
