"""`make lint-templates`: every template is rendered for readers who break messages, and held against its channel's limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

from recsys.messages.cards.cards import Card, CardError, Cards
from recsys.messages.cards.context import context
from recsys.messages.slots import SlotKeys, slot_addresses
from recsys.settings import Settings
from recsys.settings.messages import MessagesSettings
from recsys.snapshot.catalog import FRAGMENT_FIELDS
from training import console
from training.batch.export import Progress

ITEMS = 12
"""Items of a reader's slate: as many as most sends have."""
_TOKEN = SlotKeys(["only the length of what it makes matters"]).token(
    "2026-w14-weekly", "00000000-0000-0000-0000-000000000000"
)
"""As long as tokens of slots are for users with a UUID."""
_FAMILY = "\N{MAN}\N{ZERO WIDTH JOINER}\N{WOMAN}\N{ZERO WIDTH JOINER}\N{GIRL}"
_ARABIC = "إناء من البلور المنفوخ يدوياً بحافة ذهبية"
_LONGEST = " ".join(["Hand-finished travertine console with a patinated brass base"] * 9)[:500]


class Reader(NamedTuple):
    """Somebody whose message may go wrong: a locale, the fields that their items share, and how many items there are."""

    name: str
    locale: str = "en-GB"
    fields: Mapping[str, Any] = {}
    items: int = ITEMS
    known: bool = True


READERS: Sequence[Reader] = (
    Reader("somebody known"),
    Reader("nobody known", known=False),
    Reader("longest title", "de-DE", {"title": _LONGEST}),
    Reader("one long word", "en-GB", {"title": "Donaudampfschifffahrtsgesellschaft" * 9, "brand": "B" * 200}),
    Reader("Arabic", "ar-SA", {"title": _ARABIC, "currency": "SAR"}),
    Reader("emoji", "fr-FR", {"title": f"Vase {_FAMILY} {'🎁' * 40}"}),
    Reader("rupees", "en-IN", {"price": 1_234_567.5, "currency": "INR"}),
    Reader("yen", "ja-JP", {"title": "手吹きガラスの花瓶", "price": 98_000.0, "currency": "JPY"}),
    Reader("zero items", items=0),
    Reader("one item", items=1),
    Reader("null price", fields={"price": None, "currency": None}),
    Reader("null everything", fields=dict.fromkeys(FRAGMENT_FIELDS[1:])),
    Reader("markup", fields={"title": "<b>\"A\" & 'B'</b>\r\n--- html\r\n{{ shop }}", "url": "javascript:alert(1)"}),
)


class Finding(NamedTuple):
    """What is wrong with a template for a reader."""

    template: str
    reader: str
    limit: str
    found: str


def lint_templates(settings: Settings) -> int:
    """Print what is wrong with the shop's templates and the built-in ones; exit code 1 if anything is.

    Raises:
        SettingsError: if a template cannot be read at all.
    """
    folder = settings.messages.templates
    cards = Cards(settings.path(folder) if folder else None, settings.messages)
    with console.bar("Rendering", "templates") as progress:
        found = findings(cards, settings.messages, progress)
    rendered = len(cards.names())
    if found:
        console.table("Templates", ("template", "reader", "limit", "found"), found)
    mark = "✗" if found else "✓"
    console.say(f"{mark} {rendered} templates × {len(READERS)} readers: {len(found) or 'nothing'} wrong")
    return 1 if found else 0


def findings(cards: Cards, settings: MessagesSettings, progress: Progress = lambda _done, _total: None) -> list[Finding]:
    """Render everything for everybody; templates in their order, then readers."""
    names = cards.names()
    found: list[Finding] = []
    for done, (kind, channel, locale) in enumerate(names, 1):
        found += _of_template(cards, kind, channel, locale, settings)
        progress(done, len(names))
    return found


def _of_template(cards: Cards, kind: str, channel: str, locale: str, settings: MessagesSettings) -> Iterator[Finding]:
    name = f"{locale}/{kind}.{channel}"
    unknown: list[set[str]] = []
    for reader in READERS:
        try:
            card = cards.render_as((kind, channel, locale), seen_by(reader, settings))
        except CardError as error:
            yield Finding(name, reader.name, "it must render", str(error))
            continue
        unknown.append(set(card.missing))
        for each in card.broken:
            yield Finding(name, reader.name, f"{each.part}: {each.limit}, at most {each.allowed:,}", f"{each.found:,}")
        if reader.items and not card.items:
            yield Finding(name, reader.name, "an item must fit", "none does")
        yield from _leaks(name, reader, card)
    for missing in sorted(set.intersection(*unknown)) if unknown else ():
        yield Finding(name, "everybody", "names must have a value or a default", missing)


def _leaks(name: str, reader: Reader, card: Card) -> Iterator[Finding]:
    """What of a reader's markup is markup in the message."""
    for part, text in card.parts.items():
        if "javascript:" in text:
            yield Finding(name, reader.name, f"{part}: no address that runs something", "javascript:")
        if part == "html" and "<b>" in text and reader.name == "markup":
            yield Finding(name, reader.name, "html: no markup of a title", "<b>")


def seen_by(reader: Reader, settings: MessagesSettings) -> dict[str, Any]:
    """What a template sees for a reader; addresses are as long as real ones."""
    public = settings.public_url or "https://recommendations.shop.example"
    slots = slot_addresses(public, _TOKEN, range(reader.items)) if settings.public_url else [{}] * reader.items
    items = [{**_item(number), **reader.fields, "slot": slot} for number, slot in enumerate(slots, 1)]
    profile = {"user_id": "u-1", "lifecycle": "active" if reader.known else "lead", "orders": 3 if reader.known else 0}
    event = {**items[0], "event_type": "view"} if items and reader.known else None
    return context(
        items,
        profile,
        event,
        locale=reader.locale,
        timezone=None,
        send_id="2026-w14",
        recommendation_id="0" * 24,
        settings=settings,
    )


def _item(number: int) -> dict[str, Any]:
    return {
        "item_id": f"SKU-{number:06}",
        "title": f"Blown glass vase No. {number}",
        "brand": "Maison",
        "category": "Home > Decor > Vases",
        "price": 120.0 * number,
        "currency": "EUR",
        "url": f"https://shop.example/p/blown-glass-vase-{number}",
        "image_url": f"https://shop.example/i/{number}.jpg",
        "available": True,
        "reason": {"code": "popular", "text": "12 people bought it this week"},
    }
