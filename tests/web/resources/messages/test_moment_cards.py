"""From a poll to a message: the card of a moment, pinned to it, with what can be bought when it is fetched."""

from __future__ import annotations

from collections.abc import Callable
from datetime import timedelta
from pathlib import Path
from typing import Any

import msgspec
import pytest
from flask.testing import FlaskClient
from werkzeug.test import TestResponse

from recsys.clock import DAY
from recsys.settings import StateSettings, WebSettings
from recsys.settings.messages import MessagesSettings
from recsys.web.app import Application, create_app
from recsys.web.http.answers import MomentCardAnswer
from tests.conftest import NOW, ago, event, micros
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.serving import ADMIN, ENVIRONMENT, MESSAGES_KEY, READ, bearer
from tests.support.shops.moment_shop import MomentShop, user

MESSAGES = bearer(MESSAGES_KEY)
PEOPLE = [
    user("cara"),
    user("bert", locale="fr-FR"),
    user("rania", locale="ar-SA"),
    user("ann", locale=None),
    user("reader", locale="en-GB"),
]
PAST = [
    event("cara", "sofa-1", "cart_add", ago(minutes=46)),
    event("cara", "lamp-1", "cart_add", ago(minutes=45)),
    event("bert", "sofa-2", at=ago(minutes=25)),
    event("rania", "lamp-2", "cart_add", ago(minutes=50)),
    event("ann", "bag-1", "cart_add", ago(minutes=50)),
    event("reader", "sofa-1", at=ago(minutes=90)),
    event("clock", None, "home_view", NOW),
]
SECRETS = ENVIRONMENT | {
    "RECSYS_KEYS_EVENTS": EVENTS_KEY,
    "RECSYS_FORGET_SECRETS": "forget-secret-of-at-least-32-characters",
    "RECSYS_SLOT_SECRETS": "slot-secret-of-at-least-32-characters",
}
SHOP = MessagesSettings(shop="Linden & Ash", home_url="https://shop.example/", public_url="https://m.shop.example")


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A shop in which carts were left and products viewed; read only."""
    shop = MomentShop(tmp_path_factory.mktemp("cards"), *PAST, people=PEOPLE)
    shop.publish()
    return shop.folder


Serve = Callable[[], Application]


@pytest.fixture
def serve(published: Path, tmp_path: Path) -> Serve:
    """Build workers over that shop and one log, whose clock is the newest event."""
    settings = msgspec.structs.replace(
        MomentShop(published).settings,
        state=StateSettings(folder=str(tmp_path / "state")),
        web=WebSettings(clock="events"),
        messages=SHOP,
    )
    return lambda: create_app(settings, SECRETS)


@pytest.fixture
def web(serve: Serve) -> FlaskClient:
    """A client of one worker."""
    return serve().test_client()


def poll(web: FlaskClient, kind: str = "cart") -> dict[str, dict[str, Any]]:
    """Poll; the moments by user."""
    answer = web.get(f"/v1/moments/{kind}", headers=MESSAGES)
    assert answer.status_code == 200, answer.text
    lines = [msgspec.json.decode(line) for line in answer.data.splitlines()]
    return {line["user_id"]: line for line in lines}


def card(web: FlaskClient, moment_id: str, **query: str) -> TestResponse:
    """Ask for the message of a moment."""
    return web.get(f"/v1/moments/{moment_id}/card", query_string=query, headers=MESSAGES)


def read(answer: TestResponse) -> MomentCardAnswer:
    """The card that an answer holds, within the limits of its channel."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "private, no-store"
    made = msgspec.json.decode(answer.data, type=MomentCardAnswer, strict=True)
    assert made.broken == ()
    return made


def post(web: FlaskClient, *rows: dict[str, Any]) -> None:
    """Accept events."""
    events = [{**row, "timestamp": row["timestamp"].isoformat()} for row in rows]
    assert web.post("/v1/events", json={"events": events}, headers=EVENTS).status_code == 202


def patch(web: FlaskClient, item: str, **changes: Any) -> None:
    """Have the shop change an item."""
    answer = web.patch("/v1/items", json={"items": [{"item_id": item, **changes}]}, headers=EVENTS)
    assert answer.status_code == 202, answer.text


@pytest.mark.parametrize("channel", ["email", "push", "sms", "whatsapp"])
def test_a_moment_becomes_a_message(web: FlaskClient, channel: str) -> None:
    """The message of the kind, in the shopper's language, about what the moment is about, with its other items."""
    moment = poll(web)["cara"]
    made = read(card(web, moment["moment_id"], channel=channel))
    assert (made.moment_id, made.user_id, made.kind, made.template) == (moment["moment_id"], "cara", "cart", "cart")
    assert (made.channel, made.locale, made.about) == (channel, "de", "lamp-1")
    assert made.recommendation_id == moment["slate"]["recommendation_id"]
    text = " ".join(made.parts.values())
    assert "Desk lamp" in text
    if channel != "whatsapp":
        assert "Warenkorb" in text
    if channel == "email":
        assert all(item["title"] in made.parts["html"] for item in moment["slate"]["items"])
        assert made.parts["html"].count(">Desk lamp<") == 1


@pytest.mark.parametrize(
    ("kind", "name", "locale", "said"),
    [
        ("browse", "bert", "fr", "Un autre regard sur Velvet sofa"),
        ("cart", "rania", "ar", "لا يزال في سلتك: Floor lamp"),
        ("cart", "ann", "en", "Still in your cart: Tote bag"),
        ("editorial", "reader", "en", "Worth reading: sofa-guide"),
    ],
)
def test_messages_are_in_the_shoppers_language(web: FlaskClient, kind: str, name: str, locale: str, said: str) -> None:
    """By the user table, else the shop's own; reasons too."""
    moment = poll(web, kind)[name]
    made = read(card(web, moment["moment_id"]))
    assert (made.locale, made.parts["subject"].replace("\xa0", " ")[: len(said)]) == (locale, said)
    assert f'lang="{locale}"' in made.parts["html"]
    assert ('dir="rtl"' in made.parts["html"]) == (locale == "ar")


def test_a_card_is_the_same_on_every_fetch(serve: Serve, web: FlaskClient) -> None:
    """From every worker, whatever the shopper's list would be by now; and it links to slots that lead where it says."""
    moment_id = poll(web)["cara"]["moment_id"]
    first = card(web, moment_id)
    post(web, *[event("cara", "bag-1", at=NOW + timedelta(minutes=n)) for n in range(5)])
    for client in (web, serve().test_client()):
        assert card(client, moment_id).data == first.data
    assert card(web, moment_id, part="subject").text == read(first).parts["subject"]
    assert "https://m.shop.example/v1/slots/" in read(first).parts["html"]
    slate = web.get(f"/v1/users/cara/recommendations?send_id={moment_id}", headers=READ).get_json()
    assert slate["items"][0]["item_id"] == "lamp-1"
    assert slate["pinned"]


@pytest.mark.long
def test_prices_are_those_of_now(web: FlaskClient) -> None:
    """What changed since the poll shows in the message."""
    moment_id = poll(web)["ann"]["moment_id"]
    patch(web, "bag-1", price=123.45)
    assert "123.45" in read(card(web, moment_id)).parts["text"]


def test_what_is_sold_out_gives_its_place_away(web: FlaskClient) -> None:
    """A message is about what can still be bought of its items, and lists what takes the place of the others, for good."""
    moment_id = poll(web)["cara"]["moment_id"]
    patch(web, "lamp-1", available=False)
    made = read(card(web, moment_id))
    assert made.about == "sofa-1"
    assert ">Desk lamp<" not in made.parts["html"]
    assert made.items == 5
    patch(web, "lamp-1", available=True)
    assert card(web, moment_id).data == msgspec.json.encode(made)
    patch(web, "sofa-1", available=False)
    neither = read(card(web, moment_id))
    assert neither.about is None
    assert neither.parts["subject"] == "Für Sie ausgesucht"
    assert "Warenkorb" not in neither.parts["html"]


def test_what_was_bought_since_is_not_spoken_of(web: FlaskClient) -> None:
    """A cart's message is about what still lies in it; of an item bought or taken out it says nothing."""
    moment_id = poll(web)["cara"]["moment_id"]
    post(web, event("cara", "lamp-1", "purchase", NOW + timedelta(minutes=1), order_id="o", quantity=1, price=80.0))
    made = read(card(web, moment_id))
    assert (made.about, ">Desk lamp<" in made.parts["html"]) == ("sofa-1", False)
    post(web, event("cara", "sofa-1", "cart_remove", NOW + timedelta(minutes=2)))
    empty = read(card(web, moment_id))
    assert (empty.about, ">Oak sofa<" in empty.parts["html"]) == (None, False)
    assert empty.items > 0
    viewed = poll(web, "browse")["bert"]["moment_id"]
    assert read(card(web, viewed)).about == "sofa-2"
    post(web, event("bert", "sofa-2", "purchase", NOW + timedelta(minutes=5), order_id="p", quantity=1, price=9.0))
    assert read(card(web, viewed)).about is None
    post(web, event("bert", "sofa-2", "view", NOW + timedelta(minutes=6)))
    assert read(card(web, viewed)).about is None, "who looks at what they bought does not want it again"


def test_a_purchase_that_arrives_late_counts(web: FlaskClient) -> None:
    """As orders of another system do: it took place before the moment was found, and the message is not of the item."""
    viewed = poll(web, "browse")["bert"]["moment_id"]
    post(web, event("bert", "sofa-2", "purchase", ago(minutes=1), order_id="p", quantity=1, price=9.0))
    assert read(card(web, viewed)).about is None


def test_what_its_person_did_under_another_id_counts(web: FlaskClient) -> None:
    """The cart of an id that was linked, or of an account that was joined, since is the person's: what was bought is not in it."""
    moment_id = poll(web)["ann"]["moment_id"]
    post(web, event("new", "bag-1", "purchase", NOW + timedelta(minutes=1), order_id="o", quantity=1, price=9.0))
    assert read(card(web, moment_id)).about == "bag-1"
    joined = web.post("/v1/users/new/accounts", json={"account_id": "ann"}, headers=ADMIN)
    assert joined.status_code in (200, 201), joined.text
    assert read(card(web, moment_id)).about is None


def test_the_slate_of_a_moment_is_its_own_users(web: FlaskClient) -> None:
    """By its id as a send it is what the poll said, before any card was fetched; for others there is none."""
    moment = poll(web)["cara"]
    asked = {"send_id": moment["moment_id"]}
    answer = web.get("/v1/users/cara/recommendations", query_string=asked, headers=READ)
    assert [each["item_id"] for each in answer.get_json()["items"]] == [each["item_id"] for each in moment["slate"]["items"]]
    assert answer.get_json()["pinned"]
    other = web.get("/v1/users/bert/recommendations", query_string=asked, headers=READ)
    assert (other.status_code, other.get_json()["parameter"]) == (404, "send_id")


def test_what_was_restocked_is_not_called_low(serve: Serve) -> None:
    """A message that little is left speaks of what little is left of when it is written."""
    web = serve().test_client()
    patch(web, "sofa-1", stock=1)
    moments = poll(web, "low_stock")
    moment_id = moments["reader"]["moment_id"]
    assert read(card(web, moment_id)).about == "sofa-1"
    patch(web, "sofa-1", stock=5000)
    for channel in ("email", "push", "sms"):
        assert read(card(web, moment_id, channel=channel)).about is None


def test_a_price_drop_shows_both_prices(web: FlaskClient) -> None:
    """The price before stands beside the present one; where it is no lower any more, the message is not of the item."""
    patch(web, "sofa-2", price=1000.0)
    moment = poll(web, "price_drop")["bert"]
    assert moment["price_before"] == 1200.0
    made = read(card(web, moment["moment_id"]))
    assert (made.about, made.locale) == ("sofa-2", "fr")
    assert "<s>1" in made.parts["html"]
    patch(web, "sofa-2", price=1300.0)
    assert made.parts["subject"].startswith("Moins cher")
    for channel in ("email", "push", "sms"):
        later = read(card(web, moment["moment_id"], channel=channel))
        assert (later.about, [each for each in later.parts.values() if "coûte" in each or "Moins cher" in each]) == (
            None,
            [],
        )


def test_what_is_no_moment_is_404(web: FlaskClient) -> None:
    """An id that was never found, and one whose user was forgotten, of whom nothing is left."""
    moment_id = poll(web)["cara"]["moment_id"]
    read(card(web, moment_id))
    missing = card(web, "0" * 24)
    assert (missing.status_code, missing.get_json()["parameter"]) == (404, "moment_id")
    assert web.delete("/v1/users/cara", headers=ADMIN).status_code == 200
    assert card(web, moment_id).status_code == 404
    assert web.get(f"/v1/sends/{moment_id}", headers=MESSAGES).status_code == 404


def test_an_old_moment_is_404(serve: Serve) -> None:
    """Once its line is retired, a moment can be known again and not be shown any more."""
    app = serve()
    web = app.test_client()
    moment_id = poll(web)["cara"]["moment_id"]
    later = micros(NOW) + int(400 * DAY)
    app.service.live.state.moments.retire(later * 2, 0)
    answer = card(web, moment_id)
    assert answer.status_code == 404
    assert "state.keep_days" in answer.get_json()["detail"]


def test_only_the_message_tool_asks(web: FlaskClient) -> None:
    """It needs the scope `messages`, and a channel and part that there are."""
    moment_id = poll(web)["cara"]["moment_id"]
    assert web.get(f"/v1/moments/{moment_id}/card", headers=READ).status_code == 403
    assert web.get(f"/v1/moments/{moment_id}/card").status_code == 401
    assert card(web, moment_id, channel="fax").status_code == 400
    assert card(web, moment_id, channel="sms", part="html").status_code == 400
