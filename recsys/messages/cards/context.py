"""Template variables of a card: the items of a slate, the reader, the event, and the shop's copy for each category."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any, TypeAlias

from recsys.locales import is_right_to_left, locale_chain, price_text
from recsys.messages.cards.category_copy import canonical, words_of
from recsys.messages.cards.text_format import graphemes, one_line, shorten
from recsys.settings.messages import MessagesSettings, Words

Context: TypeAlias = Mapping[str, Any]
"""What a template sees, by name (docs/messages.md)."""

ADDRESSES = ("url", "link", "image_url")
"""Fields of an event that hold addresses."""

_UNSEEN = r"\s\x00-\x1f\x7f-\x9f\u061c\u200b-\u200f\u202a-\u202e\u2060-\u2069\ufeff"
_WEB_ADDRESS = re.compile(rf"https?://[^{_UNSEEN}/\\?#]+[^{_UNSEEN}]*", re.IGNORECASE)


def context(
    items: Sequence[Mapping[str, Any]],
    profile: Mapping[str, Any],
    event: Mapping[str, Any] | None,
    *,
    locale: str | None,
    timezone: str | None,
    send_id: str,
    recommendation_id: str,
    settings: MessagesSettings,
) -> dict[str, Any]:
    """Lay out what templates see of one slate, for one reader; nothing is looked up.

    `items` are the slate's: the catalogue's fields, `reason` (`code`, `text`), and `slot` (`image`, `link`) where there is one.
    `event` is what the message is about, with the item's `title`, `price`, `currency`, `url` and `image_url` where it is about one.
    `locale` and `timezone` None: the shop's. `Profile` and `Event` are handed on as they are, but for what is no web address.
    """
    locale = locale_chain(locale or "", settings.locale)[0]
    copy_texts = canonical(settings.words)
    shown = [_item(item, number, locale, copy_texts, settings) for number, item in enumerate(items, start=1)]
    return {
        "Profile": dict(profile),
        "Event": {name: web_address(value) if name in ADDRESSES else value for name, value in (event or {}).items()},
        "shop": settings.shop,
        "home_url": settings.home_url,
        "send_id": send_id,
        "recommendation_id": recommendation_id,
        "locale": locale,
        "timezone": timezone or settings.timezone,
        "direction": direction(locale),
        **words_of(shown[0]["category"] if shown else "", copy_texts),
        **listed(shown),
    }


def direction(locale: str) -> str:
    """Return which way a locale's script runs, as HTML says it: `ltr` or `rtl`."""
    return "rtl" if is_right_to_left(locale) else "ltr"


def listed(items: Sequence[Context]) -> dict[str, Any]:
    """Return items as a list to loop over and flat, for tools that cannot loop: `item_1_title`, `item_1_price`, …"""
    flat: dict[str, Any] = {}
    for number, item in enumerate(items, start=1):
        flat.update(zip(_flat(number, tuple(item)), item.values(), strict=True))
    return {"items": list(items), "item_count": len(items), **flat}


@lru_cache(256)
def _flat(number: int, keys: tuple[str, ...]) -> tuple[str, ...]:
    """Names of an item's fields in the flat form."""
    return tuple(f"item_{number}_{key}" for key in keys)


def shortened(seen: Context, items: int, title_size: int | None, channel: str) -> dict[str, Any]:
    """Return a context with fewer items and titles of at most `title_size` graphemes (None: whole), prices as the channel writes.

    A text message keeps to the letters of GSM-7 where it can, since one other letter more than halves what it holds, and leads to
    the shop's own address where that is shorter than the slot's.
    """
    plain = channel == "sms"
    kept = []
    for item in seen.get("items", ())[:items]:
        price = price_text(item["price"], item["currency"], seen["locale"], plain) if plain else item["price_text"]
        title = _cut(item["title"], title_size, plain)
        kept.append({**item, "title": title, "price_text": price, "link": _link(item, channel)})
    happened = dict(seen.get("Event", {}))
    if isinstance(happened.get("title"), str):
        happened["title"] = _cut(happened["title"], title_size, plain)
    if happened.get("link"):
        happened["link"] = _link(happened, channel)
    gone = listed(seen.get("items", ())).keys()
    return {**{key: value for key, value in seen.items() if key not in gone}, "Event": happened, **listed(kept)}


def _link(item: Mapping[str, Any], channel: str) -> str:
    """Return where an item's link leads; a slot is told its channel, so that it knows of a click what it came from."""
    link: str = item["link"]
    url: str = item.get("url") or ""
    if link != url and channel != "email":
        link = f"{link}?channel={channel}"
    return min(link, url or link, key=len) if channel == "sms" else link


def _cut(title: str, max_n: int | None, plain: bool) -> str:
    return one_line(title) if max_n is None else shorten(title, max_n, graphemes, "..." if plain else "…")


def web_address(text: object, otherwise: str = "") -> str:
    """Return an absolute http or https address without white space and control characters, else `otherwise`."""
    return text if isinstance(text, str) and _WEB_ADDRESS.fullmatch(text) else otherwise


def _item(
    item: Mapping[str, Any], number: int, locale: str, copy_texts: Mapping[str, Words], settings: MessagesSettings
) -> dict[str, Any]:
    """One item as templates see it; what is not known is empty, and only web addresses stand where an address is expected."""
    slot, reason = item.get("slot") or {}, item.get("reason") or {}
    url = web_address(item["url"], settings.home_url)
    image_url = web_address(item["image_url"])
    return {
        "id": item["item_id"],
        "title": one_line(item["title"] or item["item_id"]),
        "brand": one_line(item["brand"] or ""),
        "category": item["category"] or "",
        "price": item["price"],
        "price_text": price_text(item["price"], item["currency"], locale),
        "currency": item["currency"] or "",
        "url": url,
        "image_url": image_url,
        "link": web_address(slot.get("link"), url),
        "image": web_address(slot.get("image"), image_url or settings.placeholder_url),
        "dislike": web_address(slot.get("dislike")),
        "reason": one_line(reason.get("text", "")),
        "reason_code": reason.get("code", ""),
        **words_of(item["category"], copy_texts),
        "number": number,
    }
