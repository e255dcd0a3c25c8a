"""Addresses of HTML tags: none that runs something is passed over."""

from __future__ import annotations

import re

from hypothesis import given
from hypothesis import strategies as st

from recsys.messages.cards.cards import _safe_tag, _tidy
from tests.support.shops.handmade import calm

HOME = "https://shop.example/"
NAMES = st.sampled_from(["href", "SRC", "background", "action", "Action ", "name"])
VALUES = st.sampled_from(["javascript:x", "'vb:x'", '"java\nscript:x"', "https://x.example/", '"a>b"', "'"])
ATTRIBUTES = st.tuples(st.sampled_from([" ", "\n", "/", ""]), NAMES, st.sampled_from(["=", " = ", ""]), VALUES).map("".join)
TAGS = st.tuples(st.sampled_from(["<a", "<B x"]), st.lists(ATTRIBUTES, min_size=1, max_size=3).map("".join), st.just(">"))
BITS = TAGS.map("".join) | ATTRIBUTES | st.sampled_from(["<", "<a", " ", "\n", "/", ">", "b"])
LAMP = "Lamp href=javascript:1 onerror=alert(1) background=https://evil.example/x src=vb:1 x"
TAG = re.compile(r"<[a-zA-Z][^>]*>")


@calm
@given(st.lists(BITS, min_size=1, max_size=8).map("".join))
def test_no_address_of_any_tag_is_passed_over(text: str) -> None:
    """Tags are found by their addresses; what each says is as if every tag were looked at."""
    lines = "\n".join(line for line in map(str.strip, text.splitlines()) if line)
    assert _tidy("html", text, HOME) == TAG.sub(lambda tag: _safe_tag(tag[0], HOME), lines)


def test_what_stands_in_another_attribute_is_no_address() -> None:
    """A title that reads like an attribute stays text within its quotes, and the address beside it is looked at."""
    tag = f'<img src="javascript:x" alt="{LAMP}" width="256">'
    assert _safe_tag(tag, HOME) == f'<img src="{HOME}" alt="{LAMP}" width="256">'
    assert _safe_tag('<a x=\xa0" href="vb:2">', HOME) == f'<a x=\xa0" href="{HOME}">', "it is no blank of HTML"
    assert _tidy("html", '<a/href="vb:2">', HOME) == f'<a/href="{HOME}">'
    assert _tidy("html", '<a x="1"href="vb:2">', HOME) == f'<a x="1"href="{HOME}">'
    assert _safe_tag(f"<a title='{LAMP}' href=vb:2>", HOME) == f"<a title='{LAMP}' href=\"{HOME}\">"
