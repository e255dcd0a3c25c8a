"""Cards: which template a reader gets, what gives way, what is escaped, and that no template can harm the service."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.messages.cards.cards import Card, CardError, Cards, UnknownTemplateError
from recsys.messages.cards.channels import sms
from recsys.messages.cards.context import context, listed, shortened, web_address
from recsys.messages.cards.text_format import graphemes
from recsys.settings.messages import MessagesSettings, Words
from recsys.types import SettingsError
from tests.support.shops.handmade import calm

SHOP = MessagesSettings(
    shop="Linden & Ash",
    home_url="https://shop.example/",
    words={
        "": Words(copy="made to last", coupon="HELLO"),
        "Home": Words(creative="rooms"),
        "Home>Textiles": Words(coupon="SOFT10"),
        "Hom": Words(coupon="NEVER"),
    },
)
BUILT_IN = Cards(None, SHOP)
SLOT_LINK = "https://recs.example/v1/slots/0123456789/1/link"
LONG = "Linen throw with a hand-knotted fringe, washed twice, woven on an old loom by the sea"


def item(number: int = 1, **more: Any) -> dict[str, Any]:
    """An item as a slate has it."""
    return {
        "item_id": f"item-{number}",
        "title": f"Chair {number}",
        "brand": "Nord",
        "category": "Home > Chairs",
        "price": 89.5,
        "currency": "EUR",
        "url": f"https://shop.example/p/{number}",
        "image_url": f"https://img.example/{number}.jpg",
        "available": True,
        "reason": {"code": "taste", "text": "Matches your taste"},
    } | more


def seen(*items: dict[str, Any], settings: MessagesSettings = SHOP, **more: Any) -> dict[str, Any]:
    """The context of a slate."""
    asked: dict[str, Any] = {"locale": "en", "timezone": "UTC", "profile": {}, "event": None, **more}
    profile, event = asked.pop("profile"), asked.pop("event")
    return context(items, profile, event, send_id="w14", recommendation_id="r1", settings=settings, **asked)


class Folder:
    """A shop's folder of templates."""

    def __init__(self, path: Path) -> None:
        self.path = path

    def write(self, name: str, text: str) -> None:
        """Write one file."""
        file = self.path / name
        file.parent.mkdir(exist_ok=True, parents=True)
        file.write_text(text)

    def cards(self, settings: MessagesSettings = SHOP) -> Cards:
        """Read them."""
        return Cards(self.path, settings)

    def sms(self, body: str, *items: dict[str, Any], **more: Any) -> Card:
        """Render one text message."""
        self.write("note.sms.liquid", f"--- body\n{body}")
        return self.cards().render("note", "sms", seen(*items, **more))

    def mail(self, html: str, *items: dict[str, Any], subject: str = "Hello", text: str = "Hello", **more: Any) -> Card:
        """Render one mail."""
        self.write("note.email.liquid", f"--- subject\n{subject}\n--- html\n{html}\n--- text\n{text}\n")
        return self.cards().render("note", "email", seen(*items, **more))


@pytest.fixture
def folder(tmp_path: Path) -> Folder:
    """An empty folder of a shop."""
    return Folder(tmp_path)


# --- what a template sees


def test_a_template_sees_profile_event_and_shop(folder: Folder) -> None:
    """`Profile` and `Event` are read with a dot or by a quoted name; the rest by its name."""
    body = "{{ Profile.city }} {{ Event['Product Name'] }} {{ shop }} {{ send_id }} {{ recommendation_id }} {{ locale }}"
    card = folder.sms(body, profile={"city": "Köln"}, event={"Product Name": "Vase"}, locale="de-AT")
    assert card.parts["body"] == "Köln Vase Linden & Ash w14 r1 de_AT"


def test_the_flat_form_is_the_list() -> None:
    """`item_1_title` is the title of the first of `items`, and so with every field of every item."""
    names = seen(item(1), item(2))
    for number, one in enumerate(names["items"], start=1):
        assert one["number"] == number
        assert {key: names[f"item_{number}_{key}"] for key in one} == one
    assert names["item_count"] == 2
    assert "item_3_title" not in names
    assert listed([]) == {"items": [], "item_count": 0}


def test_the_closest_category_speaks() -> None:
    """A word is that of the longest category that has one; an empty one is taken from above; half a level is no category."""
    names = seen(item(1, category="Home > Textiles > Throws"), item(2, category="Homeware"))
    first, second = names["items"]
    assert [first[key] for key in ("copy", "creative", "coupon")] == ["made to last", "rooms", "SOFT10"]
    assert [second[key] for key in ("copy", "creative", "coupon")] == ["made to last", "", "HELLO"]
    assert names["coupon"] == "SOFT10"


def test_slots_go_before_the_catalogue() -> None:
    """With a slot, picture and link are the slot's; `url` and `image_url` stay the catalogue's; without a picture: the placeholder."""
    settings = MessagesSettings(placeholder_url="https://img.example/none.png")
    slot = {"image": "https://r.example/s/1/image", "link": "https://r.example/s/1/link"}
    first, second = seen(item(1, slot=slot), item(2, image_url=None), settings=settings)["items"]
    assert (first["image"], first["link"]) == (slot["image"], slot["link"])
    assert (first["image_url"], first["url"]) == ("https://img.example/1.jpg", "https://shop.example/p/1")
    assert (second["image"], second["link"]) == ("https://img.example/none.png", "https://shop.example/p/2")


@pytest.mark.parametrize(
    ("channel", "link"),
    [("email", SLOT_LINK), ("push", f"{SLOT_LINK}?channel=push"), ("sms", "https://shop.example/p/1")],
)
def test_links_of_slots_name_their_channel(channel: str, link: str) -> None:
    """So that a click is counted for it; a text message takes the shop's own address where that is shorter."""
    names = shortened(seen(item(1, slot={"link": SLOT_LINK}), item(2)), 2, None, channel)
    assert names["item_1_link"] == link
    assert names["item_2_link"] == "https://shop.example/p/2"


def test_what_an_item_lacks_is_empty() -> None:
    """An item with nothing but an id has its id for a title, and no price."""
    bare = item(title=None, brand=None, category=None, price=None, currency=None, url=None, image_url=None, reason=None)
    (one,) = seen(bare)["items"]
    assert (one["title"], one["price"], one["link"]) == ("item-1", None, SHOP.home_url)
    assert {one[key] for key in ("brand", "category", "price_text", "currency", "image", "reason")} == {""}


def test_prices_and_days_are_the_readers(folder: Folder) -> None:
    """Prices and days follow locale and time zone; an amount or a moment that is none stays as it is."""
    prices = "{{ item_1_price_text }}|{{ 1234.5 | price: 'EUR' }}|"
    body = prices + "{{ Event.at | date }}|{{ Event.day | date }}|{{ 'soon' | date | price }}"
    event = {"at": 1_767_221_999, "day": "2026-01-03"}
    german = folder.sms(body, item(), locale="de", timezone="Asia/Tokyo", event=event)
    assert german.parts["body"] == "89,50 €|1.234,50 €|1. Januar 2026|3. Januar 2026|soon"
    english = folder.sms(body, item(), timezone="America/New_York", event=event | {"at": 1_767_221_999_000_000})
    assert english.parts["body"] == "€89.50|€1,234.50|December 31, 2025|January 3, 2026|soon"


def test_prices_of_text_messages_are_plain(folder: Folder) -> None:
    """A text message writes prices with letters of GSM-7 where the locale has others, so that it holds more than twice as much."""
    body = "{{ item_1_price_text }} {{ 1234.5 | price: 'CHF' }}"
    card = folder.sms(body, item(price=1234.5, currency="CHF"), locale="de_CH")
    assert card.parts["body"] == "CHF 1'234.50 CHF 1'234.50"
    mail = folder.mail("", text=body, locale="de_CH")
    assert mail.parts["text"] == "CHF 1’234.50"


def test_missing_names_are_told(folder: Folder) -> None:
    """What is missing is empty, and named unless the template has a default for it or asks whether it is there."""
    body = "a{{ Profile.name }}{{ nothing.at.all }}{% for x in Event.list %}{% endfor %}{{ Profile.city | default: 'b' }}"
    card = folder.sms(body + "{% if Profile.rank %}c{% endif %}{{ now }}")
    assert card.parts["body"] == "ab"
    assert card.missing == ("Event.list", "Profile.name", "nothing.at.all", "now")


def test_python_is_out_of_reach(folder: Folder) -> None:
    """A template reads keys of what it was given, never attributes."""
    card = folder.sms("[{{ Profile.__class__ }}{{ items.__len__ }}{{ shop['__class__'] }}]")
    assert card.parts["body"] == "[]"


# --- which template


def test_the_closest_locale_is_used(folder: Folder) -> None:
    """The reader's locale, its language, then the shop's; what stands outside a locale's folder is in the shop's language."""
    for name in ("note.sms.liquid", "de/note.sms.liquid", "de_AT/note.sms.liquid"):
        folder.write(name, f"--- body\n{name}")
    cards = folder.cards()
    used = {locale: cards.render("note", "sms", seen(locale=locale)) for locale in ("de-AT", "de_CH", "fr", "en_GB", None)}
    assert [card.parts["body"] for card in used.values()] == [
        "de_AT/note.sms.liquid",
        "de/note.sms.liquid",
        "note.sms.liquid",
        "note.sms.liquid",
        "note.sms.liquid",
    ]
    assert [card.locale for card in used.values()] == ["de_AT", "de", "en", "en", "en"]


def test_the_shops_own_goes_before_the_built_in(folder: Folder) -> None:
    """In each step of the locales the shop's folder comes first; kinds and channels that it does not have stay."""
    before = folder.cards().kinds()
    folder.write("weekly.sms.liquid", "--- body\nown")
    folder.write("spring.sms.liquid", "--- body\nnew")
    cards = folder.cards()
    assert cards.render("weekly", "sms", seen()).parts["body"] == "own"
    assert cards.render("weekly", "sms", seen(locale="de")).locale == "de"
    assert cards.kinds() == dict(sorted({**before, "spring": ("sms",)}.items()))


def test_the_shops_language_is_that_of_its_files(folder: Folder) -> None:
    """A French shop's own file is French, so it goes to French readers and to those whose language nobody has."""
    folder.write("weekly.sms.liquid", "--- body\nbonjour")
    cards = folder.cards(MessagesSettings(locale="fr_CA", home_url="https://shop.example/"))
    assert [cards.render("weekly", "sms", seen(locale=locale)).locale for locale in ("fr", "ja", "de", "en")] == [
        "fr",
        "fr",
        "de",
        "en",
    ]


def test_direction_is_that_of_the_template(folder: Folder) -> None:
    """A reader of Arabic who gets an English text reads it from left to right; prices stay the reader's."""
    folder.write("note.sms.liquid", "--- body\n{{ direction }} {{ language }} {{ locale }}")
    folder.write("ar/other.sms.liquid", "--- body\n{{ direction }} {{ language }} {{ locale }}")
    cards, names = folder.cards(), seen(locale="ar_EG")
    assert names["direction"] == "rtl"
    assert cards.render("note", "sms", names).parts["body"] == "ltr en ar_EG"
    assert cards.render("other", "sms", names).parts["body"] == "rtl ar ar_EG"


@pytest.mark.parametrize(
    ("template", "channel"), [("nope", "sms"), ("weekly", "fax"), ("../weekly", "email"), ("top", "partial")]
)
def test_an_unknown_template_names_those_that_there_are(template: str, channel: str) -> None:
    """Neither kind nor channel nor partial nor path that is not a template can be rendered."""
    with pytest.raises(
        UnknownTemplateError, match=r"there is no template .* there are .*weekly \(email, push, sms, whatsapp\)"
    ):
        Cards(None, SHOP).render(template, channel, seen())


@pytest.mark.parametrize(
    ("name", "text", "message"),
    [
        ("a.fax.liquid", "--- body\nx", "unknown channel 'fax'; allowed are email, push, sms, whatsapp, partial"),
        ("A b.sms.liquid", "--- body\nx", "A b.sms.liquid: allowed are <kind>"),
        ("de-AT/a.sms.liquid", "--- body\nx", "with a locale such as de or de_AT"),
        ("images/a.sms.liquid", "--- body\nx", "with a locale such as de or de_AT"),
        ("de/de/a.sms.liquid", "--- body\nx", "allowed are <kind>"),
        ("de/a.partial.liquid", "x", "unknown channel 'partial'"),
        ("a.sms.liquid", "x", "has the parts none; needed are body, allowed body, each once"),
        ("a.sms.liquid", "--- body\nx\n--- title\ny", "has the parts body, title"),
        ("a.sms.liquid", "--- body\nx\n--- body\ny", "has the parts body, body"),
        ("a.email.liquid", "--- subject\nx\n--- html\ny", "needed are subject, html, text"),
        ("a.sms.liquid", "hello\n--- body\nx", "line 1: nothing may stand before '--- body'"),
        ("a.sms.liquid", "--- body\nx\n\n{% if %}", "a.sms.liquid, part body, line 4: missing expression"),
        ("a.push.liquid", "--- title\nx\n--- body\n\n{{ a | nope }}", "a.push.liquid, part body, line 5: no filter 'nope'"),
        ("a.sms.liquid", "--- body\n{% if a %}", "line 2 or below: expected tag endif"),
        ("a.sms.liquid", "--- body\n{% nope %}", "line 2: unexpected tag 'nope'"),
        ("a.sms.liquid", "--- body\n{% include 'top' %}", "line 2: unexpected tag 'include'"),
        (
            "a.sms.liquid",
            "--- body\n{% render 'nope' %}",
            "line 2: no partial 'nope'; there are about_mail, about_text, bottom, button",
        ),
        ("a.sms.liquid", "--- body\n{% render '../top' %}", "no partial '../top'"),
        ("a.sms.liquid", "--- body\n{% render Profile %}", "no partial ''"),
        ("a.partial.liquid", "\n{% if %}", "a.partial.liquid, part partial, line 2"),
        ("a.sms.liquid", "--- body\n{{ 'now' | date: '%Y' }}", "date takes no format"),
        ("a.sms.liquid", "--- body\n{{ 'x' | safe }}", "no filter 'safe'"),
        ("a.sms.liquid", "--- body\n" + "x" * 65_536, "has 65545 bytes; allowed are 65536"),
    ],
)
def test_a_bad_template_is_told_at_the_start(folder: Folder, name: str, text: str, message: str) -> None:
    """Files, parts and tags that cannot work are refused with their place, before anything is sent."""
    folder.write(name, text)
    with pytest.raises(SettingsError) as refused:
        folder.cards()
    assert str(refused.value).startswith("messages.templates: ")
    assert message in str(refused.value)


def test_a_folder_that_is_none_is_told(tmp_path: Path) -> None:
    """A folder that does not exist and a file that is not text are named."""
    with pytest.raises(SettingsError, match="nowhere is no folder"):
        Cards(tmp_path / "nowhere", SHOP)
    (tmp_path / "a.sms.liquid").write_bytes(b"--- body\n\xff")
    with pytest.raises(SettingsError, match=r"a\.sms\.liquid is not UTF-8"):
        Cards(tmp_path, SHOP)


def test_partials_are_shared_and_may_be_replaced(folder: Folder) -> None:
    """A partial sees what every template sees and what it is handed; the shop's goes before the built-in one of its name."""
    folder.write("one.partial.liquid", "{{ of.title }} at {{ shop }}")
    assert (
        folder.sms("{% for item in items %}{% render 'one', of: item %};{% endfor %}", item()).parts["body"]
        == "Chair 1 at Linden & Ash;"
    )
    folder.write("button.partial.liquid", "BUTTON")
    assert "BUTTON" in folder.cards().render("weekly", "email", seen(item())).parts["html"]


# --- limits


def string_of(size: int) -> str:
    """Liquid that makes a text of this many letters, at least."""
    return "{% assign s = 'aaaaaaaa' %}" + "{% assign s = s | append: s %}" * (size // 8 - 1).bit_length()


ATTACKS = {
    "a range without end": ("{% for i in (1..999999999) %}{% endfor %}", "loop iteration limit"),
    "a range without end, laid out": ("{% for i in (1..999999999) reversed %}{% endfor %}", "loop iteration limit"),
    "a range longer than numbers": ("{% for i in (1..99999999999999999999999) %}{% endfor %}", "range literal length limit"),
    "a table without end": ("{% tablerow i in (1..999999999) %}{% endtablerow %}", "loop iteration limit"),
    "loops in loops": ("{% for i in (1..999) %}" * 3 + "{% endfor %}" * 3, "loop iteration limit"),
    "loops after loops": ("{% for i in (1..10000) %}{% if true %}{% endif %}{% endfor %}" * 900, "processor time limit"),
    "a partial that draws itself in": ("{% render 'self' %}", "maximum context depth"),
    "partials that branch": ("{% render 'branch', depth: 1 %}", "processor time limit"),
    "too much to write": (string_of(32_000) + "{% for i in (1..99) %}{{ s }}{% endfor %}", "output stream limit"),
    "too much to capture": (
        string_of(32_000) + "{% capture c %}" + "{{ s }}" * 9 + "{% endcapture %}",
        "output stream limit",
    ),
    "too much to keep": (
        string_of(60_000) + "".join(f"{{% assign s{n} = s | upcase %}}" for n in range(20)),
        "local namespace limit",
    ),
    "a text that grows": (string_of(500_000), "filter 'append' gives a value of size"),
    "a text in each letter": (string_of(16_000) + "{{ s | replace: 'a', s }}", "filter 'replace' may write a text of size"),
    "a text between letters": (string_of(400) + "{{ s | split: '' | join: s }}", "filter 'join' may write a text of size"),
    "a list of letters": (string_of(60_000) + "{{ s | split: '' | size }}", "filter 'split' gives a value of size"),
    "a number that grows": (
        "{% assign n = 99 %}" + "{% assign n = n | times: n %}" * 40,
        "filter 'times' gives a value of size",
    ),
    "each with each, again and again": (
        string_of(500)
        + "{% assign l = s | split: '' %}{% for i in (1..10000) %}"
        + "{{ l | uniq | size }}" * 99
        + "{% endfor %}",
        "processor time limit",
    ),
    "no division": ("{{ 1 | divided_by: 0 }}", "can't divide by 0"),
    "no number": ("{{ 'inf' | plus: 1 | ceil }}", "OverflowError"),
    "no moment": ("{{ 99999999999999999999999999 | date }}", "OverflowError"),
}


@pytest.mark.long
@pytest.mark.parametrize("name", list(ATTACKS))
def test_a_template_has_bounds(folder: Folder, name: str) -> None:
    """Whatever would take for ever or fill the memory is a CardError that names file, part and limit."""
    folder.write("self.partial.liquid", "{% render 'self' %}")
    more = "{% render 'branch', depth: next %}"
    folder.write(
        "branch.partial.liquid", "{% assign next = depth | plus: 1 %}{% if depth < 14 %}" + more * 9 + "{% endif %}"
    )
    body, limit = ATTACKS[name]
    with pytest.raises(CardError) as refused:
        folder.sms(body)
    assert "messages.templates: " in str(refused.value)
    assert ".liquid, part " in str(refused.value)
    assert limit in str(refused.value)


RANGES = [
    "{{ (1..9) | join }}",
    "{% assign r = (1..9) %}",
    "{% if (1..999999999) contains 'a' %}{% endif %}",
    "{% if a %}{% elsif b == (1..9) %}{% endif %}",
    "{% unless (1..9) %}{% endunless %}",
    "{% case (1..9) %}{% when 1 %}{% endcase %}",
    "{% case a %}{% when (1..9) %}{% endcase %}",
    "{% cycle (1..9), 2 %}",
    "{{ 'a' | append: (1..9) }}",
    "{% for i in a limit: (1..9) %}{% endfor %}",
    "{% for i in a %}{% else %}{{ (1..9) }}{% endfor %}",
    "{% render 'top', a: (1..9) %}",
    "{% capture a %}{% echo (1..9) %}{% endcapture %}",
    "{% liquid\n assign x = (1..9) %}",
]


@pytest.mark.parametrize("body", RANGES)
def test_a_range_stands_in_a_loop_only(folder: Folder, body: str) -> None:
    """Outside a loop nothing bounds a range, so no template has one there."""
    with pytest.raises(SettingsError, match=r"a range \(1\.\.n\) may stand in a for tag only"):
        folder.sms(body)


@pytest.mark.parametrize(
    "body", ["{% if a %}" * 17 + "{% endif %}" * 17, "{{ " + "a[" * 20_000, "{% if a " + "and a " * 9_000 + "%}{% endif %}"]
)
def test_what_is_nested_too_deep_is_refused(folder: Folder, body: str) -> None:
    """Blocks, paths and conditions have an end before the stack has one."""
    with pytest.raises(SettingsError, match=r"note\.sms\.liquid, part body, line 2"):
        folder.sms(body)


def test_an_error_in_a_partial_names_the_partial(folder: Folder) -> None:
    """The place is where the mistake is, not where it is drawn in."""
    folder.write("wrong.partial.liquid", "\n\n{{ 1 | divided_by: 0 }}")
    with pytest.raises(CardError, match=r"wrong\.partial\.liquid, part partial, line 3: "):
        folder.sms("{% render 'wrong' %}")


# --- markup, addresses, headers

MARKUP = "<script>alert(1)</script> \"&' {{ shop }}"


@pytest.mark.long
def test_markup_is_text(folder: Folder) -> None:
    """Markup in values is escaped in HTML, however it comes there, and left as it is in plain parts; no value is read as Liquid."""
    html = (
        "{{ item_1_title }}{{ Profile.name | append: '!' }}{% capture c %}{{ shop }}{{ Event.x }}{% endcapture %}{{ c }}"
        "{{ items | map: 'title' | join: '<br>' }}{{ '<i>' | append: Event.x }}{{ c | url_decode }}{{ Event.x | newline_to_br }}"
    )
    card = folder.mail(html, item(title=MARKUP), subject="{{ item_1_title }}", profile={"name": MARKUP}, event={"x": MARKUP})
    assert card.parts["subject"] == MARKUP
    assert "<script" not in card.parts["html"]
    assert "&lt;script&gt;alert(1)&lt;/script&gt; &#34;&amp;&#39; {{ shop }}" in card.parts["html"]
    assert folder.sms("{{ item_1_title }}", item(title=MARKUP)).parts["body"] == MARKUP


BAD_ADDRESSES = [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    " javascript:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,<script>alert(1)</script>",
    "vbscript:x",
    "file:///etc/passwd",
    "//evil.example/",
    "\\\\evil.example\\",
    "https:evil.example",
    "https://",
    "https:///x",
    "https://a.example/\r\nBcc: x",
    "https://a.example/ x",
    "https://a.example/\u202egpj",
    "ftp://a.example/",
    "/p/1",
    "",
]


@pytest.mark.parametrize("address", BAD_ADDRESSES)
def test_only_web_addresses_are_addresses(folder: Folder, address: str) -> None:
    """What is no absolute http or https address becomes the front page, or no picture; a template's own address is watched too."""
    bad = item(url=address, image_url=address, slot={"image": address, "link": address})
    (one,) = seen(bad)["items"]
    assert (one["url"], one["link"], one["image"], one["image_url"]) == (SHOP.home_url, SHOP.home_url, "", "")
    assert seen(event={"url": address})["Event"]["url"] == ""
    card = folder.mail("<a href='{{ Profile.page }}'>x</a> <img  src = \"{{ Profile.page }}\">", profile={"page": address})
    assert "script:" not in card.parts["html"].lower()
    assert "data:" not in card.parts["html"]
    assert "evil" not in card.parts["html"] or address.startswith("https:")


@pytest.mark.parametrize("address", ["https://shop.example/p/1?a=1&b=é#x", "HTTP://x.example", "https://a.example:8443/%20"])
def test_web_addresses_stay(folder: Folder, address: str) -> None:
    """A good address is not touched, but for escaping; nor is what a message tool fills in."""
    assert web_address(address) == address
    html = '<a href="{{ item_1_link }}">x</a><a href="mailto:a@b.example">y</a><a href="{% raw %}{{ unsubscribe }}{% endraw %}">z</a>'
    card = folder.mail(html, item(url=address))
    escaped = address.replace("&", "&amp;")
    assert (
        card.parts["html"]
        == f'<a href="{escaped}">x</a><a href="mailto:a@b.example">y</a><a href="{{{{ unsubscribe }}}}">z</a>'
    )


@pytest.mark.parametrize("value", ["x\r\nBcc: all@example.com", "x\nBcc: y", "x\u2028Bcc: y", "x\x0bBcc: y", "x\x00\x85y"])
def test_a_subject_is_one_line(folder: Folder, value: str) -> None:
    """No value begins another header, part or parameter."""
    card = folder.mail(
        "x", item(title=value), subject="\n\n{{ Profile.x }} {{ item_1_title }}\n", profile={"x": value + "\n--- html\n"}
    )
    assert len(card.parts["subject"].splitlines()) == 1
    assert set(card.parts) == {"subject", "html", "text"}
    folder.write("note.whatsapp.liquid", "--- body_1\n{{ Profile.x }}\n\n--- body_2\n  a   b\t{{ Profile.x }}")
    parts = folder.cards().render("note", "whatsapp", seen(profile={"x": value})).parts
    assert all(len(part.splitlines()) == 1 and "  " not in part for part in parts.values())


def test_white_space_is_tidied(folder: Folder) -> None:
    """Plain texts have no white space at their ends and one blank line in a row at most; HTML has no blank lines."""
    card = folder.mail("<p>\n\n\n   a\n</p>", text="\n\n a  \n\n\n\n{% if no %}x{% endif %}\n b\tc\n\n")
    assert card.parts["text"] == "a\n\nb c"
    assert card.parts["html"] == "<p>\na\n</p>"


# --- giving way


def test_titles_give_way_first(folder: Folder) -> None:
    """Where a message is too long, titles are cut as little as needed; prices, links and codes are whole."""
    body = "{% for item in items %}{{ item.title }} {{ item.price_text }} {{ item.link }} {{ item.coupon }}\n{% endfor %}"
    card = folder.sms(body, *[item(n, title=LONG) for n in (1, 2, 3)])
    assert card.broken == ()
    assert sms(card.parts["body"])[2] == SHOP.sms_segments
    lines = card.parts["body"].splitlines()
    assert len(lines) == 3
    assert all(f"... €89.50 https://shop.example/p/{n} HELLO" in line for n, line in enumerate(lines, start=1))
    whole = folder.sms(body, item(1, title=LONG))
    assert LONG in whole.parts["body"]


def test_then_items_give_way(folder: Folder) -> None:
    """Where short titles do not help, the last items go, and as few as needed; the flat form and the count follow."""
    body = "{% for item in items %}{{ item.title }} {{ item.link }}\n{% endfor %}{{ item_count }}{{ item_9_title }}"
    card = folder.sms(body, *[item(n, title=LONG) for n in range(1, 10)])
    lines = card.parts["body"].splitlines()
    assert card.broken == ()
    assert len(lines) == int(lines[-1]) + 1 < 10
    assert all(graphemes(line.partition(" https")[0]) <= 12 for line in lines[:-1])
    one_more = "\n".join([*lines[:-1], lines[0], lines[-1]])
    assert sms(one_more).segments > SHOP.sms_segments
    assert card.missing == ("item_9_title",)


def test_the_title_of_the_event_gives_way_too(folder: Folder) -> None:
    """What a message is about is shortened like an item."""
    card = folder.sms("{{ Event.title }} {{ Event.url }}", event={"title": LONG * 9, "url": "https://shop.example/p/1"})
    assert card.broken == ()
    assert card.parts["body"].endswith("... https://shop.example/p/1")


@pytest.mark.long
def test_what_giving_way_cannot_mend_comes_whole(folder: Folder) -> None:
    """Where a template is too long without titles and items, it loses none of them, and says what it breaks."""
    card = folder.sms("x" * 400 + "{{ item_1_title }} {{ item_count }}", item(title=LONG), item(2))
    assert card.parts["body"].endswith(LONG + " 2")
    (found,) = card.broken
    assert (found.channel, found.part, found.allowed, found.found) == ("sms", "body", 2, 4)


def test_a_payload_counts(folder: Folder) -> None:
    """A push is weighed with picture, link and data; its payload is the JSON to send."""
    folder.write("note.push.liquid", "--- title\n{{ item_1_title }}\n--- body\n{{ items | map: 'title' | join: ', ' }}")
    card = folder.cards().render("note", "push", seen(*[item(n, title=LONG) for n in range(1, 7)]))
    assert card.broken == ()
    payload = json.loads(card.parts["payload"])
    assert payload["link"] == "https://shop.example/p/1"
    assert payload["data"] == {"recommendation_id": "r1", "send_id": "w14"}
    assert (payload["title"], payload["body"]) == (card.parts["title"], card.parts["body"])
    heavy = folder.cards().render("note", "push", seen(item(url="https://shop.example/" + "x" * 4096)))
    assert [(one.part, one.allowed) for one in heavy.broken] == [("payload", 4096)]


def test_a_push_leads_to_what_it_is_about(folder: Folder) -> None:
    """Where a push speaks of the event its link and picture are the event's, else the first item's, else the front page."""
    vase = {"title": "Vase", "url": "https://shop.example/vase", "image_url": "https://img.example/vase.jpg"}
    cards, both = folder.cards(), seen(item(), event=vase)
    payloads = [
        json.loads(cards.render(*one).parts["payload"]) for one in (("cart", "push", both), ("weekly", "push", both))
    ]
    assert [payload["link"] for payload in payloads] == ["https://shop.example/vase", "https://shop.example/p/1"]
    assert [payload["image"] for payload in payloads] == ["https://img.example/vase.jpg", "https://img.example/1.jpg"]
    bare = json.loads(cards.render("cart", "push", seen(item(), event={"item_id": "v", "title": "Vase"})).parts["payload"])
    assert (bare["link"], bare["image"]) == (SHOP.home_url, ""), "no other item's"
    nothing = json.loads(cards.render("weekly", "push", seen()).parts["payload"])
    assert (nothing["link"], nothing["image"]) == (SHOP.home_url, "")


TITLES = st.text(max_size=120)


@calm
@given(st.lists(TITLES, max_size=5))
def test_any_titles_fit_a_text_message(titles: list[str]) -> None:
    """Whatever titles are, the built-in message keeps to its segments, on one line each, and is the same the second time."""
    names = seen(*[item(n, title=title) for n, title in enumerate(titles, start=1)])
    cards = BUILT_IN
    card = cards.render("weekly", "sms", names)
    assert card.broken == ()
    assert card == cards.render("weekly", "sms", names)
    assert SHOP.home_url in card.parts["body"] if not titles else "https://shop.example/p/1" in card.parts["body"]
