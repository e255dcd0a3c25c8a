"""Text that fits: one clean line, cut without breaking a letter."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable
from itertools import accumulate
from typing import TypeAlias

import regex

Size: TypeAlias = Callable[[str], int]
"""Measures a text in some unit; a longer text never measures less."""

KEPT_BY_A_WORD_CUT = 0.6
"""A cut between words must keep more than this share of what fits, the space at its end counted; where none does, the cut
goes through a word."""

_CLUSTER = regex.compile(r"\X")
_WORD_BOUNDARY = regex.compile(r"\b", regex.WORD)
_DROPPED = regex.compile(r"(?V1)[[\p{Cc}\p{Cs}\u202A-\u202E\u2066-\u2069]--\s]")
_LOOSE_ENDS = frozenset(" ,;:.-–—/|(&+·")


def graphemes(text: str) -> int:
    """Count what a reader takes for one character each: extended grapheme clusters of Unicode Annex 29."""
    return len(_CLUSTER.findall(text))


def one_line(text: str) -> str:
    """Return a text as one clean line.

    White space of any kind becomes single spaces. Control characters, lone surrogates and marks that turn the direction of
    what follows (U+202A to U+202E, U+2066 to U+2069) are dropped, so that a cut leaves none of them open.
    """
    if not text.isprintable():  # else there is nothing to drop
        text = _DROPPED.sub("", text)
    return " ".join(text.split())


def shorten(text: str, max_n: int, size: Size = graphemes, ending: str = "…") -> str:
    """Return a text as one clean line that measures at most `max_n`, with `ending` where something was cut.

    The cut goes between words where that keeps most of what fits, else between graphemes, never through one. Where not even
    the ending fits, nothing is left. A GSM-7 text message has no "…": give it `ending="..."`.
    """
    line = one_line(text)
    if size(line) <= max_n:
        return line
    if size(ending) > max_n:
        return ""
    clusters = _CLUSTER.findall(line)
    ends = list(accumulate(map(len, clusters)))
    fitting = bisect_right(ends, max_n, key=lambda end: size(line[:end] + ending))
    kept = _between_words(line, ends, fitting)
    while kept and clusters[kept - 1] in _LOOSE_ENDS:
        kept -= 1
    return "".join(clusters[:kept]) + ending


def _between_words(line: str, ends: list[int], fitting: int) -> int:
    """The last number of clusters, up to those that fit, after which no word is cut; all that fit where that is too few."""
    too_few = int(fitting * KEPT_BY_A_WORD_CUT)
    return next((count for count in range(fitting, too_few, -1) if _WORD_BOUNDARY.match(line, ends[count - 1])), fitting)
