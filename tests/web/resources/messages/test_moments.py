"""Polling for moments over HTTP: cursors, limits, lost answers, who may ask, and what cannot be asked."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recsys.engine.merchandising.interleaving import NOTICE
from recsys.settings import StateSettings, WebSettings
from recsys.settings.experiments import Experiment
from recsys.web.app import Application, create_app
from recsys.web.http.answers import MomentAnswer
from recsys.web.resources.messages.moments import Cursor
from tests.conftest import NOW, ago, event, micros
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.serving import ADMIN, ENVIRONMENT, MESSAGES_KEY, READ, bearer, token
from tests.support.shops.moment_shop import MomentShop, user

MESSAGES = bearer(MESSAGES_KEY)
CARTS = [event(f"user-{n}", "lamp-3", "cart_add", ago(minutes=60 + n)) for n in range(12)]
CARTS += [event("clock", None, "home_view", NOW)]


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in which twelve carts were left; read only."""
    shop = MomentShop(tmp_path_factory.mktemp("moments"), *CARTS)
    shop.publish()
    return shop.folder


Serve = Callable[..., Application]


@pytest.fixture
def serve(published: Path, tmp_path: Path) -> Serve:
    """Build workers over that shop and one log, whose clock is the newest event."""

    def build(**more: Any) -> Application:
        shop = MomentShop(published)
        settings = msgspec.structs.replace(
            shop.settings,
            state=StateSettings(folder=str(tmp_path / "state")),
            web=WebSettings(clock="events"),
            **more,
        )
        return create_app(settings, ENVIRONMENT | {"RECSYS_KEYS_EVENTS": EVENTS_KEY})

    return build


@pytest.fixture
def web(serve: Serve) -> FlaskClient:
    """A client of one worker."""
    return serve().test_client()


def poll(web: FlaskClient, kind: str = "cart", **query: Any) -> TestResponse:
    """Poll as a message tool does."""
    return web.get(f"/v1/moments/{kind}", query_string=query, headers=MESSAGES)


def users(answer: TestResponse) -> list[str]:
    """Who is named, in the order of the answer."""
    assert answer.status_code == 200, answer.text
    return [msgspec.json.decode(line, type=MomentAnswer).user_id for line in answer.data.splitlines()]


def later(web: FlaskClient, **more: float) -> None:
    """Time passes."""
    tick = {"user_id": "clock", "event_type": "home_view", "timestamp": (NOW + timedelta(**more)).isoformat()}
    assert web.post("/v1/events", json={"events": [tick]}, headers=EVENTS).status_code == 202


def test_a_poll_names_everybody_who_is_due(web: FlaskClient) -> None:
    """NDJSON, a line each, the newest found first, with a cursor to go on with; nothing new comes after it."""
    answer = poll(web)
    assert answer.content_type == "application/x-ndjson"
    assert answer.headers["Cache-Control"] == "private, no-store"
    assert sorted(users(answer)) == sorted(f"user-{n}" for n in range(12))
    assert users(answer)[-1] == "user-11"  # whose cart is the oldest was found first
    again = poll(web, cursor=answer.headers["Next-Cursor"])
    assert (again.status_code, again.data) == (200, b"")


def test_an_answer_that_was_lost_is_given_again(web: FlaskClient, serve: Serve) -> None:
    """The same cursor, or none again, gives the same bytes, also from another worker."""
    first = poll(web, limit=5)
    assert len(users(first)) == 5
    second = poll(web, limit=5, cursor=first.headers["Next-Cursor"])
    assert len(users(second)) == 5
    other = serve().test_client()
    assert poll(other, limit=5).data == first.data
    assert poll(other, limit=5, cursor=first.headers["Next-Cursor"]).data == second.data


def test_whoever_stores_the_cursor_gets_each_once(web: FlaskClient, serve: Serve) -> None:
    """Small pages over two workers in turn, until nothing is left: each user once, also where time passes between."""
    workers, taken = [web, serve().test_client()], list[str]()
    query: dict[str, Any] = {"limit": 5}
    for number in range(6):
        answer = poll(workers[number % 2], **query)
        taken += users(answer)
        query["cursor"] = answer.headers["Next-Cursor"]
        later(web, minutes=number)
    assert sorted(taken) == sorted(f"user-{n}" for n in range(12))


def test_pages_of_what_is_written_already_miss_nobody(web: FlaskClient) -> None:
    """A page that is shorter than what was found goes on where it ended, each user once."""
    assert len(users(poll(web))) == 12
    taken, query = list[str](), dict[str, Any](limit=5)
    for length in (5, 5, 2, 0):
        answer = poll(web, **query)
        assert len(users(answer)) == length
        taken += users(answer)
        query["cursor"] = answer.headers["Next-Cursor"]
    assert sorted(taken) == sorted(f"user-{n}" for n in range(12))


def test_without_a_cursor_it_is_the_last_24_hours(web: FlaskClient) -> None:
    """What was found longer ago needs the cursor; it is not lost."""
    first = poll(web, limit=4)
    later(web, hours=24, seconds=-1)
    assert len(users(poll(web))) == 4  # the other carts are older than a day by now
    later(web, hours=24)
    assert users(poll(web)) == []
    assert poll(web, cursor=Cursor(0, micros(NOW) * 2).text("cart")).data == first.data


def test_an_empty_poll_has_a_cursor(web: FlaskClient) -> None:
    """From the first poll on there is something to go on with, whether or not anybody was due."""
    empty = poll(web, "browse")
    assert users(empty) == []
    view = {"user_id": "user-20", "event_type": "view", "item_id": "sofa-1", "timestamp": NOW.isoformat()}
    assert web.post("/v1/events", json={"events": [view]}, headers=EVENTS).status_code == 202
    later(web, minutes=20)
    assert users(poll(web, "browse", cursor=empty.headers["Next-Cursor"])) == ["user-20"]


def test_a_day_of_one_user_has_one_moment(web: FlaskClient) -> None:
    """Who was told of a cart is not told of anything else today."""
    assert len(users(poll(web))) == 12
    assert not {f"user-{n}" for n in range(12)} & set(users(poll(web, "winback")))


@pytest.mark.parametrize(
    ("query", "parameter"),
    [
        ({"cursor": "nonsense"}, "cursor"),
        ({"cursor": ""}, "cursor"),
        ({"cursor": "öäü"}, "cursor"),
        ({"cursor": Cursor(0, micros(NOW) * 2).text("browse")}, "cursor"),
        ({"cursor": Cursor(10_000, micros(NOW) * 2).text("cart")}, "cursor"),
        ({"cursor": Cursor(0, micros(NOW)).text("cart")}, "cursor"),
        ({"limit": 0}, "limit"),
        ({"limit": 5001}, "limit"),
        ({"limit": "many"}, "limit"),
        ({"now": "2026-03-31T12:00:00Z"}, "now"),
    ],
)
def test_wrong_parameters_are_refused(web: FlaskClient, query: dict[str, Any], parameter: str) -> None:
    """A cursor of another kind, of another log, too old or none at all, a limit out of range, a moment: 400 with what is allowed."""
    answer = poll(web, **query)
    found = answer.get_json()
    assert (answer.status_code, found["parameter"]) == (400, parameter)
    assert "5000" in found["allowed"] if parameter == "limit" else found["allowed"]


def test_kinds_that_are_off_or_unknown_are_not_found(web: FlaskClient) -> None:
    """404 names the kinds that are on."""
    for kind in ("offer", "nonsense"):
        answer = poll(web, kind)
        assert answer.status_code == 404
        assert "cart" in answer.get_json()["allowed"]


def test_only_message_tools_ask(web: FlaskClient) -> None:
    """A key of the scope messages; none for reading or for administration, no browser token."""
    assert web.get("/v1/moments/cart").status_code == 401
    assert web.get("/v1/moments/cart", headers=READ).status_code == 403
    assert web.get("/v1/moments/cart", headers=bearer(token("user-1"))).status_code == 403
    assert web.get("/v1/moments/cart", headers=ADMIN).status_code == 403


def test_nothing_is_told_that_cannot_be_written_down(web: FlaskClient, tmp_path: Path) -> None:
    """Where the log cannot be written the answer is 503 with Retry-After, and nobody is named."""
    (tmp_path / "state").write_text("no folder")
    answer = poll(web)
    assert (answer.status_code, answer.headers["Retry-After"]) == (503, "1")
    assert "user-" not in answer.text


@pytest.mark.parametrize("kind", ["cart", "browse"])
def test_cursors_come_back_as_they_were(kind: str) -> None:
    """A cursor reads as what it was made from, and as nothing once a letter of it is another one."""
    text = Cursor(2**40, 2**60).text(kind)
    assert Cursor.read(text, kind) == Cursor(2**40, 2**60)
    assert set(text) <= set("abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789-_")
    for place in range(len(text)):
        changed = text[:place] + ("B" if text[place] == "A" else "A") + text[place + 1 :]
        assert Cursor.read(changed, kind) in (None, Cursor(2**40, 2**60))


def test_a_new_snapshot_goes_on_where_the_old_one_was(tmp_path: Path) -> None:
    """A training between two polls names nobody again, and whoever it brings in."""
    shop = MomentShop(tmp_path, *CARTS)
    shop.publish()
    app = create_app(shop.settings, {"RECSYS_KEYS_EVENTS": EVENTS_KEY})
    web = app.test_client()
    first = web.get("/v1/moments/cart")
    assert len(users(first)) == 12
    shop.people.append(user("late"))
    shop.add(event("late", "sofa-1", "cart_add", ago(minutes=50)))
    shop.publish(now=NOW + timedelta(minutes=1))
    app.service.live.refresh()
    second = web.get("/v1/moments/cart", query_string={"cursor": first.headers["Next-Cursor"]})
    assert users(second) == ["late"]
    assert set(users(web.get("/v1/moments/cart"))) == {"late", *users(first)}


def test_who_withdrew_a_consent_is_not_named_again(tmp_path: Path) -> None:
    """A moment that was found before is left out of a later poll; of those who say yes to another channel it names that one."""
    shop = MomentShop(tmp_path, *CARTS)
    shop.publish()
    app = create_app(shop.settings, {"RECSYS_KEYS_EVENTS": EVENTS_KEY})
    web = app.test_client()
    assert len(users(web.get("/v1/moments/cart"))) == 12
    said = {"user-1": {"consent_email": False}, "user-2": {"consent_email": False, "consent_sms": True}}
    shop.people = [each | said.get(each["user_id"], {}) for each in shop.people]
    shop.publish(now=NOW + timedelta(minutes=1))
    app.service.live.refresh()
    again = web.get("/v1/moments/cart")
    assert "user-1" not in users(again)
    channels = {each["user_id"]: each["channels"] for each in map(msgspec.json.decode, again.data.splitlines())}
    assert (channels["user-2"], channels["user-3"]) == (["sms"], ["email"])


def test_lists_of_moments_are_never_interleaved(serve: Serve) -> None:
    """They become messages, which show one ranking alone."""
    change = {"rules": [{"name": "popular", "recommenders": {"bestsellers": 1.0}}]}
    arms = [{"name": "control", "share": 0.5}, {"name": "popular", "share": 0.5, "change": change}]
    trial = msgspec.convert({"placement": "cart", "kind": "interleaved", "arms": arms}, Experiment)
    web = serve(experiments={"trial": trial}).test_client()
    stated = poll(web)
    assert len(users(stated)) == 12
    assert NOTICE not in stated.text
