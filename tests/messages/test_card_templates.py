"""The built-in templates: every one as it was last read by people, sound HTML for any shop, and wide enough on no screen.

`python -m tests.messages.test_card_templates` writes the goldens anew; read what has changed.
"""

from __future__ import annotations

import html
import re
import shutil
import subprocess
from collections.abc import Iterator
from functools import cache
from html.parser import HTMLParser
from itertools import product
from pathlib import Path
from typing import Any, get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.messages.cards.cards import BUILT_IN, Card, Cards
from recsys.messages.cards.context import context
from recsys.messages.cards.text_format import one_line
from recsys.reasons import LOCALES
from recsys.settings.messages import MessagesSettings, Words
from recsys.settings.moments import MomentKind
from recsys.types import CHANNELS
from recsys.web.resources.messages.slot_dislike_texts import TEXTS
from tests.support.servers.patience import PATIENCE_SECONDS
from tests.support.shops.handmade import calm

GOLDENS = Path(__file__).parents[1] / "goldens" / "cards"
SHOP = MessagesSettings(shop="Linden & Ash", home_url="https://shop.example/", words={"Home": Words(coupon="QUIET10")})
CARDS = Cards(None, SHOP)
NAMES = sorted(path.relative_to(BUILT_IN).as_posix() for path in BUILT_IN.rglob("*.liquid") if ".partial." not in path.name)
VOID = {"meta", "img", "br", "hr", "link", "input"}
CHROMIUM = next((found for name in ("chromium", "chromium-browser", "google-chrome") if (found := shutil.which(name))), None)
ABOUT = {
    "title": "Cashmere plaid, double-faced",
    "price": 420.0,
    "old_price": 520.0,
    "currency": "EUR",
    "url": "https://shop.example/p/9",
    "image_url": "https://img.example/9.jpg",
}
ARTICLE = {"title": "How to choose a throw", "url": "https://shop.example/read/1"}
ITEMS_ONLY = {
    "weekly",
    "winback",
    "second_order",
    "offer",
    "birthday",
    "category_bestsellers",
    "brand_trending",
    "high_spender",
}
"""Kinds whose messages are about their items, and about no thing of their own."""
BARE = {"title": "Cashmere plaid", "price": None, "currency": None, "url": None, "image_url": None}


def items(*titles: str) -> list[dict[str, Any]]:
    """Items of a slate: the first with all that there is, the second with little."""
    full = [
        {
            "item_id": f"item-{number}",
            "title": title,
            "brand": "Atelier Nord",
            "category": "Home > Textiles",
            "price": 1189.0,
            "currency": "EUR",
            "url": f"https://shop.example/p/{number}?a=1&b=2",
            "image_url": f"https://img.example/{number}.jpg",
            "available": True,
            "reason": {"code": "taste", "text": "Matches your taste"},
            "slot": {"dislike": f"https://recs.shop.example/v1/slots/TOKEN/{number}/dislike"},
        }
        for number, title in enumerate(titles, start=1)
    ]
    return [*full[:1], *[one | {"brand": None, "price": None, "image_url": None} for one in full[1:2]], *full[2:]]


SLATE = items("Linen throw with hand-knotted fringe", 'Vase <large> & "round"', "Oak side table")


def rendered(name: str, slate: list[dict[str, Any]], event: dict[str, Any] | None) -> Card:
    """The card of one built-in file, for a reader of its locale."""
    folder, _, file = name.rpartition("/")
    kind, channel, _ = file.split(".")
    locale = folder or "en"
    names = context(slate, {}, event, locale=locale, timezone="UTC", send_id="w14", recommendation_id="r1", settings=SHOP)
    card = CARDS.render(kind, channel, names)
    assert card.locale == locale
    return card


def golden(name: str) -> tuple[Path, str]:
    """Where a template's golden stands, and what it is now."""
    kind = name.rpartition("/")[2].partition(".")[0]
    about = None if kind in ITEMS_ONLY else ARTICLE if kind == "editorial" else ABOUT
    parts = rendered(name, SLATE, about).parts
    text = "".join(f"--- {part}\n{written}\n" for part, written in parts.items())
    return GOLDENS / (name.replace("/", ".").removesuffix(".liquid") + ".txt"), text


@pytest.mark.parametrize("name", NAMES)
def test_templates_are_as_they_were_read(name: str) -> None:
    """Every built-in template writes what was last looked at, byte for byte."""
    file, text = golden(name)
    assert text == file.read_text()


def test_every_golden_has_its_template() -> None:
    """No golden is left of a template that is gone."""
    assert {golden(name)[0] for name in NAMES} == set(GOLDENS.iterdir())


def test_every_kind_is_there_on_every_channel_in_every_language() -> None:
    """The weekly message and those of all kinds of moments, in the languages that reasons are written in."""
    assert set(CARDS.names()) == set(product(["weekly", *get_args(MomentKind)], CHANNELS, LOCALES))


@pytest.mark.parametrize("name", NAMES)
def test_messages_are_whole_with_any_number_of_items(name: str) -> None:
    """With no, one or many items, with or without what it is about: nothing missing, no limit broken, nothing left half said."""
    for count, about in product((0, 1, 3), (None, BARE, ABOUT)):
        card = rendered(name, SLATE[:count], about)
        assert card.missing == ()
        assert card.broken == ()
        for part, text in card.parts.items():
            words = Page(text).text() if part == "html" else text
            assert not re.search(r"<(p|h1|h2|s|td|div)\b[^>]*>\s*</\1>", text)
            assert not re.search(r"[ (][,.)]|[ (,]$|\{\{|\{%|None|undefined", words, re.MULTILINE), words


@pytest.mark.parametrize("name", [name for name in NAMES if "/" in name])
def test_nothing_is_left_in_english(name: str) -> None:
    """With the thing it is about or without, a message in another language shares no line of words with the English one."""
    for about in (None, ABOUT):
        there = rendered(name, SLATE, about).parts
        english = rendered(name.rpartition("/")[2], SLATE, about).parts
        for part in there.keys() - {"html", "payload", "button"}:
            lines = {line for line in there[part].splitlines() if re.search(r"[^\W\d_]", line)} & set(
                english[part].splitlines()
            )
            names = ("https://", "Linen throw", "Vase", "Oak side table", "Cashmere", "€")
            assert not [line for line in lines if not any(name in line for name in names)]


class Page(HTMLParser):
    """The elements of a mail, checked for being closed in their order."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.open: list[str] = []
        self.elements: list[tuple[str, dict[str, str]]] = []
        self.words: list[str] = []
        self.feed(text)
        self.close()
        assert self.open == []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        """Remember an element."""
        self.elements.append((tag, {name: value or "" for name, value in attrs}))
        if tag not in VOID:
            self.open.append(tag)

    def handle_endtag(self, tag: str) -> None:
        """Close the element that was opened last."""
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        """Remember words."""
        if self.open[-1:] != ["style"]:
            self.words.append(data)

    def text(self) -> str:
        """All words, on one line."""
        return " ".join("".join(self.words).split())

    def shape(self) -> list[tuple[str, tuple[str, ...]]]:
        """Elements and the names of their attributes."""
        return [(tag, tuple(attributes)) for tag, attributes in self.elements]

    def all(self, tag: str) -> Iterator[dict[str, str]]:
        """The attributes of every element of a name."""
        return (attributes for found, attributes in self.elements if found == tag)


MAILS = [name for name in NAMES if name.endswith(".email.liquid")]
HOSTILE = st.text(min_size=1, max_size=60) | st.sampled_from(
    ["<script>", "</td>", "-->", "<!--[if mso]>", '"><img src=x>', "' onclick='x", "]]>"]
)


@cache
def plain_shape(name: str) -> list[tuple[str, tuple[str, ...]]]:
    """The shape of a mail about things called x."""
    plain = [one | {"title": "x", "brand": "x", "reason": {"code": "x", "text": "x"}} for one in SLATE]
    return Page(rendered(name, plain, ABOUT | {"title": "x"}).parts["html"]).shape()


@pytest.mark.parametrize("name", ["weekly.email.liquid", "price_drop.email.liquid", "ar/weekly.email.liquid"])
@calm
@given(title=HOSTILE, brand=HOSTILE, reason=HOSTILE, about=HOSTILE)
def test_no_text_breaks_the_html(name: str, title: str, brand: str, reason: str, about: str) -> None:
    """Whatever the catalogue holds, the mail has the same elements and attributes, all closed in order, and says it."""
    hostile = [
        one | {"title": title + "x", "brand": brand + "x", "reason": {"code": "x", "text": reason + "x"}} for one in SLATE
    ]
    page = Page(rendered(name, hostile, ABOUT | {"title": about + "x"}).parts["html"])
    assert page.shape() == plain_shape(name)
    assert one_line(title + "x") in page.text()


@pytest.mark.parametrize("name", MAILS)
def test_mails_keep_what_mail_clients_need(name: str) -> None:
    """Language and direction, a line for the inbox, alternative texts, inline styles, tables for layout, web addresses only."""
    card = rendered(name, SLATE, ABOUT)
    page = Page(card.parts["html"])
    (root,) = page.all("html")
    assert (root["lang"], root["dir"]) == (card.locale, "rtl" if card.locale == "ar" else "ltr")
    assert all(table["role"] == "presentation" for table in page.all("table"))
    pictures = list(page.all("img"))
    assert pictures
    assert all(serve_image["alt"] and int(serve_image["width"]) <= 600 for serve_image in pictures)
    assert {attributes["href"].partition(":")[0] for attributes in page.all("a")} == {"https"}
    assert not {tag for tag, _ in page.elements} & {"script", "form", "iframe", "link", "svg"}
    assert "display:none" in card.parts["html"].partition("<table")[0]
    assert len(card.parts["html"]) < 20_000


@pytest.mark.parametrize("name", MAILS)
def test_every_item_of_a_mail_can_be_refused(name: str) -> None:
    """Beside each item, and under it in the plain text, stands the address of the page that hides it, in that page's own words and
    named for those who hear it; an item without an address has no such line."""
    slate = [*SLATE[:2], {**SLATE[2], "slot": {}}]
    card = rendered(name, slate, ABOUT)
    page, said = Page(card.parts["html"]), TEXTS[card.locale].hide
    addresses = [one["slot"]["dislike"] for one in slate[:2]]
    found = [link for link in page.all("a") if link["href"].endswith("/dislike")]
    assert [link["href"] for link in found] == addresses
    assert [link["aria-label"] for link in found] == [f"{said}: {one['title']}" for one in slate[:2]]
    assert page.text().count(said) == 2
    lines = card.parts["text"].splitlines()
    assert [line for line in lines if said in line] == [f"{said}: {address}" for address in addresses]


def test_a_hundred_items_stay_below_what_gmail_clips() -> None:
    """A long list gives way until the mail is shown whole."""
    card = rendered("weekly.email.liquid", items(*["A chair with a long name"] * 100), None)
    assert card.broken == ()
    assert 80_000 < len(card.parts["html"].encode()) <= 102 * 1024


@pytest.mark.long
@pytest.mark.skipif(CHROMIUM is None, reason="no Chromium is installed")
def test_mails_fit_any_screen(tmp_path: Path) -> None:
    """In a browser no mail is wider than its window of 320 or 600 pixels, and the pictures stand in one or in two columns."""
    assert CHROMIUM is not None
    frames = "".join(
        f'<iframe width="{width}" height="3000" srcdoc="{html.escape(rendered(name, SLATE, ABOUT).parts["html"])}"></iframe>'
        for name in MAILS
        for width in (320, 600)
    )
    measure = """onload = () => document.title = [...document.querySelectorAll('iframe')].map(frame => {
        const columns = [...frame.contentDocument.querySelectorAll('.column')].map(column => column.getBoundingClientRect().top)
        return [frame.contentDocument.documentElement.scrollWidth, new Set(columns).size].join(':')
    }).join(' ')"""
    file = tmp_path / "page.html"
    file.write_text(f"<!doctype html><style>iframe{{border:0}}</style>{frames}<script>{measure}</script>")
    command = [CHROMIUM, "--headless", "--no-sandbox", "--disable-gpu", "--no-first-run", "--disable-background-networking"]
    command += ["--disable-component-update", "--disable-extensions", "--disable-dev-shm-usage"]
    command += [
        "--host-resolver-rules=MAP * ~NOTFOUND",
        f"--user-data-dir={tmp_path / 'profile'}",
        "--dump-dom",
        file.as_uri(),
    ]
    done = subprocess.run(command, capture_output=True, text=True, timeout=PATIENCE_SECONDS, check=True)
    title = re.search(r"<title>(.*?)</title>", done.stdout)
    assert title is not None
    assert title[1].split() == ["320:3", "600:2"] * len(MAILS)


if __name__ == "__main__":
    for template in NAMES:
        place, now = golden(template)
        place.write_text(now)
