"""Half characters in JSON: what a browser writes of a text that was cut in the middle of one, such as an emoji."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import TypeVar

import msgspec

Decoded = TypeVar("Decoded")
_ESCAPES = re.compile(
    rb"\\u[dD][89abAB][0-9a-fA-F]{2}\\u[dD][c-fC-F][0-9a-fA-F]{2}|(\\u[dD][89a-fA-F][0-9a-fA-F]{2})|\\.", re.DOTALL
)
"""Whole pairs of surrogates, single ones, and all other escapes, so that an escaped backslash begins none."""


def decode_whole(body: bytes, decode: Callable[[bytes], Decoded]) -> Decoded:
    """Decode JSON with U+FFFD in the place of each half character.

    Raises:
        msgspec.DecodeError: it is no JSON for all that.
    """
    try:
        return decode(body)
    except msgspec.DecodeError:
        return decode(_ESCAPES.sub(lambda found: rb"\ufffd" if found[1] else found[0], body))
