"""Contents and limits of each channel."""

from __future__ import annotations

import json

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.messages.cards.channels import LIMITS, PARTS, Broken, MessagePart, broken, push_payload, sms
from recsys.messages.cards.text_format import shorten
from recsys.types import CHANNELS
from tests.support.shops.handmade import calm

BASIC = {chr(code) for code in range(32, 127)} - set("`^{}\\[~]|") | set("\n\r£¥èéùìòÇØøÅåΔΦΓΛΩΠΨΣΘΞÆæßÉ¤¡ÄÖÑÜ§¿äöñüà")
EXTENSION = set("\f^{}\\[~]|€")
GOOD = {
    "email": {"subject": "New for you", "html": "<p>Sofa</p>", "text": "Sofa"},
    "push": {"title": "New for you", "body": "Oak sofa"},
    "sms": {"body": "Oak sofa: https://shop.example/1"},
    "whatsapp": {"header": "New", "body_1": "Oak sofa", "body_2": "€900", "button": "See it"},
}
TEXTS = st.text(st.sampled_from("a€ä^~ \n") | st.sampled_from("aж😀木"), max_size=400)
LONG_TEXTS = st.builds(
    lambda text, times: (text * times)[:700], st.text(st.sampled_from("a€^aaaж😀"), max_size=30), st.integers(1, 60)
)


def slowly_segmented(text: str) -> tuple[str, int, int]:
    """Encode a text unit by unit and cut it from the front, a step back where a cut would part units of one character."""
    if set(text) <= BASIC | EXTENSION:
        encoding, alone, joined = "GSM-7", 160, 153
        units = [unit for character in text for unit in (["escape", character] if character in EXTENSION else [character])]
    else:
        encoding, alone, joined = "UCS-2", 70, 67
        data = text.encode("utf-16-be")
        units = ["escape" if 0xD8 <= data[at] < 0xDC else "unit" for at in range(0, len(data), 2)]
    rest, segments = units, 0
    while len(units) > alone and rest:
        cut = joined - 1 if len(rest) > joined and rest[joined - 1] == "escape" else joined
        rest, segments = rest[cut:], segments + 1
    return encoding, len(units), max(segments, 1)


def test_gsm_7_is_its_table() -> None:
    """Of all characters, 127 cost one septet, 10 cost two, and every other makes a text UCS-2."""
    assert (len(BASIC), len(EXTENSION)) == (127, 10)
    for code in [*range(0xD800), *range(0xE000, 0x20000)]:
        character = chr(code)
        if character in BASIC or character in EXTENSION:
            assert sms(character) == ("GSM-7", 1 if character in BASIC else 2, 1)
        else:
            assert sms(character) == ("UCS-2", 1 if code < 0x10000 else 2, 1)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", ("GSM-7", 0, 1)),
        ("a" * 160, ("GSM-7", 160, 1)),
        ("a" * 161, ("GSM-7", 161, 2)),
        ("a" * 306, ("GSM-7", 306, 2)),
        ("a" * 307, ("GSM-7", 307, 3)),
        ("€" * 80, ("GSM-7", 160, 1)),
        ("a" * 152 + "€" + "a" * 152, ("GSM-7", 306, 3)),
        ("a" * 151 + "€" + "a" * 153, ("GSM-7", 306, 2)),
        ("ж" * 70, ("UCS-2", 70, 1)),
        ("ж" * 71, ("UCS-2", 71, 2)),
        ("ж" * 66 + "😀" + "ж" * 66, ("UCS-2", 134, 3)),
        ("😀" * 35, ("UCS-2", 70, 1)),
        ("a" * 100 + "…", ("UCS-2", 101, 2)),
    ],
)
def test_a_text_message_is_counted_as_it_is_charged(text: str, expected: tuple[str, int, int]) -> None:
    """160 or 70 units alone, 153 or 67 together, and no character of two units lies in two segments."""
    assert sms(text) == expected


@calm
@given(st.one_of(TEXTS, LONG_TEXTS))
def test_segments_are_those_of_a_slow_segmenter(text: str) -> None:
    """Any text has the encoding, units and segments that cutting its encoded units one by one gives."""
    assert sms(text) == slowly_segmented(text)


def test_channels_are_those_of_consent() -> None:
    """Every channel that a shopper can consent to has parts and limits, and each part of it is limited."""
    assert set(PARTS) == set(LIMITS) == set(CHANNELS)
    assert all(set(PARTS[channel]) <= set(LIMITS[channel]) for channel in CHANNELS)
    assert {name for name, part in PARTS["whatsapp"].items() if part.required} == {"body_1"}
    assert PARTS["email"]["html"] == MessagePart(True, "text/html")
    assert {part.media_type for channel in CHANNELS for part in PARTS[channel].values()} == {"text/html", "text/plain"}


@pytest.mark.parametrize("channel", CHANNELS)
def test_good_parts_break_nothing(channel: str) -> None:
    """A short message is whole, and needs only its required parts."""
    assert broken(channel, GOOD[channel], 1) == []
    required = {name: text for name, text in GOOD[channel].items() if PARTS[channel][name].required}
    assert broken(channel, required, 1) == []


@pytest.mark.parametrize(
    ("channel", "part", "at_most", "over", "limit", "allowed"),
    [
        ("email", "subject", "é" * 255, "é" * 256, "characters", 255),
        ("email", "subject", "a b", "a\r\nBcc: x@y.example", "line breaks and tabs", 0),
        ("email", "html", "é" * 52224, "é" * 52224 + "a", "bytes", 104448),
        ("email", "text", "a" * 104448, "a" * 104449, "bytes", 104448),
        ("push", "title", "🇩🇪" * 65, "🇩🇪" * 66, "graphemes", 65),
        ("push", "body", "e\u0301" * 240, "e\u0301" * 241, "graphemes", 240),
        ("push", "payload", "a" * 4096, "é" * 2048 + "a", "bytes", 4096),
        ("sms", "body", "a" * 306, "a" * 307, "segments", 2),
        ("sms", "body", "ж" * 134, "ж" * 135, "segments", 2),
        ("whatsapp", "header", "a" * 60, "😀" * 30 + "a", "characters", 60),
        ("whatsapp", "header", "a", "a\nb", "line breaks and tabs", 0),
        ("whatsapp", "body_1", "a    b", "a     b", "spaces in a row", 4),
        ("whatsapp", "body_2", "a b", "a\tb", "line breaks and tabs", 0),
        ("whatsapp", "button", "a" * 25, "a" * 26, "characters", 25),
    ],
)
def test_a_limit_holds_to_the_last_unit(channel: str, part: str, at_most: str, over: str, limit: str, allowed: int) -> None:
    """What just fits breaks nothing; one unit more is one broken limit: what, how much is allowed, how much was found."""
    assert broken(channel, {**GOOD[channel], part: at_most}, 2) == []
    [found] = broken(channel, {**GOOD[channel], part: over}, 2)
    assert found[:4] == (channel, part, limit, allowed)
    assert found.found > allowed


@pytest.mark.parametrize("segments", [1, 2, 5])
def test_segments_are_as_many_as_the_setting_says(segments: int) -> None:
    """A text message may have the segments that the shop pays for."""
    max_n = 160 if segments == 1 else 153 * segments
    assert broken("sms", {"body": "a" * max_n}, segments) == []
    assert broken("sms", {"body": "a" * (max_n + 1)}, segments) == [
        Broken("sms", "body", "segments", segments, segments + 1)
    ]


def test_variables_of_a_body_count_together() -> None:
    """A WhatsApp body is as long as its variables together; header and button are no part of it."""
    parts = {**GOOD["whatsapp"], "body_1": "a" * 1000}
    assert broken("whatsapp", {**parts, "body_2": "b" * 24}, 1) == []
    assert broken("whatsapp", {**parts, "body_2": "b" * 25}, 1) == [Broken("whatsapp", "body", "characters", 1024, 1025)]


def test_variables_of_a_body_have_no_gap() -> None:
    """An approved template is sent with every variable up to its last, and none is empty."""
    parts = {"body_1": "Oak sofa", "body_3": "€900", "body_4": " \u00a0"}
    assert broken("whatsapp", parts, 1) == [
        Broken("whatsapp", "body_2", "parts of this name, at least", 1, 0),
        Broken("whatsapp", "body_4", "characters, at least", 1, 0),
    ]


@pytest.mark.parametrize("channel", CHANNELS)
def test_parts_are_those_of_the_channel(channel: str) -> None:
    """A required part that is missing, a part that says nothing and a part that nobody sends are broken, in this order."""
    for name, part in PARTS[channel].items():
        if name not in GOOD[channel]:
            continue
        rest = {key: text for key, text in GOOD[channel].items() if key != name}
        missing = [Broken(channel, name, "parts of this name, at least", 1, 0)] if part.required else []
        assert broken(channel, rest, 1) == missing
        assert broken(channel, {**rest, name: "\n"}, 1)[0] == Broken(channel, name, "characters, at least", 1, 0)
    odd = dict.fromkeys(["footer", "title_2", "Subject", "image", "bcc", "link"], "-")
    unknown = ["Subject", "bcc", "footer", "image", "link", "title_2"]
    required = [name for name, part in PARTS[channel].items() if part.required]
    assert [found.part for found in broken(channel, odd, 1)] == [*required, *unknown]
    assert broken(channel, {**GOOD[channel], **odd}, 1) == [
        Broken(channel, name, "parts of this name", 0, 1) for name in unknown
    ]


def test_only_a_push_has_a_payload_and_a_body_is_no_whatsapp_part() -> None:
    """What a channel makes of its parts is no part that may be written elsewhere."""
    for channel, name in [("email", "payload"), ("sms", "payload"), ("whatsapp", "payload"), ("whatsapp", "body")]:
        assert broken(channel, {**GOOD[channel], name: "x"}, 1) == [Broken(channel, name, "parts of this name", 0, 1)]


@calm
@given(st.permutations([*GOOD["whatsapp"], "z", "y"]))
def test_the_order_is_fixed(names: list[str]) -> None:
    """Broken limits come in the order of the parts, however the parts come."""
    found = broken("whatsapp", dict.fromkeys(names, "a\n" * 40), 1)
    assert [(limit.part, limit.limit) for limit in found] == [
        ("header", "line breaks and tabs"),
        ("header", "characters"),
        ("body_1", "line breaks and tabs"),
        ("body_2", "line breaks and tabs"),
        ("button", "line breaks and tabs"),
        ("button", "characters"),
        ("y", "parts of this name"),
        ("z", "parts of this name"),
    ]


def test_a_push_is_weighed_as_it_is_sent() -> None:
    """The payload has every member, in UTF-8; without one among the parts, title and body are weighed alone."""
    payload = push_payload(GOOD["push"], "https://shop.example/é.jpg", "https://shop.example/1", {"send_id": "2026-w14"})
    assert json.loads(payload) == {
        "title": "New for you",
        "body": "Oak sofa",
        "image": "https://shop.example/é.jpg",
        "link": "https://shop.example/1",
        "data": {"send_id": "2026-w14"},
    }
    assert "é".encode() in payload
    assert json.loads(push_payload({}, "", "", {})) == {"title": "", "body": "", "image": "", "link": "", "data": {}}
    long = {**GOOD["push"], "body": "👨‍👩‍👧‍👦" * 200}
    [heavy] = broken("push", long, 1)
    assert heavy == Broken("push", "payload", "bytes", 4096, len(push_payload(long, "", "", {})))
    link = "https://shop.example/" + "x" * 4096
    [heavy] = broken("push", {**GOOD["push"], "payload": push_payload(GOOD["push"], "", link, {}).decode()}, 1)
    assert heavy.part == "payload"


@calm
@given(st.text(min_size=1, max_size=400).map(lambda text: text + "a"))
def test_what_is_shortened_to_a_limit_keeps_it(text: str) -> None:
    """Titles and bodies cut by `shorten` break no limit of their length, and no rule about line breaks and spaces."""
    title = shorten(text, 65)
    assert [found for found in broken("push", {"title": title, "body": "x"}, 1) if found.limit == "graphemes"] == []
    header = shorten(text, 60, lambda text: len(text.encode("utf-16-le")) // 2)
    assert [found for found in broken("whatsapp", {"header": header, "body_1": "x"}, 1) if found.allowed != 1] == []


def test_an_unknown_channel_is_an_error() -> None:
    """There are no limits of a channel that nobody sends on."""
    with pytest.raises(KeyError, match="pigeon"):
        broken("pigeon", {}, 1)
