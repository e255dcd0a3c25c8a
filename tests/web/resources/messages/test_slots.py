"""Slots over HTTP: what mail clients, proxies, readers and forgers get from the two addresses, which is never an error."""

from __future__ import annotations

import re
import shutil
import sqlite3
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, quote, urlsplit

import polars as pl
import pytest
from werkzeug.test import TestResponse

from recsys.live.sqlite.log import FILE
from recsys.messages.slots import SLOT_SECRETS, SlotKeys
from recsys.types import Event, SettingsError
from recsys.web.app import Application, create_app
from tests.conftest import ITEMS, NOW, Shop, busy_events, micros
from tests.support.servers.intake import EVENTS, EVENTS_KEY
from tests.support.servers.running import start, stop
from tests.support.servers.serving import ADMIN, ENVIRONMENT, MESSAGES_KEY, READ, bearer

SECRET, OLD = "s" * 40, "o" * 32
KEYS = SlotKeys([SECRET])
SECRETS = ENVIRONMENT | {
    "RECSYS_KEYS_EVENTS": EVENTS_KEY,
    "RECSYS_FORGET_SECRETS": "forget-secret-of-at-least-32-characters",
    SLOT_SECRETS: SECRET,
}
HOME, PLACEHOLDER = "https://shop.example/", "https://img.example/none.png"
MESSAGES = f'[messages]\npublic_url = "https://m.example/r/"\nhome_url = "{HOME}"\nplaceholder_url = "{PLACEHOLDER}"\n'
SETTINGS = '[web]\nclock = "events"\n[state]\nslate_share = 0.0\n'
MINUTE = 60
ADDRESSES: dict[str, tuple[Any, Any]] = {
    each["item_id"]: (f"https://shop.example/{each['item_id']}?size=1#top", f"https://img.example/{each['item_id']}.jpg")
    for each in ITEMS
}


class LinkedShop(Shop):
    """A shop whose items have addresses."""

    addresses = ADDRESSES

    def write(self) -> None:
        """Write the tables, addresses too."""
        super().write()
        file = self.folder / "items.parquet"
        items = pl.read_parquet(file)
        pairs = [self.addresses[item] for item in items["item_id"]]
        links = {"url": [url for url, _ in pairs], "image_url": [image for _, image in pairs]}
        items.with_columns(pl.Series(name, each, pl.String) for name, each in links.items()).write_parquet(file)


@pytest.fixture(scope="module")
def published(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of a published shop; read only."""
    folder = tmp_path_factory.mktemp("published")
    LinkedShop(folder, busy_events()).publish()
    return folder


@pytest.fixture
def shop(published: Path, tmp_path: Path) -> LinkedShop:
    """A published shop."""
    shop = LinkedShop(tmp_path, busy_events())
    shop.toml = shop.toml.split("[web]")[0] + SETTINGS + MESSAGES
    shutil.copytree(published, tmp_path, dirs_exist_ok=True)
    return shop


@pytest.fixture
def app(shop: LinkedShop) -> Application:
    """One worker, and one send declared."""
    made = create_app(shop.settings, SECRETS)
    declare(made)
    return made


@pytest.fixture(scope="module")
def lasting(published: Path, tmp_path_factory: pytest.TempPathFactory) -> Application:
    """The same for all tests that change nothing."""
    shop = LinkedShop(tmp_path_factory.mktemp("lasting"))
    shop.toml = shop.toml.split("[web]")[0] + SETTINGS + MESSAGES
    shutil.copytree(published, shop.folder, dirs_exist_ok=True)
    made = create_app(shop.settings, SECRETS)
    declare(made)
    fetched(made)
    return made


def declare(app: Application, send_id: str = "weekly", expires_at: Any = "2099-01-01T00:00:00Z") -> None:
    """Declare a send."""
    body = {"placement": "email_weekly", "limit": 3, "expires_at": expires_at}
    put = app.test_client().put(f"/v1/sends/{send_id}", json=body, headers=bearer(MESSAGES_KEY))
    assert put.status_code == 201


def ask(
    app: Application, part: str, n: Any = 1, token: str | None = None, method: str = "GET", **headers: str
) -> TestResponse:
    """Ask for a slot's image or link, by default of user-0."""
    text = KEYS.token("weekly", "user-0") if token is None else token
    address = f"/v1/slots/{quote(text, safe='')}/{quote(str(n), safe='')}/{part}"
    return app.test_client().open(address, method=method, headers=headers)


def led(app: Application, part: str, n: Any = 1, token: str | None = None) -> str:
    """The item that an address leads to; else the address of placeholder or home."""
    answer = ask(app, part, n, token)
    assert answer.status_code == 302
    for item, (url, image) in ADDRESSES.items():
        if answer.location == image or answer.location.split("?")[0] == url.split("?")[0]:
            return item
    return answer.location


def fetched(app: Application, user: str = "user-0", send_id: str = "weekly") -> dict[str, Any]:
    """A slate of the send."""
    answer = app.test_client().get(f"/v1/users/{user}/recommendations?send_id={send_id}", headers=READ)
    assert answer.status_code == 200
    found: dict[str, Any] = answer.get_json()
    return found


def shown(app: Application, user: str = "user-0") -> list[str]:
    """The items that are fetched."""
    return [each["item_id"] for each in fetched(app, user)["items"]]


def sell_out(app: Application, item: str) -> None:
    """Say that an item is sold out."""
    update = {"items": [{"item_id": item, "stock": 0}]}
    assert app.test_client().patch("/v1/items", json=update, headers=EVENTS).status_code == 202


def later(app: Application, seconds: int) -> None:
    """Let the clock of events go on, by an event so long after NOW."""
    row = {"user_id": "user-3", "event_type": "home_view", "timestamp": micros(NOW) + seconds * 10**6}
    assert app.test_client().post("/v1/events", json={"events": [row]}, headers=EVENTS).status_code == 202


def clicks(app: Application) -> list[Event]:
    """The clicks in the log."""
    state = app.service.live.state
    events = [event for batch in state.events_between(0, state.last()) for _, _, event in batch]
    return [event for event in events if event.event_type == "click"]


def counted(app: Application, series: str) -> float:
    """The value of one metric."""
    found = re.search(rf"^{re.escape(series)} (\S+)$", app.service.metrics.text().decode(), re.MULTILINE)
    return float(found[1]) if found else 0.0


def test_every_item_of_a_pinned_slate_has_its_slot(app: Application) -> None:
    """The last member of each item, alone and in bulk; their addresses lead to that item's image and page."""
    found = fetched(app)
    token = KEYS.token("weekly", "user-0")
    for n, item in enumerate(found["items"], 1):
        assert list(item)[-1] == "slot"
        begin = f"https://m.example/r/v1/slots/{token}/{n}"
        assert item["slot"] == {part: f"{begin}/{part}" for part in ("image", "link", "dislike")}
        assert led(app, "image", n) == led(app, "link", n) == item["item_id"]
    body = {"user_ids": ["user-0", "user-1"], "send_id": "weekly"}
    lines = app.test_client().post("/v1/recommendations", json=body, headers=READ).text.splitlines()
    assert [KEYS.token("weekly", user) in line for user, line in zip(body["user_ids"], lines, strict=True)] == [True, True]


@pytest.mark.parametrize("lacking", ["secret", "address", "send"])
def test_without_secret_address_or_send_there_are_no_slots(shop: LinkedShop, lacking: str) -> None:
    """Slates are what they were: no member more."""
    if lacking == "address":
        shop.toml = shop.toml.replace("https://m.example/r/", "")
    app = create_app(shop.settings, {**SECRETS, SLOT_SECRETS: "" if lacking == "secret" else SECRET})
    declare(app)
    found = fetched(app, send_id="unheard" if lacking == "send" else "weekly")
    assert found["items"]
    assert all("slot" not in each for each in found["items"])
    assert led(app, "image", 1, "A" * 60) == PLACEHOLDER


def test_the_first_image_pins(app: Application) -> None:
    """Whoever opens first, a fetch afterwards has the same items; a link alone pins too."""
    first = [led(app, "image", n) for n in (1, 2, 3)]
    assert first == shown(app)
    other = KEYS.token("weekly", "user-1")
    assert led(app, "link", 2, other) == shown(app, "user-1")[1] == led(app, "image", 2, other)


def test_the_link_goes_to_the_item_whose_image_was_served_last(app: Application, shop: LinkedShop) -> None:
    """Sold out between image and click, clicked at another worker, fetched, restocked, trained anew: what was seen counts."""
    other = create_app(shop.settings, SECRETS)
    first = led(app, "image")
    sell_out(app, first)
    assert led(other, "link") == first
    second = shown(app)[0]
    assert second != first
    assert led(other, "link") == first
    assert ask(app, "image", method="HEAD").location == ADDRESSES[second][1]
    assert led(other, "link") == first
    assert (led(app, "image"), led(other, "link")) == (second, second)
    restock = {"items": [{"item_id": first, "stock": 9}]}
    app.test_client().patch("/v1/items", json=restock, headers=EVENTS)
    shop.publish()
    other.service.live.refresh()
    assert (led(app, "image"), led(other, "link"), led(app, "link")) == (second, second, second)


def test_a_token_opens_its_own_slate_only(app: Application) -> None:
    """Users and sends do not mix, whatever the order."""
    declare(app, "other")
    users = [f"user-{number}" for number in range(6)]
    own = {user: led(app, "image", 1, KEYS.token("weekly", user)) for user in users}
    assert own == {user: shown(app, user)[0] for user in users}
    assert len(set(own.values())) > 1
    assert led(app, "image", 1, KEYS.token("other", "user-0")) not in shown(app, "user-0")


TOKEN = KEYS.token("weekly", "user-0")
FORGED = [
    TOKEN[:-1],
    TOKEN + "A",
    TOKEN[:20] + ("A" if TOKEN[20] != "A" else "B") + TOKEN[21:],
    TOKEN[:-1] + chr(ord(TOKEN[-1]) ^ 1),
    TOKEN.swapcase(),
    TOKEN + "=",
    " ",
    "weekly.user-0",
    "../../etc/passwd",
    "a/b",
    "%00",
    "\x00\r\nSet-Cookie: x",
    "💡",
    "x" * 5_000,
    SlotKeys([OLD]).token("weekly", "user-0"),
    KEYS.token("unheard", "user-0"),
]


@pytest.mark.parametrize("token", FORGED)
@pytest.mark.parametrize("method", ["GET", "HEAD"])
def test_a_wrong_token_gets_the_placeholder(lasting: Application, token: str, method: str) -> None:
    """Forged, cut off, changed, foreign or overlong: placeholder and front page, nothing pinned, nothing noted."""
    last = lasting.service.live.state.last()
    for part, place in (("image", PLACEHOLDER), ("link", HOME)):
        answer = ask(lasting, part, 1, token, method)
        assert (answer.status_code, answer.location, answer.data) == (302, place, b"")
        assert "Set-Cookie" not in answer.headers
    assert lasting.service.live.state.last() == last


@pytest.mark.parametrize(
    "n", [0, 4, 100, 101, 999, 10**30, -1, "x", "1x", "01", "+1", " 1", "1.0", "١", "１", "²", "1\n", "1/2", ""]
)
def test_a_wrong_number_gets_the_placeholder(lasting: Application, n: Any) -> None:
    """Numbers that the slate has not, digits of other scripts, and whatever is none."""
    assert (led(lasting, "image", n), led(lasting, "link", n)) == (PLACEHOLDER, HOME)
    assert clicks(lasting) == []


def test_bytes_that_are_no_text_get_the_placeholder(lasting: Application) -> None:
    """A path that is not UTF-8 is refused everywhere else."""
    answer = lasting.test_client().get("/v1/slots/%ff%fe/1/image")
    assert (answer.status_code, answer.location) == (302, PLACEHOLDER)


@pytest.mark.parametrize(
    "query", ["utm_source=esp&utm_medium=email", "a=1&a=2", "%ff=%00", "&&;=", "placement=home&limit=999", "x" * 999]
)
def test_whatever_mail_tools_add_is_ignored(lasting: Application, query: str) -> None:
    """Parameters in the address change nothing."""
    for part in ("image", "link"):
        plain = ask(lasting, part).location
        assert lasting.test_client().get(f"/v1/slots/{TOKEN}/1/{part}?{query}").location == plain


def test_keys_and_tokens_of_callers_do_not_matter(lasting: Application) -> None:
    """The address is the key: a wrong Authorization header of some proxy is not looked at."""
    assert ask(lasting, "image", Authorization="Bearer nonsense").status_code == 302


def test_other_methods_are_refused(lasting: Application) -> None:
    """Nothing is written by POST and the like."""
    assert ask(lasting, "link", method="POST").status_code == 405


def test_headers_suit_mail(lasting: Application) -> None:
    """An image may be kept for minutes, also by proxies; clicks and placeholders never; nothing leaks or is indexed, no cookies."""
    pairs = [("image", TOKEN, "public, max-age=300"), ("link", TOKEN, "private, no-store")]
    pairs += [(part, "A" * 60, "private, no-store") for part in ("image", "link")]
    for part, token, caching in pairs:
        get, head = (ask(lasting, part, 1, token, method) for method in ("GET", "HEAD"))
        assert get.headers["Cache-Control"] == caching
        assert get.headers["Referrer-Policy"] == "no-referrer"
        assert get.headers["X-Robots-Tag"] == "noindex"
        assert "Set-Cookie" not in get.headers
        assert dict(get.headers) == dict(head.headers)


def test_without_addresses_of_the_shop_there_is_still_an_answer(shop: LinkedShop) -> None:
    """A grey pixel, and a page that says the shop's name as text."""
    shop.toml = shop.toml.replace(HOME, "").replace(PLACEHOLDER, "") + 'shop = "<b>Möbel & Co</b>"\n'
    app = create_app(shop.settings, SECRETS)
    pixel, page = ask(app, "image"), ask(app, "link")
    assert (pixel.status_code, pixel.content_type, pixel.headers["Cache-Control"]) == (200, "image/gif", "private, no-store")
    assert pixel.data[:6] == b"GIF89a"
    assert pixel.data[6:10] == b"\x01\x00\x01\x00"
    assert (page.status_code, page.mimetype) == (200, "text/html")
    assert "&lt;b&gt;Möbel &amp; Co&lt;/b&gt;" in page.text
    head = ask(app, "image", method="HEAD")
    assert (head.status_code, head.data, head.headers["Content-Length"]) == (200, b"", str(len(pixel.data)))


def test_parameters_are_added_to_the_shops_own(app: Application) -> None:
    """The link has what the settings say, behind the shop's own parameters and before its fragment."""
    item = led(app, "image")
    location = urlsplit(ask(app, "link").location)
    assert (location.query.split("&")[0], location.fragment) == ("size=1", "top")
    assert parse_qs(location.query) == {
        "size": ["1"],
        "utm_source": ["recommendations"],
        "utm_medium": ["email"],
        "utm_campaign": ["weekly"],
        "utm_content": [item],
    }


@pytest.mark.long
@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("javascript:alert(1)", HOME),
        ("data:text/html,x", HOME),
        ("//evil.example/", HOME),
        (None, HOME),
        ("https://[broken", HOME),
        ("https://shop.example:99999/", HOME),
        ("https://shop.example/x\r\nSet-Cookie: a=b", HOME),
        ("https://shop.example/ü?utm=1", "https://shop.example/%C3%BC?utm=1&a={item}"),
        ("https://shop.example/?a=own#f", "https://shop.example/?a=own#f"),
    ],
)
def test_only_web_addresses_of_the_catalogue_are_led_to(shop: LinkedShop, url: str | None, expected: str) -> None:
    """Whatever stands in the item table, the header is one line and leads to http or https, or to the front page."""
    shop.addresses = dict.fromkeys(ADDRESSES, (url, url))
    shop.toml += 'utm = {a = "{item_id}"}\n'
    shop.publish()
    app = create_app(shop.settings, SECRETS)
    declare(app)
    answer = ask(app, "link")
    assert answer.status_code == 302
    assert answer.location == expected.format(item=shown(app)[0])
    assert "Set-Cookie" not in answer.headers
    serve_image = ask(app, "image").location
    assert serve_image == (PLACEHOLDER if expected == HOME else serve_image)
    assert "\n" not in serve_image
    assert len(clicks(app)) == 1


@pytest.mark.parametrize(("query", "channel"), [("channel=push", "push"), ("channel=fax", "email"), ("x=1", "email")])
def test_a_click_has_the_channel_that_its_address_names(app: Application, query: str, channel: str) -> None:
    """A card of another channel says so in its links; what is no channel counts as a mail's."""
    fetched(app)
    answer = app.test_client().get(f"/v1/slots/{KEYS.token('weekly', 'user-0')}/1/link?{query}")
    assert f"utm_medium={channel}" in answer.location
    assert [click.channel for click in clicks(app)] == [channel]


def test_a_click_is_an_event_of_its_slate(app: Application) -> None:
    """It names user, item, send, the pinned slate and when; the profile is not shaped by it, attribution is."""
    later(app, 5)
    item, known = led(app, "image"), fetched(app)
    led(app, "link")
    (click,) = clicks(app)
    assert (click.user_id, click.item_id, click.send_id, click.channel) == ("user-0", item, "weekly", "email")
    assert click.recommendation_id == known["recommendation_id"]
    assert click.timestamp == micros(NOW) + 5 * 10**6
    assert counted(app, 'recsys_events_total{outcome="accepted"}') == 2


def test_a_click_is_counted_once_a_minute(app: Application, shop: LinkedShop) -> None:
    """Double clicks, retries and hammering are one event, also over workers; another slot, or a minute later, is another."""
    other = create_app(shop.settings, SECRETS)
    later(app, 0)
    for worker in (app, app, other):
        led(worker, "link")
    later(app, MINUTE - 1)
    led(app, "link")
    assert len(clicks(app)) == 1
    assert counted(app, 'recsys_events_total{outcome="duplicate"}') == 2
    led(app, "link", 2)
    assert len(clicks(app)) == 2
    later(app, MINUTE)
    led(app, "link")
    assert len(clicks(app)) == 3


def test_what_nobody_clicked_is_no_click(app: Application) -> None:
    """A look at the headers, a browser that loads ahead, an image."""
    ask(app, "link", method="HEAD")
    for headers in ({"Purpose": "prefetch"}, {"Sec-Purpose": "prefetch;prerender"}):
        assert ask(app, "link", **headers).status_code == 302
    led(app, "image")
    assert clicks(app) == []
    ask(app, "link", **{"Sec-Purpose": "other"})
    assert len(clicks(app)) == 1


def test_an_expired_send_still_shows_what_is_pinned(app: Application) -> None:
    """Image, link and clicks go on; nobody new is pinned; when compaction has dropped the send it is the placeholder."""
    declare(app, "soon", micros(NOW) // 10**6 + 30)
    token, stranger = KEYS.token("soon", "user-0"), KEYS.token("soon", "user-2")
    first = led(app, "image", 1, token)
    later(app, MINUTE)
    assert (led(app, "image", 1, token), led(app, "link", 1, token)) == (first, first)
    assert (led(app, "image", 1, stranger), led(app, "link", 1, stranger)) == (PLACEHOLDER, HOME)
    assert [click.send_id for click in clicks(app)] == ["soon"]
    app.service.live.state.pins.drop_expired(micros(NOW) + MINUTE * 10**6)
    assert (led(app, "image", 1, token), led(app, "link", 1, token)) == (PLACEHOLDER, HOME)


def test_opening_an_old_message_brings_no_forgotten_user_back(app: Application, shop: LinkedShop) -> None:
    """Nothing is pinned or noted of who was forgotten, in any worker, until the shop itself asks for that user again."""
    other = create_app(shop.settings, SECRETS)
    first = led(app, "image")
    sell_out(app, first)
    assert led(app, "image") != first
    receipt = app.test_client().delete("/v1/users/user-0", headers=ADMIN).get_json()
    assert receipt["removed"]["pins"] == 3
    for worker in (app, other):
        assert (led(worker, "image"), led(worker, "link")) == (PLACEHOLDER, HOME)
    assert clicks(app) == []
    with sqlite3.connect(shop.folder / "state" / FILE) as log:
        for table in ("pins", "replacements", "images_served"):
            assert log.execute(f"SELECT count(*) FROM {table} WHERE user_id = 'user-0'").fetchone() == (0,)
    log.close()
    again = shown(app)
    assert led(other, "image") == led(app, "link") == again[0]


def test_secrets_are_rotated(shop: LinkedShop) -> None:
    """Messages on their way open under the old secret as long as it is there; new slates have tokens of the first."""
    before = create_app(shop.settings, {**SECRETS, SLOT_SECRETS: OLD})
    declare(before)
    address = urlsplit(fetched(before)["items"][0]["slot"]["image"]).path.removeprefix("/r")
    both = create_app(shop.settings, {**SECRETS, SLOT_SECRETS: f"{SECRET} {OLD}"})
    location = both.test_client().get(address).location
    assert location == ADDRESSES[shown(both)[0]][1]
    assert TOKEN in fetched(both)["items"][0]["slot"]["image"]
    after = create_app(shop.settings, SECRETS)
    assert after.test_client().get(address).location == PLACEHOLDER


def test_a_service_without_a_snapshot_shows_placeholders(shop: LinkedShop) -> None:
    """Both addresses answer from the first second on."""
    shutil.rmtree(shop.folder / "artifacts")
    app = create_app(shop.settings, SECRETS)
    assert (led(app, "image"), led(app, "link")) == (PLACEHOLDER, HOME)
    assert counted(app, 'recsys_slots_total{outcome="unready",part="link"}') == 1


def test_a_log_that_cannot_be_read_shows_placeholders(
    app: Application, shop: LinkedShop, caplog: pytest.LogCaptureFixture
) -> None:
    """It is counted and logged, by the route: the log names neither token nor user."""
    shown(app)
    app.service.live.state.close()
    for file in (shop.folder / "state").glob(f"{FILE}*"):
        file.unlink()
    (shop.folder / "state" / FILE).write_bytes(b"no database" * 1_000)
    assert (led(app, "image"), led(app, "link")) == (PLACEHOLDER, HOME)
    for part in ("image", "link"):
        assert counted(app, f'recsys_errors_total{{route="/v1/slots/{{token}}/{{n}}/{part}"}}') == 1
        assert counted(app, f'recsys_slots_total{{outcome="failed",part="{part}"}}') == 1
    assert "/v1/slots/{token}/{n}/link" in caplog.text
    assert TOKEN not in caplog.text
    assert "user-0" not in caplog.text


def test_a_log_that_cannot_be_written_still_leads(
    app: Application, shop: LinkedShop, caplog: pytest.LogCaptureFixture
) -> None:
    """What is pinned is shown and clicks lead on; the click is lost and counted. Who is not pinned yet gets the placeholder."""
    first = shown(app)[0]
    with sqlite3.connect(shop.folder / "state" / FILE) as log:
        log.execute("CREATE TRIGGER full BEFORE UPDATE ON sequence BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    log.close()
    assert (led(app, "image"), led(app, "link")) == (first, first)
    assert led(app, "image", 1, KEYS.token("weekly", "user-2")) == PLACEHOLDER
    assert counted(app, 'recsys_errors_total{route="/v1/slots/{token}/{n}/link"}') == 1
    assert counted(app, 'recsys_slots_total{outcome="item",part="link"}') == 1
    assert clicks(app) == []
    assert "the disk is full" in caplog.text
    assert "user-0" not in caplog.text


def test_what_cannot_be_noted_is_not_shown(app: Application, shop: LinkedShop, caplog: pytest.LogCaptureFixture) -> None:
    """A picture of another item than the link leads to is never served: rather the placeholder."""
    first = led(app, "image")
    sell_out(app, first)
    assert shown(app)[0] != first
    with sqlite3.connect(shop.folder / "state" / FILE) as log:
        log.execute("CREATE TRIGGER full BEFORE UPDATE ON sequence BEGIN SELECT RAISE(ABORT, 'the disk is full'); END")
    log.close()
    assert (led(app, "image"), led(app, "link")) == (PLACEHOLDER, first)
    assert "the disk is full" in caplog.text


def test_answers_are_counted_by_what_they_led_to(app: Application) -> None:
    """Requests are counted by route, and by outcome."""
    for n in (1, 2, 9, "x"):
        ask(app, "image", n)
    ask(app, "link", 1, "A" * 60)
    counts = {("image", "item"): 2, ("image", "empty"): 1, ("image", "unknown"): 1, ("link", "unknown"): 1}
    for (part, outcome), count in counts.items():
        assert counted(app, f'recsys_slots_total{{outcome="{outcome}",part="{part}"}}') == count
    assert counted(app, 'recsys_requests_total{route="/v1/slots/{token}/{n}/image",status="302"}') == 4
    assert TOKEN not in app.service.metrics.text().decode()


def test_a_send_whose_placement_is_gone_shows_what_is_pinned(shop: LinkedShop) -> None:
    """Who is not pinned gets the placeholder; a fetch would be told why."""
    toml = shop.toml
    shop.toml = toml + "[placements.spring]\n"
    body = {"placement": "spring", "limit": 3, "expires_at": "2099-01-01T00:00:00Z"}
    with_it = create_app(shop.settings, SECRETS)
    with_it.test_client().put("/v1/sends/weekly", json=body, headers=bearer(MESSAGES_KEY))
    first = led(with_it, "image")
    shop.toml = toml
    app = create_app(shop.settings, SECRETS)
    assert (led(app, "image"), led(app, "image", 1, KEYS.token("weekly", "user-2"))) == (first, PLACEHOLDER)


def test_settings_are_checked_at_the_start(shop: LinkedShop) -> None:
    """A secret that is too short, or a parameter with an unknown word in braces, stops the service before the first message."""
    with pytest.raises(SettingsError, match=SLOT_SECRETS):
        create_app(shop.settings, {**SECRETS, SLOT_SECRETS: "short"})
    shop.toml += 'utm = {utm_source = "{user_id}"}\n'
    with pytest.raises(SettingsError, match=r"messages\.utm\.utm_source"):
        create_app(shop.settings, SECRETS)


@pytest.mark.long
def test_slots_over_gunicorn(shop: LinkedShop) -> None:
    """As it runs: redirects without a body, HEAD too, strange paths, and an access log that names nobody."""
    declare(made := create_app(shop.settings, SECRETS))
    expected = [ADDRESSES[item] for item in shown(made)]
    server = start(shop.folder, shop.folder / "artifacts", web='clock = "events"\n' + MESSAGES, secrets=SECRETS)
    try:
        for n, (url, serve_image) in enumerate(expected, 1):
            answer, body = server.get(f"/v1/slots/{TOKEN}/{n}/image?utm_source=x", {})
            assert (answer.status, answer.headers["Location"], body) == (302, serve_image, b"")
            assert answer.headers["Cache-Control"] == "public, max-age=300"
            answer, _ = server.get(f"/v1/slots/{TOKEN}/{n}/link", {})
            assert answer.headers["Location"].startswith(url.partition("#")[0] + "&utm_source=")
        for strange in ("%00", "..%2F..", "%0d%0aX:%20y", "x" * 4_000, "%ff", "a//b"):
            answer, _ = server.get(f"/v1/slots/{strange}/1/image", {})
            assert (answer.status, answer.headers["Location"]) == (302, PLACEHOLDER)
        connection = server.connect()
        connection.request("HEAD", f"/v1/slots/{TOKEN}/1/link")
        head = connection.getresponse()
        assert (head.status, head.read()) == (302, b"")
        connection.close()
    finally:
        stop(server)
    assert len(clicks(made)) == 3
    log = (shop.folder / "out").read_text()
    assert '"route":"/v1/slots/{token}/{n}/link"' in log
    assert TOKEN not in log
