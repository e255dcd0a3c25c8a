"""Cards: messages written from Liquid templates, for one channel and one reader, within limits that no template can break.

A template file is one kind of message on one channel, `weekly.email.liquid`, cut into the channel's parts by lines such as
`--- subject`. The shop's own go before the built-in ones, and `de/weekly.email.liquid` before `weekly.email.liquid` for German
readers. Parts that several share stand in `<name>.partial.liquid` and are drawn in with `{% render 'name' %}`.
"""

from __future__ import annotations

import html
import re
from bisect import bisect_left
from collections.abc import Mapping, Sequence
from functools import lru_cache
from itertools import chain
from pathlib import Path
from time import thread_time
from typing import Any, NamedTuple

from recsys.locales import language, locale_chain
from recsys.messages.cards.channels import PARTS, Broken, broken, push_payload
from recsys.messages.cards.context import Context, direction, shortened
from recsys.messages.cards.files import PARTIAL, TemplateFile, template_files
from recsys.messages.cards.sandboxed_liquid import CardError as CardError
from recsys.messages.cards.sandboxed_liquid import Liquid, ParsedPart
from recsys.messages.cards.text_format import one_line
from recsys.settings.messages import MessagesSettings

BUILT_IN = Path(__file__).parent.parent / "templates"
BUILT_IN_LANGUAGE = "en"
CARD_SECONDS = 1.0
"""Most processor time of a card, with all that giving way takes."""
TITLE_SIZES = (80, 60, 45, 30, 20, 12)
"""Graphemes that titles are cut to, one after the other, where a card breaks a limit of its channel."""
MANY_LINES = ("html", "text", "body")
"""Parts that may have line breaks; every other is one line, so that no value can begin another header."""

SHORT_TAG = 1024
"""Characters below which a tag that was looked through is remembered."""

_TAG = re.compile(
    r"""<[a-zA-Z][^\s>/"']*+(?:[\s/"']++(?!(?:href|src|background|action)\s*=)[^\s>/"']*+)*+"""
    r"""[\s/"']++(?:href|src|background|action)\s*=[^>]*>""",
    re.IGNORECASE,
)
"""A tag with an address; most have none. Word by word and never back, so that a tag costs what its length is."""
_ATTRIBUTE = re.compile(r"""(?<=[\s"'/])(([^\s"'>=/]++)[ \t\n\f\r]*+=[ \t\n\f\r]*+)("[^"]*+"|'[^']*+'|[^ \t\n\f\r"'>]++)""")
"""An attribute with its value, whatever it is named: what stands in the value of another one is no attribute. Blanks are those of
HTML: others, such as one that does not break, are a value's."""
_ADDRESSES = ("href", "src", "background", "action")
_SCHEME = re.compile(r"([a-z][a-z0-9+.-]*):|[/\\]{2}", re.IGNORECASE)
_HARMLESS_SCHEMES = ("http", "https", "mailto", "tel")


class UnknownTemplateError(CardError):
    """There is no such template; the text names those that there are."""


class Card(NamedTuple):
    """A message ready to send.

    `parts` by name, of a push also its `payload` (JSON) · `locale` of the template that was used · `items` that it was left
    with · `missing` names that it wrote or looped over without a value or a default · `broken` limits that it still breaks.
    """

    template: str
    channel: str
    locale: str
    items: int
    parts: Mapping[str, str]
    missing: tuple[str, ...]
    broken: tuple[Broken, ...]


class _Way(NamedTuple):
    """One way to give way: how long titles may be (None: as they are), and how many items there are."""

    title_size: int | None
    items: int


class Cards:
    """All templates, read and checked once: raises SettingsError naming file, part and line of what is wrong."""

    def __init__(self, folder_of_shop: Path | None, settings: MessagesSettings) -> None:
        self._settings = settings
        files = {file[1:4]: file for file in template_files(BUILT_IN, BUILT_IN_LANGUAGE)}
        if folder_of_shop is not None:
            files |= {file[1:4]: file for file in template_files(folder_of_shop, language(settings.locale))}
        self._parts = _parsed(tuple(files.values()))

    def kinds(self) -> dict[str, tuple[str, ...]]:
        """Return kind = the channels that it has templates for, both sorted."""
        found: dict[str, tuple[str, ...]] = {}
        for kind, channel in sorted({key[:2] for key in self._parts}):
            found[kind] = (*found.get(kind, ()), channel)
        return found

    def names(self) -> list[tuple[str, str, str]]:
        """All templates as (kind, channel, locale), sorted."""
        return sorted(self._parts)

    def parts(self, key: tuple[str, str, str]) -> Sequence[ParsedPart]:
        """Return the parts of one of `names`."""
        return self._parts[key]

    def render(self, template: str, channel: str, context: Context) -> Card:
        """Write a message; where it breaks a limit of its channel, titles give way, then items, the last one first.

        Where that does not mend it, it comes whole, with what it breaks. `context` is that of `card_context.context`.
        Raises UnknownTemplateError; CardError where a template fails or breaks a limit of `bounded_liquid`.
        """
        return self.render_as(self._find(template, channel, context["locale"]), context)

    def render_as(self, key: tuple[str, str, str], context: Context) -> Card:
        """Write a message from one of `names`, whatever the reader's locale; otherwise as `render`."""
        channel = key[1]
        deadline = thread_time() + CARD_SECONDS
        items = context["item_count"]

        def card(way: _Way) -> Card:
            return self._card(key, shortened(context, way.items, way.title_size, channel), deadline)

        whole = card(_Way(None, items))
        if not whole.broken:
            return whole
        ways = [*(_Way(size, items) for size in TITLE_SIZES), *(_Way(TITLE_SIZES[-1], n) for n in reversed(range(items)))]
        found = bisect_left(ways, True, key=lambda way: not card(way).broken)
        return card(ways[found]) if found < len(ways) else whole

    def reads_profile(self, template: str, channel: str, locale: str | None) -> bool:
        """Tell whether a message for a reader of this locale asks for `Profile`; one that there is not asks for nothing."""
        try:
            key = self._find(template, channel, locale_chain(locale or "", self._settings.locale)[0])
        except UnknownTemplateError:
            return False
        return any(part.speaks_of("Profile") for part in self._parts[key])

    def _find(self, template: str, channel: str, locale: str) -> tuple[str, str, str]:
        """The template for a reader, of the closest locale that has one."""
        for step in (*locale_chain(locale, self._settings.locale), BUILT_IN_LANGUAGE):
            if (key := (template, channel, step)) in self._parts:
                return key
        known = "; ".join(f"{kind} ({', '.join(channels)})" for kind, channels in self.kinds().items())
        raise UnknownTemplateError(f"there is no template {template!r} for channel {channel!r}; there are {known}")

    def _card(self, key: tuple[str, str, str], context: dict[str, Any], deadline: float) -> Card:
        template, channel, locale = key
        context |= {"channel": channel, "language": locale, "direction": direction(locale)}
        missing = set[str]()
        parts = {part.source.name: part.render(context, missing, deadline) for part in self._parts[key]}
        parts = {name: _tidy(name, text, context["home_url"]) for name, text in parts.items()}
        if channel == "push":
            of_event = any(part.speaks_of("Event") for part in self._parts[key])
            parts["payload"] = _payload(parts, context, of_event)
        found = tuple(broken(channel, parts, self._settings.sms_segments))
        return Card(template, channel, locale, context["item_count"], parts, tuple(sorted(missing)), found)


@lru_cache(maxsize=8)
def _parsed(files: tuple[TemplateFile, ...]) -> dict[tuple[str, str, str], list[ParsedPart]]:
    """Parse, check and compile templates; the same texts once in a process, for it takes half of the service's start."""
    escaping, plain = Liquid(escaping=True), Liquid(escaping=False)
    for file in files:
        if file.channel == PARTIAL:
            escaping.add_partial(file.kind, *file.parts())
            plain.add_partial(file.kind, *file.parts())
    parts = {file[1:4]: _parts_of(file, escaping, plain) for file in files if file.channel != PARTIAL}
    for part in (*escaping.partials.values(), *plain.partials.values(), *chain(*parts.values())):
        part.check()
    for part in chain(*parts.values()):
        part.compile()
    return parts


def _parts_of(file: TemplateFile, escaping: Liquid, plain: Liquid) -> list[ParsedPart]:
    is_html = {name: part.media_type == "text/html" for name, part in PARTS[file.channel].items()}
    return [ParsedPart(part, escaping if is_html[part.name] else plain) for part in file.parts()]


def _payload(parts: Mapping[str, str], context: Context, of_event: bool) -> str:
    """Return what a push carries: link and picture of the event or of the first item, and what its tap is to be counted for."""
    data = {name: context[name] for name in ("recommendation_id", "send_id")}
    about = context["Event"] if of_event else {}
    is_item = about.get("item_id") and about.get("title")  # the text names it: no other item is shown or opened
    link = about.get("link") or about.get("url") or (not is_item and context.get("item_1_link")) or context["home_url"]
    image = about.get("image_url") or (not is_item and context.get("item_1_image")) or ""
    return push_payload(parts, image, link, data).decode()


def _tidy(name: str, text: str, home_url: str) -> str:
    if name not in MANY_LINES:
        return one_line(text)
    if name == "html":
        lines = [line for line in map(str.strip, text.splitlines()) if line]
        return _TAG.sub(lambda tag: _known_tag(tag[0], home_url), "\n".join(lines))
    return re.sub(r"\n{3,}", "\n\n", "\n".join(map(one_line, text.splitlines()))).strip()


def _known_tag(tag: str, home_url: str) -> str:
    """A safe tag, looked up where it is short: most tags of a mail are the same in every card."""
    return _short_tag(tag, home_url) if len(tag) < SHORT_TAG else _safe_tag(tag, home_url)


@lru_cache(4096)
def _short_tag(tag: str, home_url: str) -> str:
    return _safe_tag(tag, home_url)


def _safe_tag(tag: str, home_url: str) -> str:
    """An HTML tag without addresses that run something, or leave their scheme open."""

    def safe(found: re.Match[str]) -> str:
        if found[2].lower() not in _ADDRESSES:
            return found[0]
        address = re.sub(r"[\s\x00-\x1f\x7f]", "", html.unescape(found[3].strip("\"'")))
        scheme = _SCHEME.match(address)
        if scheme is None or (scheme[1] or "").lower() in _HARMLESS_SCHEMES:
            return found[0]
        return f'{found[1]}"{html.escape(home_url)}"'

    return _ATTRIBUTE.sub(safe, tag)
