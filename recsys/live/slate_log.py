"""Logged slates: what was asked, what was known and what was answered, kept so that any of them can be answered again.

They stand beside the live log, bounded by number: the oldest go first.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import TypeAlias

import msgspec

from recsys.live.driver import Driver, Transaction
from recsys.live.erasure import Tombstones
from recsys.settings import ProfileSettings
from recsys.settings.campaigns import Campaign
from recsys.settings.placements import BlendSettings, Placement
from recsys.snapshot.identity_links import Span
from recsys.types import Assignment, DataError, Query

_ADD = """INSERT INTO logged_slates (seq, recommendation_id, user_id, answered_at, slate) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (recommendation_id) DO NOTHING"""
_BOUND = "DELETE FROM logged_slates WHERE seq <= (SELECT max(seq) FROM logged_slates) - ?"
_BY_ID = "SELECT slate FROM logged_slates WHERE recommendation_id = ?"
_NEWEST = "SELECT slate FROM logged_slates ORDER BY seq DESC LIMIT ?"
_PAGE = "SELECT seq, slate FROM logged_slates WHERE seq > ? ORDER BY seq LIMIT ?"
_PAGE_ROWS = 500
_USERS = "SELECT DISTINCT user_id FROM logged_slates WHERE user_id IS NOT NULL"
_OF_USER = "SELECT seq, slate FROM logged_slates WHERE user_id = ?"
_DROP = "DELETE FROM logged_slates WHERE seq = ANY(?)"

TombstonesNow: TypeAlias = Callable[[], Tombstones]
"""Reads the tombstones as they are now."""


class LoggedEvent(msgspec.Struct, frozen=True, array_like=True):
    """One event of the history that was used; item None: none, or one unknown to the snapshot."""

    item_id: str | None
    kind: int
    timestamp: int
    order: int
    order_id: int
    quantity: float | None
    price: float | None


class Beside(msgspec.Struct, frozen=True, omit_defaults=True):
    """Second ranking of an interleaved list: its placement, blend and arm, and which ranking picked each item, 0 or 1."""

    placement: Placement
    blend: BlendSettings
    teams: tuple[int, ...]
    experiments: tuple[Assignment, ...] = ()
    """None: those of the first."""


class LoggedSlate(msgspec.Struct, frozen=True, kw_only=True, omit_defaults=True):
    """All that a slate was made from, in ids: rows never leave a snapshot."""

    recommendation_id: str
    answered_at: int
    user_id: str | None
    snapshot: str
    items_sequence: int
    """The last item update of the log that was taken in; 0: none."""
    query: Query
    placements: Mapping[str, Placement]
    profile: ProfileSettings
    campaigns: Mapping[str, Campaign] = {}
    """Those whose span held the moment, on its placement; also those that its placement, or an arm, turned off."""
    history: tuple[LoggedEvent, ...]
    sha256: str
    """Of the slate's JSON."""
    experiments: tuple[Assignment, ...] = ()
    blend: BlendSettings | None = None
    """The weights that arms of experiments changed; None: none did."""
    strategy: str = ""
    shown: tuple[tuple[str, str], ...] = ()
    """Each item with the recommender that spoke most for it, in order."""
    propensities: tuple[float, ...] = ()
    """Chances of the items of the first places to stand there, where exploration drew them."""
    beside: Beside | None = None
    """The ranking that this one was interleaved with."""
    notices: tuple[str, ...] = ()
    """Why an arm did not answer."""

    @property
    def campaigns_on(self) -> tuple[str, ...]:
        """The names of the campaigns that its placement, as an arm has it, did not turn off."""
        placement = self.placements.get(self.query.placement)
        return tuple(self.campaigns) if placement is None else placement.campaigns_on(tuple(self.campaigns))

    @property
    def lines(self) -> frozenset[str]:
        """The versions of other snapshots that ranked."""
        arms = (*self.experiments, *(self.beside.experiments if self.beside else ()))
        return frozenset(each.snapshot for each in arms if each.snapshot is not None)


class SlateHead(msgspec.Struct, frozen=True):
    """Beginning of a logged slate: what tells whether it is of use, without the history that it was made from."""

    recommendation_id: str
    snapshot: str
    items_sequence: int
    query: Query
    propensities: tuple[float, ...] = ()
    experiments: tuple[Assignment, ...] = ()
    shown: tuple[tuple[str, str], ...] = ()
    beside: Beside | None = None


def is_erased(slate: LoggedSlate, erased: Tombstones) -> bool:
    """Tell whether tombstones cover when a slate was asked for or answered, or anything in the history that it was made from."""
    spans = [] if slate.user_id is None else erased.spans(slate.user_id)
    moments = (slate.query.now, slate.answered_at, *(event.timestamp for event in slate.history)) if spans else ()
    return any(since <= moment <= until for since, until in spans for moment in moments)


class SlateLog:
    """The logged slates, at most `max_n`. Every failure is a StateError that names the database."""

    def __init__(self, log: Driver, max_n: int, tombstones: TombstonesNow) -> None:
        """`tombstones` is asked when nobody else can write: who is erased after that deletes what was written."""
        self._log, self._max_n, self._tombstones = log, max_n, tombstones

    @property
    def driver(self) -> Driver:
        """Return the database, for a copy of all its rows."""
        return self._log

    def write(self, slates: Sequence[LoggedSlate]) -> None:
        """Write slates down; of one id the first stays, and those that are erased by now are left out."""
        with self._log.writing() as log:
            erased = self._tombstones()
            for each in slates:
                if not is_erased(each, erased):
                    log.add(_ADD, each.recommendation_id, each.user_id, each.answered_at, msgspec.json.encode(each))
            log.change(_BOUND, self._max_n)

    def read(self, recommendation_id: str) -> LoggedSlate:
        """Find a slate by its id.

        Raises:
            DataError: if it was not logged, or is no longer there.
        """
        found = self._log.read(_BY_ID, recommendation_id)
        if not found:
            raise DataError(
                f"no slate {recommendation_id!r} is logged in {self._log.name}; a share of `state.slate_share` of all "
                "slates is, the oldest are dropped"
            )
        return _slate(found[0][0])

    def newest(self, max_n: int) -> list[LoggedSlate]:
        """The slates logged last, newest first."""
        return [_slate(body) for (body,) in self._log.read(_NEWEST, max_n)]

    def heads(self) -> Iterator[SlateHead]:
        """The beginnings of all slates, oldest first, of which a page at a time is held in memory."""
        seq = 0
        while page := self._log.read(_PAGE, seq, _PAGE_ROWS):
            seq = page[-1][0]
            yield from (msgspec.json.decode(body, type=SlateHead) for _, body in page)

    def forget(
        self, user_ids: Sequence[str] | None = None, beside: Mapping[str, Sequence[Span]] = MappingProxyType({})
    ) -> int:
        """Delete the slates that are erased, of some users or of all, and of users `beside` them those that knew what was done in
        periods of an erased id that was theirs; returns how many."""
        if not self._log.has_begun():
            return 0
        with self._log.writing() as log:
            erased = self._tombstones()
            chosen = [user_id for (user_id,) in log.read(_USERS)] if user_ids is None else user_ids
            gone = [seq for each in chosen if erased.spans(each) for seq in _erased(log, each, erased)]
            gone += [seq for each, spans in beside.items() for seq in _knowing(log, each, spans)]
            count = log.change(_DROP, gone) if gone else 0
        self._log.wipe()
        return count

    def close(self) -> None:
        """Close what this process opened; the next call opens it again."""
        self._log.close()


def _erased(log: Transaction, user_id: str, erased: Tombstones) -> Iterator[int]:
    return (seq for seq, body in log.read(_OF_USER, user_id) if is_erased(_slate(body), erased))


def _knowing(log: Transaction, user_id: str, spans: Sequence[Span]) -> Iterator[int]:
    """The slates of a user that were made from something that was done in periods."""
    for seq, body in log.read(_OF_USER, user_id):
        if any(since <= event.timestamp <= until for event in _slate(body).history for since, until in spans):
            yield seq


def _slate(body: bytes) -> LoggedSlate:
    return msgspec.json.decode(body, type=LoggedSlate)
