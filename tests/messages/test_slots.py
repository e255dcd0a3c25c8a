"""Slots: tokens that tell nothing and cannot be made by others, addresses that are safe in a header, and what leads where."""

from __future__ import annotations

import re
import string
import tempfile
from base64 import urlsafe_b64decode
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl, urlsplit

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from recsys.engine.pipeline import Engine, answer
from recsys.item_updates import ItemUpdate
from recsys.live.databases import log_in
from recsys.live.erasure import Erased
from recsys.live.log import EventLog
from recsys.live.pinned_slates import PinnedItem, PinnedSlate, Replacement
from recsys.messages.sends import Sends
from recsys.messages.slots import (
    LONGEST_TOKEN,
    SLOT_SECRETS,
    Slot,
    SlotKeys,
    check_messages,
    filled,
    slot_addresses,
    web_address,
)
from recsys.settings.messages import MessagesSettings
from recsys.snapshot.put.overlay import overlay
from recsys.types import Query, Reason, Send, SettingsError, Slate
from tests.conftest import NOW, Shop, busy_events, micros

OLD, NEW = "o" * 32, "n" * 40
KEYS = SlotKeys([OLD])
ids = st.text(st.characters(exclude_categories=("Cc", "Cs")), min_size=1, max_size=20)
calm = settings(deadline=None, max_examples=150, derandomize=True)


@calm
@given(ids, ids)
def test_a_token_is_opened_by_who_made_it(send_id: str, user_id: str) -> None:
    """Whatever the ids, a token gives them back; it is the same every time and needs no encoding in an address."""
    token = KEYS.token(send_id, user_id)
    assert KEYS.open(token) == (send_id, user_id)
    assert SlotKeys([OLD]).token(send_id, user_id) == token
    assert re.fullmatch(r"[A-Za-z0-9_-]+", token)


@calm
@given(ids, ids, ids, ids)
@example("a", "bc", "ab", "c")
@example("a", "a\u00a0", "aa", "\u00a0")
def test_two_pairs_never_share_a_token(send_id: str, user_id: str, other_send: str, other_user: str) -> None:
    """Where one id ends and the other begins is part of it."""
    same = (send_id, user_id) == (other_send, other_user)
    assert (KEYS.token(send_id, user_id) == KEYS.token(other_send, other_user)) == same


def test_nothing_is_readable_in_a_token() -> None:
    """Neither ids nor secret; tokens of two users of one send have nothing in common but the key's name."""
    one, two = (
        urlsafe_b64decode(KEYS.token("spring-sale", user) + "==") for user in ("anna@shop.example", "anna@shop.examplf")
    )
    for word in (b"spring", b"sale", b"anna", b"shop", OLD.encode()[:4]):
        assert word not in one
    assert one[:4] == two[:4]
    assert one[4:12] != two[4:12]
    assert sum(a == b for a, b in zip(one[4:], two[4:], strict=True)) < 8


TOKEN = KEYS.token("weekly", "anna1")
"""Of 34 bytes, so that some bits of its last character mean nothing."""


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_a_token_with_one_character_changed_is_refused(place: int) -> None:
    """Whatever it is changed to: the name of the key, the last bits, padding, what base64 would pass over."""
    others = set(string.ascii_letters + string.digits + "-_=+/. \n\x00é💡\ud800") - {TOKEN[place]}
    assert [KEYS.open(TOKEN[:place] + each + TOKEN[place + 1 :]) for each in others] == [None] * len(others)


@pytest.mark.parametrize("place", range(len(TOKEN)))
def test_a_token_with_something_missing_or_more_is_refused(place: int) -> None:
    """Cut off, with a character left out, or one put in."""
    for changed in (TOKEN[:place], TOKEN[:place] + TOKEN[place + 1 :], TOKEN[:place] + "A" + TOKEN[place:]):
        assert KEYS.open(changed) is None


@calm
@given(st.text(max_size=LONGEST_TOKEN + 9))
@example("")
@example("=")
@example(TOKEN + "=")
@example(TOKEN + "==")
@example(f" {TOKEN}")
@example(TOKEN.replace("-", "+").replace("_", "/") + "\n")
@example("A" * 100_000)
@example("\ud800\x00é")
@example("A" * 27)
def test_any_other_text_is_no_token(text: str) -> None:
    """Nothing is raised, nothing is opened."""
    assert KEYS.open(text) is None


def test_the_longest_ids_make_the_longest_token() -> None:
    """Two ids of 256 bytes still fit, and nothing longer is looked at."""
    token = KEYS.token("é" * 128, "x" * 256)
    assert len(token) == LONGEST_TOKEN
    assert KEYS.open(token) == ("é" * 128, "x" * 256)
    assert KEYS.open(KEYS.token("x" * 256, "x" * 300)) is None


def test_secrets_are_rotated() -> None:
    """The first encrypts, all decrypt; without its secret a token is closed, and two secrets make two tokens."""
    both = SlotKeys([NEW, OLD])
    assert both.open(TOKEN) == ("weekly", "anna1")
    fresh = both.token("weekly", "anna1")
    assert fresh == SlotKeys([NEW]).token("weekly", "anna1") != TOKEN
    assert (KEYS.open(fresh), SlotKeys([NEW]).open(TOKEN)) == (None, None)
    assert SlotKeys([NEW]).open(fresh[:6] + TOKEN[6:]) is None


@pytest.mark.parametrize("secret", ["short", "ü" * 40])
def test_a_secret_that_is_none_is_refused_unseen(secret: str) -> None:
    """The message says which one and what is allowed, but not the secret."""
    with pytest.raises(SettingsError, match=f"{SLOT_SECRETS}: secret 2 has .* at least 32, all of them ASCII") as stated:
        SlotKeys.from_environment({SLOT_SECRETS: f"{OLD}, {secret}"})
    assert secret not in str(stated.value)


def test_secrets_come_from_the_environment() -> None:
    """Separated by commas or spaces; without any there are no tokens."""
    made = SlotKeys.from_environment({SLOT_SECRETS: f"{NEW}, {OLD}"})
    assert made is not None
    assert made.open(TOKEN) == ("weekly", "anna1")
    assert SlotKeys.from_environment({SLOT_SECRETS: " ,"}) is SlotKeys.from_environment({}) is None
    with pytest.raises(SettingsError, match="holds no secret"):
        SlotKeys([])


def test_addresses_count_from_one() -> None:
    """The first place is 1; a slash at the end of the public address does not matter."""
    expected = [
        {part: f"https://m.example/r/v1/slots/T/{n}/{part}" for part in ("image", "link", "dislike")} for n in (1, 4)
    ]
    assert (
        slot_addresses("https://m.example/r", "T", (0, 3)) == slot_addresses("https://m.example/r/", "T", (0, 3)) == expected
    )


UTM = {"utm_source": "mail", "utm_campaign": "spring & sale"}
ADDED = "utm_source=mail&utm_campaign=spring%20%26%20sale"


@pytest.mark.parametrize(
    ("text", "address"),
    [
        ("https://shop.example/p/1", f"https://shop.example/p/1?{ADDED}"),
        ("HTTP://Shop.Example:8080", f"http://shop.example:8080?{ADDED}"),
        ("https://shop.example/p?b=2&a=1#top", f"https://shop.example/p?b=2&a=1&{ADDED}#top"),
        ("https://shop.example/p?a=%2F+x&a=&flag", f"https://shop.example/p?a=%2F+x&a=&flag&{ADDED}"),
        ("https://shop.example/p?utm_source=own", "https://shop.example/p?utm_source=own&utm_campaign=spring%20%26%20sale"),
        (
            "https://shop.example/p?utm_source=&utm%5Fcampaign=x#a?b",
            "https://shop.example/p?utm_source=&utm%5Fcampaign=x#a?b",
        ),
        ("https://shop.example/p#utm_source=no", f"https://shop.example/p?{ADDED}#utm_source=no"),
        ("https://shop.example/?", f"https://shop.example/?{ADDED}"),
        (
            " https://shop.example/ä b/<\"'>\\?q=沙发\x00 ",
            f"https://shop.example/%C3%A4%20b/%3C%22'%3E%5C?q=%E6%B2%99%E5%8F%91%00&{ADDED}",
        ),
        ("https://shop.example/a\r\nSet-Cookie: x=1", f"https://shop.example/aSet-Cookie:%20x=1?{ADDED}"),
        ("https://shop.example/a%0d%0ab\x0b\x85c", f"https://shop.example/a%0d%0ab%0B%C2%85c?{ADDED}"),
        ("https://möbel.example/", f"https://xn--mbel-5qa.example/?{ADDED}"),
        ("https://[::1]:8000/x", f"https://[::1]:8000/x?{ADDED}"),
    ],
)
def test_a_link_is_the_shops_address_with_more(text: str, address: str) -> None:
    """Parameters are added that it has not got; order, spelling and fragment stay; what no header may carry is encoded."""
    assert web_address(text, UTM) == address


@pytest.mark.parametrize(
    "text",
    [
        None, "", " ", "javascript:alert(1)", "java\nscript:alert(1)", "JaVaScRiPt://shop.example/%0aalert(1)",
        "data:text/html;base64,PHNjcmlwdD4=", "vbscript:x", "file:///etc/passwd", "ftp://shop.example/", "//shop.example/p",
        "/p/1", "shop.example/p", "https:", "https://", "https:///p", "https://?x", "https:shop.example", "https://:80/",
        "https://shop.example:99999/", "https://shop.example:x/", "https://[::1/", "https://user:pw@shop.example/",
        "https://shop.example\\@evil.example/", "https://a b.example/", "https://a\x00.example/", "https://" + "a" * 64 + ".example/",
        "https://shop.example/\ud800", "https://ü..example/",
    ],
)  # fmt: skip
def test_what_is_no_web_address_leads_nowhere(text: str | None) -> None:
    """Only http and https with a plain host; credentials in an address are refused."""
    assert web_address(text, UTM) is None


@calm
@given(st.text(max_size=60), st.text(max_size=60), st.text(max_size=60))
def test_whatever_a_catalogue_holds_is_safe_in_a_header(path: str, query: str, fragment: str) -> None:
    """The result is printable ASCII of the same host, with the shop's own parameters in their order, then ours."""
    address = web_address(f"https://shop.example/{path}?{query}#{fragment}", UTM)
    assert address is not None
    assert re.fullmatch(r"[!-~]+", address)
    found = urlsplit(address)
    assert (found.scheme, found.netloc) == ("https", "shop.example")
    assert parse_qsl(found.query)[-len(UTM) :] == list(UTM.items())
    assert web_address(address, UTM) == address


def test_placeholders_are_filled_once() -> None:
    """A value with braces stays as it is; what comes out empty is left out."""
    values = {"send_id": "{item_id}", "item_id": "a&b", "channel": "", "placement": "home"}
    given = {"a": "{send_id}-{placement}", "b": "{channel}", "c": "x {item_id}", "d": ""}
    assert filled(given, values) == {"a": "{item_id}-home", "c": "x a&b"}


@pytest.mark.parametrize("text", ["{user_id}", "{send_id.x}", "{", "}", "{}", "{ send_id }", "{send_id}}"])
def test_an_unknown_word_in_braces_stops_the_start(text: str) -> None:
    """It is named with its setting and what is allowed."""
    with pytest.raises(SettingsError, match=r"messages\.utm\.utm_term: .* allowed: \{send_id\}, \{item_id\}"):
        check_messages(MessagesSettings(utm={"utm_term": text}))
    check_messages(MessagesSettings(utm={"utm_term": "{send_id} {item_id}{channel}/{placement}"}))


@pytest.mark.parametrize(
    ("name", "address"),
    [
        ("home_url", "https://[x"),
        ("placeholder_url", "https://a:b/"),
        ("public_url", "https://a?b"),
        ("public_url", "https://a/#"),
    ],
)
def test_an_address_that_is_none_stops_the_start(name: str, address: str) -> None:
    """What every answer would trip over is found when the service starts."""
    with pytest.raises(SettingsError, match=re.escape(f"messages.{name}: {address!r} is not allowed")):
        check_messages(msgspec.structs.replace(MessagesSettings(), **{name: address}))
    check_messages(MessagesSettings(home_url="https://a/?b#c", placeholder_url="http://a/?b", public_url="https://a/b"))


def pin(user: str, *items: str, send: str = "weekly") -> PinnedSlate:
    """A pinned slate of these items."""
    places = tuple(PinnedItem(each, 1.0, Reason("bought", "bought"), "trending") for each in items)
    return PinnedSlate(
        send_id=send, user_id=user, recommendation_id="r", snapshot="s", strategy="x", personalized=True, items=places
    )


def swapped(state: EventLog, first: PinnedSlate, place: int, out: str, into: str) -> PinnedSlate:
    """A swap in the log."""
    return state.pins.replace_items(first, [Replacement(place, out, pin("", into).items[0])], 1)


def test_what_went_out_last_is_remembered_for_each_place(tmp_path: Path) -> None:
    """At first it is what was pinned; a swap alone changes nothing; other users and places are not touched."""
    state, other = log_in(tmp_path), log_in(tmp_path)
    for user in ("ann", "an", "ann "):
        state.pins.pin(pin(user, "a", "b"), 1)
    one = swapped(state, pin("ann", "a", "b"), 0, "a", "x")
    assert state.pins.image_served("weekly", "ann", 0) == "a"
    before = state.last()
    with state.reading():  # where nothing may be written
        state.pins.serve_image(one, 1, 1)
    state.pins.serve_image(one, 0, 1)
    other.pins.serve_image(one, 0, 1)
    assert state.last() == before + 1
    assert [other.pins.image_served("weekly", "ann", place) for place in range(3)] == ["x", "b", None]
    two = swapped(other, one, 0, "x", "y")
    assert state.pins.image_served("weekly", "ann", 0) == "x"
    state.pins.serve_image(two, 0, 1)
    assert other.pins.image_served("weekly", "ann", 0) == "y"
    assert [state.pins.image_served("weekly", user, 0) for user in ("an", "ann ", "eve")] == ["a", "a", None]
    assert state.pins.pin_of("weekly", "ann") == state.pins.pins_of("ann", 1)[0] == two


def test_forgetting_and_expiry_take_pictures_along(tmp_path: Path) -> None:
    """They are counted with what is pinned, leave nothing that names the user, and come back for nobody."""
    state = log_in(tmp_path)
    state.pins.declare(Send(send_id="weekly", placement="home", limit=1, expires_at=5), 1)
    for user in ("ann", "bob"):
        state.pins.pin(pin(user, "a"), 1)
        state.pins.serve_image(swapped(state, pin(user, "a"), 0, "a", "x"), 0, 1)
    assert state.forget([Erased("hash", "ann")], 9)["pins"] == 3
    state.pins.serve_image(swapped(state, pin("bob", "a"), 0, "x", "y"), 0, 1)
    state.pins.serve_image(pin("ann", "z"), 0, 1)
    assert state.pins.image_served("weekly", "ann", 0) is None
    assert state.pins.drop_expired(6) == {"sends": 1, "pins": 5}
    assert state.pins.image_served("weekly", "bob", 0) is None
    state.close()
    assert b"ann" not in (tmp_path / "log.sqlite3").read_bytes()


TOMORROW = micros(NOW) + 24 * 3600 * 1_000_000


class Opened:
    """A message in the hands of its reader."""

    def __init__(self, engine: Engine, folder: Path, limit: int = 3) -> None:
        self.engine, self.state = engine, log_in(folder / "state")
        self.state.pins.declare(
            Send(send_id="weekly", placement="email_weekly", limit=limit, expires_at=TOMORROW), micros(NOW)
        )

    @property
    def sends(self) -> Sends:
        """What answers."""
        return Sends(self.engine.catalog, self.state.pins, self.ask, 3, micros(NOW))

    def ask(self, query: Query) -> Slate:
        """Ask the pipeline."""
        return answer(self.engine, query, self.engine.snapshot.histories.of(query.user_id or ""))

    def image(self, place: int, user: str = "user-0", now: int = micros(NOW), **more: Any) -> str | None:
        """The item whose image is seen."""
        row = self.sends.serve_image(Slot("weekly", user, place), now, **{"may_pin": True, "goes_out": True, **more})
        return None if row < 0 else self.engine.catalog.item_id(row)

    def link(self, place: int, user: str = "user-0", now: int = micros(NOW), may_pin: bool = True) -> str | None:
        """The item that a click leads to."""
        target = self.sends.target(Slot("weekly", user, place), now, may_pin=may_pin)
        return None if target is None else self.engine.catalog.item_id(target.row)

    def fetched(self, user: str = "user-0") -> list[str]:
        """The items that a fetch answers."""
        found = self.sends.slates("weekly", Query(now=micros(NOW)), [user])[0]
        return [self.engine.catalog.item_id(row) for row in found.slate.items]

    def update(self, number: int, item_id: str, **more: Any) -> None:
        """Change an item of the catalogue."""
        overlay(self.engine.catalog, ItemUpdate(item_id, **more), number)


@pytest.fixture
def opened(busy_shop: Shop) -> Opened:
    """A message over the busy shop."""
    return Opened(busy_shop.engine(), busy_shop.folder)


def test_image_link_and_slate_show_the_same(opened: Opened) -> None:
    """Place for place, whichever is asked first; behind the last place there is nothing."""
    images = [opened.image(place) for place in range(4)]
    assert images == [*opened.fetched(), None] == [opened.link(place) for place in range(4)]
    assert opened.link(0, "user-1") == opened.image(0, "user-1") == opened.fetched("user-1")[0]


def test_a_link_leads_to_what_was_seen(opened: Opened) -> None:
    """Sold out between image and click: the link leads to the item on the picture, and to the next one from when that was seen."""
    first = opened.image(1)
    assert first is not None
    opened.update(1, first, stock=0.0)
    assert opened.link(1) == first
    assert opened.fetched()[1] != first
    assert opened.link(1) == first
    assert opened.image(1, goes_out=False) not in (first, None)
    assert opened.link(1) == first
    second = opened.image(1)
    assert opened.link(1) == second == opened.fetched()[1] != first
    opened.update(2, first, stock=5.0)
    assert (opened.image(1), opened.link(1)) == (second, second)


@pytest.fixture(scope="module")
def engine(tmp_path_factory: pytest.TempPathFactory) -> Engine:
    """The busy shop."""
    return Shop(tmp_path_factory.mktemp("busy"), busy_events()).engine()


steps = st.lists(
    st.tuples(st.sampled_from(("image", "head", "fetch", "sold out", "restocked")), st.integers(0, 2)),
    min_size=1,
    max_size=20,
)


@settings(deadline=None, max_examples=25, derandomize=True)
@given(steps)
def test_whatever_happens_a_link_leads_to_what_was_seen(engine: Engine, happened: list[tuple[str, int]]) -> None:
    """In any order of looks, fetches, sales and deliveries: the last image that went out, before the first one what was pinned."""
    with tempfile.TemporaryDirectory() as folder:
        opened = Opened(engine, Path(folder))
        everything = [engine.catalog.item_id(row) for row in range(engine.catalog.n_known)]
        for number, item in enumerate(everything):
            opened.update(number, item, stock=float(item != "gone-1"))
        seen: dict[int, str | None] = dict(enumerate(opened.fetched()))
        for number, (what, place) in enumerate(happened):
            standing = opened.state.pins.pin_of("weekly", "user-0")
            assert standing is not None
            if what == "image":
                seen[place] = opened.image(place) or seen[place]
            elif what == "head":
                opened.image(place, goes_out=False)
            elif what == "fetch":
                opened.fetched()
            else:
                opened.update(number, standing.items[place].item_id, stock=float(what == "restocked"))
            assert {each: opened.link(each) for each in seen} == seen
        opened.state.close()


def test_a_place_that_cannot_be_filled_keeps_its_number(opened: Opened) -> None:
    """The other slots show what they showed; the slate is shorter and says which places it has; the link stays where it was."""
    first = opened.fetched()
    opened.update(1, first[0], stock=0.0)
    others = [opened.engine.catalog.item_id(row) for row in range(opened.engine.catalog.n_known)]
    for number, each in enumerate(set(others) - set(first), 2):
        opened.update(number, each, stock=0.0)
    found = opened.sends.slates("weekly", Query(now=micros(NOW)), ["user-0"])[0]
    assert (found.places, len(found.slate.items)) == ((1, 2), 2)
    assert [opened.image(place) for place in range(3)] == [None, *first[1:]]
    assert [opened.link(place) for place in range(3)] == first


def test_a_link_leads_on_where_the_catalogue_lost_the_item(opened: Opened, busy_shop: Shop) -> None:
    """To what stands there now; and nowhere if nothing does."""
    first = opened.image(0)
    busy_shop.items = [each for each in busy_shop.items if each["item_id"] != first]
    busy_shop.events = [each for each in busy_shop.events if each["item_id"] != first]
    later = Opened(busy_shop.engine(), busy_shop.folder)
    assert later.link(0) is None
    assert later.link(1) is not None
    present = later.fetched()[0]
    assert later.link(0) == present == later.image(0)


def test_what_is_pinned_outlives_the_sends_expiry(opened: Opened) -> None:
    """Mail is opened for months: slots of an expired send show what was pinned; nobody is pinned any more."""
    first = opened.image(0, now=TOMORROW - 1)
    assert opened.image(0, now=TOMORROW) == opened.link(0, now=TOMORROW) == first
    assert (opened.image(0, "user-1", now=TOMORROW), opened.link(0, "user-1", now=TOMORROW)) == (None, None)
    assert opened.state.pins.pin_of("weekly", "user-1") is None
    opened.state.pins.drop_expired(TOMORROW + 1)
    assert (opened.image(0, now=TOMORROW), opened.link(0, now=TOMORROW)) == (None, None)


def test_nobody_is_pinned_who_may_not_be(opened: Opened) -> None:
    """Neither by image nor by link; what is pinned already is shown all the same."""
    assert (opened.image(0, may_pin=False), opened.link(0, may_pin=False)) == (None, None)
    assert opened.state.pins.pins_of("user-0", 9) == []
    first = opened.fetched()[0]
    assert opened.image(0, may_pin=False) == opened.link(0, may_pin=False) == first


def test_an_undeclared_send_has_no_slots(opened: Opened) -> None:
    """A token may outlive its send: nothing is shown and nothing is pinned."""
    slot = Slot("unheard", "user-0", 0)
    assert opened.sends.serve_image(slot, micros(NOW), may_pin=True, goes_out=True) == -1
    assert opened.sends.target(slot, micros(NOW), may_pin=True) is None
    assert opened.state.pins.pins_of("user-0", 9) == []


def test_a_target_names_its_slate(opened: Opened) -> None:
    """For the click's attribution: the pinned slate's id and placement."""
    target = opened.sends.target(Slot("weekly", "user-0", 0), micros(NOW), may_pin=True)
    standing = opened.state.pins.pin_of("weekly", "user-0")
    assert target is not None
    assert standing is not None
    assert (target.recommendation_id, target.placement) == (standing.recommendation_id, "email_weekly")
    assert msgspec.json.encode(standing.replaced) == b"[]"
