"""`make lint-templates`: every template is rendered for readers who break messages, and held against its channel's limits."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, Literal, NamedTuple

from recsys.messages.cards.cards import Card, CardError, Cards
from recsys.messages.cards.context import Context, context
from recsys.messages.slots import SlotKeys, slot_addresses
from recsys.settings import Settings
from recsys.settings.messages import MessagesSettings
from recsys.snapshot.catalog import FRAGMENT_FIELDS
from recsys.types import DataError
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


About = Literal["viewed", "moment", "article"]
"""What a message is about: an item that was viewed last, the item of a moment, or something to read."""


class Reader(NamedTuple):
    """Somebody whose message may go wrong: a locale, the fields that their items share, how many items there are, and what the message
    is about (`About`)."""

    name: str
    locale: str = "en-GB"
    fields: Mapping[str, Any] = {}
    items: int = ITEMS
    known: bool = True
    about: About = "viewed"


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
    Reader("a moment", about="moment"),
    Reader("a moment, longest title", "fr-FR", {"title": _LONGEST, "price": 1_234_567.5}, about="moment"),
    Reader("a moment without other items", "ar-SA", {"title": _ARABIC, "currency": "SAR"}, items=0, about="moment"),
    Reader("something to read", about="article"),
    Reader("markup", fields={"title": "<b>\"A\" & 'B'</b>\r\n--- html\r\n{{ shop }}", "url": "javascript:alert(1)"}),
)


class Finding(NamedTuple):
    """Fault of a template for a reader."""

    template: str
    reader: str
    limit: str
    found: str


def lint_templates(settings: Settings, kind: str | None = None) -> int:
    """Print what is wrong with the shop's templates and the built-in ones, or those of one kind; exit code 1 if anything is.

    Raises:
        SettingsError: if a template cannot be read at all.
        DataError: if there is no template of that kind.
    """
    folder = settings.messages.templates
    cards = Cards(settings.path(folder) if folder else None, settings.messages)
    names = [name for name in cards.names() if kind in (None, name[0])]
    if not names:
        raise DataError(f"--kind {kind!r}: there is no such template; there are {', '.join(cards.kinds())}")
    with console.bar("Rendering", "templates") as progress:
        found = findings(cards, settings.messages, names, progress)
    rendered = len(names)
    if found:
        console.table("Templates", ("template", "reader", "limit", "found"), found)
    mark = "✗" if found else "✓"
    console.say(f"{mark} {rendered} templates × {len(READERS)} readers: {len(found) or 'nothing'} wrong")
    return 1 if found else 0


def findings(
    cards: Cards,
    settings: MessagesSettings,
    names: Sequence[tuple[str, str, str]],
    progress: Progress = lambda _done, _total: None,
) -> list[Finding]:
    """Render these templates (kind, channel, locale) for everybody, in their order, then that of the readers."""
    seen = [(reader, seen_by(reader, settings)) for reader in READERS]
    found: list[Finding] = []
    for done, key in enumerate(names, 1):
        found += _of_template(cards, key, seen)
        progress(done, len(names))
    return found


def _of_template(cards: Cards, key: tuple[str, str, str], seen: Sequence[tuple[Reader, Context]]) -> Iterator[Finding]:
    kind, channel, locale = key
    name = f"{locale}/{kind}.{channel}"
    unknown: list[set[str]] = []
    for reader, shown in seen:
        try:
            card = cards.render_as(key, shown)
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
    """Return what of a reader's markup is markup in the message."""
    for part, text in card.parts.items():
        if "javascript:" in text:
            yield Finding(name, reader.name, f"{part}: no address that runs something", "javascript:")
        if part == "html" and "<b>" in text and reader.name == "markup":
            yield Finding(name, reader.name, "html: no markup of a title", "<b>")


def seen_by(reader: Reader, settings: MessagesSettings) -> dict[str, Any]:
    """Return what a template sees for a reader; addresses are as long as real ones."""
    public = settings.public_url or "https://recommendations.shop.example"
    slots = slot_addresses(public, _TOKEN, range(reader.items)) if settings.public_url else [{}] * reader.items
    items = [{**_item(number), **reader.fields, "slot": slot} for number, slot in enumerate(slots, 1)]
    profile = {"user_id": "u-1", "lifecycle": "active" if reader.known else "lead", "orders": 3 if reader.known else 0}
    event = _event(reader, slots) if reader.known else None
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


def _event(reader: Reader, slots: Sequence[Mapping[str, str]]) -> dict[str, Any] | None:
    """Return what a reader's message is about, as cards of sends and of moments lay it out."""
    item = {**_item(1), **reader.fields}
    if reader.about == "article":
        return {"event_type": "editorial", "title": item["title"], "url": item["url"]}
    if reader.about == "moment":
        before = None if item["price"] is None else item["price"] + 100
        link = {"link": slots[0]["link"]} if slots and slots[0] else {}
        return {**item, "event_type": "price_drop", "old_price": before, **link}
    return {**item, "event_type": "view"} if reader.items else None


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
