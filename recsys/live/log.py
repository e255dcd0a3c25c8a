"""The live log as the service and the job ask it: events, identity links, item updates, tombstones, and what hangs on them.

Every process of the shop may read and write; a call that wrote is durable when it returns, whole or not at all. Rows of all kinds are
numbered by one sequence `seq` in the order of their commit. Times are int64 microseconds since 1970 UTC.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager
from typing import NamedTuple

from recsys.live.campaigns import StoredCampaigns
from recsys.live.erasure import Erased, Tombstone
from recsys.live.experiments import ExperimentLog
from recsys.live.item_changes import ItemChanges, Standing
from recsys.live.moments import MomentLog
from recsys.live.pinned_slates import PinnedSlates
from recsys.types import Event, ItemUpdate, Link

BATCH = 50_000
"""Most events that one step of `events_between` holds."""


class LiveEvent(NamedTuple):
    """Fields of a live event that an answer reads; `event_type` is the code."""

    seq: int
    timestamp: int
    event_type: int
    item_id: str | None
    order_id: str | None
    quantity: float | None
    price: float | None
    currency: str | None = None


class Active(NamedTuple):
    """A shopper did something: the time of the latest event in microseconds, and whether there was a purchase or refund."""

    user_id: str
    at: int
    ordered: bool


class SharedRow(NamedTuple):
    """A row that concerns everybody, with its number and when it was received."""

    seq: int
    received_at: int
    row: Link | ItemUpdate | Tombstone


class EventLog(ABC):
    """The live log; each database has its own. Until something is written every read answers nothing.

    Whatever fails is a StateError that names the database.
    """

    pins: PinnedSlates
    item_changes: ItemChanges
    moments: MomentLog
    experiments: ExperimentLog
    campaigns: StoredCampaigns

    @property
    @abstractmethod
    def name(self) -> str:
        """Return where it is, for people."""

    # --- writing

    @abstractmethod
    def add_events(self, events: Sequence[Event], received_at: int) -> list[bool]:
        """Write events; False where an event_id is in the log or came earlier in this call."""

    @abstractmethod
    def add_links(self, links: Sequence[Link], received_at: int) -> None:
        """Write identities."""

    @abstractmethod
    def linking(self) -> AbstractContextManager[None]:
        """Keep every other process from `linking` inside a `with`: links stay as they are between a look at them and `add_links`."""

    @abstractmethod
    def add_items(self, updates: Sequence[ItemUpdate], received_at: int, standing: Standing | None = None) -> None:
        """Write item updates, with what they change for shoppers as far as a standing tells."""

    @abstractmethod
    def forget(self, erased: Sequence[Erased], at: int) -> dict[str, int]:
        """Write a tombstone per erased id, which ends at `at` at the latest, and delete what the log has of the ids in their periods,
        in one transaction; counts what was deleted, by kind."""

    @abstractmethod
    def reach(self, seq: int) -> None:
        """Number what comes from now on above `seq`: a log that was lost, or put back from a backup, ends below what a snapshot has
        folded in, and what it would number again would not be seen."""

    # --- what everybody reads

    @abstractmethod
    def version(self) -> tuple[int, int]:
        """Tell commits apart: another pair after any commit of any process; (0, 0) before the first."""

    @abstractmethod
    def last(self) -> int:
        """The newest row's number, also when rows were deleted since; 0 if nothing was ever written."""

    @abstractmethod
    def reading(self) -> AbstractContextManager[None]:
        """Have all reads of this thread inside a `with` see the same moment of the log; it cannot write there."""

    @abstractmethod
    def news(self, after: int) -> list[SharedRow]:
        """Links, item updates and tombstones with seq > `after`, by seq."""

    @abstractmethod
    def newest(self, after: int) -> int | None:
        """Time of the latest event with seq > `after`; looks at each of them, so ask for what you have not seen yet."""

    @abstractmethod
    def tombstones(self) -> list[Tombstone]:
        """Every erased subject once for each beginning of a period, with the last end."""

    # --- shoppers

    @abstractmethod
    def events_of(self, user_id: str, after: int, max_n: int) -> list[LiveEvent]:
        """Return what one shopper did with seq > `after`, oldest first by (timestamp, seq): the newest `max_n` events, and as many
        older purchases and refunds. Impressions and clicks are not among them."""

    @abstractmethod
    def impressions_of(self, user_id: str, max_n: int) -> list[tuple[str, int, bool]]:
        """The items that one shopper was shown, and those clicked (true), with the moment of each (microseconds): the newest ones that
        the log holds."""

    @abstractmethod
    def active(self, after: int, until: int) -> list[Active]:
        """Find who did something with `after` < seq ≤ `until`, impressions and clicks aside;
        looks at each event, so ask for new ones."""

    @abstractmethod
    def interested(self, item_ids: Sequence[str], after: int) -> list[str]:
        """Find who viewed or carted one of these items with seq > `after`."""

    @abstractmethod
    def subjects(self, after: int, max_n: int) -> list[str]:
        """Under which ids events with seq > `after` were written, at most so many, some of them repeatedly."""

    # --- the job

    @abstractmethod
    def events_between(self, after: int, until: int) -> Iterator[list[tuple[int, int, Event]]]:
        """Events with `after` < seq ≤ `until` by seq, as (seq, received_at, event) in batches of at most `BATCH`."""

    @abstractmethod
    def links(self, until: int) -> list[tuple[int, int, Link]]:
        """All links with seq ≤ `until` by seq, as (seq, received_at, link)."""

    @abstractmethod
    def item_updates(self, until: int) -> list[tuple[int, int, ItemUpdate]]:
        """All item updates with seq ≤ `until` by seq, as (seq, received_at, update)."""

    @abstractmethod
    def count_events(self) -> int:
        """Return how many events the log holds."""

    @abstractmethod
    def drop_events(self, until_seq: int) -> int:
        """Delete the events with seq ≤ `until_seq`, from the oldest on, in steps after which others may write; returns how many.

        A process that is stopped in between has deleted the oldest.
        """

    @abstractmethod
    def drop_superseded_items(self, until_seq: int | None = None) -> int:
        """Delete the item updates whose every value a later one with seq ≤ `until_seq` replaces; returns how many."""

    @abstractmethod
    def close(self) -> None:
        """Close what this process opened; the next call opens it again."""
