"""Campaigns in the live log: what was put last stands, for every process, and what was removed is heard of."""

from __future__ import annotations

import msgspec
import pytest

from recsys.live import campaigns as live_campaigns
from recsys.live.log import EventLog
from recsys.settings.campaigns import Campaign
from recsys.types import ChangedMeanwhileError

RECEIVED = 1_000_000


def campaign(place: int) -> Campaign:
    """A campaign that pins an item to a place."""
    actions = [{"pin": {"item_id": "sofa-1", "place": place}}]
    body = {"placements": ["home"], "from": "2026-01-01T00:00:00+02:00", "actions": actions}
    return msgspec.convert(body, Campaign)


def test_what_was_put_last_stands(state: EventLog, other: EventLog) -> None:
    """For every process, the moment with its zone included."""
    assert state.campaigns.of("autumn") is None
    assert state.campaigns.put("autumn", campaign(1), RECEIVED) is True
    assert state.campaigns.put("autumn", campaign(2), RECEIVED) is False
    assert other.campaigns.of("autumn") == campaign(2)
    assert other.version() != (0, 0)


def test_changes_are_told_once_by_number(state: EventLog, other: EventLog) -> None:
    """Of each id the last one; a removed one as nothing."""
    state.campaigns.put("a", campaign(1), RECEIVED)
    state.campaigns.put("b", campaign(1), RECEIVED)
    seen = [(each.campaign_id, each.campaign) for each in other.campaigns.changes(0)]
    assert seen == [("a", campaign(1)), ("b", campaign(1))]
    last = other.campaigns.changes(0)[-1].seq
    state.campaigns.put("a", campaign(3), RECEIVED)
    assert state.campaigns.remove("b", RECEIVED) == campaign(1)
    assert state.campaigns.remove("b", RECEIVED) is None
    assert [(each.campaign_id, each.campaign) for each in other.campaigns.changes(last)] == [("a", campaign(3)), ("b", None)]
    assert other.campaigns.of("b") is None
    assert other.campaigns.changes(state.last()) == []


def test_there_is_room_for_so_many(state: EventLog, monkeypatch: pytest.MonkeyPatch) -> None:
    """One more is not written; another version of one that is there is."""
    monkeypatch.setattr(live_campaigns, "MAX_CAMPAIGNS", 2)
    for name in ("a", "b"):
        state.campaigns.put(name, campaign(1), RECEIVED)
    assert state.campaigns.put("c", campaign(1), RECEIVED) is None
    assert state.campaigns.put("a", campaign(2), RECEIVED) is False
    assert state.campaigns.of("c") is None


def test_a_change_of_another_revision_is_refused(state: EventLog, other: EventLog) -> None:
    """Of two editors who read the same one, the first one's change stands; who made it is noted."""
    state.campaigns.put("autumn", campaign(1), RECEIVED, "key a")
    read = other.campaigns.find("autumn")
    assert read is not None
    assert (read.put_by, read.put_at) == ("key a", RECEIVED)
    assert state.campaigns.put("autumn", campaign(2), RECEIVED, "key a", read.seq) is False
    with pytest.raises(ChangedMeanwhileError, match=f"changed since revision {read.seq}: it is at revision {read.seq + 1}"):
        other.campaigns.put("autumn", campaign(3), RECEIVED, "key b", read.seq)
    with pytest.raises(ChangedMeanwhileError):
        other.campaigns.remove("autumn", RECEIVED, "key b", read.seq)
    assert state.campaigns.of("autumn") == campaign(2)
    assert state.campaigns.remove("autumn", RECEIVED, "key b", read.seq + 1) == campaign(2)
    with pytest.raises(ChangedMeanwhileError, match="there is none any more"):
        other.campaigns.put("autumn", campaign(3), RECEIVED, "key b", read.seq + 1)
