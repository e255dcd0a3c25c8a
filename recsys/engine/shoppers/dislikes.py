"""Dislikes as answers mind them: what a shopper said no to under any of the person's ids, as of a moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence

import msgspec

from recsys.live.dislikes import MAX_DISLIKES, Dislike, Dislikes
from recsys.snapshot.identity_links import Period
from recsys.types import Query

SHOPPERS_KEPT = 20_000
"""Most shoppers whose dislikes a worker keeps at hand."""
MAX_IDS = 100
"""Most ids of one person under which dislikes are looked for."""


class KnownDislikes:
    """The dislikes of shoppers, read when they are asked for; a shop where nobody ever said one reads nothing."""

    def __init__(self, stored: Dislikes) -> None:
        self._stored, self._newest = stored, 0
        self._kept: dict[str, tuple[Dislike, ...]] = {}
        self._lock = threading.Lock()

    def take(self, newest: int) -> None:
        """Take in the number of the last one that was written."""
        if newest != self._newest:
            self._newest = newest
            self.clear()

    def clear(self) -> None:
        """Keep nothing: somebody said something, or ids changed hands."""
        with self._lock:
            self._kept = {}

    def __bool__(self) -> bool:
        """Tell whether anybody ever said one."""
        return self._newest > 0

    def of(self, user_id: str, periods_of: Callable[[str], Sequence[Period]]) -> tuple[Dislike, ...]:
        """Return what a person said under ids that were the person's, while they were; of too many ids `MAX_IDS`."""
        if not self:
            return ()
        kept = self._kept
        if (found := kept.get(user_id)) is None:
            found = self._read(periods_of(user_id)[:MAX_IDS])
            with self._lock:
                if len(kept) >= SHOPPERS_KEPT:
                    kept.clear()
                kept[user_id] = found
        return found

    def kept(self, user_id: str) -> tuple[Dislike, ...] | None:
        """Return a person's as far as they are at hand, without reading anything; None: they have to be read."""
        return self._kept.get(user_id) if self else ()

    def _read(self, periods: Sequence[Period]) -> tuple[Dislike, ...]:
        said = self._stored.of(list(dict.fromkeys(each.anonymous_id for each in periods)))
        owned = {(each.anonymous_id, each.since, each.until) for each in periods}
        return tuple(
            each
            for each in said
            if any(each.user_id == some_id and since <= each.at < until for some_id, since, until in owned)
        )


def held_dislikes(said: Sequence[Dislike], now: int) -> list[Dislike]:
    """Dislikes that were not taken back, as of a moment (microseconds): the latest first, `MAX_DISLIKES` at most."""
    last: dict[tuple[str, str], Dislike] = {}
    for each in said:
        key = (each.hides, each.value)
        if each.at <= now and (key not in last or each.at >= last[key].at):
            last[key] = each
    return sorted((each for each in last.values() if now < each.until), key=lambda each: -each.at)[:MAX_DISLIKES]


def with_dislikes(query: Query, said: Sequence[Dislike]) -> Query:
    """A query with what its shopper said no to and did not take back, as of its moment."""
    held = held_dislikes(said, query.now)
    if not held:
        return query
    return msgspec.structs.replace(query, disliked=tuple(sorted((each.hides, each.value) for each in held)))
