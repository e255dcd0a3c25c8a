"""Campaigns, in a table of their own."""

from __future__ import annotations

import msgspec

from recsys.live.campaigns import MAX_CAMPAIGNS, CampaignChange, StoredCampaigns
from recsys.live.postgres.database import Database
from recsys.settings.campaigns import Campaign

_PUT = """INSERT INTO campaigns (seq, campaign_id, campaign, received_at) VALUES (%s, %s, %s, %s)
ON CONFLICT (campaign_id) DO UPDATE SET seq = excluded.seq, campaign = excluded.campaign, received_at = excluded.received_at"""
_OF = "SELECT campaign FROM campaigns WHERE campaign_id = %s AND campaign IS NOT NULL"
_COUNT = "SELECT count(*) FROM campaigns WHERE campaign IS NOT NULL"
_CHANGES = "SELECT seq, campaign_id, campaign FROM campaigns WHERE seq > %s ORDER BY seq"
_encode = msgspec.json.Encoder().encode
_read = msgspec.json.Decoder(Campaign).decode


class PostgresCampaigns(StoredCampaigns):
    """The table `campaigns`; one that was removed leaves its row, without what it did, so that every worker hears of it."""

    def __init__(self, log: Database) -> None:
        self._log = log

    def put(self, campaign_id: str, campaign: Campaign, received_at: int) -> bool | None:
        with self._log.writing() as log:
            is_new = not log.read(_OF, campaign_id)
            if is_new and log.read(_COUNT)[0][0] >= MAX_CAMPAIGNS:
                return None
            log.add(_PUT, campaign_id, _encode(campaign), received_at)
        return is_new

    def remove(self, campaign_id: str, received_at: int) -> Campaign | None:
        if self.of(campaign_id) is None:
            return None
        with self._log.writing() as log:
            found = log.read(_OF, campaign_id)
            if found:
                log.add(_PUT, campaign_id, None, received_at)
        return _read(found[0][0]) if found else None

    def of(self, campaign_id: str) -> Campaign | None:
        found = self._log.read(_OF, campaign_id)
        return _read(found[0][0]) if found else None

    def changes(self, after: int) -> list[CampaignChange]:
        rows = self._log.read(_CHANGES, after)
        return [CampaignChange(seq, name, None if body is None else _read(body)) for seq, name, body in rows]
