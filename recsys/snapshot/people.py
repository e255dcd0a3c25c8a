"""People in a snapshot: locale, time zone, birthday and consents from the shop's user table."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from functools import lru_cache, partial
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from recsys.snapshot.id_index import IdMap, Texts, blob_arrays, id_arrays
from recsys.types import CHANNELS, Arrays, Mask, Rows

if TYPE_CHECKING:
    import polars as pl


class Person(NamedTuple):
    """One person: `birthday` is (month, day), `channels` those with a consent, in the order of `CHANNELS`."""

    locale: str | None = None
    timezone: str | None = None
    birthday: tuple[int, int] | None = None
    channels: tuple[str, ...] = ()


LOCALES_KEPT = 16_384
"""Most people whose locale a worker keeps at hand, for the next list of a page and the next page."""
_CONSENTED = (1 << len(CHANNELS)) - 1
NOBODY = Person()
"""Somebody of whom the table says nothing."""


class People:
    """The user table of a snapshot, memory-mapped.

    Arrays: the ids · `locale`, `timezone` int16[p] rows of their texts (-1: none) · `birthday` int16[p] month · 100 + day (0: none) ·
    `consents` uint8[p] a bit per channel that they consent to, in the order of `CHANNELS`, and above them one per channel refused.
    """

    def __init__(self, arrays: Arrays) -> None:
        self.users = users = IdMap(arrays, "user")
        self._locale, self._timezone = cast(Rows, arrays["locale"]), cast(Rows, arrays["timezone"])
        self._locales, self._timezones = Texts(arrays, "locales"), Texts(arrays, "timezones")
        self.birthday = cast(NDArray[np.int16], arrays["birthday"])
        self._consents = cast(NDArray[np.uint8], arrays["consents"])
        self.locale_of: Callable[[str], str | None] = lru_cache(LOCALES_KEPT)(
            partial(_locale_of, users, self._locale, self._locales)
        )
        """Of a user's id, the locale; None: it is not known. Kept without holding these people, who stay mapped as long as held."""

    def __len__(self) -> int:
        return len(self.users)

    @property
    def consented(self) -> Mask:
        """Tell whether each consents to any channel, bool[p]."""
        return (self._consents & _CONSENTED) > 0

    @property
    def silent(self) -> Mask:
        """Tell whether nothing is said of any consent of theirs, bool[p]."""
        silent: Mask = self._consents == 0
        return silent

    def by_timezone(self, otherwise: str) -> Iterator[tuple[str, Mask]]:
        """Every time zone with its people, bool[p]; those whose own is not known have the one given."""
        yield otherwise, self._timezone < 0
        for row in range(len(self._timezones)):
            yield self._timezones[row].decode(), self._timezone == row

    def of(self, user_id: str) -> Person:
        """Return what is known of a user; `NOBODY` where the table does not have the id."""
        row = self.users.row(user_id)
        if row < 0:
            return NOBODY
        day, bits = int(self.birthday[row]), int(self._consents[row])
        return Person(
            locale=_text(self._locales, int(self._locale[row])),
            timezone=_text(self._timezones, int(self._timezone[row])),
            birthday=divmod(day, 100) if day else None,
            channels=tuple(name for bit, name in enumerate(CHANNELS) if bits >> bit & 1),
        )


def people_arrays(users: pl.DataFrame) -> Arrays:
    """Lay the canonical user table out as the arrays of `People`."""
    locales, locale = _coded(users["locale"])
    timezones, timezone = _coded(users["timezone"])
    birthday = users["birthday"].dt
    consents = np.zeros(users.height, np.uint8)
    for bit, name in enumerate(CHANNELS):
        answers = users[f"consent_{name}"]
        consents |= answers.fill_null(False).to_numpy().astype(np.uint8) << bit
        consents |= (~answers).fill_null(False).to_numpy().astype(np.uint8) << (bit + len(CHANNELS))
    return {
        **id_arrays(users["user_id"].to_list(), "user"),
        **blob_arrays(locales, "locales"),
        **blob_arrays(timezones, "timezones"),
        "locale": locale,
        "timezone": timezone,
        "birthday": (birthday.month().cast(int) * 100 + birthday.day()).fill_null(0).to_numpy().astype(np.int16),
        "consents": consents,
    }


def _locale_of(users: IdMap, locale: Rows, locales: Texts, user_id: str) -> str | None:
    row = users.row(user_id) if len(users) else -1
    return None if row < 0 else _text(locales, int(locale[row]))


def _text(texts: Texts, row: int) -> str | None:
    return texts[row].decode() if row >= 0 else None


def _coded(values: pl.Series) -> tuple[list[bytes], NDArray[np.int16]]:
    """The distinct texts, and each value's place among them; what comes after as many as int16 counts is taken as not said."""
    distinct = sorted(filter(None, values.unique().to_list()))[: np.iinfo(np.int16).max]
    codes = values.replace_strict(distinct, range(len(distinct)), default=-1).fill_null(-1)
    return [value.encode() for value in distinct], codes.to_numpy().astype(np.int16)
