"""Identity links: the periods in which anonymous ids belong to known users, from the snapshot and from live links.

An anonymous id belongs to the latest link at an event's time; what it did before its first link belongs to that first user.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from itertools import pairwise
from typing import TYPE_CHECKING, NamedTuple, cast

import numpy as np
from numpy.typing import NDArray

from recsys.snapshot.id_index import IdMap, id_arrays
from recsys.types import Arrays, Link, Rows

if TYPE_CHECKING:
    import polars as pl

FOREVER = np.iinfo(np.int64)
"""Its smallest number stands for "since ever", its largest for "until now"."""


class Period(NamedTuple):
    """An anonymous id belongs to a user for times since ≤ t < until (microseconds)."""

    anonymous_id: str
    user_id: str
    since: int
    until: int

    def holds(self, moment: int) -> bool:
        """Tell whether a moment is in the period."""
        return self.since <= moment < self.until


class Span(NamedTuple):
    """The times since ≤ t ≤ until (microseconds)."""

    since: int
    until: int


class Links:
    """The links of a snapshot, memory-mapped, and who is a known user."""

    def __init__(self, arrays: Arrays) -> None:
        self._known = IdMap(arrays, "known")
        self._anonymous = IdMap(arrays, "anonymous")
        self._offsets = np.ascontiguousarray(arrays["offsets"], np.int64).data
        self._owners = cast(Rows, arrays["owners"])
        self._times = cast(NDArray[np.int64], arrays["times"])
        self._owned_offsets = np.ascontiguousarray(arrays["owned_offsets"], np.int64).data
        self._owned = cast(Rows, arrays["owned"])

    def is_known(self, user_id: str) -> bool:
        """Tell whether it is a known user's id, to which anonymous ids may be linked, and which is none itself."""
        return self._known.row(user_id) >= 0

    def of(self, anonymous_id: str) -> list[Link]:
        """The links of an anonymous id, oldest first."""
        row = self._anonymous.row(anonymous_id)
        if row < 0:
            return []
        part = range(self._offsets[row], self._offsets[row + 1])
        return [Link(anonymous_id, self._known.text(int(self._owners[at])), int(self._times[at])) for at in part]

    def anonymous_ids(self, user_id: str, max_n: int | None = None) -> list[str]:
        """The anonymous ids that were ever linked to a user, by their latest link to the user; of more than `max_n` those last."""
        row = self._known.row(user_id)
        if row < 0:
            return []
        part = self._owned[self._owned_offsets[row] : self._owned_offsets[row + 1]]
        return [self._anonymous.text(row) for row in part[-max_n if max_n else None :].tolist()]


def link_arrays(links: pl.DataFrame, known_ids: pl.Series) -> Arrays:
    """Lay links (anonymous_id, user_id, timestamp in microseconds) and the known users' ids out as the arrays of `Links`."""
    ordered = links.select("anonymous_id", "timestamp", "user_id").unique().sort("anonymous_id", "timestamp", "user_id")
    users = known_ids.alias("user_id").to_frame().vstack(ordered.select("user_id"))
    known = users.unique().sort("user_id").with_row_index("owner")
    anonymous = ordered["anonymous_id"].unique(maintain_order=True)
    ordered = ordered.with_columns(ordered["anonymous_id"].rle_id().alias("place"))
    ordered = ordered.join(known, on="user_id", how="left", maintain_order="left")
    pairs = ordered.unique(["owner", "place"], keep="last", maintain_order=True).sort("owner", "timestamp", "place")
    return {
        **id_arrays(known["user_id"].to_list(), "known"),
        **id_arrays(anonymous.to_list(), "anonymous"),
        "offsets": np.searchsorted(ordered["place"].to_numpy(), np.arange(len(anonymous) + 1)).astype(np.int64),
        "owners": ordered["owner"].to_numpy().astype(np.int32),
        "times": ordered["timestamp"].to_numpy().astype(np.int64),
        "owned_offsets": np.searchsorted(pairs["owner"].to_numpy(), np.arange(len(known) + 1)).astype(np.int64),
        "owned": pairs["place"].to_numpy().astype(np.int32),
    }


def periods(links: Sequence[Link], ends: Iterable[int] = ()) -> list[Period]:
    """Find who one anonymous id belongs to, from when until when; of links at the same moment the last user id counts.

    From each of `ends` (microseconds) on it belongs to nobody, until the next link.
    """
    owners: dict[int, str | None] = {
        link.timestamp: link.user_id for link in sorted(links, key=lambda link: (link.timestamp, link.user_id))
    }
    owners |= dict.fromkeys(ends)
    moments = sorted(owners)
    bounds = pairwise([int(FOREVER.min), *moments[1:], int(FOREVER.max)] if moments else [])
    owned = [(owners[moment], *bound) for moment, bound in zip(moments, bounds, strict=True)]
    return [Period(links[0].anonymous_id, owner, since, until) for owner, since, until in owned if owner is not None]


def joined(spans: Iterable[Span]) -> list[Span]:
    """Spans in order, those that overlap or touch as one."""
    found: list[Span] = []
    for span in sorted(spans):
        if found and span.since <= found[-1].until + 1:
            found[-1] = Span(found[-1].since, max(found[-1].until, span.until))
        else:
            found.append(span)
    return found


def always(user_id: str) -> Period:
    """An id as its own user's, for ever."""
    return Period(user_id, user_id, int(FOREVER.min), int(FOREVER.max))


def without(period: Period, spans: Iterable[Span]) -> list[Period]:
    """Return what is left of a period without spans, which are in order."""
    left = []
    for span in spans:
        if period.since < min(span.since, period.until):
            left.append(period._replace(until=min(span.since, period.until)))
        period = period._replace(since=max(period.since, span.until + 1))
    return [*left, period] if period.since < period.until else left
