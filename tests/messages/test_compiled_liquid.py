"""Compiled Liquid: it writes and misses what the library's interpreter does, or leaves the part to it."""

from __future__ import annotations

import math
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from recsys.messages.cards.cards import Cards
from recsys.messages.cards.context import direction, shortened
from recsys.messages.cards.files import TemplatePart
from recsys.messages.cards.sandboxed_liquid import CardError, Liquid, ParsedPart
from recsys.settings.messages import MessagesSettings
from tests.support.shops.handmade import calm
from training.batch.lint_templates import READERS, Reader, seen_by

SHOP = MessagesSettings(shop="Linden & Ash", home_url="https://shop.example/", public_url="https://m.shop.example")
CARDS = Cards(None, SHOP)
ODD: dict[str, Any] = {
    "a": "<b>\r\n",
    "n": 3,
    "no": False,
    "none": None,
    "price": 1234.5,
    "channel": "email",
    "locale": "de",
    "items": [{"title": "Vase & co", "n": n, "image": ""} for n in range(3)],
    "map": {"size": 7, "first": "f", "x": {"y": [1, 2]}},
}
BITS = (
    "x \r y\n",
    "{{ a }}{{ map.size }}{{ map.x.y.last }}{{ items.size }}{{ items[1].title }}{{ map['x'] }}{{ items }}{{ partial }}",
    "{{ nothing }}{{ nothing.more }}{{ a.b }}{{ n.size }}{{ a.first }}{{ none }}{{ no }}{{ empty }}",
    "{{ nothing | default: a | upcase }}{{ a | escape | append: '<' }}{{ price | price: 'EUR' }}{{ 'a,b' | split: ',' | join: '&' }}",
    "{% assign a = '<i>' %}{% assign n = n | plus: 1 %}{{ a }}{{ n }}",
    "{% assign x = empty %}{% case x %}{% when '' %}e{% else %}f{% endcase %}",
    "{% capture c %} {{ a }} {% capture d %}{{ n }}{% endcapture %}{{ d }}{% endcapture %}[{{ c }}]{{ c | size }}",
    "{% if a %}1{% elsif n %}2{% endif %}{% if none %}3{% else %}4{% endif %}{% unless no %}5{% else %}6{% endunless %}",
    "{% if n == 3 and a contains 'b' or no %}1{% endif %}{% if n > 2 %}2{% endif %}{% if n <= price %}3{% endif %}",
    "{% if nothing == nil %}1{% endif %}{% if a != blank %}2{% endif %}{% if items == empty %}3{% endif %}",
    "{% if a %}  {% assign q = a %} {% endif %}|{% for i in items %} \n{% endfor %}|{{ q }}",
    "{% case n %}{% when '3' %}t{% else %}e{% endcase %}{% case a %}{% when 'q', 'q' %}2{% endcase %}",
    "{% case 'q' %}{% when 'q', 'q' %}{{ n }}{% when 'r' %}r{% else %}e{% endcase %}{% case n %}{% when 3 %}3{% endcase %}",
    "{% for item in items limit: 2 %}{{ item.title }}{{ forloop.index }}{{ forloop.last }}{% endfor %}{{ item }}{{ forloop.index }}",
    "{% for n in (1..3) %}{% for m in items %}{{ forloop.parentloop.index }}{{ n }}{{ m.n }}{% endfor %}{% endfor %}{{ n }}",
    "{% for i in items %}{% if i.n == 1 %}{% continue %}{% endif %}{{ i.n }}{% break %}{% endfor %}",
    "{% for i in nothing %}x{% else %}none{% endfor %}{% for i in map %}{{ i[0] }}{% endfor %}{% for i in a %}{{ i }}{% endfor %}",
    "{% for i in items limit: 0 %}{{ i.n }}{% endfor %}{% for i in items %}{% assign i = 4 %}{{ i.n }}{% endfor %}{{ i }}",
    "{% for channel in items %}{{ price | price: 'CHF' }}{% render 'inner', item: channel %}{% endfor %}",
    "{% render 'outer', a: n, title: nothing.here %}{% render 'inner' %}{{ item.title }}",
    "{% liquid\nassign z = a\necho z %}{% comment %}c{% endcomment %}{% # c %}",
    "{% break %}",
    "{% for i in items %}{% render 'breaks' %}{% endfor %}",
    "{{ 1 | divided_by: 0 }}",
    "{{ [a] }}{{ map[a] }}",
    "{% cycle 'a', 'b' %}{% increment k %}{% tablerow i in items %}{{ i.n }}{% endtablerow %}",
    "{% for i in items reversed %}{{ i.n }}{% endfor %}{% render 'inner' for items as item %}",
)
PARTIALS = {
    "inner": "{% assign own = item.title %}<{{ own }}{{ a }}{{ title }}{{ partial }}>",
    "outer": "{{ title }}{{ a }}{% assign a = 9 %}{% for i in items %}{{ a }}{% render 'inner', item: i %}{% endfor %}",
    "breaks": "{% break %}",
}


def outcome(part: ParsedPart, context: dict[str, Any], interpreted: bool) -> tuple[str, set[str]] | str:
    """What is written and missed, or what stands in the way."""
    missing = set[str]()
    try:
        return (part.interpret if interpreted else part.render)(context, missing, math.inf), missing
    except CardError as error:
        return str(error)


def part_of(text: str, escaping: bool) -> ParsedPart:
    """A compiled part, with the partials of these tests."""
    liquid = Liquid(escaping=escaping)
    for name, partial in PARTIALS.items():
        liquid.add_partial(name, TemplatePart(f"{name}.partial.liquid", "partial", 1, partial))
    part = ParsedPart(TemplatePart("a.sms.liquid", "body", 1, text), liquid)
    part.compile()
    return part


def readers_of(number: int) -> list[Reader]:
    """A fourth of the readers, in turn."""
    return list(READERS[number % 4 :: 4])


@pytest.mark.parametrize("locale", ["en", "de", "fr", "ar"])
def test_built_in_templates_are_compiled_to_the_same_bytes(locale: str) -> None:
    """Every built-in template is compiled; it never gives up, and differs by no byte and no missing name."""
    for number, key in enumerate(name for name in CARDS.names() if name[2] == locale):
        for reader in readers_of(number):
            names = shortened(seen_by(reader, SHOP), reader.items, None, key[1])
            names |= {"channel": key[1], "language": locale, "direction": direction(locale)}
            for part in CARDS.parts(key):
                missing = set[str]()
                assert part.program is not None
                assert (part.program.text(names, missing, math.inf), missing) == outcome(part, names, interpreted=True)


@pytest.mark.parametrize("escaping", [True, False])
@pytest.mark.parametrize("text", BITS)
def test_each_bit_of_the_language_is_the_same(text: str, escaping: bool) -> None:
    """Whatever is compiled writes, misses and fails as it does in the interpreter; what is not compiled too."""
    part = part_of(text, escaping)
    assert outcome(part, ODD, interpreted=False) == outcome(part, ODD, interpreted=True)


@calm
@given(
    bits=st.lists(st.sampled_from(BITS[:21]), min_size=1, max_size=5),
    holder=st.sampled_from(
        [
            "{}",
            "{{% for n in items %}}{}{{% endfor %}}",
            "{{% if n %}}{}{{% endif %}}",
            "{{% capture a %}}{}{{% endcapture %}}{{{{ a }}}}",
        ]
    ),
    escaping=st.booleans(),
)
def test_any_template_is_the_same(bits: list[str], holder: str, escaping: bool) -> None:
    """What is put together of those bits is the same in both, in loops, conditions and captures."""
    part = part_of(holder.format("".join(bits)), escaping)
    assert outcome(part, ODD, interpreted=False) == outcome(part, ODD, interpreted=True)


def test_what_only_the_interpreter_knows_is_left_to_it() -> None:
    """A part with a tag, a case of numbers or a path that is read while rendering is not compiled; one without is."""
    assert part_of("{% cycle 'a', 'b' %}", escaping=False).program is None
    assert part_of("{{ map[a] }}", escaping=False).program is None
    assert part_of("{{ map.x }}{% render 'outer' %}", escaping=False).program is not None
