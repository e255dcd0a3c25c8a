"""Logged slates: what was asked, what was known and what was answered, kept so that any of them can be answered again.

They stand beside the live log, bounded by number: the oldest go first.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from typing import TypeAlias

import msgspec

from recsys.live.erasure import Tombstones
from recsys.settings import ProfileSettings
from recsys.settings.campaigns import Campaign
from recsys.settings.placements import BlendSettings, Placement
from recsys.types import Assignment, Query

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
    """Those whose span held the moment, on its placement."""
    history: tuple[LoggedEvent, ...]
    sha256: str
    """Of the slate's JSON."""
    experiments: tuple[Assignment, ...] = ()
    blend: BlendSettings | None = None
    """The weights that arms of experiments changed; None: none did."""
    strategy: str = ""
    shown: tuple[tuple[str, str], ...] = ()
    """Each item with the recommender that spoke most for it, in order."""


def is_erased(slate: LoggedSlate, erased: Tombstones) -> bool:
    """Tell whether tombstones cover when a slate was asked for or answered, or anything in the history that it was made from."""
    spans = [] if slate.user_id is None else erased.spans(slate.user_id)
    moments = (slate.query.now, slate.answered_at, *(event.timestamp for event in slate.history)) if spans else ()
    return any(since <= moment <= until for since, until in spans for moment in moments)


class SlateLog(ABC):
    """The logged slates; each database has its own. Whatever fails is a StateError that names the database."""

    @abstractmethod
    def write(self, slates: Sequence[LoggedSlate]) -> None:
        """Write slates down; of one id the first stays, and those that are erased by now are left out."""

    @abstractmethod
    def read(self, recommendation_id: str) -> LoggedSlate:
        """Find a slate by its id.

        Raises:
            DataError: if it was not logged, or is no longer there.
        """

    @abstractmethod
    def newest(self, max_n: int) -> list[LoggedSlate]:
        """The slates logged last, newest first."""

    @abstractmethod
    def forget(self, user_ids: Sequence[str] | None = None) -> int:
        """Delete the slates that are erased, of some users or of all; returns how many."""

    @abstractmethod
    def close(self) -> None:
        """Close what this process opened; the next call opens it again."""
