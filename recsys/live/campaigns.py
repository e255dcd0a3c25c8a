"""Campaigns that were put while serving, as rows of the live log: of each id what was put last."""

from __future__ import annotations

from typing import NamedTuple

import msgspec

from recsys.live.driver import Driver
from recsys.settings.campaigns import Campaign

MAX_CAMPAIGNS = 10_000
"""Most campaigns that a shop keeps."""
_PUT = """INSERT INTO campaigns (seq, campaign_id, campaign, received_at) VALUES (?, ?, ?, ?)
ON CONFLICT (campaign_id) DO UPDATE SET seq = excluded.seq, campaign = excluded.campaign, received_at = excluded.received_at"""
_OF = "SELECT campaign FROM campaigns WHERE campaign_id = ? AND campaign IS NOT NULL"
_COUNT = "SELECT count(*) FROM campaigns WHERE campaign IS NOT NULL"
_CHANGES = "SELECT seq, campaign_id, campaign FROM campaigns WHERE seq > ? ORDER BY seq"
_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(Campaign).decode


class CampaignChange(NamedTuple):
    """A campaign as it was put; None: it was removed."""

    seq: int
    campaign_id: str
    campaign: Campaign | None


class StoredCampaigns:
    """The campaigns of a live log; what a call wrote is durable when it returns. Whatever fails is a StateError.

    One that was removed leaves its row, without what it did, so that every worker hears of it.
    """

    def __init__(self, log: Driver) -> None:
        self._log = log

    def put(self, campaign_id: str, campaign: Campaign, received_at: int) -> bool | None:
        """Write a campaign instead of what there was; True: there was none of the id, None: there are too many, nothing is written."""
        with self._log.writing() as log:
            is_new = not log.read(_OF, campaign_id)
            if is_new and log.read(_COUNT)[0][0] >= MAX_CAMPAIGNS:
                return None
            log.add(_PUT, campaign_id, _encode(campaign), received_at)
        return is_new

    def remove(self, campaign_id: str, received_at: int) -> Campaign | None:
        """Remove a campaign; returns what there was."""
        if self.of(campaign_id) is None:
            return None
        with self._log.writing() as log:
            found = log.read(_OF, campaign_id)
            if found:
                log.add(_PUT, campaign_id, None, received_at)
        return _read(found[0][0]) if found else None

    def of(self, campaign_id: str) -> Campaign | None:
        """Look a campaign up; None: there is none."""
        found = self._log.read(_OF, campaign_id)
        return _read(found[0][0]) if found else None

    def changes(self, after: int) -> list[CampaignChange]:
        """Return what was put and removed with seq > `after`, the last of each id, by seq."""
        rows = self._log.read(_CHANGES, after)
        return [CampaignChange(seq, name, None if body is None else _read(body)) for seq, name, body in rows]
