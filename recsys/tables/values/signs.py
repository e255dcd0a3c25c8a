"""Signs of rare faults: bytes without which no text can have one, looked for in a batch of texts together before in each."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import numpy.typing as npt
import polars as pl

Sign = Callable[[npt.NDArray[np.uint8]], npt.NDArray[np.bool_]]
"""Tells of bytes of UTF-8, uint8[n], which ones are a sign, bool[n]."""
_TOGETHER = 100_000
"""Texts that are looked at together."""


def control(data: npt.NDArray[np.uint8]) -> npt.NDArray[np.bool_]:
    """Bytes of control characters (Unicode's Cc): themselves, or the first of the two of U+0080 to U+009F."""
    found: npt.NDArray[np.bool_] = (data < 0x20) | (data == 0x7F) | (data == 0xC2)
    return found


def one_of(signs: bytes) -> Sign:
    """A sign that is one of a few bytes."""
    return lambda data: np.logical_or.reduce([data == sign for sign in signs])


def has_sign(texts: pl.Series, sign: Sign) -> bool:
    """Tell whether any of the texts holds a sign."""
    parts = (texts.slice(start, _TOGETHER) for start in range(0, len(texts), _TOGETHER))
    return any(bool(sign(_bytes(part)).any()) for part in parts)


def matches(text: pl.Expr, pattern: str, sign: Sign) -> pl.Expr:
    """Tell which texts match a pattern (null does not), each looked at only where a batch has the sign that every match has."""

    def each(texts: pl.Series) -> pl.Series:
        if not has_sign(texts, sign):
            return pl.Series(texts.name, [False]).new_from_index(0, len(texts))
        return texts.str.contains(pattern).fill_null(False)

    return text.map_batches(each, return_dtype=pl.Boolean(), is_elementwise=True)


def _bytes(texts: pl.Series) -> npt.NDArray[np.uint8]:
    return np.frombuffer(texts.str.join("").cast(pl.Binary)[0], np.uint8)
