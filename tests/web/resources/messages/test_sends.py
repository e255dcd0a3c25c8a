"""Sends over HTTP: declaring them, and the slates that message tools fetch in their name."""

from __future__ import annotations

import threading
from pathlib import Path
from typing import Any
from urllib.parse import quote

import msgspec
import pytest
from werkzeug.test import TestResponse

from recsys.engine.inspection.replay import replayed, same_bytes
from recsys.live.sqlite.log import FILE
from recsys.web.app import Application, create_app
from recsys.web.http.answers import ItemAnswer, SentSlateAnswer, SlateAnswer
from recsys.web.resources.pages import LINES_AT_ONCE
from tests.conftest import NOW, Shop, busy_events, micros
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.serving import ADMIN, ENVIRONMENT, MESSAGES_KEY, READ, bearer, in_order, token

MESSAGES = bearer(MESSAGES_KEY)
SECRETS = ENVIRONMENT | {
    "RECSYS_KEYS_EVENTS": EVENTS_KEY,
    "RECSYS_FORGET_SECRETS": "forget-secret-of-at-least-32-characters",
}
SETTINGS = '[web]\nclock = "events"\n[state]\nslate_share = 0.0\n'
WEEKLY = {"placement": "email_weekly", "limit": 3, "template": "plain", "expires_at": "2099-01-01T00:00:00Z"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A published shop."""
    shop = Shop(tmp_path, busy_events())
    shop.toml = shop.toml.split("[web]")[0] + SETTINGS
    shop.publish()
    return shop


@pytest.fixture
def app(shop: Shop) -> Application:
    """One worker of the shop's service."""
    return create_app(shop.settings, SECRETS)


@pytest.fixture
def other(shop: Shop) -> Application:
    """Another worker."""
    return create_app(shop.settings, SECRETS)


def put(app: Application, send_id: str = "weekly", headers: dict[str, str] = MESSAGES, **changes: Any) -> TestResponse:
    """Declare a send; a change to None leaves a member out."""
    body = {name: value for name, value in {**WEEKLY, **changes}.items() if value is not None}
    return app.test_client().put(f"/v1/sends/{quote(send_id, safe='')}", json=body, headers=headers)


def fetch(app: Application, user: str = "user-0", query: str = "send_id=weekly", **headers: str) -> TestResponse:
    """Fetch a slate."""
    return app.test_client().get(f"/v1/users/{user}/recommendations?{query}", headers=headers or READ)


def slate(answer: TestResponse) -> SentSlateAnswer:
    """The slate that an answer holds."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "private, no-store"
    return msgspec.json.decode(answer.data, type=SentSlateAnswer, strict=True)


def problem(answer: TestResponse, status: int) -> dict[str, Any]:
    """The problem that an answer holds."""
    assert answer.status_code == status, answer.text
    assert answer.content_type == "application/problem+json"
    found: dict[str, Any] = answer.get_json()
    return found


def test_a_send_is_declared_once(app: Application, other: Application) -> None:
    """201 when it is new, 200 when it says the same again, and everybody reads what stands."""
    first = put(app)
    assert first.status_code == 201
    assert first.get_json() == {"send_id": "weekly", **WEEKLY, "expires_at": "2099-01-01T00:00:00+00:00"}
    assert first.headers["Cache-Control"] == "private, no-store"
    again = put(other, expires_at=4_070_908_800)
    assert (again.status_code, again.data) == (200, first.data)
    for worker in (app, other):
        read = worker.test_client().get("/v1/sends/weekly", headers=MESSAGES)
        assert (read.status_code, read.data) == (200, first.data)


def test_what_is_not_said_is_the_placements_or_nothing(app: Application) -> None:
    """Without a limit the placement's own is declared; without a template there is none; the id may be any."""
    strange = "Spring/Sale 50% 💡"
    assert put(app, strange, limit=None, template=None).get_json() == {
        "send_id": strange,
        "placement": "email_weekly",
        "limit": 12,
        "template": None,
        "expires_at": "2099-01-01T00:00:00+00:00",
    }
    assert put(app, strange, limit=12, template=None).status_code == 200
    read = app.test_client().get(f"/v1/sends/{quote(strange, safe='')}", headers=MESSAGES)
    assert read.get_json()["send_id"] == strange


@pytest.mark.parametrize(
    ("changes", "parameter", "stands", "given"),
    [
        ({"placement": "home"}, "placement", "email_weekly", "home"),
        ({"limit": 4}, "limit", 3, 4),
        ({"limit": None}, "limit", 3, 12),
        ({"template": "fancy"}, "template", "plain", "fancy"),
        ({"template": None}, "template", "plain", None),
        ({"expires_at": "2098-01-01T00:00:00Z"}, "expires_at", "2099-01-01", "2098-01-01T00:00:00+00:00"),
    ],
)
def test_a_send_cannot_be_changed(
    app: Application, other: Application, changes: dict[str, Any], parameter: str, stands: Any, given: Any
) -> None:
    """409 names what differs, what stands and what was sent; what stands stays."""
    first = put(app)
    stated = problem(put(other, **changes), 409)
    assert (stated["parameter"], stated["value"]) == (parameter, given)
    assert str(stands) in stated["allowed"]
    assert f"{parameter}: " in stated["detail"]
    assert app.test_client().get("/v1/sends/weekly", headers=MESSAGES).data == first.data


def test_everything_that_differs_is_named(app: Application) -> None:
    """Of several differences the detail names each."""
    put(app)
    stated = problem(put(app, limit=4, template="fancy"), 409)
    assert "limit: 3 stands, not 4; template: 'plain' stands, not 'fancy'" in stated["detail"]


@pytest.mark.parametrize(
    ("changes", "parameter"),
    [
        ({"placement": "nowhere"}, "placement"),
        ({"placement": None}, "placement"),
        ({"limit": 0}, "limit"),
        ({"limit": 101}, "limit"),
        ({"limit": "3"}, "limit"),
        ({"template": ""}, "template"),
        ({"template": "a\nb"}, "template"),
        ({"expires_at": None}, "expires_at"),
        ({"expires_at": "tomorrow"}, "expires_at"),
        ({"expires_at": "2099-01-01T00:00:00"}, "expires_at"),
        ({"expires_at": micros(NOW) // 10**6 - 3600 * 24 * 30}, "expires_at"),
        ({"expires": 1}, "expires"),
    ],
)
def test_a_wrong_declaration_is_refused(app: Application, shop: Shop, changes: dict[str, Any], parameter: str) -> None:
    """400 names the member; nothing is declared."""
    assert problem(put(app, **changes), 400)["parameter"] == parameter
    assert problem(app.test_client().get("/v1/sends/weekly", headers=MESSAGES), 404)["parameter"] == "send_id"
    assert not (shop.folder / "state" / FILE).exists()


@pytest.mark.parametrize("headers", [READ, ADMIN, EVENTS, bearer(token("user-0")), {}])
def test_only_messages_declare(app: Application, headers: dict[str, str]) -> None:
    """Declaring and reading a send needs a key of the scope messages."""
    expected = 403 if headers else 401
    problem(put(app, headers=headers), expected)
    problem(app.test_client().get("/v1/sends/weekly", headers=headers), expected)


def test_a_declared_send_is_pinned(app: Application, other: Application) -> None:
    """Its slates have two members more, at the end, and the same bytes on every fetch and worker, whatever else was asked."""
    put(app)
    first = fetch(app)
    found = slate(first)
    assert in_order(SentSlateAnswer, first.get_json())
    assert [*first.get_json()][-2:] == ["send_id", "pinned"]
    assert (found.send_id, found.pinned, found.placement, found.user_id) == ("weekly", True, "email_weekly", "user-0")
    assert len(found.items) == 3
    assert (*first.get_json()["items"][0], "attributes") == ItemAnswer.__struct_fields__
    for worker in (app, other):
        assert fetch(worker).data == first.data
        assert fetch(worker, query="send_id=weekly&placement=home&limit=9").data == first.data


def test_history_and_training_change_nothing(app: Application, shop: Shop) -> None:
    """What the shopper does since, and a new snapshot, leave the pinned slate alone; the unpinned one follows."""
    put(app)
    first, plain = fetch(app).data, fetch(app, query="placement=email_weekly&limit=3").get_json()["items"]
    moment = "2026-03-31T11:59:59Z"
    rows = [
        {"user_id": "user-0", "event_type": "purchase", "item_id": item["item_id"], "order_id": "now", "timestamp": moment}
        for item in plain
    ]
    assert app.test_client().post("/v1/events", json={"events": rows}, headers=EVENTS).status_code == 202
    assert fetch(app).data == first
    shop.publish()
    app.service.live.refresh()
    after = fetch(app, query="placement=email_weekly&limit=3").get_json()
    assert after["snapshot"] != slate(fetch(app)).snapshot
    assert [item["item_id"] for item in after["items"]] != [item["item_id"] for item in plain]
    assert fetch(app).data == first
    assert fetch(create_app(shop.settings, SECRETS)).data == first


def test_price_and_stock_stay_current(app: Application, other: Application) -> None:
    """One worker takes an update; the other's next fetch has the price, and another item for what is sold out, for good."""
    put(app)
    items = [item.item_id for item in slate(fetch(app)).items]
    changes = [{"item_id": items[0], "price": 1.5}, {"item_id": items[1], "stock": 0}]
    assert app.test_client().patch("/v1/items", json={"items": changes}, headers=EVENTS).status_code == 202
    swapped = fetch(other)
    found = slate(swapped)
    assert (found.items[0].item_id, found.items[0].price) == (items[0], 1.5)
    assert (found.items[1].item_id in items, found.items[1].available, found.items[2].item_id) == (False, True, items[2])
    back = [{"item_id": items[1], "stock": 9}]
    assert app.test_client().patch("/v1/items", json={"items": back}, headers=EVENTS).status_code == 202
    assert fetch(app).data == fetch(other).data == swapped.data


def test_stock_is_current_by_the_wall_clock_too(shop: Shop) -> None:
    """Whatever clock is set, a pinned slate is answered with what the log says now."""
    shop.toml = shop.toml.replace('"events"', '"wall"')
    one, two = create_app(shop.settings, SECRETS), create_app(shop.settings, SECRETS)
    put(one)
    assert fetch(one).data == fetch(two).data
    item = slate(fetch(two)).items[0].item_id
    one.test_client().patch("/v1/items", json={"items": [{"item_id": item, "price": 1.5}]}, headers=EVENTS)
    assert slate(fetch(two)).items[0].price == 1.5


@pytest.mark.long
def test_of_many_declarations_at_once_one_stands(shop: Shop) -> None:
    """Exactly one is new, and whoever said otherwise at the same moment is told so."""
    apps = [create_app(shop.settings, SECRETS) for _ in range(6)]
    start, answers = threading.Barrier(len(apps)), list[tuple[int, int]]()

    def declare(app: Application, limit: int) -> None:
        start.wait()
        answers.append((put(app, limit=limit).status_code, limit))

    threads = [threading.Thread(target=declare, args=(app, limit)) for limit, app in enumerate(apps, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert sorted(status for status, _ in answers) == [201, *[409] * 5]
    standing = apps[0].service.live.state.pins.send("weekly")
    assert standing is not None
    assert (201, standing.limit) in answers


def test_an_undeclared_send_says_that_nothing_is_pinned(app: Application) -> None:
    """200 with what the question says and `"pinned": false`, so that a message never breaks over a declaration."""
    found = slate(fetch(app, query="send_id=unheard&placement=home&limit=2"))
    assert (found.send_id, found.pinned, found.placement, len(found.items)) == ("unheard", False, "home", 2)
    put(app, "unheard")
    assert slate(fetch(app, query="send_id=unheard&placement=home&limit=2")).placement == "email_weekly"


def test_an_expired_send_says_so(app: Application) -> None:
    """When its time has come a send is answered unpinned, with a notice; it is still what it was declared as."""
    soon = micros(NOW) // 10**6 + 60
    first = put(app, expires_at=soon)
    pinned = slate(fetch(app))
    later = [{"user_id": "user-3", "event_type": "home_view", "timestamp": micros(NOW) + 61 * 10**6}]
    assert app.test_client().post("/v1/events", json={"events": later}, headers=EVENTS).status_code == 202
    late = slate(fetch(app))
    assert (pinned.pinned, pinned.notices) == (True, ())
    assert (late.pinned, late.placement, len(late.items)) == (False, "email_weekly", 3)
    assert late.notices == ("send_id: 'weekly' has expired; this slate is not pinned",)
    again = put(app, expires_at=soon)
    assert (again.status_code, again.data) == (200, first.data)


def test_without_a_send_nothing_is_new(app: Application) -> None:
    """All other slates have the members that they had."""
    assert in_order(SlateAnswer, fetch(app, query="placement=home").get_json())


@pytest.mark.parametrize(
    "filters",
    [
        "category=Home",
        "brand=Norr",
        "price_min=1",
        "price_max=9",
        "exclude=a",
        "item_id=a",
        "bought=allow",
        "now=5",
        "with_attributes=true",
    ],
)
def test_filters_do_not_go_with_a_send(app: Application, filters: str) -> None:
    """They would make one send mean two things: 400, declared or not, alone or in bulk."""
    name, _, text = filters.partition("=")
    value: Any = [text] if name in ("brand", "exclude", "item_id") else float(text) if text.isdecimal() else text
    value = True if text == "true" else value
    stated = problem(fetch(app, query=f"send_id=weekly&{filters}", **ADMIN), 400)
    assert stated["parameter"] == name
    assert "together with send_id" in stated["detail"]
    body = {"user_ids": ["user-0"], "send_id": "weekly", name: value if name != "now" else 5}
    assert problem(app.test_client().post("/v1/recommendations", json=body, headers=ADMIN), 400)["parameter"] == name


@pytest.mark.parametrize("given", ["", "%00", "a" * 257, "x&send_id=y"])
def test_a_send_id_is_one_id(app: Application, given: str) -> None:
    """Anything else is named."""
    assert problem(fetch(app, query=f"send_id={given}"), 400)["parameter"] == "send_id"


def test_a_browser_token_does_not_open_a_send(app: Application) -> None:
    """What a message shows is fixed by whoever sends it, not by a browser that asks first; the plain slate stays open."""
    put(app)
    for send_id in ("weekly", "unheard"):
        stated = problem(fetch(app, query=f"send_id={send_id}", **bearer(token("user-0"))), 403)
        assert stated["parameter"] == "send_id"
    assert app.service.live.state.pins.pin_of("weekly", "user-0") is None
    assert fetch(app, query="placement=home", **bearer(token("user-0"))).status_code == 200


def test_bulk_gives_what_each_would_get_alone(app: Application, other: Application) -> None:
    """A line for each id over all chunks, pinned for good; an id that cannot be one costs only its own line."""
    put(app)
    alone = fetch(other, "user-1").data
    ids = [*(f"user-{number}" for number in range(LINES_AT_ONCE)), "\n", "user-1", "user-2", "user-1"]
    body = {"user_ids": ids, "send_id": "weekly", "placement": "home", "limit": 1}
    lines = app.test_client().post("/v1/recommendations", json=body, headers=READ).data.splitlines()
    assert len(lines) == len(ids)
    assert lines[1] == lines[-3] == lines[-1] == alone
    assert (lines[-2], msgspec.json.decode(lines[-4])["status"]) == (lines[2], 400)
    assert [fetch(other, user).data for user in ids[:9]] == lines[:9]
    assert other.test_client().post("/v1/recommendations", json=body, headers=READ).data.splitlines() == lines


def test_the_last_sends_are_not_repeated(shop: Shop) -> None:
    """`messages.unseen_sends` says of how many sends."""
    shop.toml += "[messages]\nunseen_sends = 1\n"
    app = create_app(shop.settings, SECRETS)
    for send_id in ("one", "two", "three"):
        put(app, send_id)
    shown = [{item.item_id for item in slate(fetch(app, query=f"send_id={each}")).items} for each in ("one", "two", "three")]
    assert (shown[0] & shown[1], shown[1] & shown[2]) == (set(), set())
    assert shown[0] & shown[2]


def test_slates_of_sends_are_always_logged(app: Application, shop: Shop) -> None:
    """Though no share is drawn, what was pinned can be answered again, byte for byte; fetching it again logs nothing more."""
    put(app)
    fetch(app, query="placement=home")
    pinned = slate(fetch(app))
    fetch(app)
    plain = slate(fetch(app, query="send_id=unheard&placement=home"))
    notes = app.service.live.slates.log.newest(10)
    assert {note.recommendation_id for note in notes} == {pinned.recommendation_id, plain.recommendation_id}
    assert len(notes) == 2
    engine = app.service.live.serving().engine
    for note in notes:
        assert same_bytes(note, *replayed(note, engine.snapshot, []))


def test_forgetting_drops_what_is_pinned(app: Application, other: Application) -> None:
    """The receipt counts it, and the next fetch pins what a stranger gets."""
    put(app)
    before = slate(fetch(app))
    fetch(app, "user-2")
    receipt = app.test_client().delete("/v1/users/user-0", headers=ADMIN).get_json()
    assert receipt["removed"]["pins"] == 1
    assert app.service.live.state.pins.pin_of("weekly", "user-0") is None
    after = slate(fetch(other))
    assert (before.personalized, after.personalized, after.pinned) == (True, False, True)


def test_slates_are_counted(app: Application) -> None:
    """Every slate of a send counts on its placement, also when it was pinned before; what replaces an item is none."""
    put(app)
    item = slate(fetch(app)).items[0].item_id
    app.test_client().patch("/v1/items", json={"items": [{"item_id": item, "stock": 0}]}, headers=EVENTS)
    fetch(app)
    assert 'recsys_slates_total{placement="email_weekly"} 2.0' in app.service.metrics.text().decode()


def test_a_send_whose_placement_is_gone_says_so(app: Application, shop: Shop) -> None:
    """What is pinned still answers; who has nothing pinned gets a problem that names the placement."""
    shop.toml += "[placements.spring]\n"
    with_it = create_app(shop.settings, SECRETS)
    assert put(with_it, placement="spring").status_code == 201
    first = fetch(with_it).data
    assert fetch(app).data == first
    stated = problem(fetch(app, "user-2"), 400)
    assert (stated["parameter"], "'spring'" in stated["detail"]) == ("send_id", True)
