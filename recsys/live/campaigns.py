"""Campaigns that were put while serving, as rows of the live log: of each id what was put last."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import NamedTuple

from recsys.settings.campaigns import Campaign

MAX_CAMPAIGNS = 10_000
"""Most campaigns that a shop keeps."""


class CampaignChange(NamedTuple):
    """A campaign as it was put; None: it was removed."""

    seq: int
    campaign_id: str
    campaign: Campaign | None


class StoredCampaigns(ABC):
    """The campaigns of a live log; what a call wrote is durable when it returns. Whatever fails is a StateError."""

    @abstractmethod
    def put(self, campaign_id: str, campaign: Campaign, received_at: int) -> bool | None:
        """Write a campaign instead of what there was; True: there was none of the id, None: there are too many, nothing is written."""

    @abstractmethod
    def remove(self, campaign_id: str, received_at: int) -> Campaign | None:
        """Remove a campaign; returns what there was."""

    @abstractmethod
    def of(self, campaign_id: str) -> Campaign | None:
        """Look a campaign up; None: there is none."""

    @abstractmethod
    def changes(self, after: int) -> list[CampaignChange]:
        """Return what was put and removed with seq > `after`, the last of each id, by seq."""
