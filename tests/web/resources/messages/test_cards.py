"""Cards over HTTP: the message of a send for a user, rendered from what is pinned."""

from __future__ import annotations

from pathlib import Path

import msgspec
import pytest
from werkzeug.test import TestResponse

from recsys.web.app import Application, create_app
from recsys.web.http.answers import CardAnswer
from tests.conftest import Shop, ago, busy_events, event
from tests.support.servers.serving import READ
from tests.web.resources.messages.test_sends import MESSAGES, SECRETS, fetch, problem, put, slate

SETTINGS = """[web]
clock = "events"
[state]
slate_share = 0.0
[messages]
shop = "Maison & Fils"
home_url = "https://shop.example/"
public_url = "https://recs.shop.example"
templates = "templates"
"""
SLOTS = {"RECSYS_SLOT_SECRETS": "slot-secret-of-at-least-32-characters"}


@pytest.fixture
def shop(tmp_path: Path) -> Shop:
    """A published shop with a template of its own."""
    shop = Shop(tmp_path, busy_events())
    shop.toml = shop.toml.split("[web]")[0] + SETTINGS
    folder = tmp_path / "templates"
    folder.mkdir()
    (folder / "plain.sms.liquid").write_text("--- body\n{{ item_1_id }} {{ Profile.lifecycle }} {{ Event.item_id }}\n")
    (folder / "plain.push.liquid").write_text(
        "--- title\n{{ items[0].title }}\n--- body\n{{ items | map: 'id' | join: ' ' }}\n"
    )
    shop.publish()
    return shop


@pytest.fixture
def app(shop: Shop) -> Application:
    """One worker of the shop's service."""
    return create_app(shop.settings, SECRETS | SLOTS)


def card(app: Application, query: str = "", user: str = "user-0", send: str = "weekly") -> TestResponse:
    """Ask for a card."""
    return app.test_client().get(f"/v1/sends/{send}/users/{user}/card?{query}", headers=MESSAGES)


def read(answer: TestResponse) -> CardAnswer:
    """The card that an answer holds."""
    assert answer.status_code == 200, answer.text
    assert answer.headers["Cache-Control"] == "private, no-store"
    return msgspec.json.decode(answer.data, type=CardAnswer, strict=True)


def test_a_card_shows_what_is_pinned(app: Application) -> None:
    """The items are those of the send's slate, on every channel and every time."""
    put(app)
    made = read(card(app, "channel=push"))
    pinned = slate(fetch(app))
    assert made.parts["body"].split() == [item.item_id for item in pinned.items]
    assert (made.pinned, made.items, made.recommendation_id) == (True, 3, pinned.recommendation_id)
    assert (made.template, made.channel, made.locale, made.broken) == ("plain", "push", "en", ())
    assert card(app, "channel=push").data == card(app, "channel=push").data
    assert read(card(app, "channel=sms")).parts["body"].split()[0] == pinned.items[0].item_id


def test_the_built_in_mail_links_to_slots(app: Application) -> None:
    """The weekly mail holds the slots' addresses, and says the shop's name as HTML does."""
    put(app, template="weekly")
    mail = read(card(app)).parts
    slots = [item["slot"] for item in fetch(app).get_json()["items"]]
    assert all(slot["link"] in mail["html"] and slot["image"] in mail["html"] for slot in slots)
    assert "Maison &amp; Fils" in mail["html"]
    assert "Maison & Fils" in mail["text"]


@pytest.mark.parametrize(
    ("query", "media"),
    [
        ("part=html", "text/html; charset=utf-8"),
        ("part=subject", "text/plain; charset=utf-8"),
        ("channel=push&part=payload", "application/json"),
    ],
)
def test_a_part_comes_as_it_is(app: Application, query: str, media: str) -> None:
    """Tools that embed text get the part alone, with its own type."""
    put(app, template="weekly")
    answer = card(app, query)
    whole = read(card(app, query.partition("part=")[0].rstrip("&")))
    assert answer.content_type == media
    assert answer.text == whole.parts[query.rpartition("=")[2]]


def test_a_stranger_gets_a_card_too(app: Application) -> None:
    """Nobody known, an id with a slash: the message reads without a history."""
    put(app, template="weekly")
    assert read(card(app, user="no%2Fbody")).items == 3


def test_what_is_wrong_is_named(app: Application) -> None:
    """Unknown sends, templates, channels and parts, and sends without a template."""
    assert problem(card(app, send="other"), 404)["parameter"] == "send_id"
    put(app, "untold", template=None)
    assert "without a template" in problem(card(app, send="untold"), 404)["detail"]
    put(app, "unknown", template="nowhere")
    assert "weekly (email, push, sms, whatsapp)" in problem(card(app, send="unknown"), 404)["detail"]
    put(app)
    assert "'email'" in problem(card(app), 404)["detail"]
    assert problem(card(app, "channel=fax"), 400)["allowed"] == "push, email, sms or whatsapp"
    assert problem(card(app, "channel=sms&part=html"), 400)["allowed"] == "one of body"
    assert problem(app.test_client().get("/v1/sends/weekly/users/user-0/card", headers=READ), 403)


def test_a_broken_template_of_the_shop_stops_the_start(shop: Shop) -> None:
    """The service does not start with a template that cannot be rendered, and says where it is wrong."""
    (shop.folder / "templates" / "bad.sms.liquid").write_text("--- body\n{% if %}\n")
    with pytest.raises(Exception, match=r"bad\.sms\.liquid"):
        create_app(shop.settings, SECRETS)


def test_a_cart_card_speaks_of_what_lies_in_the_cart(shop: Shop) -> None:
    """Not of what was bought, taken out or sold out since; where nothing is left, of no cart at all, and `about` is null."""
    shop.add(
        *(event("ann", item, "cart_add", ago(minutes=90 - n)) for n, item in enumerate(("sofa-1", "lamp-1", "bag-1"))),
        event("ann", "bag-1", "cart_remove", ago(minutes=80)),
        event("ann", "lamp-1", "purchase", ago(minutes=70), order_id="o"),
        event("bob", "sofa-1", "cart_add", ago(minutes=90)),
        event("bob", "sofa-1", "purchase", ago(minutes=80), order_id="p"),
    )
    shop.publish()
    app = create_app(shop.settings, SECRETS | SLOTS)
    put(app, "carts", placement="cart", template="cart")
    left = read(card(app, user="ann", send="carts"))
    assert (left.about, left.parts["subject"]) == ("sofa-1", "Still in your cart: Oak sofa")
    bought = read(card(app, user="bob", send="carts"))
    assert bought.about is None
    assert bought.parts["subject"] == "Chosen for you"
    assert "cart" not in bought.parts["text"]
    assert read(card(app, "channel=push", user="bob", send="carts")).parts["title"] == "Chosen for you"


@pytest.mark.parametrize("template", ["browse", "back_in_stock", "price_drop", "low_stock"])
def test_a_card_speaks_of_nothing_that_was_bought_since(shop: Shop, template: str) -> None:
    """A message on what was looked at is about the last item that was looked at and is still wanted."""
    shop.add(
        event("ann", "sofa-1", at=ago(minutes=90)),
        event("ann", "gone-1", at=ago(minutes=85)),
        event("ann", "lamp-1", at=ago(minutes=80)),
        event("ann", "lamp-1", "purchase", ago(minutes=70), order_id="o"),
    )
    shop.publish()
    app = create_app(shop.settings, SECRETS)
    put(app, "looked", template=template)
    assert read(card(app, user="ann", send="looked")).about == "sofa-1"


def test_what_a_shop_writes_itself_speaks_of_the_last_event(app: Application) -> None:
    """A template of the shop's own kind has the last thing that the reader did with an item, whatever that was."""
    put(app)
    made = read(card(app, "channel=sms"))
    assert made.parts["body"].split()[2:] == [made.about]
