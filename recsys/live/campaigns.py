"""Campaigns that were put while serving, as rows of the live log: of each id what was put last."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

import msgspec

from recsys.live.driver import Driver, Row
from recsys.settings.campaigns import Campaign
from recsys.types import ChangedMeanwhileError

MAX_CAMPAIGNS = 10_000
"""Most campaigns that a shop keeps."""
_PUT = """INSERT INTO campaigns (seq, campaign_id, campaign, received_at, put_by) VALUES (?, ?, ?, ?, ?)
ON CONFLICT (campaign_id) DO UPDATE SET seq = excluded.seq, campaign = excluded.campaign, received_at = excluded.received_at,
put_by = excluded.put_by"""
_COLUMNS = "seq, campaign_id, campaign, received_at, put_by"
_OF = f"SELECT {_COLUMNS} FROM campaigns WHERE campaign_id = ? AND campaign IS NOT NULL"
_COUNT = "SELECT count(*) FROM campaigns WHERE campaign IS NOT NULL"
_CHANGES = f"SELECT {_COLUMNS} FROM campaigns WHERE seq > ? ORDER BY seq"
_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(Campaign).decode


class CampaignChange(NamedTuple):
    """A campaign as it was put; None: it was removed.

    `seq` is its revision, another one after each change · put_at (microseconds) and put_by: when, and by whom (empty: not noted).
    """

    seq: int
    campaign_id: str
    campaign: Campaign | None
    put_at: int = 0
    put_by: str = ""


class StoredCampaigns:
    """The campaigns of a live log; what a call wrote is durable when it returns. Every failure is a StateError.

    One that was removed leaves its row, without what it did, so that every worker hears of it.
    """

    def __init__(self, log: Driver) -> None:
        self._log = log

    def put(
        self, campaign_id: str, campaign: Campaign, received_at: int, put_by: str = "", revision: int | None = None
    ) -> bool | None:
        """Write a campaign instead of what there was; True: there was none of the id, None: there are too many, nothing is written.

        Raises:
            ChangedMeanwhileError: if a revision is given, and what there was is of another one, or gone.
        """
        with self._log.writing() as log:
            found = log.read(_OF, campaign_id)
            _check_revision(found, revision)
            if not found and log.read(_COUNT)[0][0] >= MAX_CAMPAIGNS:
                return None
            log.add(_PUT, campaign_id, _encode(campaign), received_at, put_by or None)
        return not found

    def remove(self, campaign_id: str, received_at: int, put_by: str = "", revision: int | None = None) -> Campaign | None:
        """Remove a campaign; returns what there was. Raises as `put`."""
        if self.find(campaign_id) is None:
            return None
        with self._log.writing() as log:
            found = log.read(_OF, campaign_id)
            _check_revision(found, revision)
            if found:
                log.add(_PUT, campaign_id, None, received_at, put_by or None)
        return change_of(found[0]).campaign if found else None

    def of(self, campaign_id: str) -> Campaign | None:
        """Look a campaign up; None: there is none."""
        found = self.find(campaign_id)
        return found and found.campaign

    def find(self, campaign_id: str) -> CampaignChange | None:
        """Look a campaign up, with its revision; None: there is none."""
        found = self._log.read(_OF, campaign_id)
        return change_of(found[0]) if found else None

    def changes(self, after: int) -> list[CampaignChange]:
        """Return what was put and removed with seq > `after`, the last of each id, by seq."""
        return [change_of(row) for row in self._log.read(_CHANGES, after)]


def change_of(row: Row) -> CampaignChange:
    """Read a row of number, id, campaign, and when and by whom it was put."""
    seq, name, body, put_at, put_by = row
    return CampaignChange(seq, name, None if body is None else _read(body), put_at, put_by or "")


def _check_revision(found: Sequence[Row], revision: int | None) -> None:
    if revision is not None and (not found or found[0][0] != revision):
        stands = f"it is at revision {found[0][0]} by now" if found else "there is none any more"
        raise ChangedMeanwhileError(f"the campaign was changed since revision {revision}: {stands}; read it again")
