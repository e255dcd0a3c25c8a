"""Channels: the parts of a message, the limits that carriers set, and the counting of a text message.

What breaks a limit is cut, refused or charged twice by somebody else, out of our sight. So each limit stands here, with its
source.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType
from typing import Literal, NamedTuple

import msgspec

from recsys.messages.cards.text_format import graphemes

BODY_VARIABLES = 25
"""Most variables of a WhatsApp body that a template may fill, `body_1` to `body_25`; more than any message should have."""


class MessagePart(NamedTuple):
    """A part that a template may write; `media_type` says how its text is to be escaped."""

    required: bool
    media_type: str = "text/plain"


_VARIABLES = tuple([f"body_{number}" for number in range(1, BODY_VARIABLES + 1)])
PARTS: Mapping[str, Mapping[str, MessagePart]] = MappingProxyType(
    {
        "email": {"subject": MessagePart(True), "html": MessagePart(True, "text/html"), "text": MessagePart(True)},
        "push": {"title": MessagePart(True), "body": MessagePart(True)},
        "sms": {"body": MessagePart(True)},
        "whatsapp": {
            "header": MessagePart(False),
            **{name: MessagePart(name == "body_1") for name in _VARIABLES},
            "button": MessagePart(False),
        },
    }
)
"""Channel = its parts, in their order."""


class Sms(NamedTuple):
    """Encoding of a text message; `units` are septets of GSM-7 or UTF-16 units of UCS-2."""

    encoding: Literal["GSM-7", "UCS-2"]
    units: int
    segments: int


_GSM_BASIC = frozenset(
    "@£$¥èéùìòÇ\nØø\rÅåΔ_ΦΓΛΩΠΨΣΘΞÆæßÉ !\"#¤%&'()*+,-./0123456789:;<=>?"
    "¡ABCDEFGHIJKLMNOPQRSTUVWXYZÄÖÑÜ§¿abcdefghijklmnopqrstuvwxyzäöñüà"
)
_GSM_EXTENSION = frozenset("\f^{}\\[~]|€")
_GSM = _GSM_BASIC | _GSM_EXTENSION


def sms(text: str) -> Sms:
    """Count the segments of a text message (3GPP TS 23.038 and 23.040).

    One segment takes 160 septets or 70 UTF-16 units; of several, each takes 153 or 67, and neither an escaped character of
    GSM-7 nor a surrogate pair is split between two. One character outside GSM-7 makes the whole text UCS-2.
    """
    if _GSM.issuperset(text):
        widths = [2 if character in _GSM_EXTENSION else 1 for character in text]
        return Sms("GSM-7", sum(widths), _segments(widths, 160, 153))
    widths = [2 if character > "\uffff" else 1 for character in text]
    return Sms("UCS-2", sum(widths), _segments(widths, 70, 67))


def _segments(widths: list[int], alone: int, joined: int) -> int:
    """Segments for characters of these widths: one of `alone` units, or several of `joined`."""
    if sum(widths) <= alone:
        return 1
    segments, used = 1, 0
    for width in widths:
        if used + width > joined:
            segments, used = segments + 1, 0
        used += width
    return segments


def push_payload(parts: Mapping[str, str], image: str, link: str, data: Mapping[str, str]) -> bytes:
    """Return what a push carries, as JSON: `{"title", "body", "image", "link", "data": {…}}`; "" where there is none."""
    texts = {"title": parts.get("title", ""), "body": parts.get("body", "")}
    return msgspec.json.encode({**texts, "image": image, "link": link, "data": dict(data)})


class Limit(NamedTuple):
    """Most of something (`words`) that a text may have; `allowed` None: the setting `sms_segments`."""

    words: str
    allowed: int | None
    found: Callable[[str], int]


class Broken(NamedTuple):
    """A limit that a part breaks: what was counted, how much of it is allowed, how much was found."""

    channel: str
    part: str
    limit: str
    allowed: int
    found: int


def _bytes(text: str) -> int:
    return len(text.encode())


def _utf16_units(text: str) -> int:
    """Characters as the strictest of carriers count them; most write only "characters"."""
    return len(text.encode("utf-16-le")) // 2


def _breaks(text: str) -> int:
    return len(re.findall(r"[\t\n\v\f\r\x1c-\x1e\x85\u2028\u2029]", text))


def _longest_gap(text: str) -> int:
    return max(map(len, re.findall(r" +", text)), default=0)


_ONE_LINE = Limit("line breaks and tabs", 0, _breaks)
"""RFC 5322, 2.2: a line break would begin another header. WhatsApp Cloud API, parameters: no new line, no tab."""
_MAIL_BYTES = Limit("bytes", 102 * 1024, _bytes)
"""Gmail clips what is longer; not documented by Google, but measured and published by most senders' tools."""
_PARAMETER = (_ONE_LINE, Limit("spaces in a row", 4, _longest_gap))
"""WhatsApp Cloud API refuses parameters with a new line, a tab or more than 4 spaces in a row."""

LIMITS: Mapping[str, Mapping[str, tuple[Limit, ...]]] = MappingProxyType(
    {
        "email": {
            # Exchange Online limits: subject length 255 characters. RFC 5322 limits a folded line only, so it sets none.
            "subject": (_ONE_LINE, Limit("characters", 255, _utf16_units)),
            "html": (_MAIL_BYTES,),
            "text": (_MAIL_BYTES,),
        },
        "push": {
            # What Android shows of a title and of an expanded text, as push tools publish it; iOS shows some 178 of a body.
            "title": (Limit("graphemes", 65, graphemes),),
            "body": (Limit("graphemes", 240, graphemes),),
            # Apple "Generating a remote notification" and Firebase Cloud Messaging: 4 KB for the whole payload.
            "payload": (Limit("bytes", 4096, _bytes),),
        },
        "sms": {"body": (Limit("segments", None, lambda text: sms(text).segments),)},
        "whatsapp": {
            # WhatsApp Business message templates: header 60 characters, body 1,024, text of a button 25.
            "header": (*_PARAMETER, Limit("characters", 60, _utf16_units)),
            **dict.fromkeys(_VARIABLES, _PARAMETER),
            "body": (Limit("characters", 1024, _utf16_units),),
            "button": (*_PARAMETER, Limit("characters", 25, _utf16_units)),
        },
    }
)
"""Channel = limits of its parts, and of what it sends as one: a push's `payload`, a WhatsApp `body` of all its variables."""


def broken(channel: str, parts: Mapping[str, str], sms_segments: int) -> list[Broken]:
    """Return every limit that rendered parts break: parts there should be, their texts, parts nobody sends, in this order.

    Every part that is there says something. The variables of a WhatsApp body have no gap: it is sent with as many as its
    approved template has. `payload` (the text of `push_payload`) may stand among the parts of a push; else title
    and body are weighed without image, link and data. Raises KeyError for a channel that `PARTS` does not have.
    """
    return [*_absent(channel, parts), *_exceeded(channel, parts, sms_segments), *_unknown(channel, parts)]


def _absent(channel: str, parts: Mapping[str, str]) -> Iterator[Broken]:
    """Parts that are missing or say nothing."""
    last = max((place for place, name in enumerate(_VARIABLES) if name in parts), default=0)
    for name, part in PARTS[channel].items():
        if name in parts and not parts[name].strip():
            yield Broken(channel, name, "characters, at least", 1, 0)
        elif name not in parts and (part.required or name in _VARIABLES[:last]):
            yield Broken(channel, name, "parts of this name, at least", 1, 0)


def _exceeded(channel: str, parts: Mapping[str, str], sms_segments: int) -> Iterator[Broken]:
    """Texts that are longer than their limits, or have what they must not have."""
    texts = _texts(channel, parts)
    for name, limits in LIMITS[channel].items():
        for limit in limits:
            allowed = sms_segments if limit.allowed is None else limit.allowed
            if name in texts and (found := limit.found(texts[name])) > allowed:
                yield Broken(channel, name, limit.words, allowed, found)


def _texts(channel: str, parts: Mapping[str, str]) -> dict[str, str]:
    """The parts, and what the channel sends of them as one."""
    if channel == "push":
        return {"payload": push_payload(parts, "", "", {}).decode(), **parts}
    if channel == "whatsapp":
        return {**parts, "body": "".join([text for name, text in parts.items() if name in _VARIABLES])}
    return dict(parts)


def _unknown(channel: str, parts: Mapping[str, str]) -> Iterator[Broken]:
    """Parts that the channel does not have."""
    known = {*PARTS[channel], *(["payload"] if channel == "push" else [])}
    for name in sorted(parts.keys() - known):
        yield Broken(channel, name, "parts of this name", 0, 1)
